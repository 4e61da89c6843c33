"""python -m data_prep: see `python -m data_prep --help`."""

from __future__ import annotations

from data_prep.prepare import prepare
from seq2seq.command import command
from seq2seq.settings.prepare import PrepareSettings


@command(config_name="prepare", kind=PrepareSettings)
def main(settings: PrepareSettings) -> None:
    print(prepare(settings))


if __name__ == "__main__":
    main()
