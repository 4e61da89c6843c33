"""An interrupted run ends as the uninterrupted one, bit for bit; one with other settings is refused, or forked."""

from __future__ import annotations

import json
import random
import shutil
import signal
from pathlib import Path

import pytest
import torch
from commands import is_one_line, run_here
from outcomes import make_raw, outcome, prepare_small, run_settings
from stopping import VARIANTS, interrupted_at_random, stopped

from seq2seq.bundle.bundle import load_bundle
from seq2seq.corpus.packed import PackedCorpus, Split
from seq2seq.corpus.stream import Position, TrainingBatches
from seq2seq.distributed import ProcessGroup
from seq2seq.errors import UserError
from seq2seq.training import loop
from seq2seq.training.batch_plan import batch_plan
from seq2seq.training.checkpoint import load_checkpoint, save_checkpoint
from seq2seq.training.fork import fork
from seq2seq.training.loop import Run
from seq2seq.training.run import train
from seq2seq.training.validation import Validator


@pytest.fixture(scope="module")
def corpora(tmp_path_factory):
    place = tmp_path_factory.mktemp("corpora")
    raw = make_raw(place / "raw")
    return {kind: prepare_small(raw, place / kind, kind) for kind in ("bpe", "unigram")}


@pytest.fixture(scope="module")
def corpus(corpora):
    return corpora["bpe"]


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_run_that_is_stopped_at_random_updates_ends_as_the_whole_one(corpora, tmp_path, variant):
    corpus, wanted = corpora["unigram" if variant == "unigram" else "bpe"], VARIANTS[variant]
    train(run_settings(corpus, tmp_path / "run", **wanted))
    whole = outcome(tmp_path / "run")
    updates = load_checkpoint(tmp_path / "run" / "checkpoints")["state"]["updates"]
    shutil.rmtree(tmp_path / "run")
    assert interrupted_at_random(run_settings(corpus, tmp_path / "run", **wanted), random.Random(variant), 3, updates)
    assert outcome(tmp_path / "run") == whole


# Killed while it begins or ends


class Killed(BaseException):
    """Stands for kill -9: nothing of ours gets to run any more."""


def kill_at_call(monkeypatch, owner, name: str, call: int) -> None:
    real, calls = getattr(owner, name), []

    def killed(*arguments, **more):
        calls.append(name)
        if len(calls) == call:
            raise Killed
        return real(*arguments, **more)

    monkeypatch.setattr(owner, name, killed)


@pytest.mark.parametrize(("owner", "name", "call"), [
    (loop, "save_checkpoint", 1),           # best/ is there, and no checkpoint yet
    (Run, "save_bundle", 2),                # the last checkpoint is there, and no last/
    (Validator, "run", 3),                  # saved after the last update, not yet validated
    (Run, "finish", 1),                     # validated, its line written, nothing saved of it
])
def test_a_run_that_is_killed_on_its_way_in_or_out_is_ended_by_the_next_call(corpus, tmp_path, monkeypatch, owner,
                                                                             name, call):
    wish = {"max_updates": 5, "validate_every": 2, "log_every": 1, "checkpoint_minutes": 1e-6}
    train(run_settings(corpus, tmp_path / "run", **wish))
    whole = outcome(tmp_path / "run")
    shutil.rmtree(tmp_path / "run")
    with monkeypatch.context() as patch:
        kill_at_call(patch, owner, name, call)
        with pytest.raises(Killed):
            train(run_settings(corpus, tmp_path / "run", **wish))
    train(run_settings(corpus, tmp_path / "run", **wish))
    assert outcome(tmp_path / "run") == whole


# The place in the data


def test_the_place_in_the_data_is_found_by_drawing_one_chunk(corpus, monkeypatch):
    """However late it is: one chunk is read, and the next one ahead; none of those before."""
    batches = TrainingBatches(PackedCorpus.open(corpus).split("train"), budget=60, max_pieces=100, seed=1,
                              chunk_pairs=11)
    assert batches.chunks > 3
    read, real = [], Split.ids
    monkeypatch.setattr(Split, "ids", lambda self, rows: read.append(len(rows)) or real(self, rows))
    stream = batches.stream(Position(epoch=1000, chunk=2, batch=1))
    batch, behind, _ = next(stream)
    stream.close()
    assert len(read) <= 2 and sum(read) <= 22
    assert behind == Position(1000, 2, 2)
    assert batch.rows.tolist() == batches.chunk(1000, 2)[1].rows.tolist()


