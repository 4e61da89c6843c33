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

from seq2seq.bundle import Bundle
from seq2seq.errors import SettingError, UserError, refuse_text
from seq2seq.label_pieces import encode_source, label_names
from seq2seq.length_limits import warn_of_cut, with_limit
from seq2seq.loading import open_bundles, open_ranking
from seq2seq.minimum_risk import expected_bleu, shares
from seq2seq.model_for_search import graphed_model, model_for_search
from seq2seq.parts import parts
from seq2seq.reranking import Judge, Known, Ranking, Scorer, best, mean_score
from seq2seq.results import Candidate, Translation, joined, without_attention
from seq2seq.scoring_units import asked_or_trained, tokenizer_for
from seq2seq.search import Ensemble, Hypothesis, translate_ids
from seq2seq.search.penalties import without_coverage
from seq2seq.settings.model import LABELS, Shape
from seq2seq.settings.ranking import RankingSettings
from seq2seq.settings.reading import read_settings
from seq2seq.settings.runs import Runs, each
from seq2seq.settings.scoring import ScoringSettings, Tokenize
from seq2seq.settings.search import SearchKind, SearchSettings
from seq2seq.settings.translate import Choices, Long, Numbers
from seq2seq.text import refuse_halves
from seq2seq.tokenizer import EOS, UNK
from seq2seq.words import is_blank

MAX_SOURCE_PIECES = 500
PARTS_AT_ONCE = 64  # of one line: the attention of more is not kept at the same time
log = logging.getLogger("seq2seq")


