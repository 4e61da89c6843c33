"""The seconds of a run, over all resumes, and what all processes agree on after every update."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

import torch

from seq2seq.distributed import Team
from seq2seq.interruption import Interruption
from seq2seq.state import TrainState


class Clock:
    def __init__(self, state: TrainState, device: torch.device, checkpoint_minutes: float) -> None:
        self._state, self._device, self._checkpoint_seconds = state, device, 60 * checkpoint_minutes
        self._start = time.monotonic() - state.seconds
        self._saved = time.monotonic()
        self.interrupted = self.save_due = False

    def tell(self, team: Team, interruption: Interruption) -> None:
        """One exchange: all processes see the same time, and stop and save at the same update."""
        due = time.monotonic() - self._saved >= self._checkpoint_seconds
        self._state.seconds, stop, save = team.largest(self._seconds(), float(interruption.wanted), float(due))
        self.interrupted, self.save_due = bool(stop), bool(save)

    def saved(self) -> None:
        """A checkpoint was written just now."""
        self._saved = time.monotonic()

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """Time that is no training: it counts for max_minutes, not for the pieces per second."""
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        before = time.monotonic()
        yield
        self._state.aside_seconds += time.monotonic() - before
        self._state.seconds = self._seconds()

    def _seconds(self) -> float:
        return time.monotonic() - self._start
