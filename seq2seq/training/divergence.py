"""Watches loss and gradient, without waiting for the device at every update: NaN, infinity, explosion.

    not finite   the loss or the norm of the gradient is NaN or infinite: stops before the step is taken
    exploded     loss per target piece > factor ln V, at IN_A_ROW updates one after the other

ln V is the loss of who knows nothing and takes all V pieces for equally likely. A run that learns lies
below it after a few updates; one bad batch, or a jump that heals, is no explosion.
"""

from __future__ import annotations

import math
from collections import deque
from pathlib import Path

import torch
from torch import Tensor

from seq2seq.errors import UserError
from seq2seq.training.checkpoint import KEEP

IN_A_ROW = 10
_REMEMBERED = 4096  # updates whose line numbers are kept; a check comes far sooner
_NAMED = 20         # line numbers in the message


class DivergedError(UserError):
    """The loss or the gradient is no use any more; the last good checkpoint is from before."""


class FiniteWatch:
    """`see` every update, `check` before anything is reported or saved."""

    def __init__(self, device: torch.device, vocabulary: int = 0, factor: float | None = None) -> None:
        """`vocabulary`: V of the target side; `factor` None: only what is not finite counts."""
        self._at_once = device.type == "cpu"  # there is nothing to wait for
        self._limit = math.inf if factor is None else factor * math.log(vocabulary)
        self._first_bad = torch.zeros((), dtype=torch.int64, device=device)       # update, 0: none
        self._first_exploded = torch.zeros((), dtype=torch.int64, device=device)
        self._row = torch.zeros((), dtype=torch.int64, device=device)             # updates above the limit
        self._rows: deque[tuple[int, Tensor]] = deque(maxlen=_REMEMBERED)
        self._saved: deque[tuple[int, Path]] = deque(maxlen=KEEP)                 # (updates, checkpoint)

    def see(self, update: int, rows: Tensor, loss: Tensor, gradient_norm: Tensor) -> None:
        """Called before the optimizer takes the step; `loss` per target piece, in nats.

        Raises DivergedError, on CUDA only in `check`.
        """
        self._rows.append((update, rows))
        bad = ~(torch.isfinite(loss) & torch.isfinite(gradient_norm))
        self._first_bad = torch.where(bad & (self._first_bad == 0), update, self._first_bad)
        self._row = torch.where(loss > self._limit, self._row + 1, 0)
        exploded = (self._row == IN_A_ROW) & (self._first_exploded == 0)
        self._first_exploded = torch.where(exploded, update - IN_A_ROW + 1, self._first_exploded)
        if self._at_once:
            self._judge()

    def check(self) -> None:
        """Waits for the device. Raises DivergedError when an update since the last check was bad."""
        self._judge()
        while len(self._rows) > IN_A_ROW:  # an explosion is named by its first update
            self._rows.popleft()

    def saved(self, updates: int, checkpoint: Path) -> None:
        """There is a checkpoint of after so many updates."""
        self._saved.append((updates, checkpoint))

    def _judge(self) -> None:
        if update := int(self._first_bad):
            self._stop(update, update - 1, f"loss or gradient of update {update} is not finite")
        if update := int(self._first_exploded):
            # The weights that the update before it left are what gives such a loss.
            self._stop(update, update - 2, f"the loss has exploded: from update {update} on it is above "
                                           f"{self._limit:.1f} nats a piece (training.max_loss_factor)")

    def _stop(self, update: int, last_good: int, what: str) -> None:
        rows = next((rows for number, rows in self._rows if number == update), torch.empty(0))
        lines = ", ".join(str(row + 1) for row in sorted(rows.tolist())[:_NAMED])
        more = f" and {len(rows) - _NAMED} more" if len(rows) > _NAMED else ""
        good = next((path for updates, path in reversed(self._saved) if updates <= last_good), None)
        where = "There is no checkpoint from before." if good is None else f"The last good checkpoint is {good}."
        raise DivergedError(f"{what} (training lines {lines}{more}). {where} Lower optimizer.learning_rate or "
                            "training.clip_norm, or look at these lines.")
