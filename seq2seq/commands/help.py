"""--help of every command and docs/settings.md, both made from the fields of the settings (settings/fields.py).

    python train.py --help            what it does, examples, every setting with its meaning
    python train.py --help search     one group
    python -m seq2seq.commands.help > docs/settings.md
"""

from __future__ import annotations

import dataclasses
import enum
import textwrap
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from seq2seq.commands.command_line import groups_of
from seq2seq.errors import SettingError
from seq2seq.settings.commands import COMMANDS
from seq2seq.settings.nearest import nearest
from seq2seq.settings.prepare import DATA_KINDS

CONFIGURATION = Path(__file__).resolve().parents[2] / "conf"
WIDTH, INDENT = 110, 34
_WORDS = {"at_least": "at least", "above": "above", "at_most": "at most", "below": "below"}


class About(NamedTuple):
    what: str
    examples: tuple[str, ...]
    notes: tuple[str, ...] = ()


class Setting(NamedTuple):
    key: str      # dotted
    default: str
    choices: str  # or range; empty: neither
    meaning: str


ABOUT = {
    "prepare": About("Prepares parallel text: cleans it, learns a tokenizer, writes a packed corpus for train.py.", (
        "python -m data_prep",
        "python -m data_prep data=files data.source=en data.target=de data.train=DIR/train corpus=data/mine",
        "python -m data_prep data=multi30k_en_de data.raw_dir=DIR")),
    "train": About("Trains a network on a packed corpus, or continues the run that is there: a translator "
                   "(shape=n_to_m), a tagger (n_to_n), a classifier (n_to_1) or a generator (one_to_n).", (
                       "python train.py corpus=data/mine run=runs/mine",
                       "python train.py corpus=data/mine context=last cell=lstm training.max_epochs=10",
                       "python train.py --multirun corpus=data/mine context=last,projected,pooled,attention"),
                   ("The same command again continues an interrupted run.",
                    "torchrun --nproc-per-node=N train.py ... trains with N processes.")),
    "evaluate": About("Translates a split and scores it against the references: BLEU and chrF2 with signatures and "
                      "95 % intervals, perplexity, speed, BLEU by length. Taggers and classifiers: accuracy, classes, "
                      "confusions.", (
                          "python evaluate.py run=runs/mine split=test",
                          "python evaluate.py run=runs/mine source=news.en reference=news.de",
                          "python evaluate.py run=runs/attention split=test compare=runs/last"),
                      ("Writes <name>.json, <name>.tsv and figures into evaluation/ of the run. The name is the split "
                       "or the file, and what differs from the defaults: test, test-beam_size-10, test-ensemble.",)),
    "translate": About("Translates lines of text: one line out for every line in. With a tagger or classifier the line "
                       "is its labels.", (
                           "python translate.py run=runs/mine < sentences.en > sentences.de",
                           "python translate.py run=runs/mine input=a.en output=a.de search.beam_size=10",
                           "python translate.py run=runs/mine format=jsonl search.n_best=5 < sentences.en"),
                       ("Text is UTF-8; only a newline ends a line. format=jsonl adds scores, tokens and attention.",)),
    "doctor": About("Checks a trained model on your own sentences: is it whole, and does a translation depend on "
                    "nothing but its sentence?", (
                        "python doctor.py run=runs/mine < sentences.en",
                        "python doctor.py run=runs/mine input=sentences.en lines=1000",
                        "python doctor.py run=runs/mine search=greedy < sentences.en")),
    "reproduce": About("Comes by a score that README or docs/ report: prepares, trains, evaluates, and compares.", (
        "python reproduce.py",
        "python reproduce.py target=multi30k_en_de raw=DIR",
        "python reproduce.py target=large_de_en_ensemble raw=DIR graphs=true"),
        ("The exit code is 0 within the tolerance or better, 1 when worse, 2 for a mistake on the command line.",)),
}


def help_text(config_name: str, asked: list[str]) -> str:
    """For a terminal. `asked`: groups to show alone. Raises SettingError for one that there is not."""
    command, kind = COMMANDS[config_name]
    groups = dict(groups_with_settings(kind, default_recipe(config_name)))
    for name in asked:
        if not any(_within(group, name) for group in groups):
            known = sorted({group.partition(".")[0] for group in groups if group})
            raise SettingError(f"--help {name}: there is no such group of settings. The groups are: {', '.join(known)}."
                               f"{nearest(name, known)}")
    about, lines = ABOUT[config_name], []
    if not asked:
        lines += [*textwrap.wrap(about.what, WIDTH), "", "Examples:", *(f"  {line}" for line in about.examples), ""]
        lines += [line for note in about.notes for line in textwrap.wrap(note, WIDTH)]
        lines += ["", *_choices(config_name)]
    for group, (meaning, settings) in groups.items():
        if settings and (not asked or any(_within(group, name) for name in asked)):
            lines += ["", f"{group}: {meaning}" if group else "Settings (name=value):"]
            lines += [line for setting in settings for line in _line(setting)]
    if not asked:
        lines += ["", f"{command} --help GROUP shows one group; --cfg job what a command line amounts to; --hydra-help "
                      "Hydra's own", "options; docs/settings.md is this text for all commands."]
    return "\n".join(lines) + "\n"


