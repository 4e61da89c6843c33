"""How many hands a corpus is of: length and words of the target side, block by block of the training text.

    python benchmarks/blocks.py RAW/train RAW/val RAW/test_2016_flickr --source en --target de \\
        --words Hemd T-Shirt Jacke während ', der ' ' und ' > table.md

Who translates has habits: a text that several translated one after the other changes where one of them begins. The
first text is cut into blocks of `--size` lines, the others are taken whole.

    length    words of the target, divided by those that the training text as a whole would have for such sources:
              the mean for a source of as many words (of the nearest that occurs in training)
    a word    how often it stands in 1,000 sentences

The table is Markdown, on standard output.
"""

from __future__ import annotations

import argparse
import bisect
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from seq2seq.errors import UserError
from seq2seq.text import read_lines

Pairs = Sequence[tuple[str, str]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", type=Path, nargs="+", help="without the ending: the training text first")
    parser.add_argument("--source", required=True, help="ending of the source side")
    parser.add_argument("--target", required=True, help="ending of the target side")
    parser.add_argument("--size", type=int, default=5000, help="lines of a block")
    parser.add_argument("--words", nargs="+", default=[], help="counted as they stand, between other letters too")
    arguments = parser.parse_args()
    if arguments.size < 1:
        parser.error(f"--size {arguments.size} is no number of lines. Give 1 or more.")
    try:
        train, *others = [_pairs(text, arguments.source, arguments.target) for text in arguments.texts]
    except UserError as error:
        parser.error(str(error))
    usual = usual_lengths(train)
    blocks = {f"{arguments.texts[0].name} {first + 1}-{min(first + arguments.size, len(train))}":
              train[first : first + arguments.size] for first in range(0, len(train), arguments.size)}
    blocks |= {text.name: pairs for text, pairs in zip(arguments.texts[1:], others, strict=True)}
    print("| lines | length |", *(f" {word.strip(' ')} |" for word in arguments.words), sep="")
    print("|---|---|", *("---|" for _ in arguments.words), sep="")
    for name, pairs in blocks.items():
        counts = (1000 * sum(target.count(word) for _, target in pairs) / len(pairs) for word in arguments.words)
        print(f"| {name} | {relative_length(pairs, usual):.3f} |", *(f" {count:.0f} |" for count in counts), sep="")


def usual_lengths(pairs: Pairs) -> dict[int, float]:
    """Of every number of source words the mean number of target words."""
    targets = defaultdict(list)
    for source, target in pairs:
        targets[len(source.split())].append(len(target.split()))
    return {length: sum(words) / len(words) for length, words in sorted(targets.items())}


def relative_length(pairs: Pairs, usual: dict[int, float]) -> float:
    """Words of the target sides over what is usual for their sources."""
    known = list(usual)

    def nearest(length: int) -> int:
        place = bisect.bisect(known, length)
        return min(known[max(place - 1, 0) : place + 1], key=lambda one: abs(one - length))

    expected = sum(usual[nearest(len(source.split()))] for source, _ in pairs)
    return sum(len(target.split()) for _, target in pairs) / expected


def _pairs(text: Path, source: str, target: str) -> Pairs:
    sides = [list(read_lines(f"{text}.{ending}")) for ending in (source, target)]
    if len(sides[0]) != len(sides[1]) or not sides[0]:
        raise UserError(f"{text}.{source} has {len(sides[0])} lines and {text}.{target} {len(sides[1])}. Give a text "
                        "whose sides are of as many lines, at least one.")
    return list(zip(*sides, strict=True))


if __name__ == "__main__":
    main()
