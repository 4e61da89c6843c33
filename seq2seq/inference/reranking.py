"""N-best re-ranking: of the candidates of a beam the one that further models prefer.

    score(Y) = log P(Y|X) / lp(Y) + cp(X; Y)
               + lambda log P_backward(X|Y) / |X| + mu log P_forward(Y|X) / |Y|

The first line is the score of search (search/penalties.py). The other terms are weighted features, computed by teacher
forcing: of several models their mean; |X| and |Y| count EOS. The settings are in settings/reranking.py.

P_backward, `rerank.backward`: models from target to source. A translation that leaves out half of its source, or says
something else, makes that half improbable. Li et al. 2016 (arXiv:1510.03055), for translation the noisy channel of
Yee et al. 2019 (arXiv:1908.05731). lambda is `rerank.backward_weight`.

P_forward, `rerank.forward`: models of the same direction that cannot be part of the ensemble, because they write from
right to left (model.reverse_target; Liu et al. 2016, "Agreement on Target-bidirectional Neural Machine Translation")
or have a different vocabulary. A wrong beginning, which a beam cannot take back, is to a right-to-left model an end,
scored when all else is known. mu is `rerank.forward_weight`.

`rerank.second_decoder`: the second decoders of the models of run= and rerank.forward= (model.reverse_decoder) are such
right-to-left models too.

With `rerank.search` each model of P_forward searches as well, and the candidates are those of all beams, as in Liu et
al. 2016. A candidate that the models of run= did not find gets the log P(Y|X) that they give it by teacher forcing;
what a model found by itself it does not score again.

No feature is above 0, so most candidates are out of the race before every model has scored them (`best`).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping, Sequence

import torch

from seq2seq.bundle.bundle import Bundle
from seq2seq.corpus.length_batches import pair_batches
from seq2seq.inference.results import Candidate, Translation
from seq2seq.models.encoder_decoder import EncoderDecoder
from seq2seq.search.penalties import without_coverage
from seq2seq.settings.reranking import RerankSettings
from seq2seq.settings.search import SearchSettings
from seq2seq.tokenization.tokenizer import Tokenizer

Positions = list[tuple[int, int]]                     # (sentence, candidate)
Scores = Mapping[tuple[str, str], tuple[float, int]]  # (source, target) -> log P(target | source), |target|
Search = Callable[[Sequence[str]], list[Translation]]


@dataclasses.dataclass(frozen=True)
class RerankModels:
    """The opened models of `settings`; the second decoders come first in `forward`, each as a model of its own."""

    settings: RerankSettings
    backward: Sequence[Bundle]
    forward: Sequence[Bundle]


class Scorer:
    """Models that answer as one (loading.open_bundles) score pairs of sentences."""

    def __init__(self, bundles: Sequence[Bundle], device: torch.device, batch_pieces: int) -> None:
        self._bundles, self._device, self._batch_pieces = list(bundles), device, batch_pieces

    @torch.inference_mode()
    def log_probabilities(self, sources: Sequence[str], targets: Sequence[str]) -> list[tuple[float, int]]:
        """(log P(target | source), |target|) of each pair, natural logarithm.

        Of an ensemble p(y_t | y_<t, x) is the mean of their probabilities, as in search/ensemble.py.
        """
        first = self._bundles[0]
        read, wrote = first.source_tokenizer.encode(sources), first.target_tokenizer.encode(targets)
        result = [(0.0, 0)] * len(sources)
        for batch in pair_batches(read, wrote, self._batch_pieces):
            there, steps = batch.to(self._device), []
            for bundle in self._bundles:
                assert isinstance(bundle.model, EncoderDecoder)
                steps.append(bundle.model.log_probabilities(there))
            mean = torch.stack(steps).logsumexp(0) - math.log(len(steps))
            scored = zip(mean.sum(1).tolist(), batch.target_lengths.tolist(), strict=True)
            for row, one in zip(batch.rows.tolist(), scored, strict=True):
                result[row] = one
        return result


def mean_score(scorers: Sequence[Scorer], sources: Sequence[str], targets: Sequence[str],
               given: Sequence[Scores] = ()) -> list[float]:
    """log P(target | source) / |target| of each pair, the mean over the scorers.

    `given`: the scores that each of them has already. No pair is scored twice.
    """
    pairs, every = list(zip(sources, targets, strict=True)), []
    for scorer, scores in zip(scorers, given or [{}] * len(scorers), strict=True):
        new = [pair for pair in dict.fromkeys(pairs) if pair not in scores]
        scored = scorer.log_probabilities([source for source, _ in new], [target for _, target in new])
        whole = {**scores, **dict(zip(new, scored, strict=True))}
        every.append([value / length for value, length in map(whole.__getitem__, pairs)])
    return [sum(values) / len(values) for values in zip(*every, strict=True)]


class Reranker:
    """Re-ranks the n-best lists of one translator."""

    def __init__(self, models: RerankModels, searched: Sequence[Bundle], search: SearchSettings, device: torch.device,
                 searches: Sequence[Search], *, exact: bool) -> None:
        """`searched` found the candidates, by `search`. `searches`: with rerank.search those of `models.forward`, in
        their order; `exact`: they compute in fp32, so that the log-probabilities they report are those of teacher
        forcing.
        """
        self._models, self._search, self._searches, self._exact = models, search, list(searches), exact
        self._target = searched[0].target_tokenizer
        self._own = Scorer(searched, device, search.batch_pieces)
        self._backward, self._forward = ([Scorer([one], device, search.batch_pieces) for one in bundles]
                                         for bundles in (models.backward, models.forward))

    def rank(self, sources: Sequence[str], candidates: list[list[Candidate]]) -> list[list[Candidate]]:
        """The best `search.n_best` of each sentence; search's own choice comes first among equals."""
        given: list[Scores] = []
        for bundle, search in zip(self._models.forward, self._searches, strict=False):
            found = search(sources)
            self._add(sources, candidates, found)
            given.append(_scores_of_search(bundle.target_tokenizer, sources, found) if self._exact else {})

        def lines(which: Positions) -> list[str]:
            return [sources[row] for row, _ in which]

        def texts(which: Positions) -> list[str]:
            return [candidates[row][column].text for row, column in which]

        settings = self._models.settings
        features: dict[str, Feature] = {}  # by the field of a candidate that holds the value
        if self._forward:
            features["forward_score"] = Feature(
                settings.forward_weight, lambda which: mean_score(self._forward, lines(which), texts(which), given))
        if self._backward:
            features["backward_score"] = Feature(
                settings.backward_weight, lambda which: mean_score(self._backward, texts(which), lines(which)))
        chosen = best([[one.score for one in some] for some in candidates], self._search.n_best,
                      list(features.values()))
        return [[_with_features(some[column], features, values) for column, values in columns]
                for some, columns in zip(candidates, chosen, strict=True)]

    def _add(self, sources: Sequence[str], candidates: list[list[Candidate]], found: Sequence[Translation]) -> None:
        """Adds what another model found, with the score that search would have given it."""
        there = [{one.text for one in some} for some in candidates]
        new = [(row, text, cut) for row, translation in enumerate(found)
               for text, cut in {one.text: one.cut for one in translation.candidates}.items() if text not in there[row]]
        texts = [text for _, text, _ in new]
        scored = self._own.log_probabilities([sources[row] for row, *_ in new], texts)
        for (row, text, cut), ids, (value, length) in zip(new, self._target.encode(texts), scored, strict=True):
            score = without_coverage(value, length, self._search.length_penalty)
            candidates[row].append(Candidate(text, self._target.pieces(ids), score, value, None, cut=cut))


