"""The makefile of examples/: what it says is what the commands take."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

from commands import ROOT
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from test_settings import CONFIGURATION, composed

from seq2seq.settings.evaluate import EvaluateSettings
from seq2seq.settings.experiment import ExperimentSettings
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
    rescore=*) ranked=-reranked;;
    corpus=*) corpus=${word#corpus=};;
    run=*) run=${word#run=};;
esac; done
case "$1" in
    -m) mkdir -p "$corpus"; touch "$corpus/manifest.json";;
    evaluate.py) mkdir -p "$run/evaluation"; touch "$run/evaluation/$split$together$ranked.json";;
esac
"""


def test_the_commands_of_multi30k_best_are_ours_and_in_order(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text(STAND_IN)
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    for name in ("train.de", "train.en"):
        (tmp_path / name).write_text(f"{name}\n")
    script = ["make", "--no-print-directory", "-j9", "-f", str(ROOT / "examples" / "multi30k_best.mk"),
              f"RAW={tmp_path}", "SETTINGS=training.graphs=true"]
    own = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}  # not `make test`'s
    environment = own | {"PYTHON": str(python)}
    subprocess.run(script, check=True, cwd=tmp_path, env=environment)
    commands = (tmp_path / "commands").read_text()
    none = subprocess.run([word for word in script if not word.startswith("RAW=")], check=False, cwd=tmp_path,
                          env=environment, capture_output=True, text=True)
    assert none.returncode == 2 and "RAW is missing. Give the folder that holds train, val" in none.stderr
    shown = subprocess.run(script, check=True, cwd=tmp_path, env=environment, capture_output=True, text=True).stdout
    assert (tmp_path / "commands").read_text() == commands  # again: all is there, and it says where
    assert all((tmp_path / path).is_file() for path in shown.splitlines()) and len(shown.splitlines()) == 16
    made, trained = {str(tmp_path)}, {}
    for line in commands.splitlines():
        command, *words = line.removeprefix("-m ").split()
        if command == "train.py":
            settings = read_settings(ExperimentSettings, composed(*words))
            assert settings.corpus in made and (settings.fork is None or settings.fork in made)
            assert settings.training.graphs == (settings.training.risk == 0)  # refused together
            made.add(settings.run)
            assert settings.run not in trained
            trained[settings.run] = settings.corpus, settings.model.reverse_target
            continue
        group = {"data_prep": "prepare"}.get(command, command.removesuffix(".py"))
        with initialize_config_dir(str(CONFIGURATION), version_base="1.3"):
            given = read_settings(KINDS[group], OmegaConf.to_container(compose(group, words), resolve=True))
        if isinstance(given, PrepareSettings):
            assert given.tokenizer.corpus is None or given.tokenizer.corpus in made
            made.add(given.corpus)
        elif isinstance(given, EvaluateSettings):
            assert {given.run, *given.ensemble, *(given.reverse or []), *(given.rescore or [])} <= made
            if given.rescore:
                corpus = trained[given.run][0]
                opposite = "data/best_en_de" if corpus == "data/best_de_en" else "data/best_de_en"
                assert [trained[run] for run in (given.run, *given.ensemble, *given.rescore, *given.reverse)] == [
                    *3 * [(corpus, False)], *3 * [(corpus, True)], *3 * [(opposite, False)]]
        else:
            assert len(given.run) == 3 and set(given.run) <= made
    assert len(trained) == 42
    assert (tmp_path / "data" / "made" / "all.de").read_text() == "train.de\ntrain.de\nmade\n"
    assert (tmp_path / "data" / "made" / "all.en").read_text() == "train.en\nmade\ntrain.en\n"
