"""Settings of doctor.py."""

from __future__ import annotations

import dataclasses

from seq2seq.settings.device import Device
from seq2seq.settings.reading import check
from seq2seq.settings.search import SearchSettings
from seq2seq.settings.translate import MAX_SOURCE_PIECES, need_run


@dataclasses.dataclass(kw_only=True)
class DoctorSettings:
    run: str | None = None        # folder of a run or bundle
    input: str | None = None      # file, plain or .gz; null: standard input, or sentences of its own at a terminal
    lines: int = 200              # the first so many are looked at
    tolerance: float = 1e-3       # differences of log-probabilities up to here are rounding
    max_source_pieces: int = MAX_SOURCE_PIECES  # longer lines are cut there
    device: Device = Device.AUTO
    threads: int | None = None    # CPU threads; null: torch's choice
    search: SearchSettings = dataclasses.field(default_factory=SearchSettings)

    def __post_init__(self) -> None:
        need_run(self.run)
        for field in ("lines", "max_source_pieces", "threads"):
            check(self, field, at_least=1)
        check(self, "tolerance", above=0)
