"""The figures of a run: summed on the device, written to metrics.jsonl and TensorBoard.

One JSON object a line. Every line has `kind`, `update`, `epoch` and `seconds` (of the loop, over
all resumes). kind=train is the mean since the last such line, kind=valid a validation. `loss` is
the negative log-likelihood per target piece in nats, `perplexity` its exponential.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from seq2seq.corpus.batch import Batch
from seq2seq.errors import UserError
from seq2seq.models.types import Loss
from seq2seq.scoring import perplexity
from seq2seq.storage.atomic import flush_entry, whole_file, writing

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

    def add(self, loss: Loss) -> None:
        """The sums of this process's rows of a batch."""
        self.nll += loss.nll
        self.smoothed += loss.smoothed

    def count(self, batch: Batch, places: int, learning_rate: float, gradient_norm: Tensor) -> None:
        """The numbers of a whole update on the global `batch`, which took so many places with its padding."""
        self.pieces += batch.pieces
        self.real += batch.pieces + int(batch.source_lengths.sum())
        self.padded += places
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

    def __init__(self, folder: Path, updates: int, validated: int) -> None:
        """The run takes up after `updates`; `validated` is its last validation. Lines beyond them are removed."""
        self._path, self._updates, self._validated = folder / FILE, updates, validated

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
        from torch.utils.tensorboard import SummaryWriter  # takes a second: only training needs it

        self._cut()
        with contextlib.ExitStack() as stack, writing(self._path):
            stack.enter_context(_quiet_threads())
            self._file = stack.enter_context(open(self._path, "a", encoding="utf-8"))
            flush_entry(self._path.parent)
            self._events = stack.enter_context(SummaryWriter(
                str(self._path.parent / "tensorboard"), purge_step=self._updates + 1, flush_secs=30))
            self._open = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            with writing(self._path):
                self._open.close()  # tries once more to write what a full disk did not take
        except UserError:
            if kind is None:  # else the error that ended the run is the one to tell
                raise

    def _cut(self) -> None:
        if not self._path.is_file():
            return
        lines = self._path.read_bytes().splitlines(keepends=True)
        kept = [line for line in lines if _belongs(line, {"train": self._updates, "valid": self._validated})]
        if len(kept) != len(lines):
            whole_file(self._path, b"".join(kept))


@contextlib.contextmanager
def _quiet_threads() -> Iterator[None]:
    """TensorBoard writes in a thread of its own and raises in ours what failed there: once is enough."""
    shown = threading.excepthook
    threading.excepthook = lambda failed: None if isinstance(failed.exc_value, OSError) else shown(failed)
    try:
        yield
    finally:
        threading.excepthook = shown


class Figures(NamedTuple):
    """metrics.jsonl read back."""

    train: list[dict[str, Any]]
    valid: list[dict[str, Any]]


def read_metrics(folder: Path) -> Figures:
    """The lines of a run folder's metrics.jsonl by kind; a half-written last line is left out."""
    lines = (folder / FILE).read_bytes().splitlines(keepends=True) if (folder / FILE).is_file() else []
    entries = [json.loads(line) for line in lines if _belongs(line, {"train": math.inf, "valid": math.inf})]
    return Figures(*([entry for entry in entries if entry["kind"] == kind] for kind in ("train", "valid")))


def _belongs(line: bytes, reached: dict[str, Any]) -> bool:
    # The last line of a killed process may be half a line.
    if not line.endswith(b"\n"):
        return False
    try:
        entry = json.loads(line)
        return entry["update"] <= reached["valid" if entry["kind"] == "valid" else "train"]
    except (ValueError, KeyError, TypeError):
        return False