def test_a_late_resume_draws_what_comes_next_and_nothing_before(corpus, tmp_path, monkeypatch):
    drawn, real = [], TrainingBatches.chunk

    def chunk(self, epoch, number):
        drawn.append((epoch, number))
        return real(self, epoch, number)

    train(run_settings(corpus, tmp_path / "run", max_updates=62, validate_every=100))
    monkeypatch.setattr(TrainingBatches, "chunk", chunk)
    epoch, number, batch = load_checkpoint(tmp_path / "run" / "checkpoints")["state"]["position"]
    train(run_settings(corpus, tmp_path / "run", max_updates=63, validate_every=100))
    assert epoch > 5 and batch > 0
    assert drawn[0] == (epoch, number) and set(drawn) <= {(epoch, number), (epoch + 1, 0)}


# Other settings


def test_what_may_change_is_told_and_what_it_costs(corpus, tmp_path, caplog, monkeypatch):
    monkeypatch.setattr("torch.set_num_threads", lambda _: None)
    caplog.set_level("INFO", logger="seq2seq")
    train(run_settings(corpus, tmp_path / "run", max_updates=1))
    train(run_settings(corpus, tmp_path / "run", max_updates=2, log_every=1))
    assert "continuing with training.max_updates=2 (was 1), training.log_every=1 (was 4)" in caplog.text
    assert "to rounding" not in caplog.text
    train(run_settings(corpus, tmp_path / "run", max_updates=3, log_every=1, threads=2))
    assert "training.threads=2 (was 1); from here on equal to rounding, not to the bit" in caplog.text


def test_a_refused_change_names_the_fork_as_a_cure(corpus, tmp_path):
    run = tmp_path / "run"
    train(run_settings(corpus, run, max_updates=1))
    with pytest.raises(UserError, match=rf"seed=2 \(was 1\).* or run=FOLDER fork={run} to begin another run from"):
        train(run_settings(corpus, run, seed=2))


@pytest.fixture(scope="module")
def parent(corpus, tmp_path_factory):
    """A run of 8 updates."""
    run = tmp_path_factory.mktemp("parent") / "run"
    train(run_settings(corpus, run, max_updates=8))
    return run


def held(run: Path) -> dict:
    return outcome(run)["checkpoint"]


def test_a_fork_begins_where_the_other_run_stands_and_says_so(corpus, parent, tmp_path, caplog):
    caplog.set_level("INFO", logger="seq2seq")
    before, run = outcome(parent), tmp_path / "fork"
    wish = {"label_smoothing": 0.2, "optimizer": {"schedule": "constant", "betas": [0.8, 0.9]}}
    train(run_settings(corpus, run, parent, max_updates=8, **wish))
    assert f"forked from {parent} at update 8: optimizer.betas=[0.8, 0.9] (was [0.9, 0.98])" in caplog.text
    assert "training.label_smoothing=0.2 (was 0.1)" in caplog.text
    assert (f"training.max_updates=8 reached before the first update: updates, epochs and minutes count on, and "
            f"fork={parent} stands at update 8, epoch ") in caplog.text
    origin = json.loads((run / "run.json").read_text())["forked_from"]
    assert (origin["run"], origin["updates"]) == (str(parent), 8)
    assert origin["changed"]["optimizer.schedule"] == ["inverse_sqrt", "constant"]
    for part in ("model", "average"):
        assert held(run)[part] == before["checkpoint"][part]
    state = load_checkpoint(run / "checkpoints")
    assert state["optimizer"]["param_groups"][0]["betas"] == (0.8, 0.9)
    assert (state["state"]["updates"], state["state"]["best_updates"]) == (8, 8)
    assert load_bundle(run).info["updates"] == 8
    train(run_settings(corpus, run, max_updates=9, **wish))  # fork= may be left out, or stay
    again = run_settings(corpus, run, max_updates=10, **wish)
    again.fork = f"{parent}/"
    train(again)
    assert json.loads((run / "run.json").read_text())["forked_from"] == origin
    assert outcome(parent) == before


def test_a_fork_with_the_same_settings_is_the_run_continued(corpus, parent, tmp_path):
    """Weights and optimizer to the bit; only the best is sought anew."""
    whole = tmp_path / "whole"
    shutil.copytree(parent, whole)
    train(run_settings(corpus, whole))
    train(run_settings(corpus, tmp_path / "fork", parent))
    for part in ("model", "optimizer"):
        assert held(tmp_path / "fork")[part] == held(whole)[part]
    for part in ("position", "epochs", "pieces", "updates"):
        assert held(tmp_path / "fork")["state"][part] == held(whole)["state"][part]


