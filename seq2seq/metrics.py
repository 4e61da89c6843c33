"""The figures of a run: summed on the device, written to metrics.jsonl and TensorBoard.

One JSON object a line. Every line has `kind`, `update`, `epoch` and `seconds` (of the loop, over
all resumes). kind=train is the mean since the last such line, kind=valid a validation. `loss` is
the negative log-likelihood per target piece in nats, `perplexity` its exponential.
"""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from seq2seq.batches import Batch
from seq2seq.folders import whole_file, writing

FILE = "metrics.jsonl"


class Meter:
    """Sums over the updates since the last line. Tensors stay on the device until they are read."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.reset(0.0)

    def reset(self, training_seconds: float) -> None:
        self.clear_sums()
        self.gradient_norm = torch.zeros((), device=self._device)  # of the last update
        self.pieces = 0   # target pieces
        self.real = 0     # pieces of both sides
        self.padded = 0   # and the places they take with padding
        self.learning_rate = 0.0
        self.since = training_seconds

    def clear_sums(self) -> None:
        """The sums over this process's rows."""
        self.nll = torch.zeros((), dtype=torch.float64, device=self._device)
        self.smoothed = torch.zeros((), dtype=torch.float64, device=self._device)

    def add(self, nll: Tensor, smoothed: Tensor) -> None:
        """The sums of one part of a batch."""
        self.nll += nll
        self.smoothed += smoothed

    def count(self, batch: Batch, learning_rate: float, gradient_norm: Tensor) -> None:
        """The numbers of a whole update on the global `batch`."""
        self.pieces += batch.pieces
        self.real += batch.pieces + int(batch.source_lengths.sum())
        self.padded += batch.target_out.numel() + batch.source.numel()
        self.learning_rate, self.gradient_norm = learning_rate, gradient_norm

    def read(self, training_seconds: float) -> dict[str, float]:
        """The figures of a kind=train line. Waits for the device."""
        pieces = max(self.pieces, 1)
        loss = self.nll.item() / pieces
        return {
            "loss": loss, "perplexity": perplexity(loss), "smoothed_loss": self.smoothed.item() / pieces,
            "learning_rate": self.learning_rate, "gradient_norm": self.gradient_norm.item(),
            "pieces_per_second": self.pieces / max(training_seconds - self.since, 1e-9),
            "padding": 1 - self.real / max(self.padded, 1),
        }

    def state_dict(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if not name.startswith("_")}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            setattr(self, name, value.to(self._device) if isinstance(value, Tensor) else value)


class MetricsWriter:
    """Appends to metrics.jsonl and TensorBoard's events below `folder`."""

    def __init__(self, folder: Path, updates: int) -> None:
        """Lines beyond `updates`, the place where the run takes up, are removed."""
        self._path = folder / FILE
        self._cut(updates)
        with writing(self._path):
            self._file = open(self._path, "a", encoding="utf-8")  # noqa: SIM115  closed by __exit__
        from torch.utils.tensorboard import SummaryWriter  # takes a second: only training needs it

        self._events = SummaryWriter(str(folder / "tensorboard"), purge_step=updates + 1, flush_secs=30)

    def write(self, kind: str, update: int, figures: dict[str, Any]) -> None:
        line = json.dumps({"kind": kind, "update": update, **figures}, ensure_ascii=False)
        with writing(self._path):
            self._file.write(line + "\n")
            self._file.flush()
        for name, value in figures.items():
            if isinstance(value, (int, float)):
                self._events.add_scalar(f"{kind}/{name}", value, update)

    def flush(self) -> None:
        """Hands all lines to the disk: a checkpoint must not be ahead of them."""
        with writing(self._path):
            self._file.flush()
            os.fsync(self._file.fileno())
            self._events.flush()

    def __enter__(self) -> MetricsWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._events.close()

    def _cut(self, updates: int) -> None:
        if not self._path.is_file():
            return
        lines = self._path.read_bytes().splitlines(keepends=True)
        kept = [line for line in lines if _belongs(line, updates)]
        if len(kept) != len(lines):
            whole_file(self._path, b"".join(kept))


def perplexity(loss: float) -> float:
    """exp(loss), infinity where that is beyond a float."""
    return math.exp(loss) if loss < 700 else math.inf


class Figures(NamedTuple):
    """metrics.jsonl read back."""

    train: list[dict[str, Any]]
    valid: list[dict[str, Any]]


def read_metrics(folder: Path) -> Figures:
    """The lines of a run folder's metrics.jsonl by kind; a half-written last line is left out."""
    lines = (folder / FILE).read_bytes().splitlines(keepends=True) if (folder / FILE).is_file() else []
    entries = [json.loads(line) for line in lines if _belongs(line, math.inf)]
    return Figures(*([entry for entry in entries if entry["kind"] == kind] for kind in ("train", "valid")))


def _belongs(line: bytes, updates: float) -> bool:
    # The last line of a killed process may be half a line.
    if not line.endswith(b"\n"):
        return False
    try:
        return json.loads(line)["update"] <= updates
    except (ValueError, KeyError, TypeError):
        return False
