"""Fields of settings that carry their meaning and range: the one source of help, docs/settings.md and error texts."""

from __future__ import annotations

import dataclasses
from typing import Any

from seq2seq.settings.reading import check

BOUNDS = ("at_least", "at_most", "above", "below")


def option(default: Any, meaning: str, **bounds: float) -> Any:
    """A field with one line of meaning. `bounds`: at_least, at_most, above, below; null is always allowed."""
    return dataclasses.field(default=default, metadata={"meaning": meaning, **bounds})


def group(kind: Any, meaning: str) -> Any:
    """A field that is a group of settings: the dataclass `kind`, or a function that makes one."""
    return dataclasses.field(default_factory=kind, metadata={"meaning": meaning})


def required(meaning: str) -> Any:
    """A field without a default."""
    return dataclasses.field(metadata={"meaning": meaning})


def check_ranges(settings: Any) -> None:
    """Raises SettingError for the first number outside the range of its field."""
    for field in dataclasses.fields(settings):
        bounds = {name: field.metadata[name] for name in BOUNDS if name in field.metadata}
        if bounds:
            check(settings, field.name, **bounds)
