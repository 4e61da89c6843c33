"""What an experiment file (conf/experiment/) may hold: the settings of a run, and the figure that it is to reach.

The figure stands beside the settings for reproduce.py alone. train.py takes the settings without it, so that
no run folder and no bundle knows of it.
"""

from __future__ import annotations

import dataclasses
import re

from seq2seq.errors import SettingError
from seq2seq.settings.reading import check
from seq2seq.settings.training import MEASURES, Measure, TrainSettings


@dataclasses.dataclass(kw_only=True)
class Expected:
    """A reported figure of best/, and what it takes to come by it."""

    measure: Measure
    value: float
    tolerance: float               # what another seed, or another processor's rounding, may cost
    split: str = "test"
    after: str | None = None       # the experiment whose run of the same seed this one forks; null: it begins anew
    teachers: list[str] = dataclasses.field(default_factory=list)  # NAME-SEED: those that teacher= names
    runs: list[str] = dataclasses.field(default_factory=list)     # NAME-SEED: those scored (together); []: its own run
    reverse: list[str] = dataclasses.field(default_factory=list)  # NAME-SEED: evaluate.py rerank.backward=
    rescore: list[str] = dataclasses.field(default_factory=list)  # evaluate.py rerank.forward=
    search: list[str] = dataclasses.field(default_factory=list)   # settings of evaluate.py
    minutes: float | None = None   # of training, on one core unless the file says otherwise; null: not measured
    raw: list[str] = dataclasses.field(default_factory=list)      # files of the raw text, in the folder raw=DIR
    prepare: list[str] = dataclasses.field(default_factory=list)  # of python -m data_prep; DIR stands for that folder

    def __post_init__(self) -> None:
        check(self, "value", above=0)
        check(self, "tolerance", at_least=0)
        check(self, "minutes", above=0)
        for field in ("teachers", "runs", "reverse", "rescore"):
            names = getattr(self, field)
            if len(set(names)) < len(names) or not all(re.fullmatch(r"\w+-\d+", name) for name in names):
                raise SettingError(f"expected.{field}={names} does not name runs. Give each once, as the name of its "
                                   f"experiment and its seed: expected.{field}=[multi30k_de_en-1].")
        if (len(self.runs) > 1 or self.ranked) and self.measure not in (Measure.BLEU, Measure.CHRF):
            raise SettingError(f"expected.measure={self.measure.value} cannot go with several runs: they are scored by "
                               "what they translate. Choose expected.measure=bleu.")

    @property
    def ranked(self) -> bool:
        """Other models, or other decoders of the same, rank what is found."""
        return bool(self.reverse or self.rescore) or "rerank.second_decoder=true" in self.search

    def gain(self, measured: float) -> float:
        """How much better `measured` is than the figure; below 0: worse."""
        return measured - self.value if self.measure.higher_is_better else self.value - measured


@dataclasses.dataclass(kw_only=True)
class ExperimentSettings(TrainSettings):
    """What the command line of train.py amounts to."""

    expected: Expected | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.expected is not None and self.expected.after is not None and self.fork is None:
            raise SettingError(f"expected.after={self.expected.after} says that the run goes on from one of that "
                               "experiment, and fork=null that it begins anew. Give the folder of that run: "
                               "fork=FOLDER.")
        if self.expected is not None and self.expected.teachers and self.teacher is None:
            raise SettingError(f"expected.teachers={self.expected.teachers} names runs that this one learns from, and "
                               "teacher=null none. Give their folders: teacher=[FOLDER].")
        measures = (*MEASURES.get(self.shape, []), Measure.PERPLEXITY)
        if self.expected is not None and self.expected.measure not in measures:
            choices = " or ".join(f"expected.measure={measure.value}" for measure in measures)
            raise SettingError(f"expected.measure={self.expected.measure.value} cannot go with "
                               f"shape={self.shape.value}. Choose {choices}.")

    def of_the_run(self) -> TrainSettings:
        """Without the figure."""
        return TrainSettings(**{field.name: getattr(self, field.name) for field in dataclasses.fields(TrainSettings)})


@dataclasses.dataclass(kw_only=True)
class ReproduceSettings(ExperimentSettings):
    """All of reproduce.py: the experiment as train.py would have it, and the place of the raw text."""

    raw: str | None = None         # folder with the files `expected.raw`; null: the corpus is there, or needs none
    name: str | None = None        # of the experiment; conf/reproduce.yaml asks Hydra for it
    words: list[str] = dataclasses.field(default_factory=list)  # of the command line, likewise
