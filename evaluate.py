"""Scores a trained model on a split of its corpus, or on two files of lines."""

from seq2seq.commands.evaluate import main

if __name__ == "__main__":
    main()
