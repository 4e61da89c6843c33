"""From a mapping to checked dataclasses and back.

`read_settings(TrainSettings, mapping)` refuses an unknown key, a wrong type and a value out
of range with the dotted key, the value and the choices. Nothing is guessed: "3" is no integer,
1 is no boolean; an integer is taken where a float is asked for, and a path where a text is.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import math
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from seq2seq.errors import SettingError
from seq2seq.settings.nearest import nearest

T = TypeVar("T")
SHOWN = 100  # characters of a value that a message shows
LARGEST = (1 << 31) - 1  # of the whole numbers: no count, size or seed needs more, and 64-bit arithmetic stays exact


def read_settings(kind: type[T], mapping: Mapping[str, Any], where: str = "") -> T:
    """Builds the dataclass `kind` from nested mappings; raises SettingError with the dotted key."""
    if not isinstance(mapping, Mapping):
        first = f"{where}.{dataclasses.fields(kind)[0].name}=VALUE" if where else "name=VALUE"  # type: ignore[arg-type]
        raise SettingError(f"{where or 'settings'}={_shown(mapping)} is not a group of settings. Give one of its "
                           f"settings, for example {first}")
    hints = _hints(kind)  # type: ignore[arg-type]
    names = [field.name for field in dataclasses.fields(kind)]  # type: ignore[arg-type]
    for key in mapping:
        if key not in names:
            raise SettingError(_unknown(_join(where, str(key)), str(key), names))
    values = {key: _read(hints[key], value, _join(where, key)) for key, value in mapping.items()}
    try:
        return kind(**values)
    except SettingError as error:
        # A range check names its field; the reader of a command line needs the dotted key.
        raise SettingError(_join(where, str(error))) from None
    except TypeError:
        missing = [f.name for f in dataclasses.fields(kind) if _required(f) and f.name not in values]  # type: ignore[arg-type]
        raise SettingError(f"{_join(where, missing[0])} is missing. Give it on the command line.") from None


def write_settings(settings: Any) -> Any:
    """The plain mapping (strings, numbers, lists) of a settings dataclass, for YAML and JSON."""
    if dataclasses.is_dataclass(settings):
        return {f.name: write_settings(getattr(settings, f.name)) for f in dataclasses.fields(settings)}
    if isinstance(settings, enum.Enum):
        return settings.value
    if isinstance(settings, (list, tuple)):
        return [write_settings(item) for item in settings]
    if isinstance(settings, dict):
        return {key: write_settings(value) for key, value in settings.items()}
    return settings


def check(settings: Any, field: str, *, at_least: float | None = None, at_most: float | None = None,
          below: float | None = None, above: float | None = None) -> None:
    """Raises SettingError unless the number in `field` (None is left alone) lies in the range."""
    value = getattr(settings, field)
    if value is None:
        return
    bounds = []
    if at_least is not None:
        bounds.append((value >= at_least, f"at least {at_least}"))
    if above is not None:
        bounds.append((value > above, f"above {above}"))
    if at_most is not None:
        bounds.append((value <= at_most, f"at most {at_most}"))
    if below is not None:
        bounds.append((value < below, f"below {below}"))
    finite = isinstance(value, int) or math.isfinite(value)  # an integer may be more than a float holds
    if not finite or not all(good for good, _ in bounds):
        wanted = " and ".join(words for _, words in bounds)
        raise SettingError(f"{field}={value} is out of range: give a number {wanted}.")


def differences(old: Any, new: Any, where: str = "") -> list[tuple[str, Any, Any]]:
    """(dotted key, old value, new value) wherever two written settings differ."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        keys = list(old) + [key for key in new if key not in old]
        return [row for key in keys for row in differences(old.get(key), new.get(key), _join(where, key))]
    return [] if old == new else [(where, old, new)]


@functools.cache
def _hints(kind: Any) -> dict[str, Any]:
    # Evaluates the annotations' text: once for each of our classes, never while a stranger's file is read.
    return typing.get_type_hints(kind)


def _required(field: dataclasses.Field) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _join(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


def _unknown(dotted: str, key: str, names: list[str]) -> str:
    hint = nearest(key, names).strip() or "The choices are: " + ", ".join(names) + "."
    return f"{dotted} is not a setting. {hint}"


def _read(kind: Any, value: Any, where: str) -> Any:
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        return _read_union(typing.get_args(kind), value, where)
    if dataclasses.is_dataclass(kind):
        return read_settings(kind, value, where)  # type: ignore[arg-type]
    if origin in (list, tuple):
        if isinstance(value, str) or not isinstance(value, (list, tuple)):
            raise SettingError(f"{where}={_shown(value)} is not a list. Write it as {where}=[a,b].")
        item = typing.get_args(kind)[0]
        return origin(_read(item, entry, f"{where}[{i}]") for i, entry in enumerate(value))
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return _read_choice(kind, value, where)
    return _read_scalar(kind, value, where)


def _shown(value: Any) -> str:
    """As a person writes it: null, true, false."""
    plain = {None: "null", True: "true", False: "false"}
    return plain[value] if value is None or isinstance(value, bool) else _short(repr(value))


def _short(text: str) -> str:
    """A value as a message shows it, so that what is said of it stays in sight."""
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def _read_union(kinds: tuple[Any, ...], value: Any, where: str) -> Any:
    if value is None and type(None) in kinds:
        return None
    rest = [kind for kind in kinds if kind is not type(None)]
    for kind in rest[:-1]:
        try:
            return _read(kind, value, where)
        except SettingError:
            continue
    return _read(rest[-1], value, where)


def _read_choice(kind: type[enum.Enum], value: Any, where: str) -> enum.Enum:
    if isinstance(value, kind):
        return value
    choices = [str(member.value) for member in kind]
    if isinstance(value, bool):  # YAML reads on/off/yes/no as booleans
        value = str(value).lower()
    if value in choices:
        return kind(value)
    shown = str(value) if isinstance(value, str) and value.isprintable() else _shown(value)  # a line stays a line
    raise SettingError(f"{where}={_short(shown)} is not one of: {', '.join(choices)}.{nearest(str(value), choices)}")


def _read_scalar(kind: Any, value: Any, where: str) -> Any:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            raise SettingError(f"{where} is out of range: give a number that a float can hold.") from None
    if kind is int and isinstance(value, int) and abs(value) > LARGEST:
        raise SettingError(f"{where} is out of range: give a whole number of at most {LARGEST}.")
    if kind is str and isinstance(value, Path):
        return str(value)
    if kind is Any or (isinstance(value, kind) and not (kind is int and isinstance(value, bool))):
        return value
    words = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
    raise SettingError(f"{where}={_shown(value)} is not {words.get(kind, kind)}.")
