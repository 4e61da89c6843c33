"""Translates lines of text with a trained model: standard input to standard output, or file to file."""

from seq2seq.commands.translate import main

if __name__ == "__main__":
    main()
