"""Settings of evaluate.py."""

from __future__ import annotations

import dataclasses

from seq2seq.errors import SettingError
from seq2seq.settings.device import Device, Precision, check_precision
from seq2seq.settings.fields import check_ranges, group, option
from seq2seq.settings.reranking import RerankSettings
from seq2seq.settings.runs import as_list
from seq2seq.settings.scoring import ScoringSettings
from seq2seq.settings.search import SearchSettings
from seq2seq.settings.translate import MAX_SOURCE_PIECES, need_run


@dataclasses.dataclass(kw_only=True)
class EvaluateSettings:
    run: str | list[str] | None = option(None,
        "folder of a trained run, or a bundle; [A,B] is an ensemble, and the scores belong to A")
    split: str = option("test", "split of the corpus: test or valid")
    corpus: str | None = option(None, "folder of a packed corpus; null: the one the run was trained on")
    source: str | None = option(None, "file of source sentences, instead of a split; plain or .gz")
    reference: str | None = option(None, "file of their references, line by line")
    compare: str | None = option(None,
        "another run, or a folder of scores, evaluated on the same sentences before: adds a paired test")
    output: str | None = option(None, "folder for the scores; null: evaluation/ in the (first) run folder")
    papers: bool = option(False, "also BLEU of lower-cased Moses tokens, as most papers on Multi30k report")
    plots: bool = option(True, "draw BLEU by length, attention heat maps and, for labels, confusions")
    heat_maps: int = option(4, "sentences drawn as heat maps", at_least=0)
    resamples: int = option(1000, "bootstrap resamples, and trials of the paired test", at_least=100)
    batch_pieces: int = option(4000, "padded tokens at once, for the perplexity", at_least=1)
    max_source_pieces: int = option(MAX_SOURCE_PIECES,
        "longer lines are cut to so many tokens, with a warning", at_least=1)
    device: Device = option(Device.AUTO, "where it computes")
    precision: Precision = option(Precision.FP32, "of search; the perplexity is always fp32")
    graphs: bool = option(False, "CUDA: every step of search as one CUDA graph")
    threads: int | None = option(None, "CPU threads; null: torch's choice", at_least=1)
    search: SearchSettings = group(SearchSettings, "how translations are searched for")
    rerank: RerankSettings = group(RerankSettings, "n-best re-ranking by further models")
    scoring: ScoringSettings = group(ScoringSettings, "what BLEU counts; auto: as the run was trained")

    def __post_init__(self) -> None:
        need_run(self.run)
        check_ranges(self)
        check_precision(self.precision, Precision.AUTO, "search")
        self.rerank.check_search(self.search)
        if (self.source is None) != (self.reference is None):
            given, other = ("source", "reference") if self.reference is None else ("reference", "source")
            raise SettingError(f"{given}={getattr(self, given)} needs {other}=FILE beside it, line by line.")

    @property
    def runs(self) -> list[str]:
        """The folders of `run`; the scores belong to the first."""
        return as_list(self.run)
