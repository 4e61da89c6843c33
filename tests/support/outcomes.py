"""What a run or a preparation ends with, to be compared bit for bit, and small ones to compare."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from data_prep.prepare import prepare
from seq2seq.bundle.bundle import load_bundle
from seq2seq.settings.prepare import FilesData, PrepareSettings, TokenizerKind, TokenizerSettings
from seq2seq.settings.reading import read_settings
from seq2seq.settings.training import TrainSettings
from seq2seq.training.checkpoint import load_checkpoint
from seq2seq.training.metrics import read_metrics

TIMED = ("seconds", "aside_seconds", "pieces_per_second", "since")  # what a clock decides
WORDS = ["ba", "dobo", "fi", "gunagu", "ke", "lo", "mirami", "nu", "paka", "re", "so", "tutu"]


def make_raw(folder: Path, train: int = 60, held_out: int = 6) -> Path:
    """Two text files for each split; the target is the source's words in reverse order."""
    folder.mkdir(parents=True)
    for number, (split, lines) in enumerate({"train": train, "valid": held_out, "test": held_out}.items()):
        rows = [[WORDS[(7 * i * i + 3 * i * j + 5 * j + 11 * number + i // 7) % len(WORDS)] for j in range(2 + i % 7)]
                for i in range(lines)]
        (folder / f"{split}.en").write_text("".join(" ".join(row) + "\n" for row in rows))
        (folder / f"{split}.de").write_text("".join(" ".join(row[::-1]) + "\n" for row in rows))
    return folder


def prepare_small(raw: Path, corpus: Path, kind: str = "bpe", vocabulary: int = 45) -> Path:
    """`python -m data_prep` on the files of `make_raw`."""
    names = {split: str(raw / split) for split in ("train", "valid", "test")}
    return prepare(PrepareSettings(corpus=str(corpus), data=FilesData(source="en", target="de", **names), num_proc=1,
                                   tokenizer=TokenizerSettings(kind=TokenizerKind(kind), vocabulary=vocabulary)))


def run_settings(corpus: Path, run: Path, fork: Path | None = None, /, optimizer: Any = (), model: Any = (),
                 search: Any = (), network: Any = (), seed: int = 1, **training: Any) -> TrainSettings:
    """A network of a few hundred weights, 14 updates with a validation after every sixth."""
    return read_settings(TrainSettings, {
        "corpus": str(corpus), "run": str(run), "fork": None if fork is None else str(fork), "seed": seed,
        **dict(network),
        "model": {"embedding": 8, "hidden": 8, **dict(model)},
        "search": {"kind": "greedy", "max_length": 12, **dict(search)},
        "optimizer": {"learning_rate": 0.01, "warmup_updates": 5, **dict(optimizer)},
        "training": {"batch_pieces": 150, "max_epochs": None, "max_updates": 14, "validate_every": 6, "log_every": 4,
                     "threads": 1, "device": "cpu", "precision": "fp32", **training}})


def outcome(run: Path) -> dict[str, Any]:
    """Everything that a run leaves for a reader, but what a clock decides.

    Of the checkpoints the newest: after a loss of power an old one that was removed may be there again.
    """
    found = read_metrics(run)
    left = [path.relative_to(run) for path in run.rglob("*")
            if path.is_file() and path.parent.name != "tensorboard" and not path.parent.name.isdecimal()]
    return {"checkpoint": exact(load_checkpoint(run / "checkpoints")), "metrics": exact([*found.train, *found.valid]),
            "files": sorted(map(str, left)), **{name: _bundle(run / name) for name in ("best", "last")}}


def exact(value: Any) -> Any:
    """Plain and comparable: a tensor is its bytes, a number its digits; what a clock decides is left out."""
    if isinstance(value, Tensor):
        raw = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        return (str(value.dtype), list(value.shape), hashlib.sha256(raw.numpy().tobytes()).hexdigest())
    if isinstance(value, dict):
        return {key: exact(inside) for key, inside in value.items() if key not in TIMED}
    if isinstance(value, (list, tuple)):
        return [exact(inside) for inside in value]
    return repr(value)


def corpus_content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def _bundle(folder: Path) -> dict[str, Any]:
    load_bundle(folder)  # it can be used
    info = json.loads((folder / "bundle.json").read_text())
    return exact({**info, "weights": (folder / "weights.safetensors").read_bytes()})
