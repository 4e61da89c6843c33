"""The limit of a translation's length follows from the training pairs, and what it cuts is counted and said."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import run_here
from networks import build, network
from tiny_bundle import make_bundle
from tiny_corpus import make_corpus

from seq2seq.bundle.bundle import load_bundle
from seq2seq.bundle.length_limits import factor_of, limit_setting, warn_of_cut, with_factor
from seq2seq.corpus.batch import make_batch
from seq2seq.errors import BundleError, SettingError
from seq2seq.inference.translator import Translator
from seq2seq.search.decode import translate_ids
from seq2seq.settings.search import SearchKind, SearchSettings
from seq2seq.training.metrics import read_metrics


def lengths(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int32)


def test_ordinary_pairs_keep_the_limit_of_before():
    """2 S + 20, whatever the lengths: figures that were measured with it stay."""
    draw = np.random.default_rng(1)
    source = draw.geometric(0.07, 5000)
    assert factor_of(source, (source * draw.uniform(0.6, 1.6, 5000)).astype(np.int64)) == 2.0
    assert factor_of(lengths(), lengths()) == 2.0
    assert factor_of(lengths(3), lengths(12)) == 2.0


@pytest.mark.parametrize(("source", "target"), [((1, 1), (60, 50)), ((2, 3), (54, 53)), ((10, 90), (400, 180)),
                                                ((1,), (100_000,))])
def test_the_longest_pair_fits_with_room(source, target):
    factor = factor_of(lengths(*source), lengths(*target))
    for one, other in zip(source, target, strict=True):
        assert factor == 1000 or int(factor * (one + 1)) + 20 >= 1.25 * other - 1
    assert factor <= 1000


def test_a_pair_in_a_thousand_does_not_decide():
    source, target = np.full(2000, 10), np.full(2000, 10)
    target[0] = 5000
    assert factor_of(source, target) == 2.0


def test_what_a_person_chooses_stays():
    assert with_factor(SearchSettings(), 7.0).max_length_factor == 7
    assert with_factor(SearchSettings(max_length_factor=1.5), 7.0).max_length_factor == 1.5
    assert limit_setting(SearchSettings(max_length=9, max_length_factor=3)) == "search.max_length=9"
    assert limit_setting(SearchSettings(max_length_factor=13.5)) == "search.max_length_factor=13.5"


@pytest.fixture(scope="module")
def generator() -> tuple:
    """One to N: from one piece a text of 60, which 2 * 2 + 20 would cut to 24."""
    torch.manual_seed(0)
    model = build(network(shape="one_to_n", context="last", hidden=64, embedding=32, tie="target")).train()
    draw = np.random.default_rng(1)
    texts = [draw.integers(4, 24, 60).tolist() for _ in range(2)]
    batch, optimizer = make_batch([[5], [6]], texts, [0, 1]), torch.optim.Adam(model.parameters(), 0.01)
    for _ in range(600):
        (model(batch).smoothed / batch.pieces).backward()
        optimizer.step()
        optimizer.zero_grad()
    return model.eval(), texts


@pytest.mark.parametrize("kind", SearchKind)
def test_texts_as_long_as_those_of_training_are_written_whole(generator, kind):
    model, texts = generator
    search = SearchSettings(kind=kind, top_k=int(kind is SearchKind.SAMPLE))
    cut = [found[0] for found in translate_ids(model, [[5], [6]], search)]
    assert all(len(one.pieces) <= 24 for one in cut) and any(one.cut for one in cut)
    chosen = with_factor(search, factor_of(lengths(1, 1), lengths(60, 60)))
    whole = [found[0] for found in translate_ids(model, [[5], [6]], chosen)]
    assert all(len(one.pieces) > 40 and not one.cut for one in whole)
    assert kind is SearchKind.BEAM or [one.pieces for one in whole] == texts  # a beam likes them shorter


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("place")


@pytest.fixture(scope="module")
def bundle(place: Path) -> Path:
    """Of random weights: it never ends by itself."""
    return make_bundle(place / "bundle", make_corpus(place / "tiny", train=60, valid=6))


def with_info(bundle: Path, folder: Path, **changes) -> Path:
    shutil.copytree(bundle, folder)
    info = json.loads((folder / "bundle.json").read_text())
    (folder / "bundle.json").write_text(json.dumps({**info, **changes}))
    return folder


def test_the_bundle_alone_knows_the_limit(bundle, tmp_path):
    assert load_bundle(bundle).max_length_factor == 2  # of an older version
    other = with_info(bundle, tmp_path / "other", max_length_factor=9.5)
    assert Translator.load(other).search.max_length_factor == 9.5
    assert Translator.load([bundle, other]).search.max_length_factor == 9.5  # the largest of an ensemble
    assert Translator.load(other, max_length_factor=3).search.max_length_factor == 3


@pytest.mark.parametrize("value", [None, "2", True, [], 1.9, -1, 1001, float("nan"), float("inf"), 10**400])
def test_another_limit_is_damage(bundle, tmp_path, value):
    with pytest.raises(BundleError, match=r"damaged \(max_length_factor\)"):
        load_bundle(with_info(bundle, tmp_path / "bundle", max_length_factor=value))


def test_cut_translations_are_warned_of(bundle, caplog):
    lines = ["ba do", "", "fi gu ke"]
    with caplog.at_level(logging.WARNING):
        found = Translator.load(bundle, device="cpu", max_length=3, min_length=3).translate_lines(lines, first=5)
    assert [one.cut for one in found] == [True, False, True]
    assert caplog.messages == ["the input line 5 and 1 more: the translation was cut at the length limit "
                               "(search.max_length=3). Unless it repeats itself endlessly, raise that setting"]
    caplog.clear()
    assert warn_of_cut([False, False], "a", SearchSettings()) == 0 and not caplog.messages
    assert warn_of_cut([False, True], "a", SearchSettings(), first=3) == 1
    assert caplog.messages[0].startswith("a line 4: the translation was cut at the length limit (search.max_length_f")


def test_the_commands_count_what_is_cut(bundle, place, monkeypatch, capfdbinary):
    monkeypatch.chdir(place)
    (place / "in.txt").write_text("ba do\n\nfi gu ke\n")
    said = run_here("translate", [f"run={bundle}", "input=in.txt", "device=cpu", "format=jsonl", "search.max_length=3",
                                  "search.min_length=3"], capfdbinary, monkeypatch)
    assert [json.loads(line).get("cut") for line in said.out.splitlines()] == [True, None, True]
    assert "in.txt line 1 and 1 more: the translation was cut at the length limit (search.max_length=3)" in said.err
    done = run_here("evaluate", [f"run={bundle}", "device=cpu", "plots=false", "resamples=100", "search.max_length=3",
                                 "search.min_length=3"], capfdbinary, monkeypatch)
    assert done.code == 0, done.err
    (record,) = (json.loads(path.read_text()) for path in (bundle / "evaluation").glob("*.json"))
    assert record["cut"] == 6 and record["max_length"] == "search.max_length=3"
    assert "6 cut at search.max_length=3" in done.out.decode() and "cut at the length limit" in done.err


def test_training_measures_the_limit_and_counts_what_validation_cuts(place, monkeypatch, capfdbinary):
    """Words in, characters out: the limit of before is less than every reference has."""
    monkeypatch.chdir(place)
    for name, count in (("tr", 300), ("va", 9), ("te", 9)):
        (place / f"{name}.en").write_text("".join(f"w{row % 9} v{row % 7}\n" for row in range(count)))
        (place / f"{name}.de").write_text("".join(
            f"das ist ein ganz und gar gleichbleibender langer Satz {row % 2}\n" for row in range(count)))
    prepared = run_here("data_prep.__main__", [
        "data=files", "data.source=en", "data.target=de", "data.train=tr", "data.valid=va", "data.test=te", "corpus=c",
        "tokenizer.joint=false", "tokenizer.source.kind=word", "tokenizer.target.kind=char", "tokenizer.vocabulary=60",
        "cleaning.ratio.enabled=false", "cleaning.duplicates.enabled=false", "shortlist=0", "num_proc=1"],
        capfdbinary, monkeypatch)
    assert prepared.code == 0, prepared.err
    done = run_here("train", ["corpus=c", "run=r", "model.hidden=8", "model.embedding=8", "model.tie=target",
                              "training.max_updates=1", "training.threads=1", "training.device=cpu",
                              "training.precision=fp32"],
                    capfdbinary, monkeypatch)
    assert done.code == 0, done.err
    trained = load_bundle(place / "r")
    assert 54 * 1.25 - 1 <= trained.max_length_factor * 3 + 20 < 80
    (valid,) = read_metrics(place / "r").valid
    assert valid["cut"] == trained.info["validation"]["cut"] > 0
    assert f"validation: {valid['cut']} of 9 texts were cut at the length limit (search.max_length_factor)" in done.err


def test_a_limit_below_nothing_is_refused():
    with pytest.raises(SettingError, match="max_length_factor=-1"):
        SearchSettings(max_length_factor=-1)
