"""The model bundle: a folder that translates anywhere with nothing else.

    weights.safetensors        every parameter once, fp32
    settings.yaml              checked against the dataclasses when read
    tokenizer.model            or tokenizer.source.model and tokenizer.target.model
    shortlist.safetensors      likely translations of every source piece, where the corpus has them
    bundle.json                format version, languages, sizes, scores, sha256 of each file
    README.md                  the model card

A bundle is data: no pickle, no class path, no file outside the folder (files.py), and no
memory is set aside for weights before their shapes are known to fit.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import os
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor
from torch.overrides import TorchFunctionMode

from seq2seq.bundle.card import model_card
from seq2seq.bundle.files import (
    CURE,
    SETTINGS_LIMIT,
    TEXT_LIMIT,
    TOKENIZER_LIMIT,
    Shapes,
    read_checked,
    read_file,
    read_weights,
)
from seq2seq.corpus.shortlist import SHORTLIST, SHORTLIST_LIMIT, Shortlist
from seq2seq.errors import BundleError, SettingError
from seq2seq.models.build import Network, build_model
from seq2seq.settings.model import LABELS, ContextKind, Shape
from seq2seq.settings.reading import read_settings, write_settings
from seq2seq.settings.removed import without_removed
from seq2seq.settings.search import LEAST_FACTOR, MOST_FACTOR
from seq2seq.settings.training import TrainSettings
from seq2seq.storage.atomic import whole_folder
from seq2seq.storage.plain_yaml import load_plain
from seq2seq.tokenization.tokenizer import Tokenizer

FORMAT_VERSION = 2
_READABLE = (1, 2)        # format 1 has settings that are gone since (settings/removed.py)
WEIGHTS, SETTINGS, INFO, CARD = "weights.safetensors", "settings.yaml", "bundle.json", "README.md"
JOINT, SEPARATE = "tokenizer.model", ("tokenizer.source.model", "tokenizer.target.model")
_LANGUAGE_LIMIT = 100  # characters of a language's name
_SAID = 250            # characters of a setting's error that are shown
_TRIES = 10            # at reading a bundle that is being replaced


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bundle:
    model: Network              # eval mode, on the device asked for
    source_tokenizer: Tokenizer
    target_tokenizer: Tokenizer
    languages: tuple[str, str]  # source, target
    settings: TrainSettings
    shortlist: Shortlist | None  # likely translations of the pieces; None where the corpus had none
    info: dict[str, Any]        # bundle.json
    folder: Path

    @property
    def max_length_factor(self) -> float:
        """Of search, where nobody sets it (length_limits.py); a bundle of an older version has none."""
        return self.info.get("max_length_factor", LEAST_FACTOR)

    def has_shortlist_of(self, other: Bundle) -> bool:
        """Whether both have the same one, or none."""
        return self.info["sha256"].get(SHORTLIST) == other.info["sha256"].get(SHORTLIST)


def save_bundle(folder: Path, model: Network, tokenizers: tuple[Tokenizer, Tokenizer],
                settings: TrainSettings, info: dict[str, Any], shortlist: bytes | None = None) -> None:
    """Writes the bundle whole. `info` has at least `languages` and what the model card shows."""
    from safetensors.torch import save

    weights = {name: value.detach().to("cpu", torch.float32).contiguous()
               for name, value in _tensors(model).items()}
    source, target = tokenizers
    written = yaml.safe_dump(write_settings(settings), sort_keys=False, allow_unicode=True)
    files = {WEIGHTS: save(weights), SETTINGS: written.encode()}
    files |= {JOINT: source.model} if source.model == target.model else dict(
        zip(SEPARATE, (source.model, target.model), strict=True))
    if shortlist is not None:
        files[SHORTLIST] = shortlist
    info = {
        "format_version": FORMAT_VERSION, **info,
        "vocabulary": {"source": len(source), "target": len(target)},
        "parameters": sum(tensor.numel() for tensor in weights.values()),
        "sha256": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
    }
    files[INFO] = (json.dumps(info, indent=1, ensure_ascii=False) + "\n").encode()
    files[CARD] = model_card(info, settings).encode()
    with whole_folder(folder) as place:
        for name, content in files.items():
            (place / name).write_bytes(content)


def load_bundle(path: Path, device: str = "cpu", setting: str = "run") -> Bundle:
    """Opens a bundle folder, or a run folder's best/ (else last/), that `setting` names.

    One that training replaces meanwhile is read again. Raises BundleError for any damage.
    """
    for _ in range(_TRIES):
        found = _identity(Path(path))
        try:
            return _load(Path(path), device, setting)
        except BundleError:
            # Files of two bundles do not go together: their checksums say so.
            if _identity(Path(path)) == found:
                raise
    raise BundleError(f"{path} was replaced {_TRIES} times while it was read. Try again when training has slowed down.")


def _identity(path: Path) -> list[tuple[int, int, int] | None]:
    """Changes when the folder, or its best/ or last/, is replaced."""
    found: list[tuple[int, int, int] | None] = []
    for folder in (path, path / "best", path / "last"):
        try:
            status = os.stat(folder)
        except OSError:
            found.append(None)
        else:
            found.append((status.st_dev, status.st_ino, status.st_ctime_ns))
    return found


def _load(path: Path, device: str, setting: str) -> Bundle:
    folder = _find(path, setting)
    info = _read_info(folder)
    settings = _read_settings(folder, info)
    source, target = _read_tokenizers(folder, info)
    model = _read_model(folder, info, settings, (source, target))
    languages: tuple[str, str] = tuple(info["languages"])  # type: ignore[assignment]
    return Bundle(model=model.to(device).eval(), source_tokenizer=source, target_tokenizer=target,
                  languages=languages, settings=settings, info=info, folder=folder,
                  shortlist=_read_shortlist(folder, info, (source, target)))


def _find(path: Path, setting: str) -> Path:
    for folder in (path, path / "best", path / "last"):
        if (folder / INFO).is_file():
            return folder
    if not path.exists():
        raise BundleError(f"{path} does not exist. Give the folder of a trained run: {setting}=FOLDER.")
    raise BundleError(f"{path} is no run folder or model bundle (no {INFO}, and none in best/ or last/). "
                      "Train one with: python train.py run=FOLDER")


def _read_info(folder: Path) -> dict[str, Any]:
    try:
        info = json.loads(read_file(folder / INFO, TEXT_LIMIT).decode())
    except (ValueError, RecursionError):
        raise BundleError(f"{folder / INFO} is damaged. {CURE}") from None
    version = info.get("format_version") if isinstance(info, dict) else None
    if type(version) is not int or version not in _READABLE:
        raise BundleError(f"{folder} has bundle format {ascii(version)[:20]}; this version reads formats 1 "
                          f"and {FORMAT_VERSION}. Train it again, or translate with the version that wrote it.")
    corpus, factor = info.get("corpus", {}), info.get("max_length_factor", LEAST_FACTOR)
    if not (type(factor) in (int, float) and LEAST_FACTOR <= factor <= MOST_FACTOR):
        raise BundleError(f"{folder / INFO} is damaged (max_length_factor). {CURE}")
    if not (_are_languages(info.get("languages")) and isinstance(info.get("sha256"), dict)
            and isinstance(corpus, dict) and isinstance(corpus.get("folder", ""), str)):
        raise BundleError(f"{folder / INFO} is damaged (languages, sha256 or corpus). {CURE}")
    return info


def _are_languages(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(
        isinstance(name, str) and name.isprintable() and len(name) <= _LANGUAGE_LIMIT for name in value)


def _read_settings(folder: Path, info: dict[str, Any]) -> TrainSettings:
    text = read_checked(folder, SETTINGS, info["sha256"], SETTINGS_LIMIT)
    try:
        return read_settings(TrainSettings, without_removed(load_plain(text.decode())))
    except (ValueError, yaml.YAMLError, RecursionError):
        raise BundleError(f"{folder / SETTINGS} is damaged. {CURE}") from None
    except SettingError as error:
        # The value is a stranger's: it may be a book, or steer the terminal that it is shown on.
        said = "".join(letter if letter.isprintable() else "?" for letter in str(error)[:_SAID])
        raise BundleError(f"{folder / SETTINGS} cannot be used: {said}") from None


def _read_tokenizers(folder: Path, info: dict[str, Any]) -> tuple[Tokenizer, Tokenizer]:
    def read(name: str) -> Tokenizer:
        return Tokenizer(read_checked(folder, name, info["sha256"], TOKENIZER_LIMIT), name=str(folder / name))

    if JOINT in info["sha256"]:
        joint = read(JOINT)
        return joint, joint
    source, target = map(read, SEPARATE)
    return source, target


def _read_shortlist(folder: Path, info: dict[str, Any], tokenizers: tuple[Tokenizer, Tokenizer]) -> Shortlist | None:
    if SHORTLIST not in info["sha256"]:
        return None
    content = read_checked(folder, SHORTLIST, info["sha256"], SHORTLIST_LIMIT)
    try:
        return Shortlist.read(content, *map(len, tokenizers))
    except ValueError as error:
        raise BundleError(f"{folder / SHORTLIST} is damaged ({error}). {CURE}") from None


def _read_model(folder: Path, info: dict[str, Any], settings: TrainSettings,
                tokenizers: tuple[Tokenizer, Tokenizer]) -> Network:
    source, target = tokenizers

    def build() -> Network:
        try:
            with _NoRandomStart():
                return build_model(settings, len(source), len(target), source.word_starts)
        except SettingError as error:
            raise BundleError(f"{folder} cannot be used: {error}") from None

    def fit(held: Shapes) -> None:
        if not _may_fill(settings, len(target), held):
            raise BundleError(f"{folder / WEIGHTS} does not fit {SETTINGS}: the network would be larger. {CURE}")
        with torch.device("meta"):  # shapes without memory
            wanted = _tensors(build())
        for name in sorted(wanted.keys() | held.keys()):
            one = held.get(name, "missing")
            other = list(wanted[name].shape) if name in wanted else "missing"
            if one != other:
                raise BundleError(f"{folder / WEIGHTS} does not fit {SETTINGS}: {name[:80]!r} is {one}, not "
                                  f"{other}. {CURE}")

    held = read_weights(folder / WEIGHTS, info["sha256"], fit)
    model = build()
    with torch.no_grad():
        for name, value in _tensors(model).items():
            value.copy_(held[name])
    return model


def _may_fill(settings: TrainSettings, target_vocabulary: int, held: Shapes) -> bool:
    """Whether tensors of these shapes can be enough: a false size is found out before a network is built."""
    model = settings.model
    layers = model.encoder_layers + (0 if settings.shape in LABELS else model.decoder_layers)
    there = sum(map(math.prod, held.values()))
    return (layers * (1 + settings.cell.transitions) <= len(held)
            and _least_parameters(settings, target_vocabulary) <= there)


def _least_parameters(settings: TrainSettings, target_vocabulary: int) -> int:
    """No network of these settings has fewer."""
    model, W = settings.model, settings.model.hidden**2 * (1 + settings.cell.transitions)
    encoder = 0 if settings.shape is Shape.ONE_TO_N else model.encoder_layers * W // 2
    context = 0
    if settings.context.kind in (ContextKind.PROJECTED, ContextKind.POOLED):
        context = settings.context_size * model.hidden * settings.context.hops
    if settings.shape in LABELS:
        words = model.words
        of_words = words.rows * words.embedding + words.hidden**2 // 2 if settings.shape is Shape.N_TO_N else 0
        return encoder + context + of_words + settings.context_size * target_vocabulary
    decoders = 1 + model.reverse_decoder
    return encoder + context + decoders * model.decoder_layers * W + model.embedding * target_vocabulary


class _NoRandomStart(TorchFunctionMode):
    """Leaves out the random start of weights that are about to be read; an orthogonal one takes a second."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function in (Tensor.normal_, Tensor.uniform_, Tensor.div):
            return args[0]
        if function is torch.nn.init.normal_:
            return kwargs["tensor"]
        if function is torch.eye:
            return kwargs["out"]
        if function is torch.linalg.qr:
            return args[0], args[0][: args[0].shape[1]]
        return function(*args, **(kwargs or {}))


def _tensors(model: Network) -> dict[str, Tensor]:
    """Every parameter, once, however often it is tied."""
    return dict(model.named_parameters())
