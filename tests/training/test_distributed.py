"""Several processes under torchrun train as one process does, to rounding; a lost one ends all, and the run goes on."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from commands import ROOT, run_here
from launched import PATIENCE, error_lines, kill, run, start, wait_until
from tiny_corpus import make_corpus

from seq2seq.distributed import ProcessGroup
from seq2seq.errors import UserError
from seq2seq.training.checkpoint import checkpoints, load_checkpoint
from seq2seq.training.metrics import read_metrics

# Dropout draws by process, so it is off where two runs are to be equal.
SETTINGS = ["corpus=data/tiny", "model.embedding=16", "model.hidden=16", "model.dropout.embedding=0",
            "model.dropout.layer=0", "model.dropout.readout=0", "training.batch_pieces=200", "training.device=cpu",
            "training.precision=fp32", "training.threads=1", "training.validate_every=6", "training.log_every=3",
            "training.averaging=ema", "optimizer.learning_rate=0.01", "optimizer.warmup_updates=3"]
TRAIN = [str(ROOT / "train.py"), *SETTINGS]


def files(folder: Path) -> set[str]:
    """The names in a run folder; TensorBoard's events have a time and a process in theirs."""
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    events = {name for name in found if name.startswith("tensorboard/")}
    return (found - events) | {f"{len(events)} event files"}


def assert_same_curve(one: Path, several: Path) -> None:
    """Equal to rounding, update for update; every file written once."""
    alone, together = read_metrics(one), read_metrics(several)
    assert [line["update"] for line in together.train] == [line["update"] for line in alone.train]
    for left, right in zip(alone.train, together.train, strict=True):
        for figure in ("loss", "smoothed_loss", "gradient_norm", "learning_rate", "padding"):
            assert right[figure] == pytest.approx(left[figure], rel=2e-4), figure
    assert [line["update"] for line in together.valid] == [line["update"] for line in alone.valid]
    for left, right in zip(alone.valid, together.valid, strict=True):
        assert right["loss"] == pytest.approx(left["loss"], rel=2e-4)
        assert right["bleu"] == pytest.approx(left["bleu"], abs=0.01)
    weights = [load_checkpoint(folder / "checkpoints")["model"] for folder in (one, several)]
    for name, value in weights[0].items():
        torch.testing.assert_close(weights[1][name], value, rtol=1e-2, atol=1e-3)
    assert files(several) == files(one)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("place")
    make_corpus(folder / "data" / "tiny", train=120, valid=7)
    done = run(folder, 1, *TRAIN, "run=runs/one", "training.max_updates=12")
    assert done.returncode == 0, done.stderr
    return folder


def test_two_processes_give_the_curve_of_one(place):
    done = run(place, 2, *TRAIN, "run=runs/two", "training.max_updates=12")
    assert done.returncode == 0, done.stderr
    assert_same_curve(place / "runs" / "one", place / "runs" / "two")
    assert done.stderr.count("finished: training.max_updates=12") == 1  # one process speaks
    assert "Warning" not in done.stderr


def test_with_two_decoders_too(place):
    for processes, name in ((1, "both_ends"), (2, "both_ends_by_two")):
        done = run(place, processes, *TRAIN, f"run=runs/{name}", "model.reverse_decoder=true", "training.max_updates=6")
        assert done.returncode == 0 and "Warning" not in done.stderr, done.stderr
    assert_same_curve(place / "runs" / "both_ends", place / "runs" / "both_ends_by_two")


# As a command, and then the names of the threads that are left of it.
THREADS_LEFT = """
import os, runpy, sys
from pathlib import Path
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
left = sorted((task / "comm").read_text().strip() for task in Path("/proc/self/task").iterdir())
Path("left-" + os.environ["RANK"]).write_text("\\n".join(left))
"""


@pytest.mark.parametrize("settings", [[], ["training.probe=true"]], ids=["train", "probe"])
def test_no_thread_of_the_group_is_left_at_the_end(place, settings):
    """It could want the interpreter while that ends, which aborts the process."""
    (place / "threads_left.py").write_text(THREADS_LEFT)
    done = run(place, 2, "threads_left.py", *TRAIN, "run=runs/threads", "training.max_updates=2", *settings)
    assert done.returncode == 0, done.stderr
    for rank in range(2):
        left = (place / f"left-{rank}").read_text().splitlines()
        assert left and not [name for name in left if "gloo" in name], left


