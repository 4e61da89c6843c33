"""train.py as a person runs it: in its own process, with signals, mistakes and a second call."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tiny_corpus import make_corpus

from seq2seq.bundle.bundle import load_bundle
from seq2seq.training.checkpoint import load_checkpoint
from seq2seq.training.metrics import read_metrics

ROOT = Path(__file__).resolve().parents[2]
SMALL = ["model.embedding=8", "model.hidden=8", "training.batch_pieces=150", "training.device=cpu",
         "training.precision=fp32", "training.threads=1"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A working folder with data/tiny in it."""
    folder = tmp_path_factory.mktemp("place")
    make_corpus(folder / "data" / "tiny", train=60, valid=6)
    return folder


def start(place: Path, *arguments: str) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, str(ROOT / "train.py"), *arguments], cwd=place, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def run(place: Path, *arguments: str, code: int = 0) -> str:
    """What it wrote to standard error; nothing of ours goes to standard output."""
    process = start(place, *arguments)
    output, errors = process.communicate(timeout=120)
    assert process.returncode == code, errors
    assert output == ""
    return errors


def test_train_stop_continue(place):
    """A run that is stopped by SIGTERM and continued by the same command."""
    command = ["corpus=data/tiny", "context=pooled", "cell=lstm", "training.max_updates=3000", *SMALL,
               "training.validate_every=40", "training.log_every=10"]
    folder = place / "runs" / "tiny-lstm-pooled"
    process = start(place, *command)
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and not (folder / "best" / "bundle.json").exists():
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert "SIGTERM: finishing this update and saving" in errors
    assert "interrupted and saved: runs/tiny-lstm-pooled" in errors
    reached = load_checkpoint(folder / "checkpoints")["state"]["updates"]
    assert 40 <= reached < 3000
    command[3] = f"training.max_updates={reached + 5}"
    errors = run(place, *command)
    assert f"continuing at update {reached}" in errors
    assert f"finished: training.max_updates={reached + 5} reached" in errors
    assert [line["update"] for line in read_metrics(folder).train] == list(range(10, reached + 6, 10))
    bundle = load_bundle(folder)
    assert (bundle.settings.cell.kind.value, bundle.settings.context.kind.value) == ("lstm", "pooled")


@pytest.mark.parametrize(("arguments", "words"), [
    (["corpus=data/nothing"], "error: data/nothing is not a packed corpus (no manifest.json). Make one with:"),
    (["corpus=data/tiny", "training.max_update=3"], "max_update"),
    (["corpus=data/tiny", "+training.max_update=3"], "training.max_update is not a setting. Did you mean max_updates?"),
    (["corpus=data/tiny", "cell=gruu"], "gruu"),
    (["corpus=data/tiny", "experiment=dmo"], "experiment=dmo is not one of: bahdanau2015, "),
    (["corpus=data/tiny", "model.hidden=many"], "model.hidden='many' is not a whole number."),
    (["corpus=data/tiny", "context=attention", "feed.context=initial_state"], "Choose feed.context=every_step"),
    (["corpus=data/tiny", "run=data", *SMALL], "data is there already and is no run folder"),
    (["corpus=data/tiny", "run=data/tiny/manifest.json", *SMALL], "data/tiny/manifest.json"),
])
def test_mistakes_are_one_line_and_exit_code_2(place, arguments, words):
    errors = run(place, *arguments, code=2)
    assert words in errors
    assert errors.count("\n") == 1
    assert errors.startswith("error: ")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_no_permission_to_write(place, tmp_path):
    tmp_path.chmod(0o500)
    assert "no permission to write there" in run(place, "corpus=data/tiny", f"run={tmp_path}/run", *SMALL, code=2)


def test_help_names_groups_settings_and_an_example(place):
    done = subprocess.run([sys.executable, str(ROOT / "train.py"), "--help"], cwd=place, check=True, text=True,
                          capture_output=True)
    for words in ("python train.py corpus=", "cell=gru|lstm|rnn", "shape=n_to_1|n_to_m|n_to_n|one_to_n",
                  "context=attention|last|none|pooled|projected", "recipe=large|medium|none|risk|small_corpus",
                  "training.batch_pieces=1500", "torchrun"):
        assert words in done.stdout
    assert list(place.iterdir()) == [place / "data"] or (place / "runs").exists()
