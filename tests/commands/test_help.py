"""--help says what every setting means, quickly, and docs/settings.md says the same."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import typing
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import ROOT, is_one_line, run_apart, run_here

from seq2seq.commands.help import ABOUT, help_text, settings_page
from seq2seq.settings.commands import COMMANDS, dotted_keys
from seq2seq.settings.prepare import DATA_KINDS
from seq2seq.settings.search import SearchSettings
from seq2seq.settings.training import TrainSettings

FILES = {"prepare": "data_prep"}


def dataclasses_of(kind: type) -> Iterator[type]:
    yield kind
    for hint in typing.get_type_hints(kind).values():
        for one in (hint, *typing.get_args(hint)):
            if dataclasses.is_dataclass(one):
                yield from dataclasses_of(one)


KINDS = dict.fromkeys([*(one for command in COMMANDS.values() for one in dataclasses_of(command.kind)),
                       *DATA_KINDS.values()])


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_setting_has_a_meaning_of_one_line(kind: type) -> None:
    for field in dataclasses.fields(kind):
        meaning = field.metadata["meaning"]
        assert meaning and "\n" not in meaning and len(meaning) < 110, field.name


@pytest.mark.parametrize("name", COMMANDS)
def test_help_says_what_it_does_with_examples_and_every_setting(name: str) -> None:
    text = help_text(name, [])
    assert len(ABOUT[name].examples) == 3 and all(example in text for example in ABOUT[name].examples)
    for key in dotted_keys(COMMANDS[name].kind):
        assert f"  {key}=" in text or f"\n{key}: " in text or f"\n{key}=" in text or f"  {key}." in text, key
    assert max(map(len, text.splitlines())) <= 120


def test_one_group_alone(capfdbinary, monkeypatch) -> None:
    whole = run_here("translate", ["search=sample", "-h"], capfdbinary, monkeypatch).out.decode()
    assert whole == help_text("translate", [])
    for words in (["--help", "search"], ["--help=search"], ["run=x", "search", "-h"]):
        done = run_here("translate", words, capfdbinary, monkeypatch)
        shown = done.out.decode()
        assert done.code == 0 and "search.beam_size=5" in shown and "rerank" not in shown and "Examples" not in shown
    done = run_here("translate", ["--help", "serch"], capfdbinary, monkeypatch)
    assert is_one_line(done) and "no such group of settings" in done.err and "Did you mean search?" in done.err


def test_defaults_are_those_of_the_command() -> None:
    text = help_text("train", [])
    assert "search.kind=greedy" in text and TrainSettings().search.kind is not SearchSettings().kind
    assert "optimizer.learning_rate=0.002" in text and "recipe=none: 0.001" in text


def test_help_needs_neither_torch_nor_hydra() -> None:
    code = ("import sys; sys.argv = ['train.py', '--help']; from seq2seq.commands.train import main; main()\n"
            "sys.exit(bool({'torch', 'hydra', 'omegaconf'} & set(sys.modules)))")
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False, capture_output=True).returncode == 0


def test_every_script_has_it(tmp_path: Path) -> None:
    for name in COMMANDS:
        if name != "prepare":
            assert run_apart(name, ["--help"], cwd=tmp_path).out.decode() == help_text(name, [])


def test_the_page_of_settings_is_up_to_date() -> None:
    assert (ROOT / "docs" / "settings.md").read_text(encoding="utf-8") == settings_page()
