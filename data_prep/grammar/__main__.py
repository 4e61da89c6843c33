"""Print sample pairs, tab-separated: python -m data_prep.grammar --count 20 --seed 3"""
import argparse
import sys
from random import Random

from data_prep.grammar.sentences import Sentences


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m data_prep.grammar", description="Sample sentence pairs.")
    parser.add_argument("--count", type=int, default=20, help="pairs to print")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--min-words", type=int, default=0, help="shortest English sentence to print")
    parser.add_argument("--max-words", type=int, default=60, help="longest English sentence to print")
    arguments = parser.parse_args()
    if not arguments.min_words <= arguments.max_words:
        parser.error(f"--min-words={arguments.min_words} is above --max-words={arguments.max_words}")
    sentences, printed = Sentences(Random(arguments.seed)), 0
    while printed < arguments.count:
        english, german = sentences.draw()
        if arguments.min_words <= len(english.split()) <= arguments.max_words:
            sys.stdout.buffer.write(f"{english}\t{german}\n".encode())  # UTF-8, whatever the terminal shows
            printed += 1


if __name__ == "__main__":
    main()
