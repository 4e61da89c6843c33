"""Tagging, classification and generation as a person runs them: prepare, train, evaluate, predict, and the mistakes."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from commands import ROOT, is_one_line, run_here

from seq2seq import Predictor, Translator
from seq2seq.errors import BundleError, SettingError, UserError
from seq2seq.training.checkpoint import load_checkpoint

torch.set_num_threads(1)
STEMS = ["ba", "do", "fi", "gu", "ke", "lo", "mi", "nu"]
TAGS = {"s": "NOUN", "t": "VERB", "r": "ADJ"}
SIZES = {"train": 400, "valid": 30, "test": 40}
SMALL = ["model.embedding=16", "model.hidden=24", "model.words.hidden=24", "model.words.embedding=8",
         "model.words.rows=500", "model.dropout.embedding=0", "model.dropout.layer=0", "model.dropout.readout=0",
         "optimizer.learning_rate=0.01", "optimizer.warmup_updates=10", "training.batch_pieces=300",
         "training.label_smoothing=0", "training.device=cpu", "training.precision=fp32", "training.threads=1",
         "training.max_epochs=null"]


def tagged(draw: random.Random) -> tuple[str, str]:
    """A word's tag is its last letter, but for "x", which is what the word before it is."""
    ends = draw.choices("strx", k=draw.randint(2, 6))
    ends[0] = draw.choice("str")
    tags: list[str] = []
    for end in ends:
        tags.append(TAGS.get(end) or tags[-1])
    return " ".join(draw.choice(STEMS) + draw.choice(STEMS) + end for end in ends), " ".join(tags)


def classified(draw: random.Random) -> tuple[str, str]:
    """A line is of the class of the one word that says it."""
    label = draw.choice(["good", "bad"])
    words = [draw.choice(STEMS) + draw.choice(STEMS) for _ in range(draw.randint(2, 7))]
    return " ".join([*words, {"good": "fine", "bad": "poor"}[label], *words[:2]]), label


def generated(draw: random.Random) -> tuple[str, str]:
    """A text is of the letters of its input."""
    label, letters = draw.choice([("First", "ab"), ("Second", "xy")])
    return label, "".join(draw.choices(letters, k=draw.randint(3, 7))) + letters[0]


KINDS = {"tagging": ("words", "tags", tagged), "classification": ("text", "label", classified),
         "generation": ("label", "text", generated)}


