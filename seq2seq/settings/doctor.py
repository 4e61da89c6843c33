"""Settings of doctor.py."""

from __future__ import annotations

import dataclasses

from seq2seq.settings.device import Device
from seq2seq.settings.fields import check_ranges, group, option
from seq2seq.settings.search import SearchSettings
from seq2seq.settings.translate import MAX_SOURCE_PIECES, need_run


@dataclasses.dataclass(kw_only=True)
class DoctorSettings:
    run: str | None = option(None, "folder of a trained run, or a bundle")
    input: str | None = option(None,
        "file of sentences, plain or .gz; null: standard input, or built-in sentences at a terminal")
    lines: int = option(200, "number of lines that are checked", at_least=1)
    tolerance: float = option(1e-3, "differences of log-probabilities (natural) up to here count as rounding", above=0)
    max_source_pieces: int = option(MAX_SOURCE_PIECES, "longer lines are cut to so many tokens", at_least=1)
    device: Device = option(Device.AUTO, "where it computes")
    threads: int | None = option(None, "CPU threads; null: torch's choice", at_least=1)
    search: SearchSettings = group(SearchSettings, "how translations are searched for")

    def __post_init__(self) -> None:
        need_run(self.run)
        check_ranges(self)