def test_minimum_risk_of_an_untrained_model_is_warned_of(corpus, parent, tmp_path, caplog):
    risk = {"risk": 0.5, "risk_draws": 2}
    train(run_settings(corpus, tmp_path / "fork", parent, max_updates=9, **risk))
    assert "untrained" not in caplog.text
    train(run_settings(corpus, tmp_path / "alone", max_updates=1, **risk))
    assert caplog.text.count("training.risk=0.5 of an untrained model") == 1 and "fork=RUN" in caplog.text
    train(run_settings(corpus, tmp_path / "alone", max_updates=2, **risk))  # it is no news when the run goes on
    assert caplog.text.count("untrained") == 1


def test_an_interrupted_fork_ends_as_the_whole_one_even_without_its_parent(corpus, parent, tmp_path):
    mine, run = shutil.copytree(parent, tmp_path / "parent"), tmp_path / "fork"
    wish = {"averaging": "ema", "batch_pieces": 120, "subword_sampling": {"source": 0.3}, "max_updates": 16}
    train(run_settings(corpus, run, mine, **wish))
    whole = outcome(run)
    assert load_checkpoint(run / "checkpoints")["state"]["pieces"] > 0
    shutil.rmtree(run)
    assert stopped(run_settings(corpus, run, mine, **wish), 9, signal.SIGKILL).code == -9
    shutil.rmtree(mine)
    train(run_settings(corpus, run, mine, **wish))
    assert outcome(run) == whole


def test_a_fork_with_other_batches_begins_the_epoch_anew(corpus, parent, tmp_path, monkeypatch, caplog):
    starts, real = [], TrainingBatches.stream
    monkeypatch.setattr(TrainingBatches, "stream", lambda self, start: starts.append(start) or real(self, start))
    position = load_checkpoint(parent / "checkpoints")["state"]["position"]
    assert position[2] > 0
    train(run_settings(corpus, tmp_path / "same", parent, max_updates=9, clip_norm=2.0))
    train(run_settings(corpus, tmp_path / "other", parent, max_updates=9, batch_pieces=100))
    assert starts == [Position(*position), Position(position[0])] and "before the first update" not in caplog.text


@pytest.mark.parametrize("change", [
    {"batch_pieces": 100}, {"max_pieces": 50}, {"subword_sampling": {"target": 0.2}},
    {"graphs": True}, {"seed": 2}], ids=lambda change: next(iter(change)))
@pytest.mark.parametrize("with_plan", [True, False], ids=["", "older_checkpoint"])
def test_a_fork_keeps_no_position_of_other_batches(corpus, parent, tmp_path, caplog, change, with_plan):
    """Batch 7 of other batches is any batch. Checkpoints from before the plan was in them go by the old settings."""
    caplog.set_level("INFO", logger="seq2seq")
    source = shutil.copytree(parent, tmp_path / "parent")
    content = load_checkpoint(source / "checkpoints")
    epoch = content["state"]["position"][0]
    if not with_plan:
        del content["plan"]
        save_checkpoint(source / "checkpoints", 8, content)
    settings = run_settings(corpus, tmp_path / "fork", source, **change)
    packed = PackedCorpus.open(corpus)
    made = Run(run_settings(corpus, tmp_path / "fork"), packed, tmp_path / "fork", ProcessGroup(), torch.device("cpu"))
    start, _ = fork(settings, packed, made.model, made.optimizer)
    assert start["state"]["position"] == [epoch, 0, 0] and start["state"]["epochs"] == epoch
    assert start["plan"] == batch_plan(settings, packed.hash)
    said = f"epoch {epoch + 1} starts from its beginning, for its batches are no longer those of {source}: "
    assert said in caplog.text


def test_a_run_that_goes_on_under_another_plan_keeps_no_position(corpus, tmp_path, monkeypatch, caplog):
    """No setting that a run may change does this, but another version may cut the epochs differently."""
    starts, real = [], TrainingBatches.stream
    monkeypatch.setattr(TrainingBatches, "stream", lambda self, start: starts.append(start) or real(self, start))
    train(run_settings(corpus, tmp_path / "run", max_updates=8))
    monkeypatch.setattr("seq2seq.training.batch_plan.CHUNK_PAIRS", 50_000)
    train(run_settings(corpus, tmp_path / "run", max_updates=9))
    train(run_settings(corpus, tmp_path / "run", max_updates=10))
    assert starts[1] == Position(starts[2].epoch) and starts[2].batch == 1
    said = f"its batches are no longer those of {tmp_path / 'run'}: chunk_pairs=50000 (was 100000)"
    assert caplog.text.count(said) == 1


