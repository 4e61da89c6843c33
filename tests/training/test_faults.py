"""Faults at some of the file operations of training and data_prep (tests/stress/stress_faults.py has all of them)."""

from __future__ import annotations

import os
import random
import shutil
import threading
from pathlib import Path

import pytest
from damage import flip, flipped_bits_are_found
from faults import KILL, LIMIT, POWER, Fault
from outcomes import corpus_content, make_raw, outcome, prepare_small, run_settings
from survival import Work, preparation, training

from seq2seq.corpus.stream import TrainingBatches
from seq2seq.errors import BundleError, CorpusError
from seq2seq.storage.atomic import whole_file
from seq2seq.training.checkpoint import checkpoints, load_checkpoint, save_checkpoint
from seq2seq.training.loop import Run
from seq2seq.training.run import train


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = tmp_path_factory.mktemp("faults")
    prepare_small(make_raw(place / "raw"), place / "corpus")
    prepare_small(place / "raw", place / "other", vocabulary=40)
    return place


@pytest.fixture(scope="module")
def corpus(place):
    return place / "corpus"


WORKS = {
    "continued training": lambda place: training(place / "continued", place / "corpus", interrupted=True),
    "training": lambda place: training(place / "begun", place / "corpus", interrupted=False),
    "data_prep": lambda place: preparation(place / "made", place / "raw", replaced=None),
    "data_prep over another": lambda place: preparation(place / "replaced", place / "raw", replaced=place / "other"),
}


