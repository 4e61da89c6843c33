"""Scores of translations: strings in, numbers with their signatures out. All through sacreBLEU.

BLEU: Papineni et al. 2002. chrF2: Popović 2015. Comparable signatures: Post 2018. Intervals and the
paired test resample the sentences with replacement (bootstrap): Koehn 2004.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sacrebleu.metrics.base import Metric

RESAMPLES = 1000
# Upper ends of the length buckets, in words; what is longer falls into the last.
BUCKETS = (5, 10, 15, 20, 25, 30, 40, 50, 60)


@dataclasses.dataclass(frozen=True)
class Score:
    """A corpus score, which means nothing without its signature."""

    name: str                                    # BLEU or chrF2
    value: float                                 # 0..100
    signature: str
    interval: tuple[float, float] | None = None  # central 95 % of the bootstrap's scores, around their mean

    def __str__(self) -> str:
        around = f" [{self.interval[0]:.1f}, {self.interval[1]:.1f}]" if self.interval else ""
        return f"{self.name} {self.value:.2f}{around}  {self.signature}"


@dataclasses.dataclass(frozen=True)
class Bucket:
    """The sentences of some lengths."""

    shortest: int        # words
    longest: int | None  # words; None: no end
    sentences: int
    bleu: float          # of these sentences as a corpus

    @property
    def name(self) -> str:
        return f"{self.shortest}+" if self.longest is None else f"{self.shortest}-{self.longest}"


@dataclasses.dataclass(frozen=True)
class Comparison:
    """A paired bootstrap test of two systems on the same sentences."""

    value: float       # BLEU of the system
    baseline: float    # BLEU of the other
    p_value: float     # of a difference at least as large if there were none
    signature: str

    @property
    def significant(self) -> bool:
        return self.p_value < 0.05


def bleu(hypotheses: Sequence[str], references: Sequence[str], resamples: int = RESAMPLES) -> Score:
    """BLEU of detokenised text (cased, sacreBLEU's own tokenisation 13a); no interval with resamples=0."""
    from sacrebleu.metrics.bleu import BLEU

    return _score(BLEU(), hypotheses, references, resamples)


def length_ratio(hypotheses: Sequence[str], references: Sequence[str]) -> float:
    """Tokens (13a) of the translations for each token of the references: below 1 the brevity penalty lowers BLEU."""
    from sacrebleu.metrics.bleu import BLEU

    return BLEU().corpus_score(list(hypotheses), [list(references)]).ratio


def sentence_bleu(hypotheses: Sequence[str], references: Sequence[str]) -> list[float]:
    """BLEU of each sentence alone, smoothed; orders that a short one has not are left out. To compare sentences by."""
    from sacrebleu.metrics.bleu import BLEU

    metric = BLEU(effective_order=True)
    return [metric.sentence_score(hypothesis, [reference]).score
            for hypothesis, reference in zip(hypotheses, references, strict=True)]


def bleu_of_papers(hypotheses: Sequence[str], references: Sequence[str], language: str,
                   resamples: int = RESAMPLES) -> Score:
    """BLEU of lower-cased text in Moses' tokens, as papers on Multi30k and IWSLT give it. Not comparable with `bleu`.

    `language` (en, de, ...) chooses Moses' rules; a language that it has none for is cut by those of English.
    """
    from sacrebleu.metrics.bleu import BLEU

    metric = BLEU(lowercase=True, tokenize="none", force=True)
    score = _score(metric, _moses(hypotheses, language), _moses(references, language), resamples)
    return dataclasses.replace(score, signature=score.signature.replace("tok:none", "tok:moses"))


def _moses(lines: Sequence[str], language: str) -> list[str]:
    from sacremoses import MosesPunctNormalizer, MosesTokenizer

    normalizer, tokenizer = MosesPunctNormalizer(language), MosesTokenizer(language)
    return [tokenizer.tokenize(normalizer.normalize(line), return_str=True, escape=False) for line in lines]


def chrf(hypotheses: Sequence[str], references: Sequence[str], resamples: int = RESAMPLES) -> Score:
    """chrF2: the F score (beta = 2) of character n-grams up to 6."""
    from sacrebleu.metrics.chrf import CHRF

    return _score(CHRF(), hypotheses, references, resamples)


def compare(hypotheses: Sequence[str], baseline: Sequence[str], references: Sequence[str],
            resamples: int = RESAMPLES) -> Comparison:
    """Whether two systems differ in BLEU by more than the choice of sentences explains."""
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.significance import PairedTest

    systems: list[tuple[str, Sequence[str]]] = [("baseline", list(baseline)), ("system", list(hypotheses))]
    signatures, scores = PairedTest(systems, {"BLEU": BLEU()}, [list(references)], "bs", resamples)()
    first, second = (result for result in scores["BLEU"] if not isinstance(result, str))
    # sacreBLEU counts resamples that differ by more than the systems do, which is none for equal systems.
    p_value = 1.0 if second.p_value is None or first.score == second.score else second.p_value
    return Comparison(second.score, first.score, p_value, str(signatures["BLEU"]))


def bleu_by_length(sources: Sequence[str], hypotheses: Sequence[str], references: Sequence[str],
                   ends: Sequence[int] = BUCKETS) -> list[Bucket]:
    """BLEU for each range of source lengths that has sentences, shortest first."""
    places: dict[int, list[int]] = {}
    for row, source in enumerate(sources):
        words = len(source.split())
        bucket = sum(words > end for end in ends)
        places.setdefault(bucket, []).append(row)
    buckets = []
    for bucket, rows in sorted(places.items()):
        shortest = ends[bucket - 1] + 1 if bucket else 0
        longest = ends[bucket] if bucket < len(ends) else None
        score = bleu([hypotheses[row] for row in rows], [references[row] for row in rows], resamples=0)
        buckets.append(Bucket(shortest, longest, len(rows), score.value))
    return buckets


def _score(metric: Metric, hypotheses: Sequence[str], references: Sequence[str], resamples: int) -> Score:
    if not resamples:
        plain = metric.corpus_score(list(hypotheses), [list(references)])
        return Score(plain.name, plain.score, str(metric.get_signature()))
    from sacrebleu.significance import PairedTest

    # A paired test without a pair: corpus_score's own bootstrap fails when some resamples score 0.
    system: list[tuple[str, Sequence[str]]] = [("system", list(hypotheses))]
    signatures, scores = PairedTest(system, {"": metric}, [list(references)], "bs", resamples)()
    ((name, signature),) = signatures.items()
    (found,) = (result for result in scores[name] if not isinstance(result, str))
    mean, half = float(found.mean or 0), float(found.ci or 0)
    return Score(name, float(found.score), str(signature), (mean - half, mean + half))
