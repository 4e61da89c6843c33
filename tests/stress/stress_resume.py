"""Runs that are stopped again and again, in every way and at any time, end bit for bit as the whole ones."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from faults import KILL, POWER, Fault
from outcomes import make_raw, outcome, prepare_small, run_settings
from stopping import ALL_AT_ONCE, VARIANTS, interrupted_at_random
from survival import training

from seq2seq.training.checkpoint import load_checkpoint
from seq2seq.training.run import train

ROOT = Path(__file__).resolve().parents[2]
MORE = {
    **VARIANTS,
    "input feeding": {"averaging": "last", "average_last": 3, "accumulate": 3, "precision": "bf16"},
    "no feedback": {**ALL_AT_ONCE, "scheduled_sampling": 0.0, "subword_sampling": {"target": 0.5}},
    "perplexity": {**ALL_AT_ONCE, "best_by": "perplexity", "averaging": "none", "validate_every": 1, "log_every": 1},
}
NETWORKS = {"input feeding": {"cell": {"kind": "lstm"}, "attention": {"feed": "input", "score": "general"}},
            "no feedback": {"cell": {"kind": "rnn"}, "context": {"kind": "pooled"}, "feed": {"output": False}}}


@pytest.fixture(scope="module")
def corpora(tmp_path_factory):
    place = tmp_path_factory.mktemp("corpora")
    raw = make_raw(place / "raw")
    return {kind: prepare_small(raw, place / kind, kind) for kind in ("bpe", "unigram")}


def test_signals_at_random_updates(corpora, tmp_path):
    """SIGKILL, SIGINT and SIGTERM, up to five times in a run."""
    draw, stops, runs, start = random.Random(1), 0, 0, time.monotonic()
    for variant, wanted in MORE.items():
        run = tmp_path / variant
        settings = run_settings(corpora["unigram" if variant == "unigram" else "bpe"], run,
                                network=NETWORKS.get(variant, {}), **wanted)
        train(settings)
        whole, updates = outcome(run), load_checkpoint(run / "checkpoints")["state"]["updates"]
        for _ in range(8):
            shutil.rmtree(run)
            stops += interrupted_at_random(settings, draw, draw.randint(1, 5), updates)
            assert outcome(run) == whole, variant
            runs += 1
    print(f"\nresume: {runs} runs of {len(MORE)} kinds stopped {stops} times at random updates, all equal bit for bit, "
          f"{time.monotonic() - start:.0f} s")


def test_one_fault_after_another(corpora, tmp_path):
    """Loss of power, kills and errors that follow each other before a run gets to its end."""
    work = training(tmp_path, corpora["bpe"], interrupted=False)
    work.undisturbed()
    draw, faults, runs = random.Random(2), 0, 25
    for _ in range(runs):
        chain = [Fault(draw.randrange(len(work.operations)), draw.choice([KILL, POWER, POWER, "ENOSPC"]),
                       draw.random(), seed=draw.randrange(99)) for _ in range(draw.randint(2, 5))]
        work.survives(*chain)
        faults += len(chain)
    print(f"\nresume: {runs} runs with {faults} faults one after another, all equal bit for bit")


def test_the_command_killed_at_any_moment(corpora, tmp_path):
    """`python train.py` with its start, its end and all that lies between, killed after random seconds."""
    command = [sys.executable, str(ROOT / "train.py"), f"corpus={corpora['bpe']}", f"run={tmp_path / 'run'}",
               "recipe=none", "model.embedding=8", "model.hidden=8", "training.batch_pieces=150",
               "training.max_updates=60",
               "training.validate_every=5", "training.log_every=2", "training.threads=1", "training.precision=bf16",
               "training.averaging=ema", "training.accumulate=2", "training.subword_sampling.source=0.3",
               "+search.max_length=12"]
    start = time.monotonic()
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    seconds, whole = time.monotonic() - start, outcome(tmp_path / "run")
    draw, stops, runs = random.Random(3), 0, 4
    for _ in range(runs):
        shutil.rmtree(tmp_path / "run")
        for _ in range(5):
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            try:
                process.communicate(timeout=draw.uniform(0.5, seconds * 1.05))
            except subprocess.TimeoutExpired:
                process.send_signal(draw.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM]))
                process.communicate(timeout=300)
                stops += 1
        subprocess.run(command, check=True, capture_output=True, timeout=300)
        assert outcome(tmp_path / "run") == whole
    print(f"\nresume: {runs} runs of train.py stopped {stops} times after random seconds, all equal bit for bit, "
          f"{time.monotonic() - start:.0f} s")
