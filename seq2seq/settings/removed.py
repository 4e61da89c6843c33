"""Settings of earlier versions, which bundles and runs of format 1 hold: dropped where they changed nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seq2seq.errors import SettingError

# Dotted key -> the value at which it changed nothing; `...`: it counted only with another of these.
REMOVED: dict[str, Any] = {
    "teacher": None, "training.distillation": ..., "training.distillation_pieces": ...,
    "training.cutoff": 0, "training.both_directions": 0, "attention.lexical": False, "search.length_reward": 0,
}


def without_removed(settings: Any) -> Any:
    """The mapping without them; anything else stays as it is. Raises SettingError for one that had an effect."""
    for key, neutral in REMOVED.items():
        group, _, name = key.rpartition(".")
        inside = settings.get(group) if group and isinstance(settings, Mapping) else settings
        if not isinstance(inside, Mapping) or name not in inside:
            continue
        value = inside[name]
        if neutral is not ... and value != neutral:
            raise SettingError(f"{key}={value} is a setting that this version no longer has. Use the version that "
                               "trained it, or train again without it.")
        rest = {other: held for other, held in inside.items() if other != name}
        settings = {**settings, group: rest} if group else rest
    return settings
