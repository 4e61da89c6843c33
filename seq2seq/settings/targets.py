"""What reproduce.py reads: the reported figures (conf/targets.yaml), and its own settings."""

from __future__ import annotations

import dataclasses
from typing import Any

from seq2seq.errors import SettingError
from seq2seq.settings.device import Device, Precision
from seq2seq.settings.fields import check_ranges, option
from seq2seq.settings.nearest import nearest
from seq2seq.settings.reading import check, read_settings
from seq2seq.settings.training import Measure


@dataclasses.dataclass(frozen=True, kw_only=True)
class CorpusRecipe:
    """How data/<name> is made."""

    prepare: list[str]                                         # settings of python -m data_prep; DIR: the raw text
    raw: list[str] = dataclasses.field(default_factory=list)   # files of the raw text


@dataclasses.dataclass(frozen=True, kw_only=True)
class Target:
    """A reported figure of best/, and what it takes to come by it."""

    experiment: str
    corpus: str
    measure: Measure
    value: float
    tolerance: float
    overrides: list[str] = dataclasses.field(default_factory=list)  # further settings of train.py
    seeds: list[int] = dataclasses.field(default_factory=lambda: [1])
    ensemble: bool = False   # the models together; false: the mean of their figures
    search: list[str] = dataclasses.field(default_factory=list)     # settings of evaluate.py
    split: str = "test"
    minutes: float | None = None  # of the training of one run

    def __post_init__(self) -> None:
        check(self, "value", above=0)
        check(self, "tolerance", at_least=0)
        check(self, "minutes", above=0)
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise SettingError(f"seeds={self.seeds} does not name each seed once. Give for example seeds=[1,2,3].")

    def gain(self, measured: float) -> float:
        """How much better `measured` is than the figure; below 0: worse."""
        return measured - self.value if self.measure.higher_is_better else self.value - measured


@dataclasses.dataclass(frozen=True, kw_only=True)
class Targets:
    """All of conf/targets.yaml."""

    corpora: dict[str, CorpusRecipe]
    targets: dict[str, Target]

    @classmethod
    def read(cls, content: dict[str, Any]) -> Targets:
        """Raises SettingError for a row that is none."""
        corpora = {name: read_settings(CorpusRecipe, row, f"corpora.{name}")
                   for name, row in content["corpora"].items()}
        targets = {name: read_settings(Target, row, f"targets.{name}") for name, row in content["targets"].items()}
        for name, target in targets.items():
            if target.corpus not in corpora:
                raise SettingError(f"targets.{name}.corpus={target.corpus} is not one of: {', '.join(corpora)}.")
        return cls(corpora=corpora, targets=targets)

    def named(self, name: str) -> Target:
        """Raises SettingError for a name that there is not."""
        if name not in self.targets:
            raise SettingError(f"target={name} is not one of: {', '.join(self.targets)}.{nearest(name, self.targets)}")
        return self.targets[name]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReproduceSettings:
    """Of reproduce.py."""

    target: str | None = option(None, "which score of conf/targets.yaml; null: lists them")
    raw: str | None = option(None, "folder of the raw text; null: the corpus is there, or needs none")
    seeds: list[int] | None = option(None, "for example [2] or [1,2,3]; null: those of the target")
    corpus: str | None = option(None, "folder of the packed corpus; null: data/<corpus of the target>")
    runs: str = option("runs/reproduce", "folder for the runs")
    threads: int | None = option(None, "CPU threads; null: torch's choice", at_least=1)
    device: Device = option(Device.AUTO, "where it computes")
    precision: Precision = option(Precision.AUTO, "of training")
    graphs: bool = option(False, "CUDA graphs in training: 2 to 3 times as fast")
    targets: str | None = option(None, "file of targets; null: conf/targets.yaml")

    def __post_init__(self) -> None:
        check_ranges(self)
