"""Settings of translate.py."""

from __future__ import annotations

import dataclasses
import enum

from seq2seq.errors import SettingError
from seq2seq.settings.device import Device, Precision, check_precision
from seq2seq.settings.reading import check
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
    run: str | list[str] | None = None  # folder of a run or bundle; a list is an ensemble
    input: str | None = None            # file, plain or .gz; null: standard input
    output: str | None = None           # file; null: standard output
    format: Format = Format.TEXT
    max_source_pieces: int = MAX_SOURCE_PIECES  # the most that are translated at once
    long: LongLinePolicy = LongLinePolicy.CUT               # what becomes of longer lines
    device: Device = Device.AUTO
    precision: Precision = Precision.FP32
    graphs: bool = False                # on CUDA: every step of search as one graph
    threads: int | None = None          # CPU threads; null: torch's choice
    search: SearchSettings = dataclasses.field(default_factory=SearchSettings)
    rerank: RerankSettings = dataclasses.field(default_factory=RerankSettings)
    scoring: ScoringSettings = dataclasses.field(default_factory=ScoringSettings)  # of search.mbr; auto: as trained

    def __post_init__(self) -> None:
        need_run(self.run)
        for field in ("max_source_pieces", "threads"):
            check(self, field, at_least=1)
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
