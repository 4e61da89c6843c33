"""python -m data_prep: see `python -m data_prep --help`."""

from __future__ import annotations

from seq2seq.command import command
from seq2seq.settings.prepare import PrepareSettings


@command(config_name="prepare", kind=PrepareSettings)
def main(settings: PrepareSettings) -> None:
    from data_prep.prepare import prepare  # slow to import: --help and a misspelt setting need not wait

    print(prepare(settings))


if __name__ == "__main__":
    main()
