"""Scores of translations: strings in, numbers with their signatures out. All through sacreBLEU.

BLEU: Papineni et al. 2002. chrF2: Popović 2015. Comparable signatures: Post 2018. Intervals resample the sentences
with replacement (bootstrap): Koehn 2004. The paired test exchanges the two systems' translations of random sentences
(approximate randomisation, two-sided): Riezler & Maxwell 2005, which calls chance differences of BLEU significant as
often as it says, and the bootstrap more often.

Translations and references are compared in one form (normalization.py). `tokenize` says what BLEU counts, by
sacreBLEU's names; which one suits a language is decided in scoring_units.py.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from seq2seq.errors import check_is_list
from seq2seq.text.normalization import normalized

if TYPE_CHECKING:
    import numpy as np
    from sacrebleu.metrics.base import Metric
    from sacrebleu.metrics.bleu import BLEU

RESAMPLES = 1000
SEED = 12345           # of the paired test, as sacreBLEU's
EXCHANGES = 1_000_000  # sentences times trials that the paired test holds in memory at once
WORDS, CHARACTERS = "words", "characters"
# Upper ends of the length buckets; what is longer falls into the last.
BUCKETS = {WORDS: (5, 10, 15, 20, 25, 30, 40, 50, 60), CHARACTERS: (10, 20, 30, 40, 50, 60, 80, 100, 150)}


class Units(NamedTuple):
    """What the scores of a set of sentences count."""

    tokenize: str = "13a"  # BLEU: tokens, as sacreBLEU names them
    length: str = WORDS    # BLEU by length: of the sources, WORDS or CHARACTERS


UNITS = Units()  # of languages with spaces


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

    shortest: int        # in `unit`
    longest: int | None  # in `unit`; None: no end
    sentences: int
    bleu: float          # of these sentences as a corpus
    unit: str = WORDS    # or CHARACTERS

    @property
    def name(self) -> str:
        return f"{self.shortest}+" if self.longest is None else f"{self.shortest}-{self.longest}"


@dataclasses.dataclass(frozen=True)
class Comparison:
    """A paired test of two systems on the same sentences by approximate randomisation, two-sided."""

    value: float       # BLEU of the system
    baseline: float    # BLEU of the other
    p_value: float     # of a difference at least as large, in either direction, if the systems were exchangeable
    signature: str

    @property
    def significant(self) -> bool:
        return self.p_value < 0.05


def bleu(hypotheses: Sequence[str], references: Sequence[str], resamples: int = RESAMPLES,
         tokenize: str = "13a") -> Score:
    """BLEU of detokenised text (cased, in sacreBLEU's own tokens); no interval with resamples=0.

    Here and below a text instead of a list of them is a TypeError.
    """
    check_is_list(hypotheses, references)
    return _score(_bleu(tokenize), normalized(hypotheses), normalized(references), resamples)


def length_ratio(hypotheses: Sequence[str], references: Sequence[str], tokenize: str = "13a") -> float:
    """Tokens of the translations for each token of the references: below 1 the brevity penalty lowers BLEU."""
    check_is_list(hypotheses, references)
    return _bleu(tokenize).corpus_score(normalized(hypotheses), [normalized(references)]).ratio


def sentence_bleu(hypotheses: Sequence[str], references: Sequence[str], tokenize: str = "13a") -> list[float]:
    """BLEU of each sentence alone, smoothed; orders that a short one has not are left out. To compare sentences by."""
    check_is_list(hypotheses, references)
    metric = _bleu(tokenize, effective_order=True)
    return [metric.sentence_score(hypothesis, [reference]).score
            for hypothesis, reference in zip(normalized(hypotheses), normalized(references), strict=True)]


def bleu_of_papers(hypotheses: Sequence[str], references: Sequence[str], language: str,
                   resamples: int = RESAMPLES) -> Score:
    """BLEU of lower-cased text in Moses' tokens, as papers on Multi30k and IWSLT give it. Not comparable with `bleu`.

    `language` (en, de, ...) chooses Moses' rules; a language that it has none for is cut by those of English.
    """
    check_is_list(hypotheses, references)
    metric = _bleu("none", lowercase=True, force=True)
    score = _score(metric, moses(normalized(hypotheses), language), moses(normalized(references), language), resamples)
    return dataclasses.replace(score, signature=score.signature.replace("tok:none", "tok:moses"))


def moses(lines: Sequence[str], language: str) -> list[str]:
    """The lines in Moses' tokens, spaces between them."""
    from sacremoses import MosesPunctNormalizer, MosesTokenizer

    normalizer, tokenizer = MosesPunctNormalizer(language), MosesTokenizer(language)
    return [tokenizer.tokenize(normalizer.normalize(line), return_str=True, escape=False) for line in lines]


def chrf(hypotheses: Sequence[str], references: Sequence[str], resamples: int = RESAMPLES) -> Score:
    """chrF2: the F score (beta = 2) of character n-grams up to 6."""
    check_is_list(hypotheses, references)
    from sacrebleu.metrics.chrf import CHRF

    return _score(CHRF(), normalized(hypotheses), normalized(references), resamples)


def compare(hypotheses: Sequence[str], baseline: Sequence[str], references: Sequence[str],
            resamples: int = RESAMPLES, tokenize: str = "13a") -> Comparison:
    """Whether two systems differ in BLEU by more than chance explains; `resamples`: trials of the test.

    Few sentences (2^N <= resamples) are exchanged in every way that there is: the test is exact then.
    """
    check_is_list(hypotheses, baseline, references)
    import numpy as np
    from scipy.stats import permutation_test

    metric, rows, wanted = _bleu(tokenize), len(references), normalized(references)
    systems = [normalized(system) for system in (hypotheses, baseline)]
    scores = [metric.corpus_score(system, [wanted]).score for system in systems]
    counts = np.concatenate([_bleu_counts(system, wanted, tokenize) for system in systems])

    def difference(ours: np.ndarray, theirs: np.ndarray, axis: int) -> np.ndarray:
        # Rows of `counts`, in lists (..., N) that end at `axis`: the BLEU of one less that of the other.
        first, second = (counts[system].sum(axis=axis - 1) for system in (ours, theirs))
        return np.apply_along_axis(_bleu_of_counts, -1, first) - np.apply_along_axis(_bleu_of_counts, -1, second)

    found = permutation_test((np.arange(rows), rows + np.arange(rows)), difference, vectorized=True,
                             permutation_type="samples", n_resamples=resamples, batch=max(1, EXCHANGES // rows),
                             rng=np.random.default_rng(SEED))
    signature = metric.get_signature()
    signature.update("ar", resamples)
    signature.update("seed", SEED)
    return Comparison(scores[0], scores[1], float(found.pvalue), str(signature))


def _bleu_counts(hypotheses: Sequence[str], references: Sequence[str], tokenize: str) -> np.ndarray:
    """(N, 10) what BLEU adds up over sentences: matches and n-grams of orders 1 to 4, both lengths in tokens."""
    import numpy as np

    # An effective order changes no count, and is what sacreBLEU wants for single sentences.
    metric = _bleu(tokenize, effective_order=True)
    scores = [metric.sentence_score(*pair) for pair in zip(hypotheses, ([one] for one in references), strict=True)]
    return np.array([[*score.counts, *score.totals, score.sys_len, score.ref_len] for score in scores])


def _bleu_of_counts(counts: np.ndarray) -> float:
    """BLEU of a corpus from its sums (10,) of `_bleu_counts`."""
    from sacrebleu.metrics.bleu import BLEU

    *ngrams, hypothesis_length, reference_length = counts.tolist()
    return BLEU.compute_bleu(ngrams[:4], ngrams[4:], hypothesis_length, reference_length).score


def bleu_by_length(sources: Sequence[str], hypotheses: Sequence[str], references: Sequence[str],
                   units: Units = UNITS, ends: Sequence[int] | None = None) -> list[Bucket]:
    """BLEU for each range of source lengths that has sentences, shortest first; `ends`: None, BUCKETS of the unit."""
    check_is_list(sources, hypotheses, references)
    ends = BUCKETS[units.length] if ends is None else ends
    places: dict[int, list[int]] = {}
    for row, source in enumerate(normalized(sources)):
        bucket = sum(length(source, units.length) > end for end in ends)
        places.setdefault(bucket, []).append(row)
    buckets = []
    for bucket, rows in sorted(places.items()):
        shortest = ends[bucket - 1] + 1 if bucket else 0
        longest = ends[bucket] if bucket < len(ends) else None
        score = bleu([hypotheses[row] for row in rows], [references[row] for row in rows], 0, units.tokenize)
        buckets.append(Bucket(shortest, longest, len(rows), score.value, units.length))
    return buckets


def length(line: str, unit: str) -> int:
    """Words, or characters without white space."""
    words = line.split()
    return len(words) if unit == WORDS else sum(map(len, words))


def _bleu(tokenize: str, **settings: Any) -> BLEU:
    from sacrebleu.metrics.bleu import BLEU

    return BLEU(tokenize=tokenize, **settings)


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


def perplexity(loss: float) -> float:
    """exp(loss), infinity where that is beyond a float."""
    return math.exp(loss) if loss < 700 else math.inf
