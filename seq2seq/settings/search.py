"""Settings of the search for a translation. The equations are in seq2seq/search/."""

from __future__ import annotations

import dataclasses
import enum

from seq2seq.errors import SettingError
from seq2seq.settings.reading import check

# Of max_length_factor where nobody sets it: that of ordinary translation, and what the longest texts may need.
LEAST_FACTOR, MOST_FACTOR = 2.0, 1000.0


class SearchKind(enum.Enum):
    GREEDY = "greedy"  # the most probable piece at every step
    BEAM = "beam"      # the best of `beam_size` partial translations kept side by side
    SAMPLE = "sample"  # a piece drawn from the (sharpened, cut) distribution


@dataclasses.dataclass(kw_only=True)
class SearchSettings:
    kind: SearchKind = SearchKind.BEAM
    beam_size: int = 5
    length_penalty: float = 1.5    # alpha in ((5 + |y|) / 6)^alpha                 Wu et al. 2016, eq. 14
    coverage_penalty: float = 0.0  # beta in beta * sum_j log(min(sum_t a_tj, 1))   Wu et al. 2016, eq. 14
    n_best: int = 1                # translations per sentence
    mbr: int = 0                   # minimum Bayes risk decoding: candidates to choose from; 0: off
    min_length: int = 0            # target pieces before EOS may come
    no_repeat_ngram_size: int = 0  # no n-gram of so many target pieces comes twice (search/ngram_blocking.py); 0: off
    max_length: int | None = None  # target pieces; null: max_length_factor * S + max_length_extra
    max_length_factor: float | None = None  # null: as the training pairs are (length_limits.py), at least LEAST_FACTOR
    max_length_extra: int = 20
    allow_unknown: bool = False    # UNK may be produced
    temperature: float = 1.0       # kind=sample: logits are divided by it
    top_k: int = 0                 # kind=sample: keep the k most probable pieces (0: all)
    top_p: float = 1.0             # kind=sample: keep the smallest set that holds this probability
    shortlist: int = 0             # target pieces tried for each source piece; 0: all pieces at every place
    batch_pieces: int = 3000       # source pieces (padding counted) at once; fewer where short lines have many logits
    seed: int = 1                  # kind=sample

    def __post_init__(self) -> None:
        for field in ("beam_size", "n_best", "max_length", "batch_pieces"):
            check(self, field, at_least=1)
        for field in ("min_length", "top_k", "coverage_penalty", "length_penalty",
                      "max_length_factor", "max_length_extra", "seed", "shortlist", "mbr", "no_repeat_ngram_size"):
            check(self, field, at_least=0)
        check(self, "temperature", above=0)
        check(self, "top_p", above=0, at_most=1)
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
