"""Two processes under torchrun train as one process does, to rounding."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tiny_corpus import make_corpus

from seq2seq.checkpoint import load_checkpoint
from seq2seq.distributed import Team
from seq2seq.metrics import read_metrics

ROOT = Path(__file__).resolve().parent.parent
# Dropout draws by process, so it is off where two runs are to be equal.
SETTINGS = ["corpus=data/tiny", "model.embedding=16", "model.hidden=16", "model.dropout.embedding=0",
            "model.dropout.layer=0", "model.dropout.readout=0", "training.batch_pieces=200", "training.device=cpu",
            "training.precision=fp32", "training.threads=1", "training.validate_every=6", "training.log_every=3",
            "training.averaging=ema", "optimizer.learning_rate=0.01", "optimizer.warmup_updates=3"]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def train(place: Path, processes: int, *arguments: str) -> subprocess.CompletedProcess:
    launcher = [] if processes == 1 else [
        "-m", "torch.distributed.run", f"--nproc-per-node={processes}", f"--master-port={free_port()}"]
    return subprocess.run([sys.executable, *launcher, str(ROOT / "train.py"), *SETTINGS, *arguments], cwd=place,
                          check=False, capture_output=True, text=True, timeout=200, env={**os.environ})


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("place")
    make_corpus(folder / "data" / "tiny", train=120, valid=7)
    done = train(folder, 1, "run=runs/one", "training.max_updates=12")
    assert done.returncode == 0, done.stderr
    return folder


def test_two_processes_give_the_curve_of_one(place):
    done = train(place, 2, "run=runs/two", "training.max_updates=12")
    assert done.returncode == 0, done.stderr
    one, two = (read_metrics(place / "runs" / name) for name in ("one", "two"))
    assert [line["update"] for line in two.train] == [line["update"] for line in one.train] == [3, 6, 9, 12]
    for alone, together in zip(one.train, two.train, strict=True):
        for figure in ("loss", "smoothed_loss", "gradient_norm", "learning_rate", "padding"):
            assert together[figure] == pytest.approx(alone[figure], rel=2e-4), figure
    last = {line["update"]: line for line in two.valid}
    for line in one.valid:
        assert last[line["update"]]["loss"] == pytest.approx(line["loss"], rel=2e-4)
        assert last[line["update"]]["bleu"] == pytest.approx(line["bleu"], abs=0.5)
    weights = [load_checkpoint(place / "runs" / name / "checkpoints")["model"] for name in ("one", "two")]
    for name, value in weights[0].items():
        torch.testing.assert_close(weights[1][name], value, rtol=1e-2, atol=1e-3)
    assert done.stderr.count("finished: training.max_updates=12") == 1  # one process speaks


def test_one_process_is_a_team_without_a_group():
    team, values = Team(), torch.tensor([1.0, 2.0])
    with team.meet(torch.device("cpu")):
        team.sum(values)
        assert values.tolist() == [1.0, 2.0]
        assert team.largest(1.0, 3.0) == [1.0, 3.0]
        assert team.gather("x") == ["x"]
        assert team.first("x") == "x"
    model = torch.nn.Linear(1, 1)
    assert team.wrap(model) is model
    assert team.leads
