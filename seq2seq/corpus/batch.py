"""A batch of pairs: piece ids, padded with PAD at the end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from seq2seq.tokenization.tokenizer import BOS, EOS, PAD


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
