"""Reranking: of the candidates of a beam the one that models agree on that could not search for it.

    score(Y) = log P(Y|X) / lp(Y) + cp(X; Y)
               + lambda * log P_back(X|Y) / |X| + mu * log P_again(Y|X) / |Y|

The first line is the score of search (search/penalties.py); the other terms are by teacher forcing, of several models
their mean, |X| and |Y| pieces with EOS.

P_back, `reverse=`: models of the opposite direction. A translation that leaves out half of its source, or says
something else, makes that half improbable. Li et al. 2016 (arXiv:1510.03055), for translation the noisy channel of
Yee et al. 2019 (arXiv:1908.05731).

P_again, `rescore=`: models of the same direction that cannot be of the ensemble, for they write from right to left
(model.reverse_target; Liu et al. 2016, "Agreement on Target-bidirectional Neural Machine Translation") or in other
pieces. A wrong beginning, which a beam cannot take back, is to them an end, judged when all else is known.

`rescore_own=true`: the second decoders of the models of run= and rescore= (model.reverse_decoder) are such ones from
right to left.

With `rescore_search=true` each of these searches as well, and the candidates are those of all beams, as in Liu et al.
2016. What the models of run= did not find has the log P(Y|X) that they would have given it, by teacher forcing too;
what one of the others found by itself it is not asked about again.

None of the last two terms is above 0, so most candidates are out of the race before all have been asked (`best`).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping, Sequence

import torch

from seq2seq.batches import like_lengths
from seq2seq.bundle import Bundle
from seq2seq.models.encoder_decoder import EncoderDecoder
from seq2seq.settings.ranking import RankingSettings


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ranking:
    """The models that rank, and how (settings/ranking.py); none of them: nothing is ranked."""

    reverse: Sequence[Bundle] = ()
    reverse_weight: float = RankingSettings.reverse_weight
    rescore: Sequence[Bundle] = ()
    rescore_weight: float = RankingSettings.rescore_weight
    rescore_search: bool = False


Known = Mapping[tuple[str, str], tuple[float, int]]  # of (given, told): log P(told | given), |told|


class Scorer:
    """Models that answer as one (loading.open_bundles) score pairs of sentences."""

    def __init__(self, bundles: Sequence[Bundle], device: torch.device, batch_pieces: int) -> None:
        self._bundles, self._device, self._batch_pieces = list(bundles), device, batch_pieces

    @torch.inference_mode()
    def log_probabilities(self, given: Sequence[str], told: Sequence[str]) -> list[tuple[float, int]]:
        """(log P(told | given), |told|) of each pair, natural logarithm.

        Of an ensemble p(y_t | y_<t, x) is the mean of their probabilities, as in search/ensemble.py.
        """
        first = self._bundles[0]
        read, wrote = first.source_tokenizer.encode(given), first.target_tokenizer.encode(told)
        result = [(0.0, 0)] * len(given)
        for batch in like_lengths(read, wrote, self._batch_pieces):
            there, steps = batch.to(self._device), []
            for bundle in self._bundles:
                assert isinstance(bundle.model, EncoderDecoder)
                steps.append(bundle.model.log_probabilities(there))
            mean = torch.stack(steps).logsumexp(0) - math.log(len(steps))
            scored = zip(mean.sum(1).tolist(), batch.target_lengths.tolist(), strict=True)
            for row, one in zip(batch.rows.tolist(), scored, strict=True):
                result[row] = one
        return result


def mean_score(scorers: Sequence[Scorer], given: Sequence[str], told: Sequence[str],
               known: Sequence[Known] = ()) -> list[float]:
    """log P(told | given) / |told| of each pair, the mean over the scorers.

    `known`: what each of them has said already. No pair is scored twice.
    """
    pairs, every = list(zip(given, told, strict=True)), []
    for scorer, answers in zip(scorers, known or [{}] * len(scorers), strict=True):
        new = [pair for pair in dict.fromkeys(pairs) if pair not in answers]
        scored = scorer.log_probabilities([source for source, _ in new], [text for _, text in new])
        whole = {**answers, **dict(zip(new, scored, strict=True))}
        every.append([value / length for value, length in map(whole.__getitem__, pairs)])
    return [sum(values) / len(values) for values in zip(*every, strict=True)]


@dataclasses.dataclass(frozen=True)
class Judge:
    """One of the terms that are added to the scores of search."""

    weight: float
    ask: Callable[[list[tuple[int, int]]], list[float]]  # of (sentence, candidate), v <= 0: a mean log-probability


def best(scores: Sequence[Sequence[float]], count: int, judges: Sequence[Judge]) -> list[list[tuple[int, list[float]]]]:
    """Of each sentence its `count` best candidates by s + sum_j weight_j v_j, best first, each with v_1..v_J.

    No v is above 0. So a candidate whose sum so far is below the `count`-th best that is complete will not come among
    them, and is asked about no further: the same choice as if every judge saw every candidate, for a part of the work.
    """
    sums = [list(some) for some in scores]
    values: list[list[list[float]]] = [[[] for _ in some] for some in scores]
    floors = [-math.inf] * len(sums)

    def ask(number: int, some: Sequence[Iterable[int]]) -> None:
        asked = [(row, place) for row, places in enumerate(some) for place in places
                 if len(values[row][place]) == number and sums[row][place] >= floors[row]]
        for (row, place), value in zip(asked, judges[number].ask(asked), strict=True):
            values[row][place].append(value)
            sums[row][place] += judges[number].weight * value

    def complete(row: int) -> list[int]:
        found = [place for place, answers in enumerate(values[row]) if len(answers) == len(judges)]
        return sorted(found, key=lambda place: -sums[row][place])[:count]

    for number in range(len(judges)):
        # Those that lead are asked everything, for the sake of the floor.
        leading = [sorted(range(len(some)), key=lambda place: -some[place])[:count] for some in sums]
        for later in range(number, len(judges)):
            ask(later, leading)
        for row, some in enumerate(sums):
            whole = complete(row)
            floors[row] = some[whole[-1]] if len(whole) == count else -math.inf
        ask(number, [range(len(some)) for some in sums])
    return [[(place, values[row][place]) for place in complete(row)] for row in range(len(sums))]
