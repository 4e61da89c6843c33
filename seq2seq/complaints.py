"""What Hydra and OmegaConf say about a command line, as one line that names the setting and the choices."""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException, OverrideParseException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

_UNKNOWN_KEY = re.compile(r"Could not (?:override|delete|append to config).*?'([^']+)'")
_UNKNOWN_CHOICE = re.compile(r"Could not find '([^']+)/([^'/]+)'")


def one_line(error: Exception, folder: Path, config_name: str) -> str | None:
    """None for an exception that is neither Hydra's nor OmegaConf's. `folder` holds `config_name`.yaml."""
    if not isinstance(error, HydraException | OmegaConfBaseException):
        return None
    text = str(error)
    if isinstance(error, OverrideParseException):
        return f"{error.override!r} is not name=value. Put text with special characters in two quotes: name=\"'a, b'\""
    if (found := _UNKNOWN_CHOICE.search(text)) and (folder / found[1]).is_dir():
        return _unknown_choice(folder, *found.groups())
    if (found := _UNKNOWN_KEY.search(text)) and (line := _unknown_key(found[1], folder, config_name)):
        return line
    first = " ".join(text.split("\n\n", maxsplit=1)[0].split())
    if error.__cause__ is not None and str(error.__cause__).strip():
        first += " " + str(error.__cause__).splitlines()[0].strip()
    return first.removesuffix("Set the environment variable HYDRA_FULL_ERROR=1 for a complete stack trace.").strip()


def _unknown_choice(folder: Path, group: str, choice: str) -> str:
    choices = sorted(path.stem for path in (folder / group).glob("*.yaml"))
    return f"{group}={choice} is not one of: {', '.join(choices)}.{_nearest(choice, choices)}"


def _unknown_key(key: str, folder: Path, config_name: str) -> str | None:
    try:
        mapping = _composed(folder, config_name)
    except Exception:  # a second mistake on the same command line: Hydra's own words will do
        return None
    group, _, name = key.rpartition(".")
    inside = OmegaConf.select(OmegaConf.create(mapping), group) if group else mapping
    if not OmegaConf.is_dict(inside) and not isinstance(inside, dict):
        return f"{key} is not a setting.{_nearest(key, list(_dotted(mapping)))}"
    names = [str(each) for each in inside]
    hint = _nearest(name, names, f"{group}." if group else "") or f" The choices are: {', '.join(names)}."
    return f"{key} is not a setting.{hint}"


def _composed(folder: Path, config_name: str) -> dict[str, Any]:
    """The settings with the groups chosen on the command line, and nothing else of it."""
    chosen = [word for word in sys.argv[1:] if (folder / word.lstrip("+").partition("=")[0]).is_dir()]
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(folder), version_base="1.3"):
        mapping: Any = OmegaConf.to_container(compose(config_name, overrides=chosen))
    return mapping


def _dotted(mapping: dict[str, Any], where: str = "") -> Iterator[str]:
    for key, value in mapping.items():
        yield f"{where}{key}"
        if isinstance(value, dict):
            yield from _dotted(value, f"{where}{key}.")


def _nearest(word: str, choices: list[str], where: str = "") -> str:
    close = difflib.get_close_matches(word, choices, n=1, cutoff=0.7)
    return f" Did you mean {where}{close[0]}?" if close else ""
