"""The commands, and which settings each has: for hints that look through all of them."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterator
from typing import Any

from seq2seq.settings.doctor import DoctorSettings
from seq2seq.settings.evaluate import EvaluateSettings
from seq2seq.settings.prepare import DATA_KINDS, PrepareSettings
from seq2seq.settings.targets import ReproduceSettings
from seq2seq.settings.training import TrainSettings
from seq2seq.settings.translate import TranslateSettings


class Command(typing.NamedTuple):
    name: str   # as a person types it
    kind: type  # the dataclass of its settings


# By their file in conf/.
COMMANDS = {
    "prepare": Command("python -m data_prep", PrepareSettings), "train": Command("train.py", TrainSettings),
    "evaluate": Command("evaluate.py", EvaluateSettings), "translate": Command("translate.py", TranslateSettings),
    "doctor": Command("doctor.py", DoctorSettings), "reproduce": Command("reproduce.py", ReproduceSettings),
}


def types_of(kind: Any, key: str) -> set[Any]:
    """The types that the setting `key` (dotted) of a dataclass may have; empty where there is none."""
    if not dataclasses.is_dataclass(kind):
        return set()
    name, _, rest = key.partition(".")
    types = _alternatives(typing.get_type_hints(kind).get(name))
    return set().union(*(types_of(one, rest) for one in types)) if rest else types


def dotted_keys(kind: Any, where: str = "") -> Iterator[str]:
    """Every setting of a dataclass, groups before what is in them."""
    for name, hint in typing.get_type_hints(kind).items():
        yield f"{where}{name}"
        inside = (dotted_keys(one, f"{where}{name}.") for one in _alternatives(hint) if dataclasses.is_dataclass(one))
        yield from dict.fromkeys(key for keys in inside for key in keys)


def _alternatives(hint: Any) -> set[Any]:
    if hint is Any:  # PrepareSettings.data, whose `kind` says which it is
        return set(DATA_KINDS.values())
    return {*typing.get_args(hint), hint} - {None}
