"""Distillation: the loss against a teacher's opinion, the table of opinions, and students that come to share them."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from networks import build, network, random_batch, with_opinion
from tiny_bundle import make_bundle
from tiny_corpus import make_corpus

from seq2seq import teacher
from seq2seq.batches import make_batch
from seq2seq.bundle import load_bundle
from seq2seq.checkpoint import load_checkpoint
from seq2seq.corpus import PackedCorpus
from seq2seq.distributed import Team
from seq2seq.errors import BundleError, SettingError
from seq2seq.settings.reading import read_settings
from seq2seq.settings.training import TrainSettings
from seq2seq.teacher import Teacher
from seq2seq.training import Run, train

CPU = torch.device("cpu")
K = 5


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return make_corpus(tmp_path_factory.mktemp("data") / "tiny", train=60, valid=6)


@pytest.fixture(scope="module")
def teachers(corpus, tmp_path_factory):
    folder = tmp_path_factory.mktemp("teachers")
    return [make_bundle(folder / str(seed), corpus, seed=seed) for seed in (1, 2)]


def settings(corpus, run, teachers, /, model=(), **training) -> TrainSettings:
    return read_settings(TrainSettings, {
        "corpus": str(corpus), "run": str(run), "teacher": [str(folder) for folder in teachers],
        "model": {"embedding": 8, "hidden": 8, **dict(model)},
        "optimizer": {"learning_rate": 0.01, "warmup_updates": 5},
        "training": {"batch_pieces": 150, "max_epochs": None, "max_updates": 12, "validate_every": 5, "threads": 1,
                     "device": "cpu", "precision": "fp32", "distillation_pieces": K, **training}})


def opinion(chosen: TrainSettings, rows=None):
    """Of all training pairs, or of `rows`, as a run of these settings would have it."""
    packed = PackedCorpus.open(chosen.corpus)
    split = packed.split("train")
    asked = Teacher(chosen, packed, split, CPU, Team(), now=True)
    return asked.ask(np.arange(len(split)) if rows is None else np.asarray(rows)), split


@pytest.mark.parametrize("consistency", [0.0, 2.0])
def test_one_that_says_what_is_written_changes_nothing(consistency):
    model, batch = build(network()), random_batch()
    same = batch._replace(soft_pieces=batch.target_out[..., None].expand(*batch.target_out.shape, K),
                          soft_shares=torch.full((*batch.target_out.shape, K), 0.7 / K))
    for told, plain in zip(model(same, 0.1, consistency=consistency), model(batch, 0.1, consistency=consistency),
                           strict=True):
        torch.testing.assert_close(told, plain)


def test_what_it_says_has_its_share_of_the_loss():
    model, batch = build(network()), random_batch()
    told, share = with_opinion(batch, share=0.3), 0.3
    logs, real = model.logits(batch).log_softmax(-1), batch.target_out != 0
    of_teacher = (told.soft_shares / share * logs.gather(-1, told.soft_pieces)).sum(-1)
    of_text = logs.gather(-1, batch.target_out[..., None]).squeeze(-1)
    by_hand = -(((1 - share) * of_text + share * of_teacher) * 0.9 + 0.1 * logs.mean(-1))[real].sum()
    found = model(told, 0.1)
    torch.testing.assert_close(found.smoothed, by_hand)
    torch.testing.assert_close(found.nll, -of_text[real].sum().detach())


@pytest.mark.parametrize("consistency", [0.0, 1.0])
def test_written_from_right_to_left_it_belongs_to_the_same_pieces(consistency):
    turned, plain = build(network(reverse_target=True)), build(network())
    batch = with_opinion(random_batch())
    lengths = (batch.target_lengths - 1).tolist()
    read = (batch.source_lengths - 1).tolist()
    by_hand = make_batch([row[:length] for row, length in zip(batch.source.tolist(), read, strict=True)],
                         [row[:length][::-1] for row, length in zip(batch.target_out.tolist(), lengths, strict=True)],
                         range(len(lengths)))
    order = [[*range(length)[::-1], *range(length, batch.target_out.shape[1])] for length in lengths]
    by_hand = by_hand._replace(**{name: torch.stack([one[places] for one, places in
                                                     zip(getattr(batch, name), order, strict=True)])
                                  for name in ("soft_pieces", "soft_shares")})
    torch.testing.assert_close(turned(batch, consistency=consistency), plain(by_hand, consistency=consistency))


def test_parts_and_filling_keep_it():
    model, batch = build(network()), with_opinion(random_batch())
    whole = model(batch, 0.1).smoothed
    parts = [batch.part(number, 3) for number in range(3)]
    torch.testing.assert_close(sum(model(part, 0.1).smoothed for part in parts), whole)
    torch.testing.assert_close(model(batch.filled(9, 16, 16), 0.1).smoothed, whole)


def test_the_table_is_the_mean_of_the_teachers_without_dropout(corpus, tmp_path, teachers):
    found, split = opinion(settings(corpus, tmp_path, teachers, distillation=0.25))
    models = [load_bundle(folder).model for folder in teachers]
    source, target = split.ids(range(len(split)))
    together = found.beside(make_batch(source, target, range(len(split))))
    for row in range(0, len(split), 7):
        batch = make_batch([source[row]], [target[row]], [row])
        with torch.no_grad():
            mean = sum(model.logits(batch).softmax(-1) for model in models) / 2
        shares, pieces = mean.topk(K)
        shares = 0.25 * shares / shares.sum(-1, keepdim=True)
        one, length = found.beside(batch), int(batch.target_lengths)
        for told in (one.soft_pieces[0], together.soft_pieces[row, :length]):
            assert torch.equal(told, pieces[0])
        for told in (one.soft_shares[0], together.soft_shares[row, :length]):
            torch.testing.assert_close(told, shares[0], atol=3e-4, rtol=1e-3)  # kept as float16
    assert not together.soft_shares[together.target_out == 0].any()


def test_of_pairs_that_are_left_out_it_says_nothing(corpus, tmp_path, teachers):
    found, split = opinion(settings(corpus, tmp_path, teachers), rows=[3, 4])
    batch = make_batch(*split.ids([3, 5]), [3, 5])
    shares = found.beside(batch).soft_shares
    torch.testing.assert_close(shares[0].sum(-1)[: batch.target_lengths[0]],
                               torch.full((int(batch.target_lengths[0]),), 0.5), atol=1e-3, rtol=0)
    assert not shares[1].any()


def test_a_small_vocabulary_is_told_of_whole(corpus, tmp_path, teachers):
    found, split = opinion(settings(corpus, tmp_path, teachers, distillation_pieces=1000))
    vocabulary = len(PackedCorpus.open(corpus).tokenizers()[1])
    assert found.beside(make_batch(*split.ids([0]), [0])).soft_pieces.shape[-1] == vocabulary


def weights(run) -> dict[str, torch.Tensor]:
    return load_checkpoint(run / "checkpoints")["model"]


class Killed(BaseException):
    """Stands for kill -9."""


def test_an_interrupted_run_ends_as_the_uninterrupted_one(corpus, tmp_path, teachers, monkeypatch):
    for name in ("whole", "cut"):
        for folder in teachers:
            shutil.copytree(folder, tmp_path / name / folder.name)
    whole, cut = (settings(corpus, tmp_path / name / "run", [tmp_path / name / folder.name for folder in teachers])
                  for name in ("whole", "cut"))
    train(whole)
    real = Run.update

    def stopping(self, batch):
        if self.state.updates == 7:
            raise Killed
        real(self, batch)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Run, "update", stopping)
        train(cut)
    for folder in teachers:  # they have been asked: the run goes on without them
        shutil.rmtree(tmp_path / "cut" / folder.name)
    train(cut)
    one, other = weights(tmp_path / "whole" / "run"), weights(tmp_path / "cut" / "run")
    assert all(torch.equal(one[name], other[name]) for name in one)
    untaught = dataclasses.replace(whole, teacher=None, run=str(tmp_path / "untaught"))
    train(untaught)
    assert any(not torch.equal(one[name], weights(tmp_path / "untaught")[name]) for name in one)


def test_a_table_that_was_cut_short_by_a_kill_is_made_anew(corpus, tmp_path, teachers, monkeypatch):
    chosen = settings(corpus, tmp_path / "run", teachers)

    def dying(*_):
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(teacher, "top", dying)
        train(chosen)
    assert not (tmp_path / "run" / "teacher").exists()
    train(chosen)
    assert json.loads((tmp_path / "run" / "teacher" / "about.json").read_text())["pieces"] == K


def _with_a_bit_turned(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-9] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(("name", "harm"), [
    ("pieces.npy", _with_a_bit_turned), ("shares.npy", _with_a_bit_turned), ("about.json", _with_a_bit_turned),
    ("pieces.npy", Path.unlink), ("shares.npy", lambda path: path.write_bytes(b"no table"))],
    ids=["pieces", "shares", "about", "gone", "noise"])
def test_a_damaged_table_is_named(corpus, tmp_path, teachers, name, harm):
    chosen = settings(corpus, tmp_path / "run", teachers)
    train(chosen)
    harm(tmp_path / "run" / "teacher" / name)
    longer = dataclasses.replace(chosen, training=dataclasses.replace(chosen.training, max_updates=14))
    with pytest.raises(BundleError, match=r"run/teacher is damaged\. Remove it, and the same command makes it anew\."):
        train(longer)
    shutil.rmtree(tmp_path / "run" / "teacher")
    assert train(longer).updates == 14


def test_a_finished_run_needs_neither_table_nor_teacher(corpus, tmp_path, teachers, caplog):
    caplog.set_level("INFO")
    only = [shutil.copytree(teachers[0], tmp_path / "only")]
    chosen = settings(corpus, tmp_path / "run", only)
    train(chosen)
    shutil.rmtree(tmp_path / "run" / "teacher")
    shutil.rmtree(tmp_path / "only")
    assert train(chosen).updates == 12 and "is finished" in caplog.text
    longer = dataclasses.replace(chosen, training=dataclasses.replace(chosen.training, max_updates=14))
    with pytest.raises(BundleError, match="only does not exist"):
        train(longer)
    shutil.copytree(teachers[0], tmp_path / "only")
    assert train(longer).updates == 14


def test_students_come_to_share_its_opinion(corpus, tmp_path, teachers):
    """A teacher of random weights says what no text does: who has learnt that, has it from the teacher."""
    apart = {}
    for share in (1.0, 0.01):
        chosen = settings(corpus, tmp_path / str(share), teachers, model={"hidden": 32, "embedding": 16},
                          distillation=share, max_updates=150, validate_every=150, label_smoothing=0.0,
                          distillation_pieces=40)
        train(chosen)
        found, split = opinion(dataclasses.replace(chosen, training=dataclasses.replace(
            chosen.training, distillation=1.0), run=str(tmp_path / "asked")))
        batch = found.beside(make_batch(*split.ids(range(60)), range(60)))
        with torch.no_grad():
            logs = load_bundle(tmp_path / str(share) / "last").model.logits(batch).log_softmax(-1)
        told = batch.soft_shares
        apart[share] = float((told * (told.clamp(min=1e-9).log() - logs.gather(-1, batch.soft_pieces))).sum()
                             / batch.pieces)
    assert apart[1.0] < 0.5 * apart[0.01]


def test_it_is_refused_where_it_does_not_fit(corpus, tmp_path, teachers):
    other = make_corpus(tmp_path / "other", vocabulary=40)
    foreign = make_bundle(tmp_path / "foreign", other)
    back = make_bundle(tmp_path / "back", corpus, languages=("de", "en"))
    leftwards = make_bundle(tmp_path / "leftwards", corpus, reverse_target=True)
    for given, said in (
            ([foreign], "foreign has another tokenizer, other languages or another shape than this run on .*tiny: "),
            ([back], "back has another tokenizer, other languages or another shape"),
            ([leftwards], "leftwards was trained with model.reverse_target=true: it knows what comes behind a piece"),
            ([teachers[0], foreign], "teacher: .*1 and .*foreign cannot answer as one: they have different "
                                      "tokenizers. Give models trained on the same packed corpus\\.$"),
            ([], r"teacher=\[\] names no model. Give the folder of a trained run: teacher=FOLDER"),
            ([tmp_path / "run"], "teacher=.*run is the folder of this run itself. Give that of another")):
        with pytest.raises(SettingError, match=said):
            train(settings(corpus, tmp_path / "run", given))
    with pytest.raises(BundleError, match=r"nowhere does not exist\. Give .*: teacher=FOLDER\."):
        train(settings(corpus, tmp_path / "run", [tmp_path / "nowhere"]))
    assert not (tmp_path / "run" / "settings.yaml").exists()


@pytest.mark.parametrize(("changed", "said"), [
    ({"training": {"both_directions": 1}}, r"with training.both_directions there would be others. Choose "
                                           r"training.both_directions=0, or leave teacher= out"),
    ({"training": {"subword_sampling": {"source": 0.1}}}, "with training.subword_sampling there would be others"),
    ({"training": {"distillation": 0}}, "distillation=0.* is out of range"),
    ({"shape": "n_to_1", "context": {"kind": "last"}, "model": {"tie": "none"}, "training": {"best_by": "accuracy"}},
     "teacher=A is for translation, and this is shape=n_to_1"),
])
def test_what_does_not_go_with_it(changed, said):
    with pytest.raises(SettingError, match=said):
        read_settings(TrainSettings, {"corpus": "data", "run": "run", "teacher": "A", **changed})
