"""The makefiles of examples/: what they say is what the commands take."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

from commands import ROOT
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from test_settings import CONFIGURATION, composed

from seq2seq.evaluation_files import evaluation_name
from seq2seq.settings.evaluate import EvaluateSettings
from seq2seq.settings.experiment import ExperimentSettings
from seq2seq.settings.model import Shape
from seq2seq.settings.prepare import PrepareSettings
from seq2seq.settings.reading import read_settings
from seq2seq.settings.translate import TranslateSettings

KINDS = {"evaluate": EvaluateSettings, "translate": TranslateSettings, "prepare": PrepareSettings}
STAND_IN = """#!/bin/sh
echo "$@" >> commands
for word in "$@"; do case "$word" in
    output=*) echo made > "${word#output=}";;
    split=*) split=${word#split=};;
    ensemble=*) together=-ensemble;;
    rescore=*|rescore_own=true) ranked=-reranked;;
    search.*) word=${word#search.}; searched=$searched-${word%%=*}-${word#*=};;
    reverse_weight=*) reverse=-reverse_weight-${word#*=};;
    rescore_weight=*) rescore=-rescore_weight-${word#*=};;
    corpus=*) corpus=${word#corpus=};;
    run=*) run=${word#run=};;
esac; done
case "$1" in
    -m) mkdir -p "$corpus"; touch "$corpus/manifest.json";;
    evaluate.py) mkdir -p "$run/evaluation"
        touch "$run/evaluation/$split$together$ranked$searched$reverse$rescore.json";;
esac
"""
Given = EvaluateSettings | ExperimentSettings | PrepareSettings | TranslateSettings


def made_by(makefile: str, place: Path, *words: str) -> tuple[list[Given], list[str]]:
    """What its commands were given, in their order, and the files that it says are there.

    Whatever a command reads has been made by one before it. Run again it does nothing.
    """
    python = place / "python"
    python.write_text(STAND_IN)
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    for name in ("train.de", "train.en"):
        (place / name).write_text(f"{name}\n")
    script = ["make", "--no-print-directory", "-j9", "-f", str(ROOT / "examples" / makefile), f"RAW={place}", *words]
    own = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}  # not `make test`'s
    environment = own | {"PYTHON": str(python)}
    subprocess.run(script, check=True, cwd=place, env=environment)
    commands = (place / "commands").read_text()
    none = subprocess.run([word for word in script if not word.startswith("RAW=")], check=False, cwd=place,
                          env=environment, capture_output=True, text=True)
    assert none.returncode == 2 and "RAW is missing. Give the folder that holds train, val" in none.stderr
    shown = subprocess.run(script, check=True, cwd=place, env=environment, capture_output=True, text=True).stdout
    assert (place / "commands").read_text() == commands  # again: all is there, and it says where
    assert all((place / path).is_file() for path in shown.splitlines())
    given, made = [_given(line) for line in commands.splitlines()], {str(place)}
    for settings in given:
        assert set(_read(settings)) <= made, settings
        if isinstance(settings, EvaluateSettings):
            name = evaluation_name(settings.split, settings, Shape.N_TO_M)
            assert (place / str(settings.run) / "evaluation" / f"{name}.json").is_file()
        if isinstance(settings, (ExperimentSettings, PrepareSettings)):
            result = settings.run if isinstance(settings, ExperimentSettings) else settings.corpus
            assert result not in made
            made.add(result)
    return given, shown.splitlines()


def _given(line: str) -> Given:
    command, *words = line.removeprefix("-m ").split()
    if command == "train.py":
        return read_settings(ExperimentSettings, composed(*words))
    group = {"data_prep": "prepare"}.get(command, command.removesuffix(".py"))
    with initialize_config_dir(str(CONFIGURATION), version_base="1.3"):
        return read_settings(KINDS[group], OmegaConf.to_container(compose(group, words), resolve=True))


def _read(settings: Given) -> list[str]:
    """The folders of ours that a command reads."""
    match settings:
        case ExperimentSettings():
            return [settings.corpus, *filter(None, [settings.fork])]
        case PrepareSettings():
            return list(filter(None, [settings.tokenizer.corpus]))
        case EvaluateSettings():
            return [settings.run, *settings.ensemble, *_runs(settings.reverse), *_runs(settings.rescore)]
        case TranslateSettings():
            return _runs(settings.run)


def _runs(given: str | list[str] | None) -> list[str]:
    return [given] if isinstance(given, str) else given or []


def test_the_commands_of_multi30k_best_are_ours_and_in_order(tmp_path: Path) -> None:
    given, shown = made_by("multi30k_best.mk", tmp_path, "SETTINGS=training.graphs=true")
    assert len(shown) == 16
    trained = {}
    for settings in given:
        match settings:
            case ExperimentSettings():
                assert settings.training.graphs == (settings.training.risk == 0)  # refused together
                trained[settings.run] = settings.corpus, settings.model.reverse_target
            case EvaluateSettings(rescore=[_, *_]):
                corpus = trained[settings.run][0]
                opposite = "data/best_en_de" if corpus == "data/best_de_en" else "data/best_de_en"
                runs = settings.run, *settings.ensemble, *settings.rescore, *settings.reverse
                assert [trained[run] for run in runs] == [
                    *3 * [(corpus, False)], *3 * [(corpus, True)], *3 * [(opposite, False)]]
            case TranslateSettings():
                assert len(settings.run) == 3
    assert len(trained) == 42
    assert (tmp_path / "data" / "made" / "all.de").read_text() == "train.de\ntrain.de\nmade\n"
    assert (tmp_path / "data" / "made" / "all.en").read_text() == "train.en\nmade\ntrain.en\n"


def test_the_commands_of_multi30k_ends_are_ours_and_in_order(tmp_path: Path) -> None:
    given, shown = made_by("multi30k_ends.mk", tmp_path)
    assert len(shown) == 8
    trained = {settings.run: settings for settings in given if isinstance(settings, ExperimentSettings)}
    assert len(trained) == 13
    for settings in trained.values():
        assert settings.model.reverse_decoder
        if settings.fork is not None:  # same seed, further on
            before = trained[settings.fork]
            assert before.seed == settings.seed
            assert (settings.training.max_updates or 0) > (before.training.max_updates or 0)
    large, risk, more_risk, bpe, english, more_english = (
        f"runs/ends/{name}" for name in ("en_de_large_risk-1", "en_de_risk-2", "en_de_more_risk-1", "en_de_bpe_risk-1",
                                         "de_en_risk-1", "de_en_more-1"))
    together = [settings for settings in given if isinstance(settings, EvaluateSettings) and settings.ensemble]
    assert {(one.run, *one.ensemble, one.rescore, one.reverse) for one in together} == {
        (large, risk, more_risk, bpe, english), (english, more_english, None, None)}
    assert {trained[run].corpus for run in (large, risk, more_risk)} == {"data/ends_en_de"}
    assert trained[bpe].corpus == "data/ends_en_de_bpe"
    assert [trained[run].corpus for run in (english, more_english)] == ["data/ends_de_en", "data/ends_de_en_more"]
    assert [one.tokenizer.kind.value for one in given if isinstance(one, PrepareSettings)
            and one.corpus == "data/ends_en_de_bpe"] == ["bpe"]
    assert (tmp_path / "data" / "made_ends" / "all.de").read_text() == "train.de\nmade\ntrain.de\n"
    assert (tmp_path / "data" / "made_ends" / "all.en").read_text() == "train.en\ntrain.en\nmade\n"
