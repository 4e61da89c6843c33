"""Strings in, strings out.

    translator = Translator.load("runs/m30k")
    translator.translate(["A man is riding a bicycle."])

One translation for every line, in order; a line without pieces (empty, or white space) gives an
empty one. Several folders make an ensemble.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from seq2seq.bundle import Bundle, load_bundle
from seq2seq.errors import SettingError
from seq2seq.precision import pick_device
from seq2seq.search import Ensemble, Hypothesis, translate_ids
from seq2seq.settings.reading import read_settings
from seq2seq.settings.search import SearchSettings
from seq2seq.settings.training import Device
from seq2seq.tokenizer import EOS, Tokenizer

MAX_SOURCE_PIECES = 500
log = logging.getLogger("seq2seq")


@dataclasses.dataclass(frozen=True)
class Candidate:
    """One translation of a sentence."""

    text: str
    pieces: list[str]         # y_1..y_T as text
    score: float              # what candidates are ranked by (seq2seq/search/penalties.py)
    log_probability: float    # natural logarithm, EOS counted
    attention: Tensor | None  # (T, N) over the source pieces


@dataclasses.dataclass(frozen=True)
class Translation:
    """What became of one line."""

    source: str
    source_pieces: list[str]     # x_1..x_N as text, EOS last; empty for an empty line
    candidates: list[Candidate]  # best first; empty for an empty line

    @property
    def text(self) -> str:
        return self.candidates[0].text if self.candidates else ""


class Translator:
    """A trained model, or several as an ensemble, with its tokenizers and its search."""

    def __init__(self, bundles: Sequence[Bundle], search: SearchSettings, *, device: torch.device | str = "cpu",
                 max_source_pieces: int = MAX_SOURCE_PIECES) -> None:
        self.bundles, self.search, self.device = list(bundles), search, torch.device(device)
        self.max_source_pieces = max_source_pieces
        self._source, self._target = _common_tokenizers(self.bundles)
        models = [bundle.model for bundle in self.bundles]
        self._model: Any = models[0] if len(models) == 1 else Ensemble(models)

    @classmethod
    def load(cls, run: str | Path | Sequence[str | Path], device: str = "auto",
             max_source_pieces: int = MAX_SOURCE_PIECES, **search: Any) -> Translator:
        """Opens a run folder or bundle, or a list of them as an ensemble.

        `device` is auto, cpu or cuda; `search` are fields of SearchSettings, for example `beam_size=10`
        or `kind="greedy"`. Raises BundleError for a folder that is none and SettingError for a setting
        that does not exist or is out of range.
        """
        settings = read_settings(SearchSettings, search, where="search")
        choice = read_settings(_DeviceChoice, {"device": device}).device
        return cls.open(run, settings, choice, max_source_pieces)

    @classmethod
    def open(cls, run: str | Path | Sequence[str | Path], search: SearchSettings, device: Device = Device.AUTO,
             max_source_pieces: int = MAX_SOURCE_PIECES) -> Translator:
        """`load` with settings that have been read already."""
        folders = [run] if isinstance(run, (str, Path)) else list(run)
        if not folders:
            raise SettingError("run=[] names no model. Give the folder of a trained run: run=FOLDER.")
        if device is Device.CUDA and not torch.cuda.is_available():
            raise SettingError("device=cuda: torch finds no CUDA device. Choose device=cpu or auto.")
        place = pick_device(device)
        bundles = [load_bundle(Path(folder), str(place)) for folder in folders]
        return cls(bundles, search, device=place, max_source_pieces=max_source_pieces)

    @property
    def languages(self) -> tuple[str, str]:
        """The source and the target language."""
        return self.bundles[0].languages

    def translate(self, lines: Iterable[str]) -> list[str]:
        """The best translation of each line."""
        return [translation.text for translation in self.translate_lines(list(lines))]

    def stream(self, windows: Iterable[list[str]], *, attention: bool = False,
               name: str = "the input") -> Iterator[list[Translation]]:
        """Translates lists of lines one after the other; lines count on from list to list."""
        first = 1
        for lines in windows:
            yield self.translate_lines(lines, first=first, attention=attention, name=name)
            first += len(lines)

    def translate_lines(self, lines: Sequence[str], *, first: int = 1, attention: bool = False,
                        name: str = "the input") -> list[Translation]:
        """Translations with scores, pieces, n best, and attention where asked for and there.

        `first` is the number of the first line: draws of search.kind=sample depend on it, and warnings
        name it beside `name`.
        """
        ids = [self._cut(row, f"{name} line {first + place}")
               for place, row in enumerate(self._source.encode(lines))]
        rows = [place for place, row in enumerate(ids) if row and lines[place].strip()]
        found = translate_ids(self._model, [ids[row] for row in rows], self.search, self.device,
                              numbers=[first + row for row in rows], attention=attention)
        candidates: list[list[Candidate]] = [[] for _ in lines]
        for row, hypotheses in zip(rows, found, strict=True):
            candidates[row] = self._candidates(hypotheses)
        return [Translation(line, self._source.pieces([*row, EOS]) if best else [], best)
                for line, row, best in zip(lines, ids, candidates, strict=True)]

    def _cut(self, ids: list[int], where: str) -> list[int]:
        if len(ids) <= self.max_source_pieces:
            return ids
        log.warning("%s has %d pieces: only the first %d are translated (max_source_pieces)",
                    where, len(ids), self.max_source_pieces)
        return ids[: self.max_source_pieces]

    def _candidates(self, hypotheses: list[Hypothesis]) -> list[Candidate]:
        texts = self._target.decode([one.pieces for one in hypotheses])
        return [Candidate(_one_line(text), self._target.pieces(one.pieces), one.score, one.log_probability,
                          one.attention)
                for text, one in zip(texts, hypotheses, strict=True)]


@dataclasses.dataclass(kw_only=True)
class _DeviceChoice:
    device: Device


def _one_line(text: str) -> str:
    # A vocabulary may hold line breaks (byte pieces, odd corpora); one line in is one line out.
    return text.replace("\r", " ").replace("\n", " ")


def _common_tokenizers(bundles: Sequence[Bundle]) -> tuple[Tokenizer, Tokenizer]:
    """The tokenizers of all bundles, or SettingError when they differ."""
    first = bundles[0]
    for other in bundles[1:]:
        same = (first.source_tokenizer.hash == other.source_tokenizer.hash
                and first.target_tokenizer.hash == other.target_tokenizer.hash)
        if not same or first.languages != other.languages:
            raise SettingError(
                f"run: {first.folder} and {other.folder} have different tokenizers or languages. An ensemble "
                "needs models trained on the same packed corpus."
            )
    return first.source_tokenizer, first.target_tokenizer
