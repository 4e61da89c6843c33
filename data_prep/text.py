"""A split between the two passes: cleaned text in Arrow files, and which pairs of each file stay."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from data_prep import passes


@dataclasses.dataclass(frozen=True)
class Text:
    files: list[Path]
    keep: list[np.ndarray]  # for each file (pairs,) bool

    def __len__(self) -> int:
        """Pairs that stay."""
        return int(sum(mask.sum() for mask in self.keep))

    def sample(self, size: int, seed: int) -> Text:
        """`size` pairs drawn at random, in their order; all of them when there are no more."""
        if len(self) <= size:
            return self
        rows = np.flatnonzero(np.concatenate(self.keep))
        chosen = np.zeros(sum(map(len, self.keep)), dtype=bool)
        chosen[np.random.default_rng(seed).choice(rows, size, replace=False, shuffle=False)] = True
        return Text(self.files, np.split(chosen, np.cumsum([len(mask) for mask in self.keep])[:-1]))

    def lines(self, sides: Sequence[int]) -> Iterator[str]:
        """The lines of side 0 (source), 1 (target) or both, batch by batch."""
        for file, keep in zip(self.files, self.keep, strict=True):
            for batch in passes.read_text(file, keep):
                for side in sides:
                    yield from batch[side]