class Translator:
    """A trained model, or several as an ensemble, with its tokenizers, its search, and others that rank its candidates
    (reranking.py)."""

    def __init__(self, bundles: Sequence[Bundle], search: SearchSettings, *, ranking: Ranking | None = None,
                 device: torch.device | str = "cpu", precision: Numbers = Numbers.FP32, graphs: bool = False,
                 max_source_pieces: int = MAX_SOURCE_PIECES, long: Long = Long.CUT,
                 tokenize: Tokenize = Tokenize.AUTO) -> None:
        """`tokenize`: of search.mbr, AUTO as it was trained."""
        self.bundles, self.device = list(bundles), torch.device(device)
        self.search = with_limit(search, self.bundles)
        self.max_source_pieces, self.long, self._precision = max_source_pieces, long, precision
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
        self._ranking = ranking = ranking or Ranking()
        self._own = self._scorer(self.bundles)
        self._reverse, self._rescore = ([self._scorer([one]) for one in some]
                                        for some in (ranking.reverse, ranking.rescore))
        self._searching = [
            # A shortlist is of the pieces of run=. These may have others, in which a line that was cut may be longer.
            Translator([one], dataclasses.replace(search, n_best=search.beam_size, shortlist=0), device=device,
                       precision=precision, graphs=graphs, max_source_pieces=sys.maxsize)
            for one in (ranking.rescore if ranking.rescore_search else ())]

    @classmethod
    def load(cls, run: Runs, device: str = "auto",
             max_source_pieces: int = MAX_SOURCE_PIECES, long: str = "cut", precision: str = "fp32",
             graphs: bool = False, reverse: Runs = (), reverse_weight: float = RankingSettings.reverse_weight,
             rescore: Runs = (), rescore_weight: float = RankingSettings.rescore_weight, rescore_own: bool = False,
             rescore_search: bool = False, tokenize: str = "auto",
             **search: Any) -> Translator:
        """Opens a run folder or bundle, or a list of them as an ensemble.

        `reverse` is one of the opposite direction, `rescore` one of the same, or lists of them, with `rescore_own` also
        the second decoders of both; `reverse_weight` and `rescore_weight` are what they count; with `rescore_search`
        those of the same direction search as well (reranking.py);
        `device` is auto, cpu or cuda; `precision` is fp32, bf16 or int8 (on a CPU); `graphs` takes the steps of
        search as CUDA graphs; `long` is cut or split: what becomes of lines with more than `max_source_pieces`;
        `tokenize` is what search.mbr counts (settings/scoring.py); `search` are fields of SearchSettings, for example
        `beam_size=10` or `kind="greedy"`. Raises BundleError for a folder that is none and SettingError for a
        setting that does not exist or is out of range.
        """
        settings = read_settings(SearchSettings, search, where="search")
        choice = read_settings(Choices, {"device": device, "long": long, "precision": precision, "graphs": graphs})
        ranking = read_settings(RankingSettings, {
            "reverse": each(reverse), "reverse_weight": reverse_weight, "rescore": each(rescore),
            "rescore_weight": rescore_weight, "rescore_own": rescore_own, "rescore_search": rescore_search})
        ranking.refuse_nothing_to_rank(settings)
        scoring = read_settings(ScoringSettings, {"tokenize": tokenize}, where="scoring")
        scoring.refuse_without_mbr(settings)
        bundles, place = open_bundles(run, choice.device)
        return cls(bundles, settings, ranking=open_ranking(ranking, bundles, place), device=place,
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
        refuse_text(windows)
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
        refuse_text(lines)
        result = self._translated(lines, first, attention, name)
        warn_of_cut([one.cut for one in result], name, self.search, first)
        return result

    def _translated(self, lines: Sequence[str], first: int, attention: bool, name: str) -> list[Translation]:
        refuse_halves(lines, first, name)
        ids = encode_source(self._source, lines, self.shape)
        if self.shape is Shape.ONE_TO_N:
            self._refuse_unknown(lines, ids, first, name)
        rows = [row for row, line in enumerate(lines) if ids[row] and not is_blank(line)]
        texts = list(lines)  # that the pieces are of: those that rank read them in pieces of their own
        too_long = [row for row in rows if len(ids[row]) > self.max_source_pieces]
        if self.long is Long.CUT:
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
        search, ranked = self.search, bool(self._reverse or self._rescore)
        if ranked or search.mbr:
            search = dataclasses.replace(search, n_best=search.mbr or search.beam_size)
        found = translate_ids(self._model, source, search, self.device, numbers=numbers, attention=attention)
        # All at once: the library's call takes longer to begin than for a sentence.
        written = iter(self._target.decode([one.pieces for hypotheses in found for one in hypotheses]))
        candidates = [[self._candidate(one, next(written)) for one in hypotheses] for hypotheses in found]
        if ranked:
            return self._reranked(texts, candidates)
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

    def _reranked(self, sources: Sequence[str], candidates: list[list[Candidate]]) -> list[list[Candidate]]:
        """The best by search and the models that rank together; search's own choice first among equals."""
        known = []
        for other in self._searching:
            found = other._translated(sources, 1, False, "the input")
            self._add(sources, candidates, found)
            known.append(other._told(sources, found))

        def again(asked: list[tuple[int, int]]) -> list[float]:
            return mean_score(self._rescore, [sources[row] for row, _ in asked],
                              [candidates[row][place].text for row, place in asked], known)

        def back(asked: list[tuple[int, int]]) -> list[float]:
            return mean_score(self._reverse, [candidates[row][place].text for row, place in asked],
                              [sources[row] for row, _ in asked])

        judges: dict[str, Judge] = {}  # by the field of a candidate that holds what they say
        if self._rescore:
            judges["rescored"] = Judge(self._ranking.rescore_weight, again)
        if self._reverse:
            judges["reverse_score"] = Judge(self._ranking.reverse_weight, back)
        chosen = best([[one.score for one in some] for some in candidates], self.search.n_best, list(judges.values()))
        return [[_judged(some[place], judges, values) for place, values in places]
                for some, places in zip(candidates, chosen, strict=True)]

    def _add(self, sources: Sequence[str], candidates: list[list[Candidate]], found: Sequence[Translation]) -> None:
        """What others found beside them, with the score that search would have given it."""
        known = [{one.text for one in some} for some in candidates]
        new = [(row, text, cut) for row, translation in enumerate(found)
               for text, cut in {one.text: one.cut for one in translation.candidates}.items() if text not in known[row]]
        texts = [text for _, text, _ in new]
        scored = self._own.log_probabilities([sources[row] for row, *_ in new], texts)
        for (row, text, cut), ids, (value, length) in zip(new, self._target.encode(texts), scored, strict=True):
            score = without_coverage(value, length, self.search.length_penalty)
            candidates[row].append(Candidate(text, self._target.pieces(ids), score, value, None, cut=cut))

    def _told(self, sources: Sequence[str], found: Sequence[Translation]) -> Known:
        """Of what this one found itself, what teacher forcing would say: where the pieces are the same, in fp32."""
        if self._precision is not Numbers.FP32:
            return {}
        every = [(source, one) for source, translation in zip(sources, found, strict=True)
                 for one in translation.candidates]
        pieces = map(self._target.pieces, self._target.encode([one.text for _, one in every]))
        return {(source, one.text): (one.log_probability, len(one.pieces) + 1)
                for (source, one), usual in zip(every, pieces, strict=True) if one.pieces == usual}

    def _scorer(self, bundles: Sequence[Bundle]) -> Scorer:
        return Scorer(bundles, self.device, self.search.batch_pieces)

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


def _judged(candidate: Candidate, judges: Mapping[str, Judge], values: Sequence[float]) -> Candidate:
    """The candidate with what the judges say, and the sum as its score."""
    score = candidate.score + sum(judge.weight * value for judge, value in zip(judges.values(), values, strict=True))
    said = dict(zip(judges, values, strict=True))
    return dataclasses.replace(candidate, score=score, rescored=said.get("rescored"),
                               reverse_score=said.get("reverse_score"))
