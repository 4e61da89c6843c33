"""Opening trained models.

Several answer as one (an ensemble) when they are of one shape and know the same pieces; those of the opposite
direction rank what is found.
"""

from __future__ import annotations

from pathlib import Path

import torch

from seq2seq.bundle import Bundle, load_bundle
from seq2seq.errors import SettingError
from seq2seq.precision import pick_device
from seq2seq.settings.model import Shape
from seq2seq.settings.runs import Runs, each
from seq2seq.settings.training import Device


def open_bundles(run: Runs, device: Device) -> tuple[list[Bundle], torch.device]:
    """The bundles of one folder or of a list of them, on their device.

    Raises BundleError for a folder that is none, and SettingError for no folder, or folders that do not go together.
    """
    folders = each(run)
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


def open_reverse(run: Runs, forward: Bundle, place: torch.device) -> list[Bundle]:
    """The models of the opposite direction that rank what `forward` finds (reranking.py).

    Their pieces may be others. Raises BundleError for a folder that is none, and SettingError for one that does not
    translate back.
    """
    bundles = [load_bundle(Path(folder), str(place)) for folder in each(run)]
    for bundle in bundles:
        shapes = {bundle.settings.shape, forward.settings.shape}
        if bundle.languages != forward.languages[::-1] or shapes != {Shape.N_TO_M}:
            raise SettingError(f"reverse={bundle.folder} is {_what(bundle)}, and {forward.folder} is {_what(forward)}. "
                               "It takes two translators of opposite directions: give another, or leave reverse= out.")
    return bundles


def _what(bundle: Bundle) -> str:
    return f"{' to '.join(bundle.languages)} (shape={bundle.settings.shape.value})"


def _go_together(first: Bundle, other: Bundle) -> bool:
    return (first.source_tokenizer.hash == other.source_tokenizer.hash
            and first.target_tokenizer.hash == other.target_tokenizer.hash
            and first.languages == other.languages and first.settings.shape is other.settings.shape)
