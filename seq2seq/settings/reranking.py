"""Settings of n-best re-ranking (inference/reranking.py): the group `rerank` of translate.py and evaluate.py."""

from __future__ import annotations

import dataclasses
from typing import Any

from seq2seq.errors import SettingError
from seq2seq.settings.fields import check_ranges, group, option
from seq2seq.settings.search import SearchKind, SearchSettings

# Settings of earlier versions, and what to write instead.
RENAMED = {
    "ensemble": "run=[A,B]", "reverse": "rerank.backward=FOLDER", "reverse_weight": "rerank.backward_weight=0.3",
    "rescore": "rerank.forward=FOLDER", "rescore_weight": "rerank.forward_weight=1.0",
    "rescore_own": "rerank.second_decoder=true", "rescore_search": "rerank.search=true",
}


@dataclasses.dataclass(kw_only=True)
class RerankSettings:
    """X is the source, Y a candidate translation; lengths count EOS. Of several models the mean counts."""

    backward: str | list[str] | None = group(list, "backward models (target to source): folders of runs")
    backward_weight: float = option(0.3, "weight of log P(X|Y) / |X| of the backward models", at_least=0)
    forward: str | list[str] | None = group(list, "further models of the same direction, for example right-to-left")
    forward_weight: float = option(1.0, "weight of log P(Y|X) / |Y| of the forward models", at_least=0)
    second_decoder: bool = option(False, "also the right-to-left decoders of run= and rerank.forward=")
    search: bool = option(False, "the forward models search too, and what they find is ranked as well")

    def __post_init__(self) -> None:
        check_ranges(self)
        for field, used in (("backward", bool(self.backward)), ("forward", self.uses_forward)):
            weight = getattr(self, f"{field}_weight")
            if weight != getattr(RerankSettings, f"{field}_weight") and not used:
                raise SettingError(f"{field}_weight={weight:g} weights the models of rerank.{field}=, and there are "
                                   f"none. Give some, or leave rerank.{field}_weight= out.")
        if self.search and not self.uses_forward:
            raise SettingError("search=true lets the models of rerank.forward= search, and there are none. Give some, "
                               "or rerank.second_decoder=true, or leave rerank.search= out.")

    @property
    def uses_forward(self) -> bool:
        """Further models of the same direction, or second decoders, take part."""
        return bool(self.forward) or self.second_decoder

    @property
    def active(self) -> bool:
        return bool(self.backward) or self.uses_forward

    def given(self) -> dict[str, str]:
        """The settings that name models, by their names, as a person writes them: rerank.backward=[a,b]."""
        values = {f"rerank.{field}": getattr(self, field) for field in ("backward", "forward", "second_decoder")}
        return {name: f"{name}={_written(value)}" for name, value in values.items() if value}

    def check_search(self, search: SearchSettings) -> None:
        """Raises SettingError for a search that leaves these models nothing to rank, or a penalty they cannot count."""
        for name, given in self.given().items():
            if search.kind is not SearchKind.BEAM or search.beam_size < 2:
                raise SettingError(
                    f"{given} re-ranks the candidates of a beam, and this is search={search.kind.value} with "
                    f"search.beam_size={search.beam_size}. Choose search=beam search.beam_size=10, or leave {name}= "
                    "out.")
            if search.mbr:
                raise SettingError(f"search.mbr={search.mbr} and {given} both re-rank the candidates of a beam. Choose "
                                   f"search.mbr=0, or leave {name}= out.")
        if self.search and search.coverage_penalty:
            raise SettingError(
                f"rerank.search=true and search.coverage_penalty={search.coverage_penalty:g}: there is no attention "
                "to count for what the models of rerank.forward= find. Choose search.coverage_penalty=0 or "
                "rerank.search=false.")


def check_not_renamed(name: str) -> None:
    """Raises SettingError, which says what to write, for a setting of an earlier version."""
    if name in RENAMED:
        raise SettingError(f"{name} is no longer a setting. Write {RENAMED[name]} instead.")


def _written(value: Any) -> str:
    """As a person writes it on a command line."""
    if isinstance(value, list):
        return f"[{','.join(value)}]"
    return "true" if value is True else str(value)