def _scores_of_search(target: Tokenizer, sources: Sequence[str], found: Sequence[Translation]) -> Scores:
    """Those of the translations whose pieces are the ones that teacher forcing would score."""
    every = [(source, one) for source, translation in zip(sources, found, strict=True)
             for one in translation.candidates]
    pieces = map(target.pieces, target.encode([one.text for _, one in every]))
    return {(source, one.text): (one.log_probability, len(one.pieces) + 1)
            for (source, one), usual in zip(every, pieces, strict=True) if one.pieces == usual}


@dataclasses.dataclass(frozen=True)
class Feature:
    """One of the weighted terms that are added to the scores of search."""

    weight: float
    values: Callable[[Positions], list[float]]  # v <= 0 of each: a mean log-probability


def _with_features(candidate: Candidate, features: Mapping[str, Feature], values: Sequence[float]) -> Candidate:
    """The candidate with the values of the features, and the weighted sum as its score."""
    score = candidate.score + sum(feature.weight * value
                                  for feature, value in zip(features.values(), values, strict=True))
    fields = dict(zip(features, values, strict=True))
    return dataclasses.replace(candidate, score=score, forward_score=fields.get("forward_score"),
                               backward_score=fields.get("backward_score"))


def best(scores: Sequence[Sequence[float]], count: int,
         features: Sequence[Feature]) -> list[list[tuple[int, list[float]]]]:
    """Of each sentence its `count` best candidates by s + sum_j weight_j v_j, best first, each with v_1..v_J.

    No v is above 0. So a candidate whose sum so far is below the `count`-th best that is complete will not come among
    them, and gets no further feature: the same choice as if every feature were computed for every candidate, for a
    part of the work.
    """
    sums = [list(some) for some in scores]
    values: list[list[list[float]]] = [[[] for _ in some] for some in scores]
    floors = [-math.inf] * len(sums)

    def compute(number: int, some: Sequence[Iterable[int]]) -> None:
        which = [(row, column) for row, columns in enumerate(some) for column in columns
                 if len(values[row][column]) == number and sums[row][column] >= floors[row]]
        for (row, column), value in zip(which, features[number].values(which), strict=True):
            values[row][column].append(value)
            sums[row][column] += features[number].weight * value

    def complete(row: int) -> list[int]:
        found = [column for column, computed in enumerate(values[row]) if len(computed) == len(features)]
        return sorted(found, key=lambda column: -sums[row][column])[:count]

    for number in range(len(features)):
        # Those that lead get all features, for the sake of the floor.
        leading = [sorted(range(len(some)), key=lambda column: -some[column])[:count] for some in sums]
        for later in range(number, len(features)):
            compute(later, leading)
        for row, some in enumerate(sums):
            whole = complete(row)
            floors[row] = some[whole[-1]] if len(whole) == count else -math.inf
        compute(number, [range(len(some)) for some in sums])
    return [[(column, values[row][column]) for column in complete(row)] for row in range(len(sums))]
