"""Settings of what ranks the candidates of a beam (seq2seq/reranking.py): of translate.py and evaluate.py."""

from __future__ import annotations

import dataclasses

from seq2seq.errors import SettingError
from seq2seq.settings.reading import check
from seq2seq.settings.search import SearchKind, SearchSettings


@dataclasses.dataclass(kw_only=True)
class RankingSettings:
    reverse: str | list[str] | None = None  # translators of the opposite direction
    reverse_weight: float = 0.3             # lambda of log P(X|Y) / |X|
    rescore: str | list[str] | None = None  # of the same direction, right to left or of other pieces
    rescore_weight: float = 1.0             # mu of log P(Y|X) / |Y|
    rescore_own: bool = False               # so do the second decoders of run= and rescore= (model.reverse_decoder)
    rescore_search: bool = False            # each of these searches as well, and what it finds is ranked too

    def __post_init__(self) -> None:
        for field in ("reverse_weight", "rescore_weight"):
            check(self, field, at_least=0)
        if self.rescore_search and not self.rescores:
            raise SettingError("rescore_search=true lets the models of rescore= search, and there are none. Give some, "
                               "or rescore_own=true, or leave rescore_search= out.")

    @property
    def rescores(self) -> bool:
        """Others of the same direction rank."""
        return bool(self.rescore) or self.rescore_own

    @property
    def ranks(self) -> bool:
        return bool(self.reverse) or self.rescores

    def refuse_nothing_to_rank(self, search: SearchSettings) -> None:
        """Raises SettingError for a search that leaves these models nothing to rank, or what they cannot count."""
        for setting, value in (("reverse", self.reverse), ("rescore", self.rescore), ("rescore_own", self.rescore_own)):
            if not value:
                continue
            given = f"{setting}={str(value).lower() if value is True else value}"
            if search.kind is not SearchKind.BEAM or search.beam_size < 2:
                raise SettingError(
                    f"{given} ranks the candidates of a beam, and this is search={search.kind.value} with "
                    f"beam_size={search.beam_size}. Choose search=beam search.beam_size=10, or leave {setting}= out.")
            if search.mbr:
                raise SettingError(f"mbr={search.mbr} and {given} both rank the candidates of a beam. Choose "
                                   f"search.mbr=0, or leave {setting}= out.")
        if self.rescore_search and search.coverage_penalty:
            raise SettingError(
                f"rescore_search=true and search.coverage_penalty={search.coverage_penalty:g}: there is no attention "
                "to count for what the models of rescore= find. Choose search.coverage_penalty=0 or "
                "rescore_search=false.")
