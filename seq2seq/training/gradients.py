"""The gradient of one batch, in parts and over the group: forward and backward, by the model as it is.

    g = (1 / M) sum over the batch of grad loss        M: real target pieces of the batch, over parts and processes

graphed_gradients.py comes to the same by CUDA graphs.
"""

from __future__ import annotations

import contextlib
from typing import Protocol

import torch
from torch import nn

from seq2seq.corpus.batch import Batch
from seq2seq.cuda_graphs import cuda_recorder
from seq2seq.device import autocast
from seq2seq.distributed import ProcessGroup
from seq2seq.errors import SettingError
from seq2seq.models.build import Network
from seq2seq.models.types import Loss
from seq2seq.settings.model import LABELS, Tie
from seq2seq.settings.training import TrainSettings
from seq2seq.training.graphed_gradients import GraphedGradients
from seq2seq.training.out_of_memory import named_shortage


class Gradients(Protocol):
    """What an update asks for."""

    def __call__(self, batch: Batch) -> Loss:
        """Leaves g in every parameter's `grad`, which must be None or 0 before.

        Returns the sums over this process's rows of the global `batch`, in double precision, without gradient.
        """
        ...

    def places(self, batch: Batch) -> int:
        """How many pieces are worked on for the batch, padding counted, both sides."""
        ...


def build_gradients(model: Network, settings: TrainSettings, group: ProcessGroup, device: torch.device) -> Gradients:
    """Raises SettingError where training.graphs=true cannot be."""
    if not settings.training.graphs:
        return ModelGradients(model, settings, group, device)
    if group.size > 1:  # they exchange gradients in the midst of the backward pass
        raise SettingError(f"training.graphs=true is for one process, and these are {group.size}. Start one, or choose "
                           "training.graphs=false.")
    return GraphedGradients(model, settings.training, cuda_recorder(device, "training.graphs"), device)


class ModelGradients:
    """Calls the model on this process's rows, in `training.accumulate` parts one after the other."""

    def __init__(self, model: Network, settings: TrainSettings, group: ProcessGroup, device: torch.device) -> None:
        self._training, self._group, self._device = settings.training, group, device
        self._model = group.wrap(model, has_unused_parameters=_has_unused(settings))

    def __call__(self, batch: Batch) -> Loss:
        training, group = self._training, self._group
        count, pieces = training.accumulate * group.size, batch.pieces
        zero = torch.zeros((), dtype=torch.float64, device=self._device)
        sums = Loss(zero, zero.clone())
        for step in range(training.accumulate):
            part, weight = batch.part(step * group.size + group.rank, count), 1.0
            if part is None:  # fewer rows than parts: the process group waits for every gradient, so give it a zero
                part, weight = batch.part(0, len(batch.rows)), 0.0
            assert part is not None
            with self._gradients_stay(step + 1 < training.accumulate), named_shortage(part):
                with autocast(training.precision, self._device):
                    loss = self._model(part.to(self._device), training.label_smoothing, training.scheduled_sampling,
                                       training.consistency)
                # The process group averages gradients: times its size that is their sum.
                (loss.smoothed * (weight * group.size / pieces)).backward()
            sums.smoothed.add_(loss.smoothed.detach() * weight)
            sums.nll.add_(loss.nll.detach() * weight)
        return sums

    def places(self, batch: Batch) -> int:
        return batch.source.numel() + batch.target_out.numel()

    def _gradients_stay(self, stay: bool) -> contextlib.AbstractContextManager:
        # Only the last part's backward pass sums over the process group.
        if stay and isinstance(self._model, nn.parallel.DistributedDataParallel):
            return self._model.no_sync()
        return contextlib.nullcontext()


def _has_unused(settings: TrainSettings) -> bool:
    # Without feedback the target embeddings serve as the output matrix or not at all. Labels have none.
    return settings.shape not in LABELS and not settings.feed.output and settings.model.tie is Tie.NONE
