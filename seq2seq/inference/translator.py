"""Strings in, strings out.

    translator = Translator.load("runs/m30k")
    translator.translate("A man is riding a bicycle.")        # a text
    translator.translate(["A man is riding a bicycle."])      # a list of texts

One translation for every line, in order; a blank line (words.py) gives an empty one. Several folders make an ensemble.
"""

from __future__ import annotations

import dataclasses
import logging
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, overload

import torch

from seq2seq.bundle.bundle import Bundle
from seq2seq.bundle.length_limits import warn_of_cut, with_limit
from seq2seq.errors import SettingError, UserError, check_is_list
from seq2seq.inference.loading import open_bundles, open_rerank_models
from seq2seq.inference.long_lines import parts
from seq2seq.inference.minimum_bayes_risk import expected_bleu, shares
from seq2seq.inference.model_for_search import graphed_model, model_for_search
from seq2seq.inference.reranking import Reranker, RerankModels
from seq2seq.inference.results import Candidate, Translation, joined, without_attention
from seq2seq.scoring_units import asked_or_trained, tokenizer_for
from seq2seq.search.decode import translate_ids
from seq2seq.search.ensemble import Ensemble
from seq2seq.search.protocol import Hypothesis
from seq2seq.settings.device import Precision
from seq2seq.settings.model import LABELS, Shape
from seq2seq.settings.reading import read_settings
from seq2seq.settings.reranking import RerankSettings, check_not_renamed
from seq2seq.settings.runs import Runs
from seq2seq.settings.scoring import ScoringSettings, Tokenize
from seq2seq.settings.search import SearchKind, SearchSettings
from seq2seq.settings.translate import MAX_SOURCE_PIECES, Choices, LongLinePolicy
from seq2seq.text.lines import check_surrogates
from seq2seq.tokenization.label_pieces import encode_source, label_names
from seq2seq.tokenization.tokenizer import EOS, UNK
from seq2seq.tokenization.words import is_blank

PARTS_AT_ONCE = 64  # of one line: the attention of more is not kept at the same time
log = logging.getLogger("seq2seq")


