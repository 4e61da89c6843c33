"""python -m data_prep: see `python -m data_prep --help`."""

from __future__ import annotations

import os
import signal
from typing import NoReturn

from seq2seq.commands.app import command
from seq2seq.settings.prepare import PrepareSettings


@command(config_name="prepare", kind=PrepareSettings)
def main(settings: PrepareSettings) -> None:
    signal.signal(signal.SIGTERM, _interrupted)
    # Slow to import: --help and a misspelt setting need not wait. ranks has torch, which one process does not need.
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        from data_prep.distributed import prepare_together

        folder = prepare_together(settings)
    else:
        from data_prep.prepare import prepare

        folder = prepare(settings)
    if folder is not None:
        print(folder)


def _interrupted(*_: object) -> NoReturn:
    raise KeyboardInterrupt  # so that what was begun is removed


if __name__ == "__main__":
    main()
