"""--multirun: every run is read before the first begins, has a folder that can be named, and is counted at the end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from commands import ROOT, run_apart
from tiny_corpus import make_corpus

from seq2seq.bundle.bundle import load_bundle
from seq2seq.commands.app import CONFIGURATION
from seq2seq.commands.sweep import Record, leave_record, read_all, records, show
from seq2seq.errors import SettingError, UserError
from seq2seq.settings.training import TrainSettings
from seq2seq.training.continuing import continued

SMALL = ["corpus=data/tiny", "model.embedding=8", "model.hidden=8", "training.batch_pieces=150", "training.device=cpu",
         "training.precision=fp32", "training.threads=1", "training.max_updates=1"]


@pytest.fixture
def place(tmp_path):
    make_corpus(tmp_path / "data" / "tiny", train=30, valid=4)
    return tmp_path


def train(place: Path, *words: str, code: int = 0) -> str:
    done = subprocess.run([sys.executable, str(ROOT / "train.py"), *words], cwd=place, capture_output=True, text=True,
                          check=False, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    return done.stderr


def trained(place: Path) -> list[str]:
    return sorted(path.name for path in (place / "runs").iterdir()) if (place / "runs").exists() else []


def checked(*words: str) -> tuple[int | None, str]:
    return read_all(CONFIGURATION, "train", TrainSettings, ["--multirun", *words])


def test_every_run_has_a_folder_that_every_command_takes(place):
    said = train(place, "--multirun", *SMALL, "model.hidden=8,16", "training.subword_sampling={source:0.1,target:0.0}",
                 "context=last")
    assert trained(place) == ["tiny-gru-last-model.hidden_16", "tiny-gru-last-model.hidden_8"]
    for name in trained(place):
        assert not set(name) & set("=[],{}'\" ")
        done = run_apart("translate", [f"run=runs/{name}", "device=cpu", "threads=1"], b"a\n", cwd=place)
        assert done.code == 0 and done.out.count(b"\n") == 1, done.err
        assert f"runs/{name}" in said
    assert "hidden=8" in said and "hidden=16" in said and "failed" not in said
    assert not list((place / "multirun").glob(".records*"))


def test_a_mistake_of_the_last_run_is_told_before_the_first_begins(place):
    said = train(place, "--multirun", *SMALL, "optimizer.learning_rate=0.001,0.002,-1", code=2)
    assert said == ("error: optimizer.learning_rate=-1.0 is out of range: give a number above 0. No run of the sweep "
                    "was begun: this is of optimizer.learning_rate=-1\n")
    assert trained(place) == []


def test_a_run_that_fails_does_not_stop_the_others(place):
    said = train(place, "--multirun", *SMALL, "corpus=data/nothing,data/tiny", code=2)
    assert trained(place) == ["tiny-gru-attention"]
    assert "error: data/nothing is not a packed corpus" in said and "1 of 2 runs of the sweep failed" in said


def test_an_interrupt_ends_the_sweep(place):
    code = ("import runpy, sys, os, signal, seq2seq.training.loop as t\n"
            "real = t.Run.update\n"
            "def update(self, batch): real(self, batch); os.kill(os.getpid(), signal.SIGINT)\n"
            "t.Run.update = update\n"
            "sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')")
    words = [str(ROOT / "train.py"), "--multirun", *SMALL, "training.max_updates=9", "seed=1,2"]
    done = subprocess.run([sys.executable, "-c", code, *words], cwd=place, capture_output=True, text=True, check=False,
                          env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 130, done.stderr
    assert trained(place) == ["tiny-gru-attention-seed_1"] and "interrupted and saved" in done.stderr


@pytest.mark.parametrize("launcher", ["joblib", "submitit_local"])
def test_other_launchers_do_the_work(place, launcher):
    said = train(place, "--multirun", *SMALL, "seed=1,2", f"hydra/launcher={launcher}")
    for seed in (1, 2):
        assert load_bundle(place / "runs" / f"tiny-gru-attention-seed_{seed}").settings.seed == seed
        assert f"seed={seed}" in said


def test_a_launcher_tells_of_a_run_that_failed(place):
    said = train(place, "--multirun", *SMALL, "corpus=data/nothing,data/tiny", "hydra/launcher=joblib", code=2)
    assert trained(place) == ["tiny-gru-attention"] and "1 of 2 runs of the sweep failed" in said


def test_optuna_sees_the_measure(place):
    said = train(place, "--multirun", *SMALL, "training.best_by=perplexity", "hydra/sweeper=optuna",
                 "hydra.sweeper.n_trials=2", "optimizer.learning_rate=interval(0.001,0.01)")
    best = yaml.safe_load((place / "multirun" / "optimization_results.yaml").read_text())["best_value"]
    values = [load_bundle(place / "runs" / name).info["validation"]["perplexity"] for name in trained(place)]
    assert len(values) == 2 and best == min(values) and "perplexity" in said


def test_optuna_goes_on_after_a_run_that_failed(place):
    said = train(place, "--multirun", *SMALL, "training.best_by=perplexity", "hydra/sweeper=optuna",
                 "hydra.sweeper.n_trials=2", "fork=choice(nothing,none)", code=2)
    assert "2 of 2 runs of the sweep failed" in said and "Traceback" not in said


def test_a_sweeper_that_would_look_for_the_worst_is_refused():
    words = ["hydra/sweeper=optuna", "optimizer.learning_rate=interval(0.001,0.01)"]
    with pytest.raises(SettingError, match=r"direction=minimize looks for the worst bleu"):
        checked(*words)
    with pytest.raises(SettingError, match=r"Choose hydra.sweeper.direction=minimize"):
        checked(*words, "training.best_by=perplexity", "hydra.sweeper.direction=maximize")
    assert checked(*words, "hydra.sweeper.direction=maximize")[0] is None


def test_all_runs_are_counted_and_named_by_what_differs():
    count, word = checked("corpus=c", "seed=1,2,3", "context=last,attention", "training.threads=1")
    assert count == 6
    assert word == "hydra.job.config.override_dirname.exclude_keys=[cell,context,corpus,shape,training.threads]"


def test_one_folder_for_several_runs_is_refused():
    with pytest.raises(SettingError, match="run=r is one folder for several runs of the sweep"):
        checked("run=r", "seed=1,2")
    assert checked("run=a,b", "seed=1")[0] == 2


def test_a_mistake_names_the_run():
    with pytest.raises(UserError, match=r"heads=4 does not divide .*No run of the sweep .* of model.hidden=10"):
        checked("model.hidden=8,10", "seed=1")


def test_records_come_back_in_order(tmp_path, capfd):
    with records(tmp_path / "multirun") as found:
        for number in (10, 2):
            leave_record(number, Record([f"seed={number}", "a=1"], "runs/[x]", "bleu", 12.5))
        assert found == []
    assert [record.overrides[0] for record in found] == ["seed=2", "seed=10"]
    assert "SEQ2SEQ_SWEEP" not in os.environ and not (tmp_path / "multirun").exists()
    assert show(found, 2) == 0
    said = capfd.readouterr().err
    assert "bleu 12.50" in said and "runs/[x]" in said and "a=1" not in said


@pytest.mark.parametrize(("found", "expected", "code"), [
    ([Record(["a"]), Record(["b"], error="no", mistake=True)], 2, 2),
    ([Record(["a"], error="KeyError()"), Record(["b"], error="no", mistake=True)], 2, 1),
    ([Record(["a"])], 2, 1), ([Record(["a"])], None, 0), ([], 1, 1)])
def test_the_exit_code_tells_of_runs_that_failed(found, expected, code, capfd):
    assert show(found, expected) == code
    assert ("failed" in capfd.readouterr().err) == bool(code)


def test_rows_of_different_measures_are_said_to_be_no_ranking(capfd):
    show([Record(["a"], "x", "bleu", 1.0), Record(["b"], "y", "perplexity", 9.0)], 2)
    assert "cannot be ranked" in capfd.readouterr().err
    show([Record(["a"], "x", "bleu", 1.0), Record(["b"], "y", "bleu", 9.0)], 2)
    assert "cannot be ranked" not in capfd.readouterr().err


def test_a_run_goes_on_with_its_own_settings(place):
    train(place, *SMALL, "cell=lstm", "run=20261201")
    assert "is finished: training.max_updates=1 reached" in train(place, "run=20261201")
    assert "continuing with training.max_updates=2 (was 1)" in train(place, "run=20261201", "training.max_updates=2")
    bundle = load_bundle(place / "20261201" / "last")
    assert bundle.info["updates"] == 2 and bundle.settings.cell.kind.value == "lstm"
    assert json.loads((place / "20261201" / "metrics.jsonl").read_text().splitlines()[-1])["update"] == 2
    said = train(place, "run=20261201", "model.hidden=16", code=2)
    assert "20261201 was trained with other settings: model.hidden=16 (was 8). Give the old" in said
    said = train(place, "run=20261201", "cell=gru", code=2)  # a choice among a group: the whole command counts
    assert "was trained with other settings" in said and "cell.kind=gru (was lstm)" in said
    assert not (place / "data" / "grammar").exists()


def test_a_run_that_is_not_there_is_said_to_begin(tmp_path, caplog):
    settings = TrainSettings(run=str(tmp_path / "r"))
    with caplog.at_level("INFO", "seq2seq"):
        assert continued(settings, ["run=r", "seed=1"], []) is settings and not caplog.messages
        assert continued(settings, ["run=r"], []) is settings
    assert caplog.messages == [f"{tmp_path / 'r'} is not a run yet: a new one begins there, on data/grammar"]
