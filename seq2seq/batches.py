"""Batches: pairs of like length together, filled by a budget of padded target pieces.

An epoch is a permutation of the pairs cut into chunks; a chunk is sorted by length, cut into
batches, and the batches shuffled. Every draw depends on (seed, epoch, chunk) alone, so a run
finds its place again without going through what lies before it.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from seq2seq.corpus import Split
from seq2seq.errors import SettingError
from seq2seq.subwords import SubwordSampler
from seq2seq.tokenizer import BOS, EOS, PAD

CHUNK_PAIRS = 100_000


class Batch(NamedTuple):
    """B pairs, padded with PAD at the end."""

    source: Tensor          # (B, S)  x_1..x_N, EOS last
    source_lengths: Tensor  # (B,)    N, EOS counted
    target_in: Tensor       # (B, T)  BOS, y_1..y_M; (B, 0) for labels, which are not fed back
    target_out: Tensor      # (B, T)  y_1..y_M, EOS; y_1..y_M for labels
    target_lengths: Tensor  # (B,)    M + 1; M for labels
    rows: Tensor            # (B,)    line numbers in the split, from 0

    def to(self, device: torch.device | str) -> Batch:
        """On a CUDA device without waiting for what it is at: such a copy starts from pinned memory."""
        if torch.device(device).type != "cuda":
            return Batch(*(tensor.to(device) for tensor in self))
        return Batch(*(tensor.pin_memory().to(device, non_blocking=True) for tensor in self))

    def part(self, number: int, count: int) -> Batch | None:
        """Every `count`-th row from `number` on, without the padding that they no longer need.

        None when there are no such rows. Rows lie in order of length, so all parts weigh the same.
        """
        if count == 1:
            return self
        taken = Batch(*(tensor[number::count] for tensor in self))
        if not len(taken.rows):
            return None
        source, target = int(taken.source_lengths.max()), int(taken.target_lengths.max())
        return taken._replace(source=taken.source[:, :source], target_in=taken.target_in[:, :target],
                              target_out=taken.target_out[:, :target])

    def filled(self, rows: int, source: int, target: int) -> Batch:
        """With padding up to `rows` rows and these widths. An empty row's source is EOS alone, its target all PAD."""
        missing = rows - len(self.rows)

        def longer(tensor: Tensor, end: int) -> Tensor:
            return functional.pad(tensor, (0, missing), value=end)

        def wider(tensor: Tensor, width: int) -> Tensor:
            return functional.pad(tensor, (0, width - tensor.shape[1], 0, missing), value=PAD)

        filled = Batch(wider(self.source, source), longer(self.source_lengths, 1), wider(self.target_in, target),
                       wider(self.target_out, target), longer(self.target_lengths, 0),
                       longer(self.rows, -1))  # of no line
        filled.source[len(self.rows) :, 0] = EOS
        return filled

    @property
    def pieces(self) -> int:
        """Target pieces without padding (EOS counted): what the loss is divided by."""
        return int(self.target_lengths.sum())


def make_batch(source: Sequence[Sequence[int] | np.ndarray], target: Sequence[Sequence[int] | np.ndarray],
               rows: Sequence[int] | np.ndarray, labels: bool = False) -> Batch:
    """Pads piece ids (without BOS and EOS) to one Batch. `labels`: the target sides end without EOS."""
    source_lengths = torch.tensor([len(ids) + 1 for ids in source])
    target_lengths = torch.tensor([len(ids) + (not labels) for ids in target])
    width = int(target_lengths.max())
    return Batch(
        source=_pad(source, int(source_lengths.max()), last=EOS),
        source_lengths=source_lengths,
        target_in=torch.empty(len(target), 0, dtype=torch.int64) if labels else _pad(target, width, first=BOS),
        target_out=_pad(target, width, last=None if labels else EOS),
        target_lengths=target_lengths,
        rows=torch.as_tensor(np.asarray(rows, dtype=np.int64)),
    )


