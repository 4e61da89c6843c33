"""Where raw sentence pairs come from: one small interface, one file per kind of source."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

Batch = tuple[list[str], list[str]]    # source lines, target lines: equally many
Shard = Callable[[], Iterator[Batch]]  # picklable; runs in a worker process; yields batches of up to BATCH_LINES lines
BATCH_LINES = 10_000
BATCH_CHARACTERS = 1 << 24  # of a side: of long lines a batch has fewer


class Source(Protocol):
    """A parallel corpus that can be read in parts, by several processes."""

    languages: tuple[str, str]  # of the source and the target side, e.g. ("en", "de")

    def splits(self) -> tuple[str, ...]:
        """The splits that are there, of "train", "valid", "test"."""
        ...

    def shards(self, split: str, count: int) -> list[Shard]:
        """At most `count` shards; read one after the other they are the split, in order."""
        ...

    def fingerprint(self) -> dict:
        """JSON-able; equal for equal input: what the manifest keeps and "unchanged input" compares."""
        ...
