"""Cleaning: the filters one after the other over a batch, with counts and examples.

Validation and test go through the same filters, which then only report: what they would have
changed or dropped is counted, the lines stay as they are.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import numpy as np

from data_prep import filters
from data_prep.sources.base import Batch
from seq2seq.settings.labels import Labels
from seq2seq.settings.prepare import CleaningSettings

EXAMPLES = 10
LONGEST = 300  # characters of an example that are kept

# Signs that something was done to the text before, by name in the report.
MARKS = {
    "entities": re.compile(r"&(?:quot|apos|amp|lt|gt|nbsp|#[0-9]{1,5}|#x[0-9a-fA-F]{1,4});"),  # of HTML, of Moses
    "C1 controls": re.compile("[\x80-\x84\x86-\x9f]"),  # of Windows-1252 that was read as Latin-1
}


@dataclasses.dataclass
class Tally:
    """What one filter did: pairs that reached it, were changed or dropped, and the first examples."""

    checked: int = 0
    changed: int = 0
    dropped: int = 0
    noticed: int = 0  # pairs with a mark of MARKS, which stay as they are
    examples: list[Any] = dataclasses.field(default_factory=list)

    def example(self, *texts: str) -> None:
        if len(self.examples) < EXAMPLES:
            self.examples.append([text if len(text) <= LONGEST else text[:LONGEST] + " ..." for text in texts])

    def add(self, other: Tally) -> None:
        self.checked += other.checked
        self.changed += other.changed
        self.dropped += other.dropped
        self.noticed += other.noticed
        self.examples = (self.examples + other.examples)[:EXAMPLES]


class Cleaning:
    """The filters of one run over the batches of one split, in order."""

    def __init__(self, settings: CleaningSettings, languages: tuple[str, str], labels: Labels = Labels.NONE,
                 usual_ratio: float = 1.0) -> None:
        """`usual_ratio`: see filters.ratio."""
        self._changes, self._drops = filters.build(settings, languages, labels, usual_ratio)
        self._labels = labels
        self.report = {name: Tally() for name in (*self._changes, *self._drops)}

    def __call__(self, batch: Batch) -> Batch:
        """The cleaned pairs that stay. Raises TabFound for words and labels."""
        if self._labels is Labels.WORDS:
            filters.check_tabs(batch)
        for name, mark in MARKS.items():
            self._notice(name, mark, batch)
        for name, change in self._changes.items():
            batch = self._change(self.report[name], change, batch)
        for name, drop in self._drops.items():
            batch = dropped(self.report[name], drop(*batch), batch)
        return batch

    def _notice(self, name: str, mark: re.Pattern[str], batch: Batch) -> None:
        """Counts the pairs that have the mark somewhere; nothing becomes of them."""
        if not any(mark.search("\n".join(side)) for side in batch):
            return
        tally = self.report.setdefault(name, Tally())
        for pair in zip(*batch, strict=True):
            if any(map(mark.search, pair)):
                tally.noticed += 1
                tally.example(*pair)

    def _change(self, tally: Tally, change: filters.Changes, batch: Batch) -> Batch:
        source, target = after = change[0](batch[0]), change[1](batch[1])
        tally.checked += len(source)
        if source is batch[0] and target is batch[1]:
            return batch
        for old_source, old_target, new_source, new_target in zip(*batch, source, target, strict=True):
            if old_source != new_source or old_target != new_target:
                tally.changed += 1
                old, new = (old_source, new_source) if old_source != new_source else (old_target, new_target)
                tally.example(old, new)
        return after


def dropped(tally: Tally, keep: np.ndarray, batch: Batch) -> Batch:
    """The pairs of `batch` where `keep` (pairs,) is True; the others are counted."""
    source, target = batch
    tally.checked += len(source)
    if keep.all():
        return batch
    for row in np.flatnonzero(~keep):
        tally.example(source[row], target[row])
    tally.dropped += int(len(keep) - keep.sum())
    rows = np.flatnonzero(keep).tolist()
    return [source[row] for row in rows], [target[row] for row in rows]
