"""Training: exact to the bit after every interruption, the right mathematics, and it learns."""

from __future__ import annotations

import contextlib
import copy
import json
import math
import os
import shutil
import signal

import pytest
import torch
from tiny_corpus import make_corpus
from torch import nn

from seq2seq.bundle.bundle import load_bundle
from seq2seq.corpus.batch import Batch, make_batch
from seq2seq.corpus.packed import PackedCorpus
from seq2seq.errors import UserError
from seq2seq.settings.model import Tie
from seq2seq.settings.reading import read_settings
from seq2seq.settings.training import (
    TrainingSettings,
    TrainSettings,
)
from seq2seq.training import loop
from seq2seq.training.checkpoint import load_checkpoint
from seq2seq.training.divergence import DivergedError, FiniteWatch
from seq2seq.training.loop import Run
from seq2seq.training.metrics import read_metrics
from seq2seq.training.run import train
from seq2seq.training.state import TrainState


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return make_corpus(tmp_path_factory.mktemp("data") / "tiny", train=60, valid=6)


def settings(corpus, run, /, optimizer=(), **training_settings) -> TrainSettings:
    return read_settings(TrainSettings, {
        "corpus": str(corpus), "run": str(run), "model": {"embedding": 8, "hidden": 8},
        "optimizer": {"learning_rate": 0.01, "warmup_updates": 5, **dict(optimizer)},
        "training": {"batch_pieces": 150, "max_epochs": None, "max_updates": 14, "validate_every": 6, "log_every": 4,
                     "threads": 1, "device": "cpu", "precision": "fp32", **training_settings}})


def test_tied_tables_need_one_vocabulary(corpus, tmp_path, monkeypatch):
    joint = PackedCorpus.tokenizers
    monkeypatch.setattr(PackedCorpus, "tokenizers", lambda self: (joint(self)[0], copy.copy(joint(self)[0])))
    chosen = settings(corpus, tmp_path / "run")
    chosen.model.tie = Tie.ALL
    with pytest.raises(UserError, match=r"model\.tie=all needs one vocabulary for both sides, and .* has two"):
        train(chosen)
    assert not (tmp_path / "run" / "checkpoints").exists()


def weights(run) -> dict[str, torch.Tensor]:
    return load_checkpoint(run / "checkpoints")["model"]


def figures(run) -> list[dict]:
    """metrics.jsonl without what a clock decides."""
    timed = ("seconds", "pieces_per_second")
    found = read_metrics(run)
    return [{key: value for key, value in line.items() if key not in timed} for line in [*found.train, *found.valid]]


def equal(left, right) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


class Killed(BaseException):
    """Stands for kill -9: nothing of ours gets to run any more."""


def stop_at(monkeypatch, update: int, how: str) -> None:
    real = Run.update

    def stopping(self, batch):
        if self.state.updates + 1 == update:
            if how == "kill":
                raise Killed
            os.kill(os.getpid(), how)
        real(self, batch)

    monkeypatch.setattr(Run, "update", stopping)


VARIANTS = {
    "plain": {},
    "ema": {"averaging": "ema", "ema_decay": 0.9, "subword_sampling": {"source": 0.5}},
    "last": {"averaging": "last", "average_last": 2, "accumulate": 2, "precision": "bf16"},
}


@pytest.fixture(scope="module", params=VARIANTS)
def uninterrupted(request, corpus, tmp_path_factory):
    run = tmp_path_factory.mktemp("runs") / request.param
    train(settings(corpus, run, **VARIANTS[request.param]))
    return VARIANTS[request.param], run


@pytest.mark.parametrize(("how", "updates"), [(signal.SIGINT, (3, 10)), (signal.SIGTERM, (6,)), ("kill", (5, 9, 14))])
def test_an_interrupted_run_ends_as_the_uninterrupted_one(corpus, tmp_path, monkeypatch, uninterrupted, how, updates):
    variant, whole = uninterrupted
    run = tmp_path / "run"
    for update in updates:
        with monkeypatch.context() as patch:
            stop_at(patch, update, how)
            with contextlib.suppress(Killed):
                train(settings(corpus, run, **variant))
        assert how == "kill" or load_checkpoint(run / "checkpoints")["state"]["updates"] == update
    state = train(settings(corpus, run, **variant))
    assert state.updates == 14
    assert equal(weights(run), weights(whole))
    assert figures(run) == figures(whole)
    assert equal(load_bundle(run).model.state_dict(), load_bundle(whole).model.state_dict())
    assert load_bundle(run).info["updates"] == load_bundle(whole).info["updates"]