def test_with_minimum_risk_too(place):
    """They draw what one process draws, from either decoder; a batch of one pair leaves one of them without a row."""
    for processes, name in ((1, "risk"), (2, "risk_by_two")):
        done = run(place, processes, *TRAIN, f"run=runs/{name}", "fork=runs/both_ends", "model.reverse_decoder=true",
                   "training.risk=0.5", "training.batch_pieces=15", "training.max_updates=24")
        assert done.returncode == 0 and "Warning" not in done.stderr, done.stderr
    assert_same_curve(place / "runs" / "risk", place / "runs" / "risk_by_two")


def test_a_killed_process_ends_all_with_one_line_and_another_number_goes_on(place, capfdbinary, monkeypatch):
    arguments, folder = [*SETTINGS, "run=runs/killed"], place / "runs" / "killed"
    job = start(place, 2, TRAIN[0], *arguments, "training.max_epochs=null", "training.max_updates=1000000")
    wait_until(lambda: bool(checkpoints(folder / "checkpoints")), job)
    kill(job, rank=1)
    _, errors = job.communicate(timeout=PATIENCE)
    assert job.returncode == 1
    (line,) = error_lines(errors)
    assert line.startswith("error (rank 0 of 2): the connection to the other processes is lost: one of them has ended")
    assert line.endswith("The same command goes on from the last checkpoint.")
    assert "train.py\", line" not in errors  # no traceback of ours
    content = load_checkpoint(folder / "checkpoints")
    reached = content["state"]["updates"]
    assert content["processes"] == 2
    assert reached % 6 == 0
    monkeypatch.chdir(place)
    done = run_here("train", [*arguments, "training.max_epochs=null", f"training.max_updates={reached + 3}"],
                    capfdbinary, monkeypatch)
    assert done.code == 0, done.err
    assert "1 process now, 2 before: the same batches, but other draws of dropout and another rounding" in done.err
    assert f"continuing at update {reached}" in done.err
    assert [line["update"] for line in read_metrics(folder).train] == list(range(3, reached + 4, 3))
    assert load_checkpoint(folder / "checkpoints")["processes"] == 1


def test_one_process_needs_no_process_group():
    group, values = ProcessGroup(), torch.tensor([1.0, 2.0])
    with group.meet(torch.device("cpu")):
        group.sum(values)
        assert values.tolist() == [1.0, 2.0]
        assert group.largest(1.0, 3.0) == [1.0, 3.0]
        assert group.gather("x") == group.collect("x") == ["x"]
        assert group.first("x") == "x"
        group.same("x", "it")
    model = torch.nn.Linear(1, 1)
    assert group.wrap(model) is model
    assert group.is_main


def test_what_is_not_the_same_for_all_is_one_line(monkeypatch):
    """A run folder on the own disk of every machine: each would start from another update."""
    monkeypatch.setattr(ProcessGroup, "gather", lambda self, value: [1200, 1200, 0])
    with pytest.raises(UserError, match="the newest checkpoint in x is not the same for all processes: rank 0 finds "
                                        "1200, rank 2 0. It must lie on a disk that all of them share"):
        ProcessGroup(size=3).same(1200, "the newest checkpoint in x")


def test_restarts_with_the_addresses_of_ended_processes_are_refused(monkeypatch):
    monkeypatch.setenv("TORCHELASTIC_MAX_RESTARTS", "3")
    monkeypatch.setenv("TORCHELASTIC_USE_AGENT_STORE", "True")
    with (pytest.raises(UserError, match="Put TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 into its environment"),
          ProcessGroup(size=2).meet(torch.device("cpu"))):
        pass


def test_a_mistake_of_ours_is_no_lost_connection():
    """Whatever else goes wrong while several processes train keeps its own words."""
    with pytest.raises(RuntimeError, match="size mismatch"), ProcessGroup(size=2).told("again"):
        raise RuntimeError("size mismatch")
    lost = "[/x/gloo/transport/tcp/pair.cc:537] Read error [127.0.0.1]:1: Connection reset by peer"
    with pytest.raises(UserError, match="is lost: .* again"), ProcessGroup(size=2).told("again"):
        raise RuntimeError(lost)
