"""What a person types, as words that Hydra understands.

    --multirun in any position                  the options that our commands have come first
    run=20261201, run=1_2, data.target=nan      a text setting takes its value as it was typed
    data.train=~/text                           the home folder
    cell=null, model=512, cell=GRU              a group is one of its choices: refused with them, and the nearest
    --epochs=3, --run r, runs/x, 'A sentence.'  refused, with what to write instead

Everything else passes as it is. Sentences never come this way: translate.py reads them from standard input.
"""

from __future__ import annotations

import importlib.metadata
import platform
import re
import typing
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from seq2seq import __version__
from seq2seq.errors import UserError
from seq2seq.settings.commands import COMMANDS, dotted_keys, types_of
from seq2seq.settings.nearest import nearest, similar
from seq2seq.settings.reranking import check_not_renamed

FLAGS = {"-m": "--multirun", "--hydra-help": "", "--resolve": "", "--version": ""}
WITH_VALUE = {"-c": "--cfg", "-p": "--package", "-i": "--info", "-cd": "--config-dir", "-sc": "--shell-completion"}
_CHOICES = {"--cfg": ("job", "hydra", "all"),
            "--info": ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")}
_COMPLETION = re.compile(r"(install|uninstall|query)=(bash|zsh|fish)")
_PLAIN = re.compile(r"(?!(?:true|false|null|nan|inf)\Z)[a-z_./][\w./-]*", re.ASCII | re.IGNORECASE)  # text to Hydra too
_SWEEP = re.compile(r"(choice|range|interval|glob|shuffle|sort|tag)\(.*\)\Z")


def help_asked(words: Sequence[str]) -> list[str] | None:
    """The groups of settings after --help (or -h, or --help=GROUP), none for all; None where help is not asked for.

    Settings (name=value) that stand there too do not count.
    """
    if not any(word in ("-h", "--help") or word.startswith("--help=") for word in words):
        return None
    return [word.removeprefix("--help=") for word in words
            if word.startswith("--help=") or (not word.startswith("-") and "=" not in word)]


def understood(words: Sequence[str], folder: Path, config_name: str) -> list[str]:
    """The words for Hydra: options first, then settings. `folder` holds `config_name`.yaml.

    Raises UserError for what no command takes.
    """
    for word in words:
        if not word.isprintable():  # half of a surrogate pair, which stands for an invalid byte, is not either
            raise UserError(f"{word!r} on the command line is not printable UTF-8 text. Give another name.")
    kind = COMMANDS[config_name].kind
    options, rest = _options(words, kind)
    several = "--multirun" in options
    groups = [] if "--config-dir" in options else groups_of(folder, config_name)
    settings = []
    for word in rest:
        key, is_setting, value = word.partition("=")
        plain = key.lstrip("+")
        if word.startswith("~"):
            raise UserError(f"{word} would remove a setting, and its default would replace it unsaid. Give the value "
                            "that you want: name=value")
        if not key or not is_setting:
            raise UserError(_no_setting(word, folder, config_name))
        if types_of(kind, "rerank"):
            check_not_renamed(plain)
        if "@" in plain and plain.partition("@")[0] not in groups:
            raise UserError(f"{word}: @ follows a group, one of: {', '.join(groups)}. Write "
                            f"{plain.partition('@')[0]}={value}")
        if key.startswith("++") and plain.partition(".")[0] != "hydra" and not types_of(kind, plain):
            raise UserError(unknown_key(plain, folder, config_name))
        if value == "null" and (plain == "hydra" or plain.startswith("hydra/")):
            raise UserError(f"{word}: null is not a choice of Hydra's. Leave {plain}= out.")
        if not value and str in types_of(kind, plain):
            raise UserError(f"{plain}= is empty. Give a value, or leave it out.")
        if plain in groups and (wrong := _wrong_choice(value, plain, folder, several)) is not None:
            if plain != "experiment" or value != "null":  # its default: no experiment
                raise UserError(unknown_choice(folder, plain, wrong))
        else:
            settings.append(f"{key}={_as_typed(value, types_of(kind, plain), several)}")
    return options + settings


def groups_of(folder: Path, config_name: str) -> list[str]:
    """The groups that a command chooses from: those of its defaults list, and of the files that are named there."""
    content = yaml.safe_load((folder / f"{config_name}.yaml").read_text(encoding="utf-8"))
    groups = []
    for entry in content.get("defaults", []):
        if isinstance(entry, dict):
            groups += [name for name in entry if not name.startswith("override ")]
        elif entry != "_self_":
            groups += groups_of(folder, entry)
    return groups


def unknown_choice(folder: Path, group: str, choice: str) -> str:
    """What to say of a choice that a group does not have."""
    choices = sorted(path.stem for path in (folder / group).glob("*.yaml"))
    wanted = "none" if choice == "null" else choice
    return f"{group}={choice} is not one of: {', '.join(choices)}.{nearest(wanted, choices)}"


def unknown_key(key: str, folder: Path, config_name: str) -> str:
    """What to say of a setting that the command does not have."""
    command, kind = COMMANDS[config_name]
    group = key.rpartition(".")[0]
    keys, groups = list(dotted_keys(kind)), groups_of(folder, config_name)
    within = [name.rpartition(".")[2] for name in keys if name.rpartition(".")[0] == group]
    if hint := nearest(key.rpartition(".")[2], within, f"{group}." if group else ""):
        return f"{key} is not a setting.{hint}"
    if owners := [name for other, (name, its_kind) in COMMANDS.items()
                  if types_of(its_kind, key) or key in groups_of(folder, other)]:
        return f"{key} is not a setting of {command}. {key}= belongs to {', '.join(owners)}."
    if close := similar(key, [*keys, *groups]):
        return f"{key} is not a setting. Did you mean {' or '.join(close)}?"
    return f"{key} is not a setting. The choices are: {', '.join(within or groups)}."


def _options(words: Sequence[str], kind: type) -> tuple[list[str], list[str]]:
    """The options, long, and the other words."""
    options: list[str] = []
    rest = []
    queue = iter(words)
    for word in queue:
        name, has_value, value = word.partition("=")
        if name in WITH_VALUE or name in WITH_VALUE.values():
            name = WITH_VALUE.get(name, name)
            given = value if has_value else next(queue, None)
            choices = _CHOICES.get(name)
            if name == "--shell-completion" and not _COMPLETION.fullmatch(given or ""):
                raise UserError(f"{name} needs install=SHELL or uninstall=SHELL, of bash, zsh and fish.")
            if given is None or (choices and given not in choices):
                raise UserError(f"{name} needs {'one of: ' + ', '.join(choices) if choices else 'a value'}.")
            options += [name, given]
        elif word in FLAGS or word in FLAGS.values():
            options.append(FLAGS.get(word) or word)
        elif word.startswith("-"):
            raise UserError(_no_option(word, queue, kind))
        else:
            rest.append(word)
    if "--resolve" in options and "--cfg" not in options:
        raise UserError("--resolve belongs to --cfg job: it shows the settings with every reference followed.")
    return options, rest


def _no_option(word: str, following: Iterator[str], kind: type) -> str:
    key, has_value, value = word.lstrip("-").partition("=")
    value = value if has_value else next(following, "")
    typed = f"{word} {value}" if value and not has_value else word
    close = [key.replace("-", "_")] if types_of(kind, key.replace("-", "_")) else similar(key, dotted_keys(kind))
    cure = f"{close[0]}={value or 'VALUE'}" if close else "for example seed=1"
    return f"{typed} is not an option of this command. Settings are written name=value, without dashes: {cure}"


def _no_setting(word: str, folder: Path, config_name: str) -> str:
    kind, groups = COMMANDS[config_name].kind, groups_of(folder, config_name)
    if " " in word.strip() and config_name == "translate":
        return (f"{word!r} is not name=value. Sentences come from standard input: "
                "echo 'A sentence.' | python translate.py run=FOLDER")
    if types_of(kind, word) or word in groups:
        return f"{word} needs a value: {word}=VALUE"
    if "experiment" in groups and (folder / "experiment" / f"{word}.yaml").is_file():
        return f"{word} is not name=value. Did you mean experiment={word}?"
    hint = f" Did you mean run={word}?" if word.strip("= ") and types_of(kind, "run") else ""
    return f"{word!r} is not name=value: settings are written like seed=1.{hint}"


def _wrong_choice(value: str, group: str, folder: Path, several: bool) -> str | None:
    """The first of the values that the group does not have."""
    if several and _SWEEP.match(value):
        return None
    choices = value.split(",") if several else [value]
    return next((choice for choice in choices if not (folder / group / f"{choice}.yaml").is_file()), None)


def _as_typed(value: str, types: set[Any], several: bool) -> str:
    """The value so that Hydra reads a text where a text is wanted, and not the number that it looks like."""
    if str not in types:
        return value
    lists = any(typing.get_origin(one) is list for one in types)
    value = re.sub(r"(?<![^\[,])~(?=/|\Z)" if lists else r"\A~(?=/|\Z)", lambda _: str(Path.home()), value)
    numbers = types & {int, float, bool} and re.fullmatch(r"[-+0-9.e_]+|true|false", value, re.IGNORECASE)
    if not value or value == "null" or value[0] in "'\"" or "${" in value or numbers or (lists and value[0] == "["):
        return value
    if "," in value or (several and _SWEEP.match(value)):
        return value  # a sweep, or Hydra's own words about several values
    return value if _PLAIN.fullmatch(value) else quoted(value)


def versions() -> str:
    """One line for --version, without importing what it names."""
    others = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("torch", "sentencepiece", "sacrebleu"))
    return f"seq2seq {__version__} (Python {platform.python_version()}, {others})"


def quoted(text: str) -> str:
    """`text` as Hydra's grammar writes a text: in single quotes."""
    # A backslash stands for itself unless a quote follows it.
    return "'" + re.sub(r"(\\*)('|\Z)", lambda found: found[1] * 2 + ("\\'" if found[2] else ""), text) + "'"
