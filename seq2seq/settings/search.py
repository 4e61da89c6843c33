"""Settings of the search for a translation. The equations are in seq2seq/search/."""

from __future__ import annotations

import dataclasses
import enum

from seq2seq.errors import SettingError
from seq2seq.settings.fields import check_ranges, option

# Of max_length_factor where nobody sets it: that of ordinary translation, and what the longest texts may need.
LEAST_FACTOR, MOST_FACTOR = 2.0, 1000.0


class SearchKind(enum.Enum):
    GREEDY = "greedy"  # the most probable piece at every step
    BEAM = "beam"      # the best of `beam_size` partial translations kept side by side
    SAMPLE = "sample"  # a piece drawn from the (sharpened, cut) distribution


@dataclasses.dataclass(kw_only=True)
class SearchSettings:
    kind: SearchKind = option(SearchKind.BEAM, "how translations are searched for")
    beam_size: int = option(5, "partial translations kept for each sentence", at_least=1)
    length_penalty: float = option(1.5,
        "alpha of ((5 + |y|) / 6)^alpha: the larger, the longer the translations (Wu et al. 2016)", at_least=0)
    coverage_penalty: float = option(0.0,
        "beta of beta * sum_j log(min(sum_t a_tj, 1)); needs attention (Wu et al. 2016)", at_least=0)
    n_best: int = option(1, "translations for each sentence (format=jsonl)", at_least=1)
    mbr: int = option(0, "minimum Bayes risk decoding: number of candidates; 0: off", at_least=0)
    min_length: int = option(0, "target tokens before EOS may come", at_least=0)
    no_repeat_ngram_size: int = option(0, "no n-gram of so many target tokens comes twice; 0: off", at_least=0)
    max_length: int | None = option(None, "longest translation in tokens; null: factor * S + extra", at_least=1)
    max_length_factor: float | None = option(None,
        "target tokens for each source token; null: as the training pairs are, at least 2", at_least=0)
    max_length_extra: int = option(20, "target tokens on top of that", at_least=0)
    allow_unknown: bool = option(False, "UNK may be produced")
    temperature: float = option(1.0, "of sampling: logits are divided by it", above=0)
    top_k: int = option(0, "of sampling: only the k most probable tokens; 0: all", at_least=0)
    top_p: float = option(1.0,
        "of sampling: only the smallest set of tokens that holds this probability", above=0, at_most=1)
    shortlist: int = option(0, "target tokens tried for each source token; 0: all tokens", at_least=0)
    batch_pieces: int = option(3000, "source tokens at once, padding counted", at_least=1)
    seed: int = option(1, "of sampling", at_least=0)

    def __post_init__(self) -> None:
        check_ranges(self)
        if self.kind is SearchKind.BEAM and self.n_best > self.beam_size:
            raise SettingError(f"n_best={self.n_best} is more than beam_size={self.beam_size}; raise beam_size.")
        if self.mbr and self.kind is SearchKind.GREEDY:
            raise SettingError(f"mbr={self.mbr} needs kind=beam or kind=sample; greedy search finds one translation.")
        if self.mbr and self.kind is SearchKind.BEAM and self.mbr > self.beam_size:
            raise SettingError(f"mbr={self.mbr} is more than beam_size={self.beam_size}; raise beam_size.")
        if self.mbr and self.n_best > self.mbr:
            raise SettingError(f"n_best={self.n_best} is more than the mbr={self.mbr} candidates; raise mbr.")
        if self.kind is SearchKind.GREEDY and self.n_best > 1:
            raise SettingError(f"n_best={self.n_best} needs kind=beam or kind=sample; greedy search finds one.")
        if self.max_length is not None and self.min_length > self.max_length:
            raise SettingError(f"min_length={self.min_length} is above max_length={self.max_length}.")
