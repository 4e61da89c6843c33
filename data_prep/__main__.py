"""python -m data_prep: see `python -m data_prep --help`."""

from __future__ import annotations

import signal
from typing import NoReturn

from seq2seq.command import command
from seq2seq.settings.prepare import PrepareSettings


@command(config_name="prepare", kind=PrepareSettings)
def main(settings: PrepareSettings) -> None:
    from data_prep.prepare import prepare  # slow to import: --help and a misspelt setting need not wait

    signal.signal(signal.SIGTERM, _interrupted)
    print(prepare(settings))


def _interrupted(*_: object) -> NoReturn:
    raise KeyboardInterrupt  # so that what was begun is removed


if __name__ == "__main__":
    main()
