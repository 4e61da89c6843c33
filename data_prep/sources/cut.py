"""Validation and test cut from the training split, when a source has none.

Every pair has a 64-bit key of its normalised text (without case, white space and punctuation), which
depends on nothing else. The pairs with the smallest keys are test and validation: so equal pairs
never stand in two splits, the cut is the same in any order of the lines, and a corpus that grows
keeps most of it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np

from data_prep import filters, keys
from data_prep.sources.base import Batch, Shard, Source
from data_prep.workers import Workers, advance
from seq2seq.errors import CorpusError

SHARE = 10  # at most one pair in so many goes to each split that is cut


@dataclasses.dataclass(frozen=True)
class _Smallest:
    """The pairs with the smallest keys, each key once: its first pair, in the order of the keys."""

    keys: np.ndarray  # (n,) uint64, rising
    rows: np.ndarray  # (n,) where the pair was read
    source: list[str]
    target: list[str]
    read: int         # pairs looked at

    @classmethod
    def of(cls, parts: list[_Smallest], size: int) -> _Smallest:
        """The `size` smallest of several; `rows` of each go on where those of the one before ended."""
        starts = np.cumsum([0] + [part.read for part in parts])
        every = np.concatenate([part.keys for part in parts])
        rows = np.concatenate([part.rows + start for part, start in zip(parts, starts[:-1], strict=True)])
        order = np.lexsort((rows, every))
        first = np.ones(len(order), dtype=bool)
        first[1:] = every[order][1:] != every[order][:-1]
        chosen = order[first][:size]
        lines = ([line for part in parts for line in part.source], [line for part in parts for line in part.target])
        source, target = ([side[i] for i in chosen] for side in lines)
        return cls(every[chosen], rows[chosen], source, target, int(starts[-1]))


@dataclasses.dataclass(frozen=True)
class _Job:
    shard: Shard
    size: int


def _smallest(job: _Job) -> _Smallest:
    best = _Smallest(np.zeros(0, np.uint64), np.zeros(0, np.int64), [], [], 0)
    for source, target in job.shard():
        found, count = _keys((source, target)), len(source)
        full = filters.empty(source, target)  # a blank side would be no use there
        rows = np.flatnonzero(full)
        rows = rows[np.argsort(found[rows], kind="stable")]
        new = _Smallest(found[rows], rows, [source[i] for i in rows], [target[i] for i in rows], count)
        best = _Smallest.of([best, new], job.size)
        advance(count)
    return best


class CutSource:
    """A source with the splits that it lacked."""

    def __init__(self, source: Source, workers: Workers, shards: int, sizes: dict[str, int]) -> None:
        """`sizes`: split to cut -> pairs. Raises CorpusError when there are too few pairs."""
        self.languages, self._source = source.languages, source
        jobs = [_Job(shard, sum(sizes.values())) for shard in source.shards("train", shards)]
        best = _Smallest.of(workers.run(_smallest, jobs, "cutting " + " and ".join(sizes)), sum(sizes.values()))
        self._cut: dict[str, _Part] = {}
        first = 0
        for split, size in sizes.items():
            last = first + min(size, max(1, best.read // SHARE))
            if last >= len(best.keys) and best.read <= last:
                raise CorpusError(f"{best.read} training pairs are too few to cut {' and '.join(sizes)} from them.")
            rows = first + np.argsort(best.rows[first:last])
            self._cut[split] = _Part(([best.source[i] for i in rows], [best.target[i] for i in rows]))
            first = last
        self._taken = np.sort(best.keys[:first])
        self.sizes = {split: len(part.batch[0]) for split, part in self._cut.items()}

    def splits(self) -> tuple[str, ...]:
        return (*self._source.splits(), *self._cut)

    def shards(self, split: str, count: int) -> list[Shard]:
        if split in self._cut:
            return [self._cut[split]]
        shards = self._source.shards(split, count)
        return [_Rest(shard, self._taken) for shard in shards] if split == "train" else shards

    def fingerprint(self) -> dict:
        return self._source.fingerprint()


@dataclasses.dataclass(frozen=True)
class _Part:
    batch: Batch

    def __call__(self) -> Iterator[Batch]:
        yield self.batch


@dataclasses.dataclass(frozen=True)
class _Rest:
    """A shard without the pairs that were taken."""

    shard: Shard
    taken: np.ndarray  # keys, rising

    def __call__(self) -> Iterator[Batch]:
        for source, target in self.shard():
            rows = np.flatnonzero(~keys.among(_keys((source, target)), self.taken)).tolist()
            yield [source[i] for i in rows], [target[i] for i in rows]


def _keys(batch: Batch) -> np.ndarray:
    return keys.pair(keys.normalised(batch[0]), keys.normalised(batch[1]))
