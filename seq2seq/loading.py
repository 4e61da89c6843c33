"""Opening trained models.

Several answer as one (an ensemble) when they are of one shape and know the same pieces; others rank what is
found.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import torch

from seq2seq.bundle import Bundle, load_bundle
from seq2seq.errors import SettingError
from seq2seq.models.encoder_decoder import EncoderDecoder
from seq2seq.precision import pick_device
from seq2seq.reranking import Ranking
from seq2seq.settings.model import Shape
from seq2seq.settings.ranking import RankingSettings
from seq2seq.settings.runs import Runs, each
from seq2seq.settings.training import Device


def open_bundles(run: Runs, device: Device, setting: str = "run") -> tuple[list[Bundle], torch.device]:
    """The bundles of one folder or of a list of them, which `setting` names, on their device.

    Raises BundleError for a folder that is none, and SettingError for no folder, or folders that do not go together.
    """
    folders = each(run)
    if not folders:
        raise SettingError(f"{setting}=[] names no model. Give the folder of a trained run: {setting}=FOLDER.")
    if device is Device.CUDA and not torch.cuda.is_available():
        raise SettingError("device=cuda: torch finds no CUDA device. Choose device=cpu or auto.")
    place = pick_device(device)
    bundles = [load_bundle(Path(folder), str(place), setting) for folder in folders]
    first = bundles[0]
    for other in bundles[1:]:
        if not _go_together(first, other):
            raise SettingError(
                f"{setting}: {first.folder} and {other.folder} have different tokenizers, languages or shapes, or "
                "write in different directions. An ensemble needs models trained on the same packed corpus, with the "
                "same shape= and model.reverse_target=."
            )
    return bundles, place


def open_ranking(settings: RankingSettings, searched: Sequence[Bundle], place: torch.device) -> Ranking:
    """The models that rank what those `searched` find (reranking.py). Their pieces may be others.

    Raises BundleError for a folder that is none, and SettingError for one of another direction.
    """
    rescore = _rankers("rescore", settings.rescore, searched[0], place)
    own = _from_the_right([*searched, *rescore]) if settings.rescore_own else []
    return Ranking(reverse=_rankers("reverse", settings.reverse, searched[0], place),
                   reverse_weight=settings.reverse_weight, rescore=own + rescore,
                   rescore_weight=settings.rescore_weight, rescore_search=settings.rescore_search)


def _from_the_right(bundles: Sequence[Bundle]) -> list[Bundle]:
    """What the second decoders of these are, each as a model of its own."""
    first = bundles[0]
    if first.settings.shape is not Shape.N_TO_M:
        raise SettingError(f"rescore_own=true ranks translations, and {first.folder} is of "
                           f"shape={first.settings.shape.value}. Leave rescore_own= out.")
    found = [dataclasses.replace(bundle, model=bundle.model.from_the_right()) for bundle in bundles
             if isinstance(bundle.model, EncoderDecoder) and bundle.model.reverse_decoder is not None]
    if not found:
        raise SettingError(f"rescore_own=true is for models with a second decoder, and {first.folder} was "
                           "trained without. Train one with model.reverse_decoder=true, or leave rescore_own= out.")
    return found


def _rankers(setting: str, run: Runs, searched: Bundle, place: torch.device) -> list[Bundle]:
    opposite = setting == "reverse"
    languages = searched.languages[::-1] if opposite else searched.languages
    bundles = [load_bundle(Path(folder), str(place), setting) for folder in each(run)]
    for bundle in bundles:
        shapes = {bundle.settings.shape, searched.settings.shape}
        if bundle.languages != languages or shapes != {Shape.N_TO_M}:
            raise SettingError(
                f"{setting}={bundle.folder} is {_what(bundle)}, and {searched.folder} is {_what(searched)}. It takes "
                f"two translators of {'opposite directions' if opposite else 'the same direction'}: give another, or "
                f"leave {setting}= out.")
    return bundles


def _what(bundle: Bundle) -> str:
    return f"{' to '.join(bundle.languages)} (shape={bundle.settings.shape.value})"


def _go_together(first: Bundle, other: Bundle) -> bool:
    return (first.source_tokenizer.hash == other.source_tokenizer.hash
            and first.target_tokenizer.hash == other.target_tokenizer.hash
            and first.languages == other.languages and first.settings.shape is other.settings.shape
            and first.settings.model.reverse_target == other.settings.model.reverse_target)
