"""Checkpoints: all that a run needs to go on, whole on the disk, each with its checksum.

    checkpoints/00001200/state.pt      a torch archive of tensors and plain numbers
                        /state.sha256  its SHA-256

A damaged one is passed over for the one before it, and this is said. Nothing but tensors and
plain containers is ever unpickled (`weights_only=True`), and nothing before its checksum fits.
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

from seq2seq.errors import BundleError, UserError
from seq2seq.storage.atomic import whole_folder

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
    places = checkpoints(folder)
    # A run that had to take up an older one has left the newer, damaged ones behind: it is before them now.
    ahead = [place for place in places if int(place.name) > updates]
    for place in ahead + places[len(ahead) + keep:]:
        shutil.rmtree(place, ignore_errors=True)


def load_checkpoint(folder: Path) -> dict[str, Any] | None:
    """The newest undamaged checkpoint of `folder` (tensors on the CPU), None when there is none.

    Raises BundleError when there are some but all are damaged: a run must not begin anew over its own
    remains. UserError when the newest may not be read: that is no damage.
    """
    places = checkpoints(folder)
    for place in places:
        try:
            content = _read(place)
        except _Damaged as cause:
            if not place.exists():  # the run is under way, has newer ones by now, and removed this one
                return load_checkpoint(folder)
            log.warning("checkpoint %s is damaged (%s) and passed over", place, cause)
            continue
        if place != places[0]:
            log.warning("taking the checkpoint before it: %s", place)
        return content
    if places:
        raise BundleError(f"all checkpoints in {folder} are damaged, and nothing can be "
                          f"continued. {folder.parent / 'best'}, where it is there, translates still. To train, choose "
                          "another run=FOLDER.")
    return None


def place_of(folder: Path, updates: int) -> Path:
    """Where the checkpoint of after so many updates is, or was, or will be."""
    return folder / f"{updates:08d}"


def checkpoints(folder: Path) -> list[Path]:
    """The checkpoint folders, the newest first."""
    if not folder.is_dir():
        return []
    return sorted((place for place in folder.iterdir() if place.name.isdecimal()),
                  key=lambda place: int(place.name), reverse=True)


class _Damaged(Exception):
    """The message is the cause."""


def _read(place: Path) -> dict[str, Any]:
    try:
        state, written = (place / _STATE).read_bytes(), (place / _SUM).read_bytes()
    except PermissionError as error:
        raise UserError(f"{error.filename} cannot be read: {error.strerror}. Change its permissions.") from None
    except OSError as error:
        raise _Damaged(f"{Path(str(error.filename)).name}: {error.strerror}") from None
    if hashlib.sha256(state).hexdigest().encode() + b"\n" != written:
        raise _Damaged(f"the SHA-256 of {_STATE} is not the one in {_SUM}")
    try:
        content = torch.load(io.BytesIO(state), map_location="cpu", weights_only=True)
        version = content["format_version"]
    except (pickle.UnpicklingError, RuntimeError, LookupError, TypeError, ValueError, EOFError):
        raise _Damaged(f"{_STATE} holds something else than tensors and plain containers") from None
    if version != FORMAT_VERSION:
        raise _Damaged(f"it has format {version}, not {FORMAT_VERSION}")
    return content
