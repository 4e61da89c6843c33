"""Comes by a figure that README or docs/ report: prepares, trains, evaluates, and compares."""

from seq2seq.commands.reproduce import main

if __name__ == "__main__":
    main()
