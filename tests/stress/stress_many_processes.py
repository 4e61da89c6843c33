"""Many processes, the long way: four of them, every rank killed, another number, elastic restart, data_prep by four."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path

import pytest
import torch
from launched import PATIENCE, error_lines, kill, run, start, wait_until
from test_distributed import TRAIN, assert_same_curve
from test_ranks import SETTINGS as FILES
from test_ranks import assert_same_bytes, write
from tiny_corpus import make_corpus

from seq2seq.training.checkpoint import checkpoints, load_checkpoint
from seq2seq.training.metrics import read_metrics

UPDATES = 120
LEARNS = [*TRAIN, "model.embedding=32", "model.hidden=64", "training.max_epochs=null", "training.validate_every=20"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("place")
    make_corpus(folder / "data" / "tiny", train=1000, valid=30)
    return folder


def finished(place: Path, processes: int, *arguments: str) -> str:
    done = run(place, processes, *LEARNS, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stderr


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_checkpoint(folder / "checkpoints")["model"]


def last_update(folder: Path) -> int:
    places = checkpoints(folder / "checkpoints")
    return int(places[0].name) if places else 0


def test_two_and_four_processes_give_the_curve_of_one(place):
    for processes in (1, 2, 4):
        done = run(place, processes, *TRAIN, f"run=runs/curve-{processes}", "training.max_updates=30")
        assert done.returncode == 0, done.stderr
    for processes in (2, 4):
        assert_same_curve(place / "runs" / "curve-1", place / "runs" / f"curve-{processes}")
    print("\ncurve: 30 updates by 1, 2 and 4 processes: equal to rounding, files written once")


def test_one_trained_model_has_one_bleu_whoever_validates(place):
    """The same weights, then one update and a validation by 1, 2 and 4 processes."""
    finished(place, 1, "run=runs/learnt", f"training.max_updates={3 * UPDATES}")
    bleu = {}
    for processes in (1, 2, 4):
        folder = place / "runs" / f"learnt-{processes}"
        shutil.copytree(place / "runs" / "learnt", folder)
        said = finished(place, processes, f"run=runs/learnt-{processes}", f"training.max_updates={3 * UPDATES + 1}")
        assert (f"{processes} processes now, 1 before" in said) == (processes > 1)
        bleu[processes] = read_metrics(folder).valid[-1]["bleu"]
    assert bleu[1] > 10
    assert bleu[2] == pytest.approx(bleu[1], abs=0.01) and bleu[4] == pytest.approx(bleu[1], abs=0.01)
    print(f"\nBLEU of one model, validated by 1, 2 and 4 processes: {bleu}")


@pytest.mark.parametrize("processes", [2, 4])
def test_every_rank_killed_once_and_the_same_command_goes_on(place, processes):
    whole, folder = (place / "runs" / f"{name}-{processes}" for name in ("whole", "killed"))
    finished(place, processes, f"run={whole}", f"training.max_updates={UPDATES}")
    command = [*LEARNS, f"run={folder}", f"training.max_updates={UPDATES}"]
    reached = 0
    for rank in range(processes):
        job = start(place, processes, *command)
        wait_until(lambda before=reached: last_update(folder) > before, job)
        kill(job, rank)
        _, errors = job.communicate(timeout=PATIENCE)
        assert job.returncode == 1
        lines = error_lines(errors)
        assert 1 <= len(lines) <= processes - 1
        assert all("the connection to the other processes is lost" in line for line in lines)
        reached = last_update(folder)
        assert reached < UPDATES, "too fast to be killed: raise UPDATES"
    finished(place, processes, f"run={folder}", f"training.max_updates={UPDATES}")
    pairs = [(value, weights(folder)[name]) for name, value in weights(whole).items()]
    equal = all(torch.equal(left, right) for left, right in pairs)
    if processes == 2:  # with more, the order of a sum depends on how torch bundles the gradients
        assert equal
    for left, right in pairs:
        torch.testing.assert_close(right, left, rtol=0.1, atol=0.05)
    print(f"\nkilled: {processes} of {processes} ranks, one after the other; resumed {processes} times, "
          f"{'bit for bit' if equal else 'equal to rounding'}")


def test_elastic_restart(place):
    """torchrun starts all again when one has died; they go on from the last checkpoint, without anybody's help."""
    folder = place / "runs" / "elastic"
    job = start(place, 2, *LEARNS, f"run={folder}", f"training.max_updates={2 * UPDATES}", restarts=3)
    for rank in (1, 0):
        before = last_update(folder)
        wait_until(lambda before=before: last_update(folder) > before, job)
        kill(job, rank)
    _, errors = job.communicate(timeout=PATIENCE)
    assert job.returncode == 0, errors
    assert errors.count("continuing at update") == 2
    assert f"finished: training.max_updates={2 * UPDATES} reached" in errors
    updates = [line["update"] for line in read_metrics(folder).train]
    assert updates == list(range(3, 2 * UPDATES + 1, 3))
    print(f"\nelastic restart: 2 ranks killed, 2 restarts, {2 * UPDATES} updates, every line of metrics once")


def test_data_prep_by_two_and_four_processes_makes_the_corpus_of_one(place, tmp_path):
    write(tmp_path / "raw")
    sources = {"files": [*FILES, "data.train=raw/train"], "grammar": ["data=grammar", "data.train=25000", "num_proc=2"]}
    for (name, settings), processes in itertools.product(sources.items(), (2, 4)):
        (tmp_path / name).mkdir(exist_ok=True)
        if name == "files" and not (tmp_path / name / "raw").exists():
            (tmp_path / name / "raw").symlink_to(tmp_path / "raw")
        assert_same_bytes(tmp_path / name, processes, *settings)
    print("\ndata_prep: 2 sources by 1, 2 and 4 processes, every byte the same")