def test_another_seed_is_another_run(corpus, tmp_path, uninterrupted):
    variant, whole = uninterrupted
    wanted = settings(corpus, tmp_path / "run", **{**variant, "max_updates": 2})
    wanted.seed = 2
    train(wanted)
    assert not equal(weights(tmp_path / "run"), weights(whole))


def test_a_finished_run_does_nothing_and_a_higher_limit_continues_it(corpus, tmp_path, caplog):
    run = tmp_path / "run"
    caplog.set_level("INFO", logger="seq2seq")
    train(settings(corpus, run))
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*") if path.is_file() and path.name != "lock"}
    caplog.clear()
    train(settings(corpus, run))
    assert "is finished: training.max_updates=14 reached" in caplog.text
    after = {path: path.stat().st_mtime_ns for path in run.rglob("*") if path.is_file() and path.name != "lock"}
    assert {path for path in after if before.get(path) != after[path]} <= {run / "settings.yaml", run / "run.json"}
    assert train(settings(corpus, run, max_updates=16)).updates == 16


@pytest.mark.parametrize(("changed", "words"), [
    ({"label_smoothing": 0.2}, r"training.label_smoothing=0.2 \(was 0.1\)"),
    ({"optimizer": {"schedule": "cosine"}}, r"optimizer.schedule=cosine \(was inverse_sqrt\)"),
])
def test_other_settings_are_refused_with_the_difference(corpus, tmp_path, changed, words):
    run = tmp_path / "run"
    train(settings(corpus, run, max_updates=1))
    with pytest.raises(UserError, match=words):
        train(settings(corpus, run, **changed))
    assert json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])["update"] == 1


def test_another_corpus_is_refused(corpus, tmp_path):
    train(settings(corpus, tmp_path / "run", max_updates=1))
    other = make_corpus(tmp_path / "other", train=61, valid=6)
    with pytest.raises(UserError, match="is not the corpus that .*run was trained on"):
        train(settings(other, tmp_path / "run"))