@pytest.mark.parametrize("name", WORKS)
def test_a_sample_of_faults_is_survived(place, name):
    work = WORKS[name](place)
    work.undisturbed()
    assert len(work.operations) > 70
    faults = list(work.every_operation())
    kinds = {kind: [fault for fault in faults if fault.how == kind] for kind in (KILL, POWER)}
    kinds["error"] = [fault for fault in faults if fault.how not in kinds]
    draw = random.Random(name)
    for sample in kinds.values():
        work.survives(draw.choice(sample))
    work.survives(Fault(len(faults) // 4, "ENOSPC"))
    work.survives(Fault(300, LIMIT))


def test_an_error_in_the_thread_of_tensorboard_is_one_line(place):
    work = training(place / "thread", place / "corpus", interrupted=False)
    work.undisturbed()
    assert "metrics.jsonl cannot be written: there is no space left" in work.survives(Fault(3, "ENOSPC", thread=True))


def _careless(root: Path) -> None:
    with open(root / "notes", "w") as file:
        file.write("new\n" * 10)


def _forgetful(root: Path) -> None:
    (root / "notes.part").write_text("new\n" * 10)
    os.replace(root / "notes.part", root / "notes")


def _careful(root: Path) -> None:
    whole_file(root / "notes", b"new\n" * 10)


@pytest.mark.parametrize(("do", "caught_by"), [(_careless, {KILL, POWER}), (_forgetful, {POWER}), (_careful, set())])
def test_a_writer_without_care_is_caught(tmp_path, do, caught_by):
    """The faults find what they are for: a file written in place, and one renamed before it was on the disk."""
    (tmp_path / "start").mkdir()
    (tmp_path / "start" / "notes").write_text("old\n" * 10)

    def whole(root: Path) -> None:
        assert (root / "notes").read_text() in ("old\n" * 10, "new\n" * 10)

    work = Work("notes", tmp_path / "start", do, lambda root: (root / "notes").read_text(), whole, tmp_path / "root")
    work.undisturbed()
    caught = set()
    for at in range(len(work.operations)):
        for how, seed in ((KILL, 0), (POWER, 0), (POWER, 1)):
            try:
                work.survives(Fault(at, how, seed=seed))
            except (AssertionError, FileNotFoundError):
                caught.add(how)
    assert caught == caught_by


# Checkpoints with damage


def test_a_flipped_bit_of_a_checkpoint_is_found_wherever_it_is(tmp_path, caplog):
    assert flipped_bits_are_found(tmp_path, caplog, times=100) == 200


def test_a_run_goes_on_from_the_checkpoint_before_a_damaged_one(corpus, tmp_path, caplog):
    """And ends as if there had been no damage; the damaged one does not stay in the way."""
    whole, run = tmp_path / "whole", tmp_path / "run"
    train(run_settings(corpus, whole))
    train(run_settings(corpus, run, max_updates=13))
    (newest, before) = checkpoints(run / "checkpoints")
    assert (newest.name, before.name) == ("00000013", "00000012")
    flip(newest / "state.pt", 9_999)
    train(run_settings(corpus, run))
    assert "00000013 is damaged (the SHA-256 of state.pt is not the one in state.sha256) and passed" in caplog.text
    found, wanted = outcome(run), outcome(whole)
    assert (found["checkpoint"], found["metrics"]) == (wanted["checkpoint"], wanted["metrics"])
    assert found["best"]["weights"] == wanted["best"]["weights"]


def test_damaged_checkpoints_ahead_of_the_run_are_removed_when_it_saves(tmp_path):
    for updates in (10, 20):
        save_checkpoint(tmp_path, updates, {"state": {}})
    flip(tmp_path / "00000020" / "state.pt", 5)
    assert load_checkpoint(tmp_path) is not None
    save_checkpoint(tmp_path, 15, {"state": {}})
    assert [path.name for path in checkpoints(tmp_path)] == ["00000015", "00000010"]
    shutil.rmtree(tmp_path / "00000010")
    flip(tmp_path / "00000015" / "state.pt", 5)
    with pytest.raises(BundleError, match="all checkpoints in .* are damaged"):
        load_checkpoint(tmp_path)


# A corpus that changes under the run


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def replace(path: Path) -> None:
    whole_file(path, path.read_bytes() + b"x")


CHANGES = {"flipped": lambda path: flip(path, 8 * path.stat().st_size // 2), "cut": cut, "replaced": replace,
           "gone": Path.unlink}


@pytest.mark.parametrize("name", ["train/data-00000-of-00001.arrow", "valid/data-00000-of-00001.arrow",
                                  "tokenizer.model"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_corpus_file_that_changes_under_the_run_is_named(corpus, tmp_path, monkeypatch, change, name):
    mine = shutil.copytree(corpus, tmp_path / "corpus")
    run, real, chunk, changed = tmp_path / "run", Run.update, TrainingBatches.chunk, threading.Event()

    def update(self, batch):
        if self.state.updates == 3:
            CHANGES[change](mine / name)
            changed.set()
        real(self, batch)

    def slow_chunk(self, epoch, number):  # not drawn ahead before the change
        if epoch == 1:
            changed.wait()
        return chunk(self, epoch, number)

    monkeypatch.setattr(Run, "update", update)
    monkeypatch.setattr(TrainingBatches, "chunk", slow_chunk)
    with pytest.raises(CorpusError, match=f"{name} .*[Pp]repare the corpus again") as caught:
        train(run_settings(mine, run, max_updates=100))
    assert "\n" not in str(caught.value)
    reached = load_checkpoint(run / "checkpoints")["state"]
    assert reached["position"] == [1, 0, 0], "all that was read before the change was trained on and saved"
    monkeypatch.undo()
    with pytest.raises(CorpusError, match=name):  # nor does the run go on with it
        train(run_settings(mine, run, max_updates=100))
    shutil.rmtree(mine)
    shutil.copytree(corpus, mine)
    assert train(run_settings(mine, run, max_updates=reached["updates"] + 1)).updates == reached["updates"] + 1


def test_a_file_with_another_time_and_the_same_content_is_the_same(corpus, tmp_path, monkeypatch):
    mine, real = shutil.copytree(corpus, tmp_path / "corpus"), Run.update

    def update(self, batch):
        whole_file(mine / "train" / "data-00000-of-00001.arrow",
                   (corpus / "train" / "data-00000-of-00001.arrow").read_bytes())
        real(self, batch)

    monkeypatch.setattr(Run, "update", update)
    assert train(run_settings(mine, tmp_path / "run", max_updates=30)).updates == 30


def test_raw_text_that_changes_while_it_is_prepared_is_refused(place, tmp_path, monkeypatch):
    from data_prep import prepare

    raw, real = shutil.copytree(place / "raw", tmp_path / "raw"), prepare.passes.clean

    def clean(job):
        with open(raw / "train.de", "a") as file:
            file.write("one line more\n")
        return real(job)

    monkeypatch.setattr(prepare.passes, "clean", clean)
    with pytest.raises(CorpusError, match=r"train\.de was changed while it was read"):
        prepare_small(raw, tmp_path / "corpus")
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]
    assert corpus_content(prepare_small(place / "raw", tmp_path / "corpus")) == corpus_content(place / "corpus")
