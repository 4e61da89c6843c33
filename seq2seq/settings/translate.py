"""Settings of translate.py."""

from __future__ import annotations

import dataclasses
import enum

from seq2seq.errors import SettingError
from seq2seq.settings.device import Device, Precision, check_precision
from seq2seq.settings.fields import check_ranges, group, option
from seq2seq.settings.reranking import RerankSettings
from seq2seq.settings.scoring import ScoringSettings
from seq2seq.settings.search import SearchSettings

MAX_SOURCE_PIECES = 500  # of a line that is translated at once


class Format(enum.Enum):
    TEXT = "text"    # one translation in a line
    JSONL = "jsonl"  # one JSON object in a line, with scores, pieces, alignment and the n best


class LongLinePolicy(enum.Enum):
    """What becomes of a line with more than max_source_pieces pieces. A tagger labels all its words, in parts."""

    CUT = "cut"      # only its beginning is translated, with a warning
    SPLIT = "split"  # it is translated in parts, cut after a sentence where there is one


@dataclasses.dataclass(kw_only=True)
class Choices:
    """Those that the library takes as words."""

    device: Device
    long: LongLinePolicy
    precision: Precision = Precision.FP32
    graphs: bool = False

    def __post_init__(self) -> None:
        check_precision(self.precision, Precision.AUTO, "search")


@dataclasses.dataclass(kw_only=True)
class TranslateSettings:
    run: str | list[str] | None = option(None, "folder of a trained run, or a bundle; [A,B] is an ensemble")
    input: str | None = option(None, "file of sentences, plain or .gz; null: standard input")
    output: str | None = option(None, "file, which appears whole or not at all; null: standard output")
    format: Format = option(Format.TEXT, "one translation in a line, or one JSON object")
    max_source_pieces: int = option(MAX_SOURCE_PIECES,
        "longest line, in tokens, that is translated at once", at_least=1)
    long: LongLinePolicy = option(LongLinePolicy.CUT, "what becomes of longer lines")
    device: Device = option(Device.AUTO, "where it computes")
    precision: Precision = option(Precision.FP32, "of search")
    graphs: bool = option(False, "CUDA: every step of search as one CUDA graph")
    threads: int | None = option(None, "CPU threads; null: torch's choice", at_least=1)
    search: SearchSettings = group(SearchSettings, "how translations are searched for")
    rerank: RerankSettings = group(RerankSettings, "n-best re-ranking by further models")
    scoring: ScoringSettings = group(ScoringSettings, "what search.mbr compares candidates by; auto: as trained")

    def __post_init__(self) -> None:
        need_run(self.run)
        check_ranges(self)
        check_precision(self.precision, Precision.AUTO, "search")
        self.rerank.check_search(self.search)
        self.scoring.check_mbr(self.search)
        if self.format is Format.TEXT and self.search.n_best > 1:
            raise SettingError(
                f"search.n_best={self.search.n_best} needs format=jsonl: format=text has one translation in a line."
            )


def need_run(run: str | list[str] | None) -> None:
    """Raises SettingError unless a folder is named."""
    if not run:
        raise SettingError("run is missing. Give the folder of a trained run: run=runs/NAME.")
