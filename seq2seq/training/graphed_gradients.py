"""The gradient of one batch by CUDA graphs: forward and backward of an update as one graph for each shape.

A batch is filled up to one of few shapes, and a shape (S, T) has one number of rows:

    S, T    rounded up to multiples of WIDTHS        B = budget / max(S, T), down to a whole number

Empty rows and padding count nothing in the sums and give no gradient, so the numbers are those of gradients.py, to
rounding. With dropout the draws are others, as they are with any other padding; seeded as ever, for every replay begins
where torch's generator stands.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from seq2seq.corpus.batch import Batch
from seq2seq.cuda_graphs import GraphCache, Recorder, Recording, own_draws, rounded_up
from seq2seq.device import autocast
from seq2seq.models.build import Network
from seq2seq.models.types import Loss
from seq2seq.settings.training import TrainingSettings
from seq2seq.training.out_of_memory import named_shortage

WIDTHS = 8   # batches must have been planned for widths rounded up to multiples of it (batches.py)
GRAPHS = 64  # held at once: the one that was not used for the longest time leaves


class _Step(NamedTuple):
    inputs: Batch  # where the graph reads
    sums: Recording[Loss]


class GraphedGradients:
    """What gradients.py says of `Gradients`, for one process and training.accumulate=1."""

    def __init__(self, model: Network, training: TrainingSettings, recorder: Recorder, device: torch.device) -> None:
        self._model, self._training, self._device = model, training, device
        self._recorder, self._held = recorder, GraphCache[_Step](model.parameters(), GRAPHS)
        self._share = torch.zeros((), device=device)  # 1 / M: it changes, so it is no number of Python's
        self._sums: list[tuple[nn.Parameter, Tensor]] = []  # where the graphs add up the gradients

    def __call__(self, batch: Batch) -> Loss:
        shape = self._shape(batch)
        with named_shortage(batch):
            there = batch.filled(*shape).to(self._device)
            self._share.fill_(1 / batch.pieces)
            if not self._sums:
                self._sums = self._used(there)
            for parameter, gradient in self._sums:  # the optimizer lets go of them after every update
                parameter.grad = gradient
            inputs, sums = self._held.get(shape, lambda: self._record(there))
            for place, tensor in zip(inputs, there, strict=True):
                place.copy_(tensor)
            sums.replay()
        return Loss(*(total.double() for total in sums.output))

    def places(self, batch: Batch) -> int:
        rows, source, target = self._shape(batch)
        return rows * (source + target)

    def _shape(self, batch: Batch) -> tuple[int, int, int]:
        """Rows, S and T that the batch is filled up to."""
        source, target = (rounded_up(ids.shape[1], WIDTHS) for ids in (batch.source, batch.target_out))
        return max(len(batch.rows), self._training.batch_pieces // max(source, target)), source, target

    def _used(self, batch: Batch) -> list[tuple[nn.Parameter, Tensor]]:
        """The parameters that get a gradient, each with a place for it. The others must be without, or they decay."""
        self._model.zero_grad()
        with own_draws(self._device):
            self._backward(batch)
        return [(parameter, torch.zeros_like(parameter)) for parameter in self._model.parameters()
                if parameter.grad is not None]

    def _record(self, batch: Batch) -> _Step:
        inputs = Batch(*(tensor.clone() for tensor in batch))

        def work() -> Loss:
            torch._foreach_zero_([gradient for _, gradient in self._sums])
            return self._backward(inputs)

        with own_draws(self._device):
            return _Step(inputs, self._recorder.record(work))

    def _backward(self, batch: Batch) -> Loss:
        # Within what is recorded: autocast keeps weights that it has rounded until it ends, and they would grow old.
        with autocast(self._training.precision, self._device):
            loss = self._model(batch, self._training.label_smoothing, consistency=self._training.consistency)
        (loss.smoothed * self._share).backward()
        return Loss(loss.smoothed.detach(), loss.nll.detach())