@pytest.mark.parametrize(("fork", "change", "words"), [
    ("nothing", {}, "fork=.*nothing is no run folder"),
    ("parent/best", {}, r"fork=.*best is no run folder \(no run.json\)"),
    ("bare", {}, "fork=.*bare has no checkpoint to begin from"),
    ("run", {}, "fork=.*run is the folder of this run itself. Give the new run another: run=FOLDER"),
    ("parent", {"model": {"hidden": 16}}, r"fork=.*parent: the network does not fit: .* is .* there and .* here\. "
                                          r"Give the settings that it was trained with: model\.hidden=8$"),
    ("parent", {"corpus": "unigram"}, "trained with another tokenizer than that of .*unigram"),
])
def test_a_fork_that_cannot_be_is_refused_in_one_line_and_leaves_nothing(corpora, parent, tmp_path, fork, change,
                                                                         words):
    shutil.copytree(parent, tmp_path / "parent")
    shutil.copytree(parent, tmp_path / "bare", ignore=shutil.ignore_patterns("checkpoints"))
    before = sorted(tmp_path.rglob("*"))
    corpus = corpora[change.pop("corpus", "bpe")]
    with pytest.raises(UserError, match=words) as caught:
        train(run_settings(corpus, tmp_path / "run", tmp_path / fork, **change))
    assert "\n" not in str(caught.value)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_fork_of_a_run_whose_settings_were_changed_by_hand_is_refused(corpus, parent, tmp_path):
    path = shutil.copytree(parent, tmp_path / "changed") / "settings.yaml"
    path.write_text(path.read_text().replace("  hidden: 8\n", "  hidden: 16\n"))
    with pytest.raises(UserError, match=r"here\. Its settings\.yaml is not what it was trained with\. Give another"):
        train(run_settings(corpus, tmp_path / "run", path.parent, model={"hidden": 16}))


def test_what_a_refused_fork_asks_for_is_what_it_takes(corpus, tmp_path, capfdbinary, monkeypatch):
    """The settings of the message, given as they stand there."""
    usual = ["training.device=cpu", "training.threads=1", "training.batch_pieces=200"]
    of_first = ["cell=lstm", "attention.score=additive", "model.hidden=12", "model.reverse_decoder=true"]
    done = run_here("train", [f"corpus={corpus}", f"run={tmp_path / 'first'}", *usual, *of_first,
                              "training.max_updates=2"], capfdbinary, monkeypatch)
    assert done.code == 0, done.err
    words = [f"corpus={corpus}", f"run={tmp_path / 'second'}", *usual, f"fork={tmp_path / 'first'}", "recipe=risk",
             "training.risk_draws=2", "training.max_updates=3"]
    done = run_here("train", words, capfdbinary, monkeypatch)
    assert is_one_line(done) and "the network does not fit: " in done.err
    asked = done.err.split("trained with: ")[1].split()
    assert {"cell.kind=lstm", "model.hidden=12", "model.reverse_decoder=true"} <= set(asked)
    done = run_here("train", [*words, *asked], capfdbinary, monkeypatch)
    assert done.code == 0 and "another network" not in done.err, done.err


def test_a_fork_into_another_network_of_the_same_weights_is_warned_of(corpus, parent, tmp_path, caplog):
    train(run_settings(corpus, tmp_path / "same", parent, max_updates=9, model={"dropout": {"layer": 0.3}}))
    assert "another network" not in caplog.text
    train(run_settings(corpus, tmp_path / "other", parent, max_updates=9, network={"attention": {"start": "mean"}}))
    assert (f"fork={parent}: attention.start=mean (was last): the weights fit, but were trained for another network. "
            "Unless that is meant, give the old value.") in caplog.text


def test_a_run_under_way_is_not_forked_over(corpus, parent, tmp_path):
    train(run_settings(corpus, tmp_path / "run", max_updates=1))
    with pytest.raises(UserError, match=r"run is under way already. Leave fork= out to continue it"):
        train(run_settings(corpus, tmp_path / "run", parent, max_updates=1))
