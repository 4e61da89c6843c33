"""Batches: pairs of like length together, filled by a budget of padded target pieces.

An epoch is a permutation of the pairs cut into chunks; a chunk is sorted by length, cut into
batches, and the batches shuffled. Every draw depends on (seed, epoch, chunk) alone, so a run
finds its place again without going through what lies before it.
"""

from __future__ import annotations

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from seq2seq.corpus.batch import Batch, make_batch
from seq2seq.corpus.length_batches import cut, shuffled_batches
from seq2seq.corpus.packed import Split
from seq2seq.errors import SettingError
from seq2seq.tokenization.sampling import SubwordSampler

CHUNK_PAIRS = 100_000


class Position(NamedTuple):
    """The batch that comes next: `batch` of `chunk` of `epoch`, all from 0."""

    epoch: int = 0
    chunk: int = 0
    batch: int = 0


class TrainingBatches:
    """The endless, reproducible sequence of training batches of one split."""

    def __init__(self, split: Split, *, budget: int, max_pieces: int, seed: int,
                 samplers: tuple[SubwordSampler | None, SubwordSampler | None] = (None, None),
                 labels: bool = False, multiple: int = 1, chunk_pairs: int = CHUNK_PAIRS) -> None:
        """`samplers`: draw another segmentation of the source, of the target, in every epoch.
        `labels`: see make_batch. `multiple`: the budget is for widths rounded up to multiples of it.

        Pairs with a side of more than `max_pieces` pieces, EOS counted, are left out and counted.
        """
        self._split, self._budget, self._seed, self._chunk_pairs = split, budget, seed, chunk_pairs
        self._max_pieces, self._samplers, self._labels, self._multiple = max_pieces, samplers, labels, multiple
        fits = (split.source_lengths < max_pieces) & (split.target_lengths < max_pieces)
        self.rows = np.flatnonzero(fits)
        self.left_out = len(split) - len(self.rows)
        self._drawn: tuple[int, np.ndarray] | None = None  # an epoch, and its order

    @property
    def chunks(self) -> int:
        """Chunks in an epoch."""
        return max(1, -(-len(self.rows) // self._chunk_pairs))

    def chunk(self, epoch: int, chunk: int) -> list[Batch]:
        """The batches of one chunk of one epoch, in training order.

        Raises CorpusError when the files of the corpus are not those any more that the run began with.
        """
        self._split.check_unchanged()  # before: a map of a file that was cut short would end the process
        rows = self._chunk_rows(epoch, chunk)
        source, target = self._segment(rows, epoch, chunk)
        generator = np.random.default_rng([self._seed, epoch, chunk, 1])
        lengths = [self._rounded(np.asarray([len(ids) + 1 for ids in side])) for side in (source, target)]
        plan = shuffled_batches(lengths[0], lengths[1], self._budget, generator)
        batches = [make_batch([source[i] for i in part], [target[i] for i in part], rows[part], self._labels)
                   for part in plan]
        self._split.check_unchanged()  # and after: these batches are copies, whole and of one version
        return batches

    def largest(self) -> list[Batch]:
        """The longest pairs together, as many as the budget takes: by their target, and by their source side."""
        lengths = [self._rounded(side[self.rows] + 1)
                   for side in (self._split.source_lengths, self._split.target_lengths)]
        found, longer = [], np.maximum(*lengths)
        for side in (1, 0):
            order = np.argsort(-lengths[side], kind="stable")[: self._budget]
            rows = self.rows[next(cut(order, longer, self._budget))]
            found.append(make_batch(*self._split.ids(rows), rows, self._labels))
        return found

    def check_not_empty(self) -> None:
        """Raises SettingError when max_pieces leaves no pair."""
        if not len(self.rows):
            raise SettingError(f"training.max_pieces={self._max_pieces} leaves out all {self.left_out} "
                               "training pairs. Raise it.")

    def stream(self, start: Position = Position()) -> Generator[tuple[Batch, Position, float], None, None]:  # noqa: B008
        """The batches from `start` on, without end: (batch, position behind it, epochs gone through then).

        The next chunk is drawn by a thread while this one is trained on.
        """
        self.check_not_empty()
        epoch, chunk, first = start
        with ThreadPoolExecutor(max_workers=1) as drawer:
            ahead = drawer.submit(self.chunk, epoch, chunk)
            while True:
                batches = ahead.result()
                next_epoch, next_chunk = divmod(epoch * self.chunks + chunk + 1, self.chunks)
                ahead = drawer.submit(self.chunk, next_epoch, next_chunk)
                for place in range(first, len(batches)):
                    last = place + 1 == len(batches)
                    behind = Position(next_epoch, next_chunk) if last else Position(epoch, chunk, place + 1)
                    yield batches[place], behind, epoch + (chunk + (place + 1) / len(batches)) / self.chunks
                epoch, chunk, first = next_epoch, next_chunk, 0

    def _rounded(self, lengths: np.ndarray) -> np.ndarray:
        return -(-lengths // self._multiple) * self._multiple

    def _chunk_rows(self, epoch: int, chunk: int) -> np.ndarray:
        if self._drawn is None or self._drawn[0] != epoch:  # kept: of a large corpus it takes longer than a chunk
            self._drawn = epoch, np.random.default_rng([self._seed, epoch, 0]).permutation(self.rows)
        order = self._drawn[1]
        # Sorted again inside the chunk: reads the memory map forwards. The plan shuffles anyway.
        return np.sort(order[chunk * self._chunk_pairs : (chunk + 1) * self._chunk_pairs])

    def _segment(self, rows: np.ndarray, epoch: int, chunk: int) -> list[list[np.ndarray]]:
        sides = list(self._split.ids(rows))
        for side, sampler in enumerate(self._samplers):
            if sampler is not None:
                generator = np.random.default_rng([self._seed, epoch, chunk, 2 + side])
                # The drawn pieces may be more than max_pieces: the usual ones stay then.
                sides[side] = [new if len(new) < self._max_pieces else old for new, old in
                               zip(sampler.draw(sides[side], generator), sides[side], strict=True)]
        return sides
