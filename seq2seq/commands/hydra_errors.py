"""What Hydra and OmegaConf say about a command line, as one line that names the setting and the choices."""

from __future__ import annotations

import re
from pathlib import Path

from hydra.errors import HydraException, OverrideParseException
from omegaconf.errors import OmegaConfBaseException

from seq2seq.commands.command_line import unknown_choice, unknown_key
from seq2seq.settings.commands import COMMANDS, types_of

_UNKNOWN_KEY = re.compile(r"Could not (?:override|delete|append to config).*?'([^']+)'")
_SEVERAL_VALUES = re.compile(r"Ambiguous value for argument '([^'=]+)=([^']*)'")
_UNKNOWN_CHOICE = re.compile(r"Could not find '([^']+)/([^'/]+)'")
_HYDRAS_OWN = re.compile(r"Error merging override (hydra\.[^ ]+) (.*)")


def one_line(error: Exception, folder: Path, config_name: str) -> str | None:
    """None for an exception that is neither Hydra's nor OmegaConf's. `folder` holds `config_name`.yaml."""
    if not isinstance(error, HydraException | OmegaConfBaseException):
        return None
    text = str(error)
    if isinstance(error, OverrideParseException):
        return f"{error.override!r} is not name=value. Put text with special characters in two quotes: name=\"'a, b'\""
    if found := _SEVERAL_VALUES.search(text):
        return (f"{found[1]}={found[2]} names several values. Write {found[1]}=[{found[2]}] for a list, "
                f"{found[1]}=\"'{found[2]}'\" for a text with a comma, or add --multirun for one run with each.")
    if (found := _UNKNOWN_CHOICE.search(text)) and (folder / found[1]).is_dir():
        return unknown_choice(folder, *found.groups())
    if found := _UNKNOWN_KEY.search(text):
        if types_of(COMMANDS[config_name].kind, found[1]):
            return _known_key(found[1], "append" in found[0])
        return unknown_key(found[1], folder, config_name)
    first = " ".join(text.split("\n\n", maxsplit=1)[0].split())
    if error.__cause__ is not None and str(error.__cause__).strip():
        first += " " + str(error.__cause__).splitlines()[0].strip()
    if found := _HYDRAS_OWN.match(first):
        return f"{found[1]} is not possible: {found[2].rstrip('.')}. Hydra's own settings are shown by --cfg hydra."
    return first.removesuffix("Set the environment variable HYDRA_FULL_ERROR=1 for a complete stack trace.").strip()


def _known_key(key: str, with_plus: bool) -> str:
    """Of a setting that there is: a plus is for those that the chosen group does not list, and needed for these."""
    if with_plus:
        return f"{key} is set already. Write it without a plus: {key}=VALUE"
    return f"{key} is not among the settings of the group that is chosen. Choose another, or write +{key}=VALUE"