def test_a_folder_that_is_no_run_is_left_alone(corpus, tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(UserError, match="is there already and is no run folder"):
        train(settings(corpus, tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_settings_that_were_refused_leave_nothing_to_continue(corpus, tmp_path):
    """A mistake that only shows when the model is built does not stand in the way of its correction."""
    wrong = settings(corpus, tmp_path / "run", max_pieces=2)
    with pytest.raises(UserError, match="max_pieces=2 leaves out all"):
        train(wrong)
    assert train(settings(corpus, tmp_path / "run", max_updates=1)).updates == 1


def test_a_trained_model_without_checkpoints_is_not_overwritten(corpus, tmp_path):
    train(settings(corpus, tmp_path / "run", max_updates=1))
    shutil.rmtree(tmp_path / "run" / "checkpoints")
    with pytest.raises(UserError, match="holds a trained model but no checkpoints"):
        train(settings(corpus, tmp_path / "run", max_updates=2))


def test_one_run_at_a_time(corpus, tmp_path, monkeypatch):
    def second(self, batch):
        train(settings(corpus, tmp_path / "run"))

    monkeypatch.setattr(Run, "update", second)
    with pytest.raises(UserError, match="is being trained by another process"):
        train(settings(corpus, tmp_path / "run"))


def test_it_learns_to_reverse(tmp_path):
    corpus = make_corpus(tmp_path / "tiny", train=1500, valid=30)
    wanted = read_settings(TrainSettings, {
        "corpus": str(corpus), "run": str(tmp_path / "run"),
        "model": {"embedding": 32, "hidden": 64, "dropout": {"embedding": 0.0, "layer": 0.0, "readout": 0.0}},
        "optimizer": {"learning_rate": 0.01, "warmup_updates": 20, "schedule": "cosine"},
        "training": {"batch_pieces": 300, "max_epochs": 7, "threads": 1, "device": "cpu", "averaging": "ema",
                     "ema_decay": 0.95, "label_smoothing": 0.0}})
    state = train(wanted)
    lines = read_metrics(tmp_path / "run")
    assert state.best > 90, lines.valid
    assert max(line["padding"] for line in lines.train) < 0.05
    assert load_bundle(tmp_path / "run").info["validation"]["bleu"] == state.best


@pytest.mark.parametrize("accumulate", [2, 3, 50])
def test_parts_of_a_batch_give_the_gradient_of_the_whole(corpus, tmp_path, accumulate):
    runs = []
    for parts in (1, accumulate):
        run = tmp_path / str(parts)
        train(settings(corpus, run, max_updates=3, accumulate=parts, **NO_DROPOUT))
        runs.append(weights(run))
    for name, value in runs[0].items():
        torch.testing.assert_close(runs[1][name], value, rtol=1e-3, atol=1e-5)


NO_DROPOUT = {"label_smoothing": 0.1}


@pytest.fixture(autouse=True)
def _no_dropout(request, monkeypatch):
    if request.node.originalname == "test_parts_of_a_batch_give_the_gradient_of_the_whole":
        monkeypatch.setattr(nn.Dropout, "forward", lambda self, x: x)


def test_a_batch_that_is_not_finite_stops_with_its_lines_and_the_last_checkpoint(corpus, tmp_path, monkeypatch):
    run, seen = tmp_path / "run", []
    real = Run.update

    def poisoned(self, batch):
        if self.state.updates + 1 == 8:
            seen.extend(batch.rows.tolist())
            with torch.no_grad():
                next(self.model.parameters()).fill_(math.nan)
        real(self, batch)

    monkeypatch.setattr(Run, "update", poisoned)
    with pytest.raises(DivergedError, match="loss or gradient of update 8 is not finite") as caught:
        train(settings(corpus, run))
    assert f"training lines {', '.join(str(row + 1) for row in sorted(seen)[:20])}" in str(caught.value)
    content = load_checkpoint(run / "checkpoints")
    assert content["state"]["updates"] == 6
    assert f"The last good checkpoint is {run / 'checkpoints' / '00000006'}." in str(caught.value)
    assert all(value.isfinite().all() for value in content["model"].values())


def test_the_watch_waits_with_its_question_on_a_device(monkeypatch):
    watch = FiniteWatch(torch.device("cpu"))
    watch._at_once = False  # as on CUDA
    good, bad = torch.tensor(1.0), torch.tensor(math.inf)
    for update, norm in ((1, good), (2, bad), (3, bad)):
        watch.see(update, torch.tensor([update * 10]), good, norm)
    with pytest.raises(DivergedError, match=r"update 2 .*training lines 21\)"):
        watch.check()


def test_memory_that_does_not_suffice_names_batch_and_setting(corpus, tmp_path, monkeypatch):
    def full(self, *_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("seq2seq.models.encoder_decoder.EncoderDecoder.forward", full)
    with pytest.raises(UserError, match=r"out of memory for \d+ pairs of \d+ source and \d+ target pieces. Lower "
                                        "training.batch_pieces"):
        train(settings(corpus, tmp_path / "run"))


def test_patience_ends_the_run(corpus, tmp_path):
    state = train(settings(corpus, tmp_path / "run", optimizer={"learning_rate": 1e-9}, max_updates=50,
                           validate_every=2, patience=3))
    assert state.updates == 2 + 3 * 2
    assert state.best_updates == 2


def test_minutes_count_over_resumes():
    limits = TrainingSettings(max_epochs=None, max_minutes=1.0)
    assert TrainState(seconds=59.0).stop_reason(limits) is None
    assert TrainState(seconds=60.0).stop_reason(limits) == "training.max_minutes=1 reached"


def test_metrics_have_a_line_for_every_interval(uninterrupted):
    _, run = uninterrupted
    found = read_metrics(run)
    assert [line["update"] for line in found.train] == [4, 8, 12]
    assert [line["update"] for line in found.valid] == [6, 12, 14]
    for line in found.train:
        assert line["perplexity"] == pytest.approx(math.exp(line["loss"]))
        assert 0 <= line["padding"] < 0.2
    assert list((run / "tensorboard").iterdir())


# The pieces of the loop


def test_an_update_divides_once_by_the_pieces_of_the_batch(corpus, tmp_path, monkeypatch):
    """The gradient is that of (sum of the loss) / (target pieces), whatever the batch looks like."""
    seen = {}

    def spy(self, batch: Batch) -> None:
        loss = self.model(batch, self.training.label_smoothing)
        mean = loss.smoothed / int((batch.target_out != 0).sum())
        wanted = torch.autograd.grad(mean, list(self.model.parameters()))
        monkeypatch.setattr(self.optimizer, "step", lambda: seen.update(
            got=[parameter.grad.clone() for parameter in self.model.parameters()], wanted=wanted))
        real(self, batch)
        raise Killed

    real = Run.update
    monkeypatch.setattr(nn.Dropout, "forward", lambda self, x: x)
    monkeypatch.setattr(Run, "update", spy)
    with pytest.raises(Killed):
        train(settings(corpus, tmp_path / "run", clip_norm=None))
    for got, wanted in zip(seen["got"], seen["wanted"], strict=True):
        torch.testing.assert_close(got, wanted)


def test_the_seed_of_an_update_is_its_own():
    seeds = {loop._seed(seed, update, rank) for seed in (1, 2) for update in range(100) for rank in (0, 1)}
    assert len(seeds) == 400
    assert make_batch([[4]], [[4]], [0]).pieces == 2
