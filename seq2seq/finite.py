"""Watches loss and gradient for NaN and infinity without waiting for the device at every update."""

from __future__ import annotations

from collections import deque

import torch
from torch import Tensor

from seq2seq.errors import UserError

_REMEMBERED = 4096  # updates whose line numbers are kept; a check comes far sooner
_NAMED = 20         # line numbers in the message


class DivergedError(UserError):
    """The loss or the gradient is no finite number any more; the last checkpoint is from before."""


class FiniteWatch:
    def __init__(self, device: torch.device) -> None:
        self._at_once = device.type == "cpu"  # there is nothing to wait for
        self._first_bad = torch.zeros((), dtype=torch.int64, device=device)
        self._rows: deque[tuple[int, Tensor]] = deque(maxlen=_REMEMBERED)

    def see(self, update: int, rows: Tensor, loss: Tensor, gradient_norm: Tensor) -> None:
        """Called before the optimizer takes the step. Raises DivergedError, on CUDA only in `check`."""
        self._rows.append((update, rows))
        bad = ~(torch.isfinite(loss) & torch.isfinite(gradient_norm))
        self._first_bad = torch.where(bad & (self._first_bad == 0), update, self._first_bad)
        if self._at_once:
            self.check()

    def check(self) -> None:
        """Waits for the device. Raises DivergedError when an update since the last check was bad."""
        update = int(self._first_bad)
        if update:
            rows = next((rows for number, rows in self._rows if number == update), torch.empty(0))
            lines = ", ".join(str(row + 1) for row in sorted(rows.tolist())[:_NAMED])
            more = f" and {len(rows) - _NAMED} more" if len(rows) > _NAMED else ""
            raise DivergedError(
                f"loss or gradient of update {update} is not finite (training lines {lines}{more}). The last "
                "checkpoint is from before. Lower optimizer.learning_rate or training.clip_norm, or look at "
                "these lines."
            )
        self._rows.clear()
