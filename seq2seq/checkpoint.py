"""Checkpoints: all that a run needs to go on, whole on the disk, each with its checksum.

    checkpoints/00001200/state.pt      a torch archive of tensors and plain numbers
                        /state.sha256  its SHA-256

A damaged one is passed over for the one before it, and this is said. Nothing but tensors and
plain containers is ever unpickled (`weights_only=True`).
"""

from __future__ import annotations

import hashlib
import io
import logging
import pickle
import shutil
from pathlib import Path
from typing import Any

import torch

from seq2seq.errors import BundleError
from seq2seq.folders import whole_folder

FORMAT_VERSION = 1
KEEP = 2
_STATE, _SUM = "state.pt", "state.sha256"
log = logging.getLogger("seq2seq")


def save_checkpoint(folder: Path, updates: int, content: dict[str, Any], keep: int = KEEP) -> None:
    """Writes `folder/<updates>`, then removes all but the newest `keep`.

    Raises UserError when the disk will not take it; the older checkpoints stay then.
    """
    buffer = io.BytesIO()
    torch.save({"format_version": FORMAT_VERSION, **content}, buffer)
    state = buffer.getbuffer()
    with whole_folder(place_of(folder, updates)) as place:
        (place / _STATE).write_bytes(state)
        (place / _SUM).write_text(hashlib.sha256(state).hexdigest() + "\n", encoding="ascii")
    for old in checkpoints(folder)[keep:]:
        shutil.rmtree(old, ignore_errors=True)


def load_checkpoint(folder: Path) -> dict[str, Any] | None:
    """The newest undamaged checkpoint of `folder` (tensors on the CPU), None when there is none.

    Raises BundleError when there are some but all are damaged: a run must not begin anew over its own remains.
    """
    places = checkpoints(folder)
    for place in places:
        content = _read(place)
        if content is not None:
            return content
        log.warning("checkpoint %s is damaged", place)
    if places:
        raise BundleError(f"all checkpoints in {folder} are damaged. Choose another run=FOLDER.")
    return None


def place_of(folder: Path, updates: int) -> Path:
    """Where the checkpoint of after so many updates is, or was, or will be."""
    return folder / f"{updates:08d}"


def checkpoints(folder: Path) -> list[Path]:
    """The checkpoint folders, the newest first."""
    if not folder.is_dir():
        return []
    return sorted((place for place in folder.iterdir() if place.name.isdigit()),
                  key=lambda place: int(place.name), reverse=True)


def _read(place: Path) -> dict[str, Any] | None:
    try:
        state = (place / _STATE).read_bytes()
        if hashlib.sha256(state).hexdigest() != (place / _SUM).read_text(encoding="ascii").strip():
            return None
    except (OSError, UnicodeDecodeError):
        return None
    try:
        content = torch.load(io.BytesIO(state), map_location="cpu", weights_only=True)
        return content if content["format_version"] == FORMAT_VERSION else None
    except (pickle.UnpicklingError, RuntimeError, LookupError, TypeError, ValueError, EOFError):
        return None  # written by someone else, or it holds more than tensors and plain containers
