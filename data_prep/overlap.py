"""Training sentences that validation or test has too: a model that saw them scores too well.

Compared are pairs, source sides and target sides, each exactly and normalised (without case,
white space and punctuation), by the 64-bit keys of data_prep/keys.py.
"""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np

from data_prep import keys
from data_prep.cleaning import Tally, dropped
from data_prep.sources.base import Batch
from seq2seq.settings.prepare import OverlapRemoval, OverlapSettings

COMPARISONS = tuple(itertools.product(("exact", "normalised"), ("pair", "source", "target")))
Keys = dict[tuple[str, str], np.ndarray]  # comparison -> (pairs,) uint64
_REMOVED = {
    OverlapRemoval.NONE: (),
    OverlapRemoval.PAIR: ("pair",),
    OverlapRemoval.SOURCE: ("source",),
    OverlapRemoval.TARGET: ("target",),
    OverlapRemoval.EITHER: ("source", "target"),
}


@dataclasses.dataclass
class Found:
    """What training shares with one other split."""

    pairs: dict[tuple[str, str], int]   # comparison -> training pairs that the split has
    keys: Keys                          # comparison -> keys that were met

    @classmethod
    def nothing(cls) -> Found:
        return cls(dict.fromkeys(COMPARISONS, 0), {name: np.zeros(0, dtype=np.uint64) for name in COMPARISONS})

    def add(self, other: Found) -> None:
        for name in COMPARISONS:
            self.pairs[name] += other.pairs[name]
            self.keys[name] = np.union1d(self.keys[name], other.keys[name])


class Meeting:
    """Holds training batches against the keys of the other splits; removes pairs on request."""

    def __init__(self, held_out: dict[str, Keys], settings: OverlapSettings) -> None:
        """`held_out`: split -> its keys, each column sorted."""
        self._held_out = held_out
        self._removed = [(settings.match.value, part) for part in _REMOVED[settings.remove]]
        self.found = {split: Found.nothing() for split in held_out}
        self.tally = Tally()

    def __call__(self, batch: Batch) -> Batch:
        """The pairs that stay."""
        if not self._held_out:
            return batch
        here = keys_of(batch)
        stay = np.ones(len(batch[0]), dtype=bool)
        for split, held_out in self._held_out.items():
            found = Found.nothing()
            for name in COMPARISONS:
                met = keys.among(here[name], held_out[name])
                found.pairs[name] = int(met.sum())
                found.keys[name] = np.unique(here[name][met])
                if name in self._removed:
                    stay &= ~met
            self.found[split].add(found)
        return dropped(self.tally, stay, batch)


def keys_of(batch: Batch) -> Keys:
    """The keys of every pair of the batch, for every comparison."""
    table: Keys = {}
    for match, key in (("exact", keys.exact), ("normalised", keys.normalised)):
        source, target = key(batch[0]), key(batch[1])
        table |= {(match, "source"): source, (match, "target"): target, (match, "pair"): keys.pair(source, target)}
    return table


def join(parts: list[Keys]) -> Keys:
    """The keys of all parts, one after the other."""
    empty = np.zeros(0, dtype=np.uint64)
    return {name: np.concatenate([empty, *(part[name] for part in parts)]) for name in COMPARISONS}


def summary(found: dict[str, Found], held_out: dict[str, Keys]) -> dict:
    """For the manifest: split -> match -> part -> its lines that training has, and the training pairs.

    `held_out` has the keys of every line of a split, in any order.
    """
    report: dict = {}
    for split, meeting in found.items():
        for match, part in COMPARISONS:
            lines = int(keys.among(held_out[split][match, part], meeting.keys[match, part]).sum())
            row = {"lines": lines, "training_pairs": meeting.pairs[match, part]}
            report.setdefault(split, {}).setdefault(match, {})[part] = row
    return report
