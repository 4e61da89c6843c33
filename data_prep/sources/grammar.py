"""The embedded corpus: sentence pairs drawn from our own English-German grammar.

Splits share no sentence, although every block is drawn on its own: a checksum of the German
sentence names the split that it may stand in, and draws of another split are thrown away. German
follows from English, so that the English sides are disjoint too. Block i of a split is seeded by
(seed, split, i); the corpus does not depend on how many workers draw it.
"""
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from random import Random
from zlib import crc32

from data_prep.sources.base import BATCH_LINES, Batch, Shard

SPLITS = ("train", "valid", "test")
CLASSES = 32                                    # of 32 sentences one may be validated on, one tested on
MIN_WORDS = 3
DRAWS_PER_LINE = 10_000                         # give up rather than search for ever


@dataclass(frozen=True)
class Limits:
    """Which sentences a split takes."""

    seed: int
    max_words: int

    def block(self, split: str, index: int, count: int, seen: set[str] | None) -> Batch:
        """`count` pairs; with `seen` no German sentence twice."""
        from data_prep.grammar.sentences import Sentences  # loads its tables: only where sentences are drawn

        low, high = {"valid": (0, 1), "test": (1, 2), "train": (2, CLASSES)}[split]
        draw = Sentences(Random(f"{self.seed}/{split}/{index}")).draw
        separators = self.max_words - 1         # words are one more than the spaces between them
        sources: list[str] = []
        targets: list[str] = []
        for _ in range(count * DRAWS_PER_LINE):
            english, german = draw()
            if not low <= crc32(german.encode()) % CLASSES < high:
                continue
            if not MIN_WORDS - 1 <= english.count(" ") <= separators or german.count(" ") > separators:
                continue
            if seen is not None:
                if german in seen:
                    continue
                seen.add(german)
            sources.append(english)
            targets.append(german)
            if len(sources) == count:
                return sources, targets
        raise ValueError(f"the grammar has too few sentences of at most max_words={self.max_words} words for "
                         f"{count} lines of {split}; raise max_words or ask for fewer lines")


def draw_blocks(limits: Limits, split: str, lines: int, blocks: range) -> Iterator[Batch]:
    """The batches of a shard. Validation and test are one shard each, which repeats no sentence."""
    seen: set[str] | None = None if split == "train" else set()
    for index in blocks:
        yield limits.block(split, index, min(BATCH_LINES, lines - index * BATCH_LINES), seen)


class GrammarSource:
    """The grammar as a `Source`."""

    languages = ("en", "de")

    def __init__(self, *, train: int, valid: int, test: int, seed: int, max_words: int = 60):
        for name, value in (("train", train), ("valid", valid), ("test", test)):
            if value < 0:
                raise ValueError(f"{name}={value}: there cannot be fewer than 0 sentence pairs; use 0 or more")
        if max_words < 8:
            raise ValueError(f"max_words={max_words} leaves too few sentences; use 8 or more")
        self.lines = {"train": train, "valid": valid, "test": test}
        self.limits = Limits(seed, max_words)

    def splits(self) -> tuple[str, ...]:
        return tuple(split for split in SPLITS if self.lines[split])

    def shards(self, split: str, count: int) -> list[Shard]:
        """Ranges of blocks, one after another."""
        lines = self.lines[split]
        blocks = -(-lines // BATCH_LINES)
        shares = min(count, blocks) if split == "train" else min(1, blocks)
        bounds = [blocks * share // shares for share in range(shares + 1)] if shares else [0]
        return [partial(draw_blocks, self.limits, split, lines, range(start, stop))
                for start, stop in pairwise(bounds)]

    def fingerprint(self) -> dict:
        """Numbers of the request and a hash of the grammar itself: another grammar is another input."""
        folder = Path(__file__).parent.parent / "grammar"
        code = hashlib.sha256()
        for path in [*sorted(folder.glob("*.py")), Path(__file__)]:
            code.update(path.name.encode() + b"\0" + path.read_bytes())
        return {"kind": "grammar", "languages": list(self.languages), **self.lines, "seed": self.limits.seed,
                "max_words": self.limits.max_words, "grammar": code.hexdigest()}
