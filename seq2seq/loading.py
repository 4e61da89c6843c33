"""Opening trained models. Several answer as one (an ensemble) when they are of one shape and know the same pieces."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from seq2seq.bundle import Bundle, load_bundle
from seq2seq.errors import SettingError
from seq2seq.precision import pick_device
from seq2seq.settings.training import Device


def open_bundles(run: str | Path | Sequence[str | Path], device: Device) -> tuple[list[Bundle], torch.device]:
    """The bundles of one folder or of a list of them, on their device.

    Raises BundleError for a folder that is none, and SettingError for no folder, or folders that do not go together.
    """
    folders = [run] if isinstance(run, (str, Path)) else list(run)
    if not folders:
        raise SettingError("run=[] names no model. Give the folder of a trained run: run=FOLDER.")
    if device is Device.CUDA and not torch.cuda.is_available():
        raise SettingError("device=cuda: torch finds no CUDA device. Choose device=cpu or auto.")
    place = pick_device(device)
    bundles = [load_bundle(Path(folder), str(place)) for folder in folders]
    first = bundles[0]
    for other in bundles[1:]:
        if not _go_together(first, other):
            raise SettingError(
                f"run: {first.folder} and {other.folder} have different tokenizers, languages or shapes. An ensemble "
                "needs models trained on the same packed corpus, with the same shape=."
            )
    return bundles, place


def _go_together(first: Bundle, other: Bundle) -> bool:
    return (first.source_tokenizer.hash == other.source_tokenizer.hash
            and first.target_tokenizer.hash == other.target_tokenizer.hash
            and first.languages == other.languages and first.settings.shape is other.settings.shape)
