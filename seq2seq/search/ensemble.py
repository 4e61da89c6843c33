"""Several models as one: p(y_t | y_<t, x) is the mean of their probabilities."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor


class EnsembleMemory(NamedTuple):
    """The memories of all models, side by side."""

    parts: tuple[Any, ...]

    @property
    def lengths(self) -> Tensor:
        return self.parts[0].lengths

    @property
    def columns(self) -> Tensor | None:
        return self.parts[0].columns

    def select(self, rows: Tensor) -> EnsembleMemory:
        return EnsembleMemory(tuple(part.select(rows) for part in self.parts))


class EnsembleState(NamedTuple):
    """The states of all models, side by side."""

    parts: tuple[Any, ...]

    def select(self, rows: Tensor) -> EnsembleState:
        return EnsembleState(tuple(part.select(rows) for part in self.parts))


class Ensemble:
    """A Searchable made of Searchables with the same vocabularies, the same shortlist or none, and of one direction of
    writing."""

    def __init__(self, models: Sequence[Any]) -> None:
        self.models = tuple(models)
        self.reverse_target = self.models[0].reverse_target
        self.outputs = sum(model.outputs for model in self.models)

    def encode(self, source: Tensor, lengths: Tensor) -> EnsembleMemory:
        return EnsembleMemory(tuple(model.encode(source, lengths) for model in self.models))

    def start(self, memory: EnsembleMemory) -> EnsembleState:
        pairs = zip(self.models, memory.parts, strict=True)
        return EnsembleState(tuple(model.start(part) for model, part in pairs))

    def step(self, previous: Tensor, state: EnsembleState,
             memory: EnsembleMemory) -> tuple[Tensor, EnsembleState, Tensor | None]:
        """log of the mean probability as logits (B, K, V); the mean attention of the models that have one."""
        steps = [model.step(previous, *parts)
                 for model, *parts in zip(self.models, state.parts, memory.parts, strict=True)]
        logs = torch.stack([logits.log_softmax(-1) for logits, _, _ in steps])
        attentions = [attention for _, _, attention in steps if attention is not None]
        mean = torch.stack(attentions).mean(0) if attentions else None
        states = EnsembleState(tuple(part for _, part, _ in steps))
        return logs.logsumexp(0) - math.log(len(steps)), states, mean
