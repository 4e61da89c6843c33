"""The seconds of a run, over all resumes, and what all processes agree on after every update.

The clock of the main process counts. It is read by all at the same points, so that whatever depends on the time (the
learning rate, the end of the run, a save) is the same in every process.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

import torch

from seq2seq.distributed import ProcessGroup
from seq2seq.training.interruption import Interruption
from seq2seq.training.state import TrainState


class Clock:
    def __init__(self, state: TrainState, device: torch.device, checkpoint_minutes: float, group: ProcessGroup) -> None:
        self._state, self._device, self._checkpoint_seconds = state, device, 60 * checkpoint_minutes
        self._group = group
        self._start = time.monotonic() - state.seconds
        self._saved = time.monotonic()
        self.interrupted = self.save_due = False

    def tell(self, interruption: Interruption) -> None:
        """One exchange: all processes see the same time, and stop and save at the same update.

        A signal may reach any of the processes.
        """
        due = time.monotonic() - self._saved >= self._checkpoint_seconds
        seconds, save = self._of_main_process(self._seconds(), float(due))
        self._state.seconds, save, stop = self._group.largest(seconds, save, float(interruption.wanted))
        self.interrupted, self.save_due = bool(stop), bool(save)

    def saved(self) -> None:
        """A checkpoint was written just now."""
        self._saved = time.monotonic()

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """Time that is no training: it counts for max_minutes, not for the pieces per second.

        All processes must enter it. It ends with an exchange: what comes next may depend on the time.
        """
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        before = self._seconds()
        yield
        now = self._seconds()
        self._state.seconds, aside = self._group.largest(*self._of_main_process(now, now - before))
        self._state.aside_seconds += aside

    def _seconds(self) -> float:
        return time.monotonic() - self._start

    def _of_main_process(self, *numbers: float) -> tuple[float, ...]:
        """Numbers of which `ProcessGroup.largest` finds those of the main process: none is negative."""
        return numbers if self._group.is_main else (0.0,) * len(numbers)