def groups_with_settings(kind: Any, recipe: dict[str, Any], where: str = "", meaning: str = "",
                         defaults: Any = None) -> Iterator[tuple[str, tuple[str, list[Setting]]]]:
    """(dotted group, (its meaning, its own settings)) of a dataclass, the outermost first.

    `defaults`: what the group is where nothing is given; left out: the defaults of its fields.
    """
    hints, own, inside = typing.get_type_hints(kind), [], []
    for field in dataclasses.fields(kind):
        key = f"{where}{field.name}"
        nested = next((one for one in (hints[field.name], *typing.get_args(hints[field.name]))
                       if dataclasses.is_dataclass(one)), None)
        if nested is not None:
            make = field.default_factory
            inside.append((key, nested, field.metadata["meaning"], None if make is dataclasses.MISSING else make()))
        elif hints[field.name] is Any:  # PrepareSettings.data
            inside += [(f"{key}={name}", one, (one.__doc__ or "").split("\n")[0], None)
                       for name, one in DATA_KINDS.items()]
        else:
            own.append(_setting(key, field, hints[field.name], recipe, defaults))
    yield where.removesuffix("."), (meaning, own)
    for key, nested, means, values in inside:
        prefix = f"{key.partition('=')[0]}."
        for name, found in groups_with_settings(nested, recipe, prefix, means, values):
            yield (key if name == prefix.removesuffix(".") else name), found


def default_recipe(config_name: str) -> dict[str, Any]:
    """Dotted key -> value, of the recipe that the command takes unless another is chosen."""
    content = yaml.safe_load((CONFIGURATION / f"{config_name}.yaml").read_text(encoding="utf-8"))
    for entry in content["defaults"]:
        if isinstance(entry, dict) and "recipe" in entry:
            recipe = CONFIGURATION / "recipe" / f"{entry['recipe']}.yaml"
            return dict(_flat(yaml.safe_load(recipe.read_text(encoding="utf-8"))))
    return {}


def settings_page() -> str:
    """docs/settings.md."""
    lines = ["# Settings", "",
             "Made by `python -m seq2seq.commands.help > docs/settings.md`; a test holds it up to date.",
             "Every setting is written `name=value` on the command line."]
    seen: set[str] = set()
    for config_name, (command, kind) in COMMANDS.items():
        lines += ["", f"## {command}", "", ABOUT[config_name].what]
        for group, (meaning, settings) in groups_with_settings(kind, default_recipe(config_name)):
            table = [f"| `{one.key}` | `{one.default or ' '}` | {_cell(one.choices)} | {_cell(one.meaning)} |"
                     for one in settings]
            if not table or (group and "\n".join(table) in seen):
                continue
            seen.add("\n".join(table))
            lines += ["", *([f"**{group}**: {meaning}", ""] if group else []),
                      "| setting | default | choices or range | meaning |", "|---|---|---|---|", *table]
    return "\n".join(lines) + "\n"


def _setting(key: str, field: Any, hint: Any, recipe: dict[str, Any], defaults: Any) -> Setting:
    if defaults is not None:
        default = _written(getattr(defaults, field.name))
    elif field.default is not dataclasses.MISSING:
        default = _written(field.default)
    else:
        default = "" if field.default_factory is dataclasses.MISSING else _written(field.default_factory())
    kinds = [one for one in (hint, *typing.get_args(hint)) if isinstance(one, type) and issubclass(one, enum.Enum)]
    choices = " | ".join(str(one.value) for one in kinds[0]) if kinds else _range(field.metadata)
    if key in recipe and _written(recipe[key]) != default:
        choices = "; ".join(filter(None, [choices, f"recipe=none: {default}"]))
        default = _written(recipe[key])
    return Setting(key, default, choices, field.metadata["meaning"])


def _range(bounds: Any) -> str:
    if {"at_least", "at_most"} <= set(bounds):
        return f"{bounds['at_least']} to {bounds['at_most']}"
    return " and ".join(f"{word} {bounds[name]}" for name, word in _WORDS.items() if name in bounds)


def _line(setting: Setting) -> list[str]:
    name = f"  {setting.key}={setting.default}"
    text = setting.meaning + (f" ({setting.choices})" if setting.choices else "")
    wrapped = textwrap.wrap(text, WIDTH - INDENT) or [""]
    first = [f"{name:{INDENT - 1}} {wrapped[0]}"] if len(name) < INDENT else [name, " " * INDENT + wrapped[0]]
    return [*first, *(" " * INDENT + line for line in wrapped[1:])]


def _choices(config_name: str) -> list[str]:
    """The groups of conf/ that a command chooses from."""
    lines = []
    for name in groups_of(CONFIGURATION, config_name):
        found = sorted(path.stem for path in (CONFIGURATION / name).glob("*.yaml"))
        told = f"{name}=NAME, one of conf/{name}/" if len(found) > 8 else f"{name}={'|'.join(found)}"
        lines.append(f"  {told}")
    return ["Choices, each of which sets many settings:", *lines] if lines else []


def _within(group: str, asked: str) -> bool:
    return group == asked or group.startswith((f"{asked}.", f"{asked}="))


def _flat(mapping: Any, where: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in (mapping or {}).items():
        if key != "defaults":
            yield from _flat(value, f"{where}{key}.") if isinstance(value, dict) else [(f"{where}{key}", value)]


def _written(value: Any) -> str:
    if isinstance(value, enum.Enum):
        return str(value.value)
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, list | tuple):
        return f"[{','.join(map(str, value))}]"
    return str(value)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    print(settings_page(), end="")
