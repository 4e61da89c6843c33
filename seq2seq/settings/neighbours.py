"""Settings of the nearest neighbours beside a model (seq2seq/neighbours.py): of translate.py and evaluate.py."""

from __future__ import annotations

import dataclasses

from seq2seq.settings.reading import check


@dataclasses.dataclass(kw_only=True)
class NeighbourSettings:
    corpus: str | None = None   # folder of a packed corpus whose training pairs are looked up; null: none
    count: int = 64             # k: neighbours of each place
    weight: float = 0.3         # lambda of p_knn, beside 1 - lambda of the model
    temperature: float = 0.08   # T, in mean squared distances of the keys from their mean
    probes: int = 16            # cells that are looked at; 0: all, exact

    def __post_init__(self) -> None:
        check(self, "count", at_least=1)
        check(self, "weight", at_least=0, below=1)
        check(self, "temperature", above=0)
        check(self, "probes", at_least=0)