def prepare(place: Path, kind: str, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-m", "data_prep", f"data={kind}", f"data.train={kind}/train", "num_proc=1",
                           f"corpus=data/{kind}", *arguments], cwd=place, capture_output=True, text=True, check=False,
                          env={"PYTHONPATH": str(ROOT), "PATH": ""})


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder with the raw text and the packed corpus of every kind."""
    folder = tmp_path_factory.mktemp("shapes")
    for kind, (source, target, make) in KINDS.items():
        (folder / kind).mkdir()
        draw = random.Random(kind)
        for split, size in SIZES.items():
            pairs = [make(draw) for _ in range(size)]
            for place, side in enumerate((source, target)):
                text = "".join(pair[place] + "\n" for pair in pairs)
                (folder / kind / f"{split}.{side}").write_text(text)
        done = prepare(folder, kind, f"data.valid={kind}/valid", f"data.test={kind}/test")
        assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def run(place, capfdbinary, monkeypatch):
    monkeypatch.chdir(place)
    return lambda name, *arguments: run_here(name, list(arguments), capfdbinary, monkeypatch)


def trained(run, kind: str, shape: str, updates: int, *arguments: str) -> str:
    folder = f"runs/{kind}"
    done = run("train", f"corpus=data/{kind}", f"shape={shape}", f"run={folder}", f"training.max_updates={updates}",
               *SMALL, *arguments)
    assert done.code == 0, done.err
    return folder


def lines_of(place: Path, name: str) -> list[str]:
    return (place / name).read_text().splitlines()


def test_tagging(run, place):
    folder = trained(run, "tagging", "n_to_n", 150, "cell=gru")
    done = run("evaluate", f"run={folder}", "device=cpu", "resamples=100")
    assert done.code == 0, done.err
    record = json.loads((place / folder / "evaluation" / "test.json").read_text())
    words, tags = lines_of(place, "tagging/test.words"), lines_of(place, "tagging/test.tags")
    answers = run("translate", f"run={folder}", "input=tagging/test.words", "device=cpu").out.decode().splitlines()
    pairs = [pair for row in zip(tags, answers, strict=True)
             for pair in zip(*(line.split() for line in row), strict=True)]
    accuracy = 100 * sum(a == b for a, b in pairs) / len(pairs)
    assert record["accuracy"] == pytest.approx(accuracy) and accuracy > 97
    assert record["labels"] == len(pairs) and record["names"] == ["ADJ", "NOUN", "VERB"]
    assert sum(map(sum, record["confusion"])) == len(pairs)
    assert record["classes"]["NOUN"]["labels"] == sum(tag == "NOUN" for tag, _ in pairs)
    assert b"scores of each class" in done.out and b"most frequent confusions" in done.out
    assert (place / folder / "evaluation" / "test-confusion.png").read_bytes().startswith(b"\x89PNG")
    table = [line.split("\t") for line in lines_of(place, f"{folder}/evaluation/test.tsv")]
    assert table[1:] == [list(row) for row in zip(words, tags, answers, strict=True)]
    assert "recurrent tagger" in (place / folder / "best" / "README.md").read_text()
    same = run("evaluate", f"run={folder}", "device=cpu", "resamples=100", f"compare={folder}", "plots=false")
    assert same.code == 0 and b"p = 1.0000 (paired permutation of lines), not significant" in same.out
    for setting, cure in (("papers=true", "Choose papers=false."),
                          ("scoring.tokenize=char", "Choose scoring.tokenize=auto."),
                          (f"run=[{folder},{folder}]", f"Choose run={folder}."),
                          (f"rerank.backward={folder}", "Leave rerank.backward= out."),
                          ("rerank.second_decoder=true", "Leave rerank.second_decoder= out.")):
        refused = run("evaluate", *([] if setting.startswith("run=") else [f"run={folder}"]), "device=cpu", setting)
        assert is_one_line(refused) and setting in refused.err
        assert f" is for translations, and run={folder} is of shape=n_to_n. {cure}" in refused.err
    doctor = run("doctor", f"run={folder}", "input=tagging/test.words", "device=cpu")
    assert doctor.code == 0 and doctor.out.count("│ pass".encode()) == 6


def test_one_line_of_labels_for_every_line_whatever_is_in_it(run, place):
    predictor = Predictor.load(trained(run, "tagging", "n_to_n", 150, "cell=gru"), device="cpu", max_source_pieces=33)
    lines = ["bados", "", "  ", "bados  fikex", "\u2028", "\ufeffbados 😀 \U0001f600x", "</s> <unk> \u2581 bados",
             "a\tb", "\0", "kemis " * 100]
    found = predictor.predict(lines)
    assert [len(text.split()) for text in found[:5]] == [1, 0, 0, 2, 0]
    assert len(found) == len(lines) and not any("\n" in text for text in found)
    assert set(" ".join(found).split()) <= {"NOUN", "VERB", "ADJ"}
    assert found[7:9] == [found[7].strip(), ""] and len(found[7].split()) == 1  # a tab separates no words
    assert found[-1] == " ".join(["NOUN"] * 100)  # 33 pieces hold five words of six: labelled in parts
    assert found == [predictor.predict([line])[0] for line in lines] == [predictor.predict(line) for line in lines]
    for refused in (predictor.predict_lines, lambda text: list(predictor.stream(text)),
                    lambda text: list(predictor.stream([text]))):
        with pytest.raises(TypeError, match="'kemis' is one text, and a list of texts is needed"):
            refused("kemis")
    split = Predictor.load("runs/tagging", device="cpu", max_source_pieces=33, long="split")
    assert split.predict(lines) == found


def test_classification(run, place):
    folder = trained(run, "classification", "n_to_1", 100, "context=pooled", "context.pooling=max")
    done = run("evaluate", f"run={folder}", "device=cpu", "resamples=100", "plots=false", "split=valid")
    assert done.code == 0, done.err
    record = json.loads((place / folder / "evaluation" / "valid.json").read_text())
    assert record["accuracy"] > 97 and record["labels"] == record["sentences"] == 30
    said = run("translate", f"run={folder}", "input=classification/valid.text", "device=cpu", "format=jsonl",
               "search.n_best=2")
    rows = [json.loads(line) for line in said.out.splitlines()]
    assert [row["labels"] for row in rows] == [[max(one, key=one.get)] for row in rows for one in row["n_best"]]
    assert all(sum(row["n_best"][0].values()) == pytest.approx(1, abs=1e-5) for row in rows)
    both = Predictor.load([folder, folder], device="cpu")  # an ensemble of one model is that model
    lines = lines_of(place, "classification/valid.text")
    assert both.predict(lines) == Predictor.load(folder, device="cpu").predict(lines)
    for name, words in (("translate", ["input=classification/valid.text"]), ("evaluate", [])):
        done = run(name, f"run={folder}", "device=cpu", "precision=int8", *words)
        assert is_one_line(done) and "precision=int8 is for the search of translations" in done.err
        done = run(name, f"run={folder}", "device=cpu", "graphs=true", *words)
        assert is_one_line(done) and "graphs=true is for the search of translations" in done.err
    with pytest.raises(SettingError, match="long=split cannot go with shape=n_to_1"):
        Predictor.load(folder, device="cpu", long="split")
    with pytest.raises(SettingError, match=r"is of shape=n_to_1, which gives labels.*Use seq2seq.Predictor"):
        Translator.load(folder, device="cpu")


@pytest.mark.parametrize("feed", ["initial_state", "every_step"])
def test_generation(run, place, feed):
    done = run("train", "corpus=data/generation", "shape=one_to_n", f"run=runs/{feed}", "training.max_updates=120",
               f"feed.context={feed}", *SMALL)
    assert done.code == 0, done.err
    done = run("evaluate", f"run=runs/{feed}", "device=cpu")
    assert done.code == 0, done.err
    record = json.loads((place / "runs" / feed / "evaluation" / "test.json").read_text())
    assert record["perplexity"] < 2.6  # a coin for every letter, and the end of the text: 2 to 2.5
    assert {one["input"] for one in record["inputs"]} == {"First", "Second"} and record["texts"] == 40
    (place / "inputs").write_text("First\nSecond\n\nFirst\n")
    said = run("translate", f"run=runs/{feed}", "input=inputs", "search=sample", "device=cpu").out.decode()
    first, second, nothing, other = said.split("\n")[:-1]
    assert set(first + other) == {"a", "b"} and set(second) <= {"x", "y"} and nothing == ""
    (place / "wrong").write_text("First\nThird\n")
    done = run("translate", f"run=runs/{feed}", "input=wrong", "device=cpu")
    assert is_one_line(done) and "wrong line 2: 'Third' is none of the inputs" in done.err and "First" in done.err
    with pytest.raises(UserError, match="is none of the inputs"):
        Translator.load(f"runs/{feed}", device="cpu").translate(["First Second"])


@pytest.mark.parametrize(("kind", "shape"), [
    ("tagging", "n_to_n"), ("classification", "n_to_1"), ("generation", "one_to_n")])
def test_a_run_goes_on_bit_for_bit(run, place, kind, shape):
    settings = [f"corpus=data/{kind}", f"shape={shape}", *SMALL, "training.validate_every=4",
                "training.averaging=ema", "model.dropout.word=0.1", "model.dropout.layer=0.1"]
    for updates in (5, 9):
        done = run("train", f"run=runs/{kind}-twice", f"training.max_updates={updates}", *settings)
        assert done.code == 0, done.err
    assert "continuing at update 5" in done.err
    assert run("train", f"run=runs/{kind}-once", "training.max_updates=9", *settings).code == 0
    twice, once = (load_checkpoint(place / "runs" / f"{kind}-{name}" / "checkpoints") for name in ("twice", "once"))
    assert all(torch.equal(value, twice["model"][name]) for name, value in once["model"].items())
    assert once["validation"] == twice["validation"]


@pytest.mark.parametrize(("key", "value"), [("rows", 1 << 24), ("hidden", 1 << 16), ("embedding", 1 << 16)])
def test_a_tagger_with_false_sizes_is_refused_before_memory_is_taken(run, place, tmp_path, key, value):
    folder = tmp_path / "bundle"
    shutil.copytree(place / trained(run, "tagging", "n_to_n", 150, "cell=gru") / "best", folder)
    settings = yaml.safe_load((folder / "settings.yaml").read_text())
    settings["model"]["words"][key] = value
    (folder / "settings.yaml").write_text(yaml.safe_dump(settings))
    info = json.loads((folder / "bundle.json").read_text())
    info["sha256"]["settings.yaml"] = hashlib.sha256((folder / "settings.yaml").read_bytes()).hexdigest()
    (folder / "bundle.json").write_text(json.dumps(info))
    with pytest.raises(BundleError, match="does not fit settings.yaml"):
        Predictor.load(folder, device="cpu")


def test_labels_are_not_ranked_by_a_second_decoder(run):
    folder = trained(run, "tagging", "n_to_n", 150, "cell=gru")
    done = run("translate", f"run={folder}", "input=tagging/test.words", "rerank.second_decoder=true", "device=cpu")
    assert is_one_line(done), done.err
    assert f"rerank.second_decoder=true re-ranks translations, and {folder}" in done.err
    assert done.err.endswith("is of shape=n_to_n. Leave rerank.second_decoder= out.\n")


@pytest.mark.parametrize(("corpus", "shape", "line"), [
    ("classification", "n_to_n", "data/classification/train does not fit shape=n_to_n: pair 1 has"),
    ("tagging", "n_to_1", "data/tagging/train does not fit shape=n_to_1: pair 1 has"),
    ("classification", "one_to_n", "it needs one source piece for a line. Prepare it with data=generation."),
    ("generation", "n_to_n", "has a source tokenizer of whole words"),
])
def test_a_corpus_that_does_not_fit_the_shape_is_refused(run, corpus, shape, line):
    done = run("train", f"corpus=data/{corpus}", f"shape={shape}", "run=runs/unfit", "training.max_updates=5", *SMALL)
    assert is_one_line(done) and line in done.err, done.err
    assert not Path("runs/unfit/settings.yaml").exists()


def test_lines_of_another_number_of_words_are_dropped_in_training_and_named_elsewhere(run, place):
    (place / "odd").mkdir()
    for split in ("train", "valid"):
        for side in ("words", "tags"):
            lines = lines_of(place, f"tagging/{split}.{side}")
            if side == "tags":
                lines[7] += " NOUN"
            (place / "odd" / f"{split}.{side}").write_text("\n".join(lines) + "\n")
    done = prepare(place, "tagging", "corpus=data/odd", "data.train=odd/train", "data.valid=odd/valid",
                   "data.test=tagging/test")
    assert done.returncode == 0, done.stderr
    manifest = json.loads((place / "data" / "odd" / "manifest.json").read_text())
    assert manifest["cleaning"]["train"]["aligned"]["dropped"] == 1 and manifest["counts"]["valid"] == 30
    done = run("train", "corpus=data/odd", "shape=n_to_n", "run=runs/odd", "training.max_updates=5", *SMALL)
    assert is_one_line(done) and "data/odd/valid does not fit shape=n_to_n: pair 8 has" in done.err
    done = run("evaluate", f"run={trained(run, 'tagging', 'n_to_n', 150, 'cell=gru')}", "source=odd/valid.words",
               "reference=odd/valid.tags", "device=cpu")
    assert is_one_line(done) and "valid.words line 8 has" in done.err


def test_one_side_with_a_tokenizer_of_its_own_needs_two_vocabularies(place):
    done = prepare(place, "tagging", "tokenizer.joint=true", "corpus=data/none")
    assert done.returncode == 2
    assert done.stderr == "error: tokenizer.source.kind=char needs joint=false: a joint vocabulary has no sides.\n"
