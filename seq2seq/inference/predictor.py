"""Labels for lines: a tag for every word (shape=n_to_n) or a class for every line (shape=n_to_1).

    predictor = Predictor.load("runs/ewt")
    predictor.predict(["The dog barks ."])      # ["DET NOUN VERB PUNCT"]
    predictor.predict("The dog barks .")        # "DET NOUN VERB PUNCT"

One line comes out for every line, with a tag for every word of it (words.py); a blank line gives an empty one.
Several folders make an ensemble: the mean of their probabilities decides.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, overload

import torch

from seq2seq.bundle.bundle import Bundle
from seq2seq.corpus.batch import pad_source
from seq2seq.corpus.length_batches import longest_first
from seq2seq.errors import SettingError, check_is_list
from seq2seq.inference.loading import open_bundles
from seq2seq.inference.long_lines import parts_of_words
from seq2seq.models.labeller import Labeller, label_probabilities
from seq2seq.settings.device import Device, Precision
from seq2seq.settings.model import LABELS, Shape
from seq2seq.settings.reading import read_settings
from seq2seq.settings.runs import Runs
from seq2seq.settings.translate import MAX_SOURCE_PIECES, Choices, LongLinePolicy
from seq2seq.text.lines import check_surrogates
from seq2seq.tokenization.label_pieces import encode_source, label_names
from seq2seq.tokenization.tokenizer import EOS
from seq2seq.tokenization.words import is_blank, words

BATCH_PIECES = 3000
log = logging.getLogger("seq2seq")


class Label(NamedTuple):
    name: str
    probability: float


@dataclasses.dataclass(frozen=True)
class Prediction:
    """What became of one line."""

    source: str
    labels: list[list[Label]]  # for every word, or for the line, the asked number of labels, best first

    @property
    def text(self) -> str:
        """The best labels, a space between them."""
        return " ".join(best.name for best, *_ in self.labels)


class Predictor:
    """A trained model of shape n_to_n or n_to_1, or several as an ensemble."""

    def __init__(self, bundles: Sequence[Bundle], *, device: torch.device | str = "cpu",
                 max_source_pieces: int = MAX_SOURCE_PIECES, long: LongLinePolicy = LongLinePolicy.CUT,
                 n_best: int = 1) -> None:
        """`n_best`: labels for every word or line. Raises SettingError for what the shape cannot do."""
        self.bundles, self.device, self.n_best = list(bundles), torch.device(device), n_best
        self.max_source_pieces, self.long, self.shape = max_source_pieces, long, bundles[0].settings.shape
        self.models = [bundle.model for bundle in bundles if isinstance(bundle.model, Labeller)]
        if self.shape not in LABELS:
            raise SettingError(f"run={bundles[0].folder} is of shape={self.shape.value}, which gives no labels. Use "
                               "seq2seq.Translator.")
        if long is LongLinePolicy.SPLIT and self.shape is Shape.N_TO_1:
            raise SettingError("long=split cannot go with shape=n_to_1: parts of a line have labels of their own. "
                               "Choose long=cut, or raise max_source_pieces.")
        self._source, target = bundles[0].source_tokenizer, bundles[0].target_tokenizer
        self._names = label_names(target)

    @classmethod
    def load(cls, run: Runs, device: str = "auto",
             max_source_pieces: int = MAX_SOURCE_PIECES, long: str = "cut", n_best: int = 1) -> Predictor:
        """Opens a run folder or bundle, or a list of them as an ensemble. Raises BundleError and SettingError."""
        choice = read_settings(Choices, {"device": device, "long": long})
        return cls.open(run, choice.device, max_source_pieces, choice.long, n_best)

    @classmethod
    def open(cls, run: Runs, device: Device = Device.AUTO,
             max_source_pieces: int = MAX_SOURCE_PIECES, long: LongLinePolicy = LongLinePolicy.CUT,
             n_best: int = 1) -> Predictor:
        """`load` with settings that have been read already."""
        bundles, place = open_bundles(run, device)
        return cls(bundles, device=place, max_source_pieces=max_source_pieces, long=long, n_best=n_best)

    @property
    def languages(self) -> tuple[str, str]:
        """The names of the source and the target side."""
        return self.bundles[0].languages

    @overload
    def predict(self, lines: str) -> str: ...  # type: ignore[overload-overlap]
    @overload
    def predict(self, lines: Iterable[str]) -> list[str]: ...
    def predict(self, lines: str | Iterable[str]) -> str | list[str]:
        """The best labels of each line, a space between them; of a text by itself a text."""
        if isinstance(lines, str):
            return self.predict_lines([lines])[0].text
        return [prediction.text for prediction in self.predict_lines(list(lines))]

    def stream(self, windows: Iterable[list[str]], *, name: str = "the input") -> Iterator[list[Prediction]]:
        """Labels lists of lines one after the other; lines count on from list to list."""
        check_is_list(windows)
        first = 1
        for lines in windows:
            yield self.predict_lines(lines, first=first, name=name)
            first += len(lines)

    def predict_lines(self, lines: Sequence[str], *, first: int = 1, name: str = "the input") -> list[Prediction]:
        """The labels of each line with their probabilities; `first` and `name` are for warnings.

        Raises UserError for a line that is no text (half a surrogate pair), TypeError for a text instead of a list.
        """
        check_is_list(lines)
        check_surrogates(lines, first, name)
        every = encode_source(self._source, lines, self.shape)
        pieces, owners = [], []
        for row, ids in enumerate(every):
            if not ids or is_blank(lines[row]):
                continue
            if self.shape is Shape.N_TO_N and "\t" in lines[row]:
                log.warning("%s line %d has a tab, which separates no words as a space does: it is read as %d words",
                            name, first + row, len(words(lines[row])))
            for part in self._within_limit(ids, first + row, name):
                pieces.append(part)
                owners.append(row)
        found: list[list[list[Label]]] = [[] for _ in lines]
        for row, labels in zip(owners, self._labels(pieces), strict=True):
            found[row] += labels
        return [Prediction(line, labels) for line, labels in zip(lines, found, strict=True)]

    def _within_limit(self, ids: list[int], number: int, name: str) -> list[list[int]]:
        """The line in parts of at most max_source_pieces: of words all of them, of a text its beginning alone."""
        limit = self.max_source_pieces
        if len(ids) <= limit:
            return [ids]
        if self.shape is Shape.N_TO_1:
            log.warning("%s line %d has %d pieces: only the first %d are read (max_source_pieces)", name, number,
                        len(ids), limit)
            return [ids[:limit]]
        cuts = parts_of_words(self._source.pieces(ids), limit)
        if left_out := len(ids) - sum(map(len, cuts)):
            log.warning("%s line %d has words of more than %d pieces: %d pieces at their ends are not read "
                        "(max_source_pieces)", name, number, limit, left_out)
        if self.long is LongLinePolicy.CUT and len(cuts) > 1:
            log.warning("%s line %d has %d pieces: its words are labelled in %d parts (max_source_pieces)", name,
                        number, len(ids), len(cuts))
        return [[ids[place] for place in cut] for cut in cuts]

    @torch.inference_mode()
    def _labels(self, source: list[list[int]]) -> list[list[list[Label]]]:
        """Of every list of piece ids, in order."""
        found: list[list[list[Label]]] = [[] for _ in source]
        for rows in longest_first([len(ids) + 1 for ids in source], BATCH_PIECES):
            ids, lengths = pad_source([source[row] for row in rows])
            ids, lengths = ids.to(self.device), lengths.to(self.device)
            outputs = [model.logits(ids, lengths) for model in self.models]
            probabilities = torch.stack([label_probabilities(logits) for logits, _ in outputs]).mean(dim=0)
            count = min(self.n_best, probabilities.shape[-1] - EOS - 1)
            values, labels = (part.tolist() for part in probabilities.topk(count, dim=-1))
            for place, row in enumerate(rows):
                found[row] = [[Label(self._names[label], value) for label, value in zip(*pair, strict=True)]
                              for pair in zip(labels[place], values[place], strict=True)][: int(outputs[0][1][place])]
        return found


def check_plain_search(precision: Precision, graphs: bool, bundle: Bundle) -> None:
    """Labels come without search, and only that can be made faster so. Raises SettingError."""
    for asked, given, cure in ((precision is not Precision.FP32, f"precision={precision.value}", "precision=fp32"),
                               (graphs, "graphs=true", "graphs=false")):
        if asked:
            raise SettingError(f"{given} is for the search of translations, and {bundle.folder} is of "
                               f"shape={bundle.settings.shape.value}, which gives labels. Choose {cure}.")
