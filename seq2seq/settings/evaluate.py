"""Settings of evaluate.py."""

from __future__ import annotations

import dataclasses

from seq2seq.errors import SettingError
from seq2seq.settings.device import Device, Precision, check_precision
from seq2seq.settings.reading import check
from seq2seq.settings.reranking import RerankSettings
from seq2seq.settings.runs import as_list
from seq2seq.settings.scoring import ScoringSettings
from seq2seq.settings.search import SearchSettings
from seq2seq.settings.translate import MAX_SOURCE_PIECES, need_run


@dataclasses.dataclass(kw_only=True)
class EvaluateSettings:
    run: str | list[str] | None = None  # folder of a run or bundle; a list is an ensemble
    split: str = "test"           # of the corpus: test or valid
    corpus: str | None = None     # folder; null: the one the run was trained on
    source: str | None = None     # files instead of a split, plain or .gz
    reference: str | None = None
    compare: str | None = None    # another run (or a folder of scores), evaluated on the same sentences before
    output: str | None = None     # folder for the scores; null: evaluation/ in the (first) run folder
    papers: bool = False          # also BLEU of lower-cased Moses tokens
    plots: bool = True            # BLEU by length, and with attention some heat maps
    heat_maps: int = 4            # sentences shown as heat maps
    resamples: int = 1000         # of the bootstrap, and trials of the paired test
    batch_pieces: int = 4000      # padded pieces at once, for the perplexity
    max_source_pieces: int = MAX_SOURCE_PIECES  # longer lines are cut there, with a warning
    device: Device = Device.AUTO
    precision: Precision = Precision.FP32  # of search; the perplexity is fp32's
    graphs: bool = False          # on CUDA: every step of search as one graph
    threads: int | None = None    # CPU threads; null: torch's choice
    search: SearchSettings = dataclasses.field(default_factory=SearchSettings)
    rerank: RerankSettings = dataclasses.field(default_factory=RerankSettings)
    scoring: ScoringSettings = dataclasses.field(default_factory=ScoringSettings)  # auto: as the run was trained

    def __post_init__(self) -> None:
        need_run(self.run)
        for field in ("batch_pieces", "max_source_pieces", "threads"):
            check(self, field, at_least=1)
        check(self, "heat_maps", at_least=0)
        check_precision(self.precision, Precision.AUTO, "search")
        self.rerank.check_search(self.search)
        check(self, "resamples", at_least=100)
        if (self.source is None) != (self.reference is None):
            given, other = ("source", "reference") if self.reference is None else ("reference", "source")
            raise SettingError(f"{given}={getattr(self, given)} needs {other}=FILE beside it, line by line.")

    @property
    def runs(self) -> list[str]:
        """The folders of `run`; the scores belong to the first."""
        return as_list(self.run)