class Translator:
    """A trained model, or several as an ensemble, with its tokenizers and its search; a Reranker, where there is one,
    ranks its candidates (reranking.py)."""

    def __init__(self, bundles: Sequence[Bundle], search: SearchSettings, *, rerank: RerankModels | None = None,
                 device: torch.device | str = "cpu", precision: Precision = Precision.FP32, graphs: bool = False,
                 max_source_pieces: int = MAX_SOURCE_PIECES, long: LongLinePolicy = LongLinePolicy.CUT,
                 tokenize: Tokenize = Tokenize.AUTO) -> None:
        """`tokenize`: of search.mbr, AUTO as it was trained."""
        self.bundles, self.device = list(bundles), torch.device(device)
        self.search = with_limit(search, self.bundles)
        self.max_source_pieces, self.long = max_source_pieces, long
        self._source, self._target = self.bundles[0].source_tokenizer, self.bundles[0].target_tokenizer
        self.shape = self.bundles[0].settings.shape
        self._tokenize = _tokenizer_of(self.bundles[0], tokenize) if search.mbr else ""
        if self.shape in LABELS:
            raise SettingError(f"run={self.bundles[0].folder} is of shape={self.shape.value}, which gives labels and "
                               "no text. Use seq2seq.Predictor.")
        models = [model_for_search(bundle, precision, search.shortlist, self.device) for bundle in self.bundles]
        if search.shortlist and not all(map(self.bundles[0].has_shortlist_of, self.bundles)):
            raise SettingError(f"search.shortlist={search.shortlist}: these models have different shortlists. An "
                               "ensemble needs models trained on one packed corpus, or search.shortlist=0.")
        if graphs:
            models = [graphed_model(model, search.shortlist, self.device) for model in models]
        self._model: Any = models[0] if len(models) == 1 else Ensemble(models)
        # A shortlist is of the pieces of run=. These may have others, in which a line that was cut may be longer.
        searching = [Translator([one], dataclasses.replace(search, n_best=search.beam_size, shortlist=0), device=device,
                                precision=precision, graphs=graphs, max_source_pieces=sys.maxsize)
                     for one in (rerank.forward if rerank and rerank.settings.search else ())]
        self._reranker = rerank and Reranker(rerank, self.bundles, self.search, self.device,
                                             [one._translated for one in searching], exact=precision is Precision.FP32)

    @classmethod
    def load(cls, run: Runs, device: str = "auto",
             max_source_pieces: int = MAX_SOURCE_PIECES, long: str = "cut", precision: str = "fp32",
             graphs: bool = False, rerank: Mapping[str, Any] | None = None, tokenize: str = "auto",
             **search: Any) -> Translator:
        """Opens a run folder or bundle, or a list of them as an ensemble.

        `rerank` are the fields of RerankSettings (settings/reranking.py), for example `{"backward": "runs/de_en"}`;
        `device` is auto, cpu or cuda; `precision` is fp32, bf16 or int8 (on a CPU); `graphs` takes the steps of
        search as CUDA graphs; `long` is cut or split: what becomes of lines with more than `max_source_pieces`;
        `tokenize` is what search.mbr counts (settings/scoring.py); `search` are fields of SearchSettings, for example
        `beam_size=10` or `kind="greedy"`. Raises BundleError for a folder that is none and SettingError for a
        setting that does not exist or is out of range.
        """
        for name in search:
            check_not_renamed(name)
        settings = read_settings(SearchSettings, search, where="search")
        choice = read_settings(Choices, {"device": device, "long": long, "precision": precision, "graphs": graphs})
        reranking = read_settings(RerankSettings, {} if rerank is None else rerank, where="rerank")
        reranking.check_search(settings)
        scoring = read_settings(ScoringSettings, {"tokenize": tokenize}, where="scoring")
        scoring.check_mbr(settings)
        bundles, opened_on = open_bundles(run, choice.device)
        return cls(bundles, settings, rerank=open_rerank_models(reranking, bundles, opened_on), device=opened_on,
                   precision=choice.precision, graphs=choice.graphs, max_source_pieces=max_source_pieces,
                   long=choice.long, tokenize=scoring.tokenize)

    @property
    def languages(self) -> tuple[str, str]:
        """The source and the target language."""
        return self.bundles[0].languages

    @overload
    def translate(self, lines: str) -> str: ...  # type: ignore[overload-overlap]
    @overload
    def translate(self, lines: Iterable[str]) -> list[str]: ...
    def translate(self, lines: str | Iterable[str]) -> str | list[str]:
        """The best translation of each line; of a text by itself a text."""
        if isinstance(lines, str):
            return self.translate_lines([lines])[0].text
        return [translation.text for translation in self.translate_lines(list(lines))]

    def stream(self, windows: Iterable[list[str]], *, attention: bool = False,
               name: str = "the input") -> Iterator[list[Translation]]:
        """Translates lists of lines one after the other; lines count on from list to list."""
        check_is_list(windows)
        first = 1
        for lines in windows:
            yield self.translate_lines(lines, first=first, attention=attention, name=name)
            first += len(lines)

    def translate_lines(self, lines: Sequence[str], *, first: int = 1, attention: bool = False,
                        name: str = "the input") -> list[Translation]:
        """Translations with scores, pieces, n best, and attention where asked for and there.

        `first` is the number of the first line: draws of search.kind=sample depend on it, and warnings
        name it beside `name`. Raises UserError for a line that is no text (half a surrogate pair), TypeError for a
        text instead of a list.
        """
        check_is_list(lines)
        result = self._translated(lines, first, attention, name)
        warn_of_cut([one.cut for one in result], name, self.search, first)
        return result

    def _translated(self, lines: Sequence[str], first: int = 1, attention: bool = False,
                    name: str = "the input") -> list[Translation]:
        check_surrogates(lines, first, name)
        ids = encode_source(self._source, lines, self.shape)
        if self.shape is Shape.ONE_TO_N:
            self._refuse_unknown(lines, ids, first, name)
        rows = [row for row, line in enumerate(lines) if ids[row] and not is_blank(line)]
        texts = list(lines)  # of these pieces: models that re-rank read them in pieces of their own
        too_long = [row for row in rows if len(ids[row]) > self.max_source_pieces]
        if self.long is LongLinePolicy.CUT:
            for row in too_long:
                log.warning("%s line %d has %d pieces: only the first %d are translated (max_source_pieces)",
                            name, first + row, len(ids[row]), self.max_source_pieces)
                ids[row] = ids[row][: self.max_source_pieces]
                texts[row] = "".join(self._source.surfaces(lines[row])[: self.max_source_pieces])
            too_long = []
        result = [Translation(line, [], []) for line in lines]
        whole = sorted(set(rows) - set(too_long))
        found = self._search([ids[row] for row in whole], [texts[row] for row in whole],
                             [first + row for row in whole], attention)
        for row, candidates in zip(whole, found, strict=True):
            result[row] = Translation(lines[row], self._source.pieces([*ids[row], EOS]), candidates)
        for row in too_long:
            result[row] = self._in_parts(lines[row], ids[row], first + row, attention)
        return result

    def _refuse_unknown(self, lines: Sequence[str], ids: list[list[int]], first: int, name: str) -> None:
        """One to N: a line is one piece that training has seen. There is nothing to make of another."""
        for row, pieces in enumerate(ids):
            if UNK in pieces:
                choices = ", ".join(label_names(self._source)[EOS + 1 :])
                raise UserError(f"{name} line {first + row}: {lines[row][:80]!r} is none of the inputs that "
                                f"{self.bundles[0].folder} was trained on ({choices[:500]}). Give one of these.")

    def _search(self, source: list[list[int]], texts: list[str], numbers: list[int],
                attention: bool) -> list[list[Candidate]]:
        """Candidates of every source, best first; `texts` are what the pieces are of."""
        search = self.search
        if self._reranker or search.mbr:
            search = dataclasses.replace(search, n_best=search.mbr or search.beam_size)
        found = translate_ids(self._model, source, search, self.device, numbers=numbers, attention=attention)
        # All at once: the library's call takes longer to begin than for a sentence.
        written = iter(self._target.decode([one.pieces for hypotheses in found for one in hypotheses]))
        candidates = [[self._candidate(one, next(written)) for one in hypotheses] for hypotheses in found]
        if self._reranker:
            return self._reranker.rank(texts, candidates)
        return [self._least_risk(some) for some in candidates] if self.search.mbr else candidates

    def _in_parts(self, line: str, ids: list[int], number: int, attention: bool) -> Translation:
        """The parts of one line after each other; candidate n is made of the n-th of every part.

        The attention of a whole book would be a table of its length squared, nearly all zeros: it
        becomes the alignment part by part.
        """
        cuts, surfaces = parts(self._source.pieces(ids), self.max_source_pieces), self._source.surfaces(line)
        pieces: list[str] = []
        found: list[list[Candidate]] = []
        for begin in range(0, len(cuts), PARTS_AT_ONCE):
            here = cuts[begin : begin + PARTS_AT_ONCE]
            some, texts = [ids[cut] for cut in here], ["".join(surfaces[cut]) for cut in here]
            for part, candidates in zip(some, self._search(some, texts, [number] * len(some), attention), strict=True):
                found.append([without_attention(one, len(pieces)) for one in candidates])
                pieces += self._source.pieces([*part, EOS])
        return Translation(line, pieces, [joined(ranked) for ranked in zip(*found, strict=False)])

    def _candidate(self, found: Hypothesis, text: str) -> Candidate:
        alignment = None if found.attention is None else found.attention.argmax(-1).tolist()
        return Candidate(_one_line(text), self._target.pieces(found.pieces), found.score, found.log_probability,
                         found.attention, alignment, cut=found.cut)

    def _least_risk(self, candidates: list[Candidate]) -> list[Candidate]:
        """The best by expected BLEU instead of probability; the more probable first among equals."""
        texts, drawn = [one.text for one in candidates], self.search.kind is SearchKind.SAMPLE
        weights = shares([one.log_probability for one in candidates], drawn)
        expected = expected_bleu(texts, weights, self._tokenize)
        ranked = [dataclasses.replace(one, score=value) for one, value in zip(candidates, expected, strict=True)]
        return sorted(ranked, key=lambda one: one.score, reverse=True)[: self.search.n_best]


def _tokenizer_of(bundle: Bundle, asked: Tokenize) -> str:
    """What candidates are compared by: as asked, as in training, or by the language, never by what a model wrote."""
    wanted = asked_or_trained(asked, bundle.settings.scoring.tokenize)
    if wanted is Tokenize.AUTO and bundle.info.get("tokenize") == Tokenize.CHARACTERS.value:
        return Tokenize.CHARACTERS.value
    return tokenizer_for(bundle.languages[1], [], wanted)


def _one_line(text: str) -> str:
    # A vocabulary may hold line breaks (byte pieces, odd corpora); one line in is one line out.
    return text.replace("\r", " ").replace("\n", " ")
