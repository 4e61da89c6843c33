"""Opening trained models.

Several answer as one (an ensemble) when they are of one shape and know the same pieces; others re-rank what is found.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import torch

from seq2seq.bundle.bundle import Bundle, load_bundle
from seq2seq.device import pick_device
from seq2seq.errors import SettingError
from seq2seq.inference.reranking import RerankModels
from seq2seq.models.encoder_decoder import EncoderDecoder
from seq2seq.settings.device import Device
from seq2seq.settings.model import Shape
from seq2seq.settings.reranking import RerankSettings
from seq2seq.settings.runs import Runs, as_list
from seq2seq.tokenization.tokenizer import Tokenizer


def open_bundles(run: Runs, device: Device, setting: str = "run") -> tuple[list[Bundle], torch.device]:
    """The bundles of one folder or of a list of them, which `setting` names, on their device.

    Raises BundleError for a folder that is none, and SettingError for no folder, or folders that do not go together.
    """
    folders = as_list(run)
    if not folders:
        raise SettingError(f"{setting}=[] names no model. Give the folder of a trained run: {setting}=FOLDER.")
    if device is Device.CUDA and not torch.cuda.is_available():
        raise SettingError("device=cuda: torch finds no CUDA device. Choose device=cpu or auto.")
    place = pick_device(device)
    bundles = [load_bundle(Path(folder), str(place), setting) for folder in folders]
    first = bundles[0]
    for other in bundles[1:]:
        if apart := _apart(first, other, setting):
            raise SettingError(f"{setting}: {first.folder} and {other.folder} cannot answer as one: {apart}")
    return bundles, place


def open_rerank_models(settings: RerankSettings, searched: Sequence[Bundle],
                       device: torch.device) -> RerankModels | None:
    """The models that re-rank what those `searched` find (reranking.py); they may have a different vocabulary.

    None where nothing is re-ranked. Raises BundleError for a folder that is none, and SettingError for one of another
    direction.
    """
    if not settings.active:
        return None
    forward = _opened("forward", settings.forward, searched[0], device)
    second = _second_decoders([*searched, *forward]) if settings.second_decoder else []
    return RerankModels(settings, backward=_opened("backward", settings.backward, searched[0], device),
                        forward=second + forward)


def _second_decoders(bundles: Sequence[Bundle]) -> list[Bundle]:
    """The second decoders of these, each as a model of its own."""
    first = bundles[0]
    if first.settings.shape is not Shape.N_TO_M:
        raise SettingError(f"rerank.second_decoder=true re-ranks translations, and {first.folder} is of "
                           f"shape={first.settings.shape.value}. Leave rerank.second_decoder= out.")
    found = [dataclasses.replace(bundle, model=bundle.model.right_to_left_view()) for bundle in bundles
             if isinstance(bundle.model, EncoderDecoder) and bundle.model.reverse_decoder is not None]
    if not found:
        without = ", ".join(str(bundle.folder) for bundle in bundles)
        raise SettingError("rerank.second_decoder=true is for models with a second decoder, and none was trained with "
                           f"one ({without}). Train one with model.reverse_decoder=true, or leave "
                           "rerank.second_decoder= out.")
    return found


def _opened(direction: str, runs: Runs, searched: Bundle, device: torch.device) -> list[Bundle]:
    """The models of rerank.forward or rerank.backward."""
    backward, setting = direction == "backward", f"rerank.{direction}"
    languages = searched.languages[::-1] if backward else searched.languages
    bundles = [load_bundle(Path(folder), str(device), setting) for folder in as_list(runs)]
    for bundle in bundles:
        shapes = {bundle.settings.shape, searched.settings.shape}
        if bundle.languages != languages or shapes != {Shape.N_TO_M}:
            raise SettingError(
                f"{setting}={bundle.folder} is {_what(bundle)}, and {searched.folder} is {_what(searched)}. It takes "
                f"two translators of {'opposite directions' if backward else 'the same direction'}: give another, or "
                f"leave {setting}= out.")
    return bundles


def _what(bundle: Bundle) -> str:
    return f"{' to '.join(bundle.languages)} (shape={bundle.settings.shape.value})"


def _apart(first: Bundle, other: Bundle, setting: str) -> str | None:
    """What keeps these two from being one ensemble, and the cure."""
    one, two = _what(first), _what(other)
    if one != two:
        return f"one is {one}, the other {two}. Give models of the same languages and the same shape=."
    cure = ""
    if setting == "run" and first.settings.shape is Shape.N_TO_M:
        cure = f", or let it search and re-rank with them: rerank.forward={other.folder} rerank.search=true"
    if any(mine.hash != its.hash for mine, its in zip(_tokenizers(first), _tokenizers(other), strict=True)):
        return f"they have different tokenizers. Give models trained on the same packed corpus{cure}."
    if first.settings.model.reverse_target != other.settings.model.reverse_target:
        return f"they write in different directions. Give models with the same model.reverse_target={cure}."
    return None


def _tokenizers(bundle: Bundle) -> tuple[Tokenizer, Tokenizer]:
    return bundle.source_tokenizer, bundle.target_tokenizer
