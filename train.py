"""Trains a network on a packed corpus, or continues the run that is there."""

from seq2seq.commands.train import main

if __name__ == "__main__":
    main()
