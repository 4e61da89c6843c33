"""Checks a trained model on your own sentences."""

from seq2seq.commands.doctor import main

if __name__ == "__main__":
    main()