def pad_source(source: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """(B, S) padded source ids with EOS, and (B,) their lengths: what search needs of a batch."""
    lengths = torch.tensor([len(ids) + 1 for ids in source])
    return _pad(source, int(lengths.max()), last=EOS), lengths


def _pad(sequences: Sequence[Sequence[int] | np.ndarray], width: int, first: int | None = None,
         last: int | None = None) -> Tensor:
    lengths = np.fromiter(map(len, sequences), dtype=np.int64, count=len(sequences))
    table = np.full((len(sequences), width), PAD, dtype=np.int64)
    start = 0 if first is None else 1
    places = np.arange(width)
    inside = (places >= start) & (places < start + lengths[:, None])
    table[inside] = np.concatenate([np.asarray(ids, dtype=np.int64) for ids in sequences])
    if first is not None:
        table[:, 0] = first
    if last is not None:
        table[np.arange(len(sequences)), start + lengths] = last
    return torch.from_numpy(table)


def plan_batches(source_lengths: np.ndarray, target_lengths: np.ndarray, budget: int,
                 generator: np.random.Generator) -> list[np.ndarray]:
    """Cuts pairs into batches of at most `budget` padded pieces on either side, in random order.

    Returns index arrays into the given lengths (pieces with EOS). A pair longer than the budget
    makes a batch of its own.
    """
    # Random noise below one piece breaks ties, so pairs of one length meet new neighbours.
    noise = generator.random(len(target_lengths))
    order = np.lexsort((source_lengths + noise, target_lengths))
    batches = _cut(order, source_lengths, target_lengths, budget)
    return [batches[i] for i in generator.permutation(len(batches))]


def _cut(order: np.ndarray, source_lengths: np.ndarray, target_lengths: np.ndarray,
         budget: int) -> list[np.ndarray]:
    """Cuts pairs in the given order wherever one more would need more than `budget` padded pieces."""
    batches, start, widest = [], 0, 0
    longer = np.maximum(source_lengths, target_lengths)[order].tolist()
    for place, length in enumerate(longer):
        widest = max(widest, length)
        if place > start and widest * (place - start + 1) > budget:
            batches.append(order[start:place])
            start, widest = place, length
    if start < len(order):
        batches.append(order[start:])
    return batches


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
        plan = plan_batches(lengths[0], lengths[1], self._budget, generator)
        batches = [make_batch([source[i] for i in part], [target[i] for i in part], rows[part], self._labels)
                   for part in plan]
        self._split.check_unchanged()  # and after: these batches are copies, whole and of one version
        return batches

    def largest(self) -> list[Batch]:
        """The longest pairs together, as many as the budget takes: by their target, and by their source side."""
        lengths = [self._rounded(side[self.rows] + 1)
                   for side in (self._split.source_lengths, self._split.target_lengths)]
        found = []
        for side in (1, 0):
            order = np.argsort(-lengths[side], kind="stable")[: self._budget]
            rows = self.rows[_cut(order, lengths[0], lengths[1], self._budget)[0]]
            found.append(make_batch(*self._split.ids(rows), rows, self._labels))
        return found

    def refuse_nothing(self) -> None:
        """Raises SettingError when max_pieces leaves no pair."""
        if not len(self.rows):
            raise SettingError(f"training.max_pieces={self._max_pieces} leaves out all {self.left_out} "
                               "training pairs. Raise it.")

    def stream(self, start: Position = Position()) -> Generator[tuple[Batch, Position, float], None, None]:  # noqa: B008
        """The batches from `start` on, without end: (batch, position behind it, epochs gone through then).

        The next chunk is drawn by a thread while this one is trained on.
        """
        self.refuse_nothing()
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


def valid_batches(split: Split, budget: int, labels: bool = False, first: int | None = None) -> Iterator[Batch]:
    """Every pair of a split (or its `first` ones) once, in batches of like length; `rows` tells where each belongs."""
    source, target = split.source_lengths + 1, split.target_lengths + 1
    order = np.lexsort((source[:first], target[:first]))
    for part in _cut(order, source, target, budget):
        yield make_batch(*split.ids(part), part, labels)


def batches_of_like_length(lengths: Sequence[int], budget: int, least: float = 1) -> Iterator[list[int]]:
    """Rows of like length, longest first, at most `budget` padded pieces together (a longer one goes alone).

    A row counts as `least` pieces at least.
    """
    # Longest first: the first batch takes the most memory, so later ones fit into what is there.
    order = sorted(range(len(lengths)), key=lambda row: (-lengths[row], row))
    start = 0
    while start < len(order):
        end = start + max(1, int(budget // max(lengths[order[start]], least)))
        yield order[start:end]
        start = end


def like_lengths(source: Sequence[list[int]], target: Sequence[list[int]], budget: int,
                 labels: bool = False) -> Iterator[Batch]:
    """Pairs of like length together, longest first, at most `budget` padded pieces on the longer side."""
    longer = [max(len(one), len(other)) + 1 for one, other in zip(source, target, strict=True)]
    for rows in batches_of_like_length(longer, budget):
        yield make_batch([source[row] for row in rows], [target[row] for row in rows], rows, labels)
