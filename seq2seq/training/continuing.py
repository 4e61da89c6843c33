"""train.py run=FOLDER of a run that is there: it goes on with its own settings."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seq2seq.settings.reading import read_settings, write_settings
from seq2seq.settings.training import TrainSettings
from seq2seq.training import run_folder

log = logging.getLogger("seq2seq")


def continued(settings: TrainSettings, typed: Sequence[str], groups: Sequence[str]) -> TrainSettings:
    """The settings to continue the run in `settings.run` with; `settings` themselves where none is there.

    They are those of the run, and whatever a person `typed` (name=value) in addition; run_folder.compare then refuses
    what may not change. A word that chooses one of `groups` (cell=lstm, experiment=demo) stands for many settings: with
    one the command line counts as a whole, as when the run began.
    """
    folder = Path(settings.run)
    keys = [word.partition("=")[0].lstrip("+~") for word in typed]
    if "run" not in keys or not (folder / run_folder.SETTINGS).is_file():
        if keys == ["run"]:  # perhaps a misspelt name
            log.info("%s is not a run yet: a new one begins there, on %s", folder, settings.corpus)
        return settings
    stored = run_folder.recorded(folder)
    if set(keys) & set(groups):
        return settings if "corpus" in keys else dataclasses.replace(settings, corpus=stored.corpus)
    mapping = write_settings(stored)
    for key in keys:
        _copy(write_settings(settings), mapping, key.split("."))
    return read_settings(TrainSettings, mapping)


def _copy(given: dict[str, Any], into: dict[str, Any], key: list[str]) -> None:
    *outer, name = key
    for group in outer:
        given, into = given[group], into[group]
    into[name] = given[name]
