"""Averages of the weights along the run: what is validated and kept.

    ema    w_u = d_u w_{u-1} + (1 - d_u) theta_u,  d_u = min(d, (1 + u) / (10 + u))  after every update
    last   w = (theta_1 + ... + theta_k) / k of the last k validations               Vaswani et al. 2017

The smaller d_u of the first updates keeps the random start out of the average.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from seq2seq.settings.training import Averaging


class WeightAverage:
    """The average of one model's parameters; `applied` lends it to the model."""

    def __init__(self, model: nn.Module, kind: Averaging, *, decay: float, last: int) -> None:
        self.kind, self._decay, self._last = kind, decay, last
        self._parameters = dict(model.named_parameters())
        # ema: one set of weights; last: up to k, the oldest first
        self._kept = self._start()

    @torch.no_grad()
    def after_update(self, updates: int) -> None:
        """`updates`: done so far, this one counted."""
        if self.kind is Averaging.EMA:
            decay = min(self._decay, (1 + updates) / (10 + updates))
            torch._foreach_lerp_(list(self._kept[0].values()), list(self._parameters.values()), 1 - decay)

    def before_validation(self) -> None:
        if self.kind is Averaging.LAST:
            self._kept = [*self._kept[1 - self._last:], self._copy()] if self._last > 1 else [self._copy()]

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """Inside, the model has the averaged weights; afterwards its own again, to the bit."""
        if not self._kept:
            yield
            return
        own = self._copy()
        self._set(self._mean())
        try:
            yield
        finally:
            self._set(own)

    def state_dict(self) -> list[dict[str, Tensor]]:
        return self._kept

    def load_state_dict(self, kept: list[dict[str, Tensor]] | None) -> None:
        """None: of a run with another kind of average. This one starts from the weights as they are."""
        if kept is None:
            self._kept = self._start()
            return
        own = self._parameters
        self._kept = [{name: saved[name].to(own[name].device, copy=True) for name in own} for saved in kept]

    def _start(self) -> list[dict[str, Tensor]]:
        return [self._copy()] if self.kind is Averaging.EMA else []

    @torch.no_grad()
    def _mean(self) -> dict[str, Tensor]:
        if len(self._kept) == 1:
            return self._kept[0]
        return {name: torch.stack([kept[name] for kept in self._kept]).mean(dim=0)
                for name in self._parameters}

    def _copy(self) -> dict[str, Tensor]:
        return {name: parameter.detach().clone() for name, parameter in self._parameters.items()}

    @torch.no_grad()
    def _set(self, weights: dict[str, Tensor]) -> None:
        # In place: the fused recurrence keeps all its weights in one block of memory.
        for name, parameter in self._parameters.items():
            parameter.copy_(weights[name])
