"""Labels in data_prep, training and evaluation: none is lost, and what cannot be a label is refused with its line."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import is_one_line, run_here
from test_shape_commands import SMALL

from data_prep import filters, report
from data_prep.prepare import prepare
from seq2seq import Predictor
from seq2seq.corpus.packed import PackedCorpus
from seq2seq.errors import CorpusError, SettingError
from seq2seq.settings.labels import Labels
from seq2seq.settings.prepare import (
    CleaningSettings,
    DuplicateFilter,
    DuplicateKey,
    FilesData,
    OverlapRemoval,
    OverlapSettings,
    PrepareSettings,
    SideSettings,
    Switch,
    TokenizerKind,
    TokenizerSettings,
)
from seq2seq.tokenization.label_pieces import label_names
from seq2seq.tokenization.tokenizer import UNK
from seq2seq.tokenization.words import words

torch.set_num_threads(1)
ENDINGS = {Labels.WORDS: ("words", "tags"), Labels.LINES: ("text", "label"), Labels.INPUTS: ("label", "text")}
TAGGED = [("chien court", "N V"), ("10\u00a0000 \u200b chien", "NUM X N")] * 20
CLASSED = [("it is fine , indeed", "very  good"), ("it is poor", "<unk>"), ("it is not", "<s>")] * 10


def settings_of(labels: Labels, corpus: Path, side: dict | None = None, **groups) -> PrepareSettings:
    """As data=tagging, classification and generation set them."""
    source, target = ENDINGS[labels]
    off = Switch(enabled=False)
    own = {"source": SideSettings(kind=TokenizerKind.CHAR), "target": SideSettings(kind=TokenizerKind.CHAR)}
    own[labels.side] = SideSettings(kind=TokenizerKind.WORD, **(side or {}))
    cleaning = groups.pop("cleaning", None) or CleaningSettings(duplicates=DuplicateFilter(enabled=False))
    cleaning.identical, cleaning.ratio.enabled, cleaning.aligned.enabled = off, False, labels is Labels.WORDS
    tokenizer = groups.pop("tokenizer", None) or TokenizerSettings(joint=False, coverage=0.999, **own)
    names = {split: str(corpus.parent / split) for split in ("train", "valid", "test")}
    return PrepareSettings(corpus=str(corpus), num_proc=1, labels=labels, shortlist=0, cleaning=cleaning,
                           data=FilesData(source=source, target=target, **names), tokenizer=tokenizer, **groups)


def write(folder: Path, labels: Labels, **splits: list[tuple[str, str]]) -> None:
    train = splits["train"]
    for split in ("train", "valid", "test"):
        for place, ending in enumerate(ENDINGS[labels]):
            text = "".join(pair[place] + "\n" for pair in splits.get(split, train[:3]))
            (folder / f"{split}.{ending}").write_text(text, encoding="utf-8")


def made(folder: Path, labels: Labels, *, side: dict | None = None, **splits: list[tuple[str, str]]) -> PackedCorpus:
    write(folder, labels, **splits)
    return PackedCorpus.open(prepare(settings_of(labels, folder / "corpus", side)))


@pytest.fixture
def run(tmp_path, capfdbinary, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return lambda name, *arguments: run_here(name, list(arguments), capfdbinary, monkeypatch)


def test_a_word_with_white_space_of_its_own_has_its_label_from_preparation_to_evaluation(tmp_path, run):
    corpus = made(tmp_path, Labels.WORDS, train=TAGGED)
    for split, count in (("train", 40), ("valid", 3)):
        packed = corpus.split(split)
        assert len(packed) == count
        starts = packed.source_counts(np.asarray(corpus.tokenizers()[0].word_starts))
        assert starts.tolist() == packed.target_lengths.tolist() == ([2, 3] * 20)[:count]
    sources, references = corpus.split("train").text([1])
    assert (sources, references) == ([TAGGED[1][0]], [TAGGED[1][1]])
    done = run("train", "corpus=corpus", "shape=n_to_n", "run=r", "training.max_updates=60", "cell=gru", *SMALL)
    assert done.code == 0, done.err
    records = []
    for limit in (500, 7):  # the second reads lines in parts: a label for every word, and a loss for every label
        done = run("evaluate", "run=r", "device=cpu", "resamples=100", "plots=false", f"max_source_pieces={limit}")
        assert done.code == 0, done.err
        name = "test" if limit == 500 else f"test-max_source_pieces-{limit}"
        records.append(json.loads((tmp_path / "r" / "evaluation" / f"{name}.json").read_text()))
    assert records[0]["accuracy"] == 100 and 1 <= records[0]["perplexity"] < 3
    assert [record["labels"] for record in records] == [7, 7] and "(none)" not in records[1]["names"]
    assert records[1]["perplexity"] != records[0]["perplexity"]
    odd = tmp_path / "odd.words"
    odd.write_text("10\u00a0000 chien\r\nchien \u200b court\n\u200c\n", encoding="utf-8")
    answers = run("translate", "run=r", f"input={odd}", "device=cpu").out.decode().split("\n")
    assert [len(answer.split(" ")) for answer in answers[:2]] == [2, 3] and answers[2:] == ["", ""]
    assert answers[0] == "NUM N"
    rows = run("translate", "run=r", f"input={odd}", "device=cpu", "format=jsonl").out.decode().splitlines()
    assert [len(json.loads(row)["labels"]) for row in rows] == [2, 3, 0]
    (tmp_path / "odd.tags").write_text("NUM N\nN\tX V\nN\n")
    done = run("evaluate", "run=r", "device=cpu", f"source={odd}", "reference=odd.tags")
    assert is_one_line(done) and "odd.words line 2 has a tab. Words and labels are separated by a space" in done.err
    (tmp_path / "odd.tags").write_text("NUM N\nN X V\nN\n")
    done = run("evaluate", "run=r", "device=cpu", f"source={odd}", "reference=odd.tags")
    assert is_one_line(done) and "odd.words line 3 has 0 words and 1 labels" in done.err
    assert run("doctor", "run=r", f"input={odd}", "device=cpu").code == 0


def test_a_class_is_a_whole_line_and_may_have_a_reserved_name(tmp_path, run):
    corpus = made(tmp_path, Labels.LINES, train=CLASSED)
    names = label_names(corpus.tokenizers()[1])
    assert sorted(names[4:]) == ["<s>", "<unk>", "very good"]
    assert corpus.split("train").target_lengths.tolist() == [1] * 30
    assert sum(corpus.manifest["splits"]["train"]["unknown_pieces"]) == 0
    done = run("train", "corpus=corpus", "shape=n_to_1", "run=r", "training.max_updates=100", "context=pooled",
               "context.pooling=max", *SMALL)
    assert done.code == 0, done.err
    lines = [source for source, _ in CLASSED[:3]]
    assert Predictor.load(tmp_path / "r", device="cpu").predict(lines) == ["very good", "<unk>", "<s>"]
    done = run("evaluate", "run=r", "device=cpu", "resamples=100", "plots=false")
    assert done.code == 0, done.err
    record = json.loads((tmp_path / "r" / "evaluation" / "test.json").read_text())
    assert record["accuracy"] == 100 and record["names"] == ["<s>", "<unk>", "very good"]
    Path("blank.label").write_text("\u200b\n" * 3)
    done = run("evaluate", "run=r", "device=cpu", "source=test.text", "reference=blank.label")
    assert is_one_line(done) and "test.text line 1 has no label." in done.err


def test_an_input_of_a_generator_is_a_whole_line(tmp_path, run):
    made(tmp_path, Labels.INPUTS, train=[("Old English", "abab"), ("<s>", "xyxy")] * 20)
    done = run("train", "corpus=corpus", "shape=one_to_n", "run=r", "training.max_updates=3", "feed.context=every_step",
               *SMALL)
    assert done.code == 0, done.err
    Path("inputs").write_text("Old  English\n<s>\n\u200c\n")
    done = run("translate", "run=r", "input=inputs", "device=cpu")
    assert done.code == 0 and done.out.count(b"\n") == 3 and done.out.endswith(b"\n\n"), done.err
    Path("inputs").write_text("<s>\nEnglish\n")
    done = run("translate", "run=r", "input=inputs", "device=cpu")
    assert is_one_line(done) and "inputs line 2: 'English' is none of the inputs" in done.err
    assert "Old English" in done.err


def test_a_rare_label_keeps_its_piece_whatever_the_coverage_and_the_sample(tmp_path):
    write(tmp_path, Labels.WORDS, train=[("chien", "N" * 99)] * 3000 + [("court", "§")])
    settings = settings_of(Labels.WORDS, tmp_path / "corpus")
    settings.tokenizer.sample, settings.tokenizer.coverage = 10, 0.98
    corpus = PackedCorpus.open(prepare(settings))
    assert label_names(corpus.tokenizers()[1])[4:] == ["N" * 99, "§"]
    assert UNK not in corpus.split("train").ids([3000])[1][0]


def test_more_labels_than_pieces_are_refused_by_name_and_line(tmp_path):
    pairs = [("a", f"L{number}") for number in range(9)]
    with pytest.raises(CorpusError, match=r"train\.label line 5: the label 'L4' would be lost in training, for there "
                                          r"are more labels than pieces\. Raise tokenizer\.target\.vocabulary=8"):
        made(tmp_path, Labels.LINES, side={"vocabulary": 8}, train=pairs)
    assert not (tmp_path / "corpus").exists()


def test_labels_that_a_taken_tokenizer_lacks_are_refused_by_name_and_line(tmp_path):
    made(tmp_path, Labels.WORDS, train=TAGGED)
    write(tmp_path, Labels.WORDS, train=[("chien chien", "N N"), ("court court", "N ADV")] * 5)
    settings = settings_of(Labels.WORDS, tmp_path / "more",
                           tokenizer=TokenizerSettings(joint=False, corpus=str(tmp_path / "corpus")))
    with pytest.raises(CorpusError, match=r"train\.tags line 2: the label 'ADV' would be lost in training, for "
                                          r"tokenizer\.corpus=.*corpus does not have it"):
        prepare(settings)


def test_a_label_of_test_that_training_lacks_is_named(tmp_path, caplog):
    with caplog.at_level(logging.WARNING, "seq2seq"):
        made(tmp_path, Labels.WORDS, train=TAGGED, test=[("chien", "N"), ("chien court", "N ADV"), ("a", "Q")])
    (record,) = caplog.records
    assert record.getMessage().endswith("test.tags line 2: the label 'ADV' is not in the training split (one of 2 such "
                                        "labels of test): no model can give it, and it counts as wrong")


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("place", [0, 1])
def test_a_tab_between_words_is_refused_with_its_line(tmp_path, split, place):
    pairs = [list(pair) for pair in TAGGED]
    pairs[6][place] = pairs[6][place].replace(" ", "\t")
    name = f"{split}.{ENDINGS[Labels.WORDS][place]} line 7"
    with pytest.raises(CorpusError, match=name + r" has a tab\. Words and labels are separated by a space \(U\+0020\)"):
        made(tmp_path, Labels.WORDS, **{"train": TAGGED, split: pairs})


def test_lines_of_json_are_named_too(tmp_path):
    rows = [{"words": f"a {number}" if number != 3 else "a\tb", "tags": "N V"} for number in range(30)]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings = settings_of(Labels.WORDS, tmp_path / "corpus")
    settings.data = FilesData(source="words", target="tags", train=str(tmp_path / "train.jsonl"), valid_size=2,
                              test_size=2)
    with pytest.raises(CorpusError, match=r"train\.jsonl line 4 has a tab"):
        prepare(settings)


@pytest.mark.parametrize(("labels", "side", "other"), [
    (Labels.WORDS, "target", "source"), (Labels.LINES, "target", "source"), (Labels.INPUTS, "source", "target")])
def test_nothing_removes_pairs_because_they_have_the_labels_of_others(tmp_path, labels, side, other):
    for remove in (side, "either"):
        with pytest.raises(SettingError, match=rf"overlap\.remove={remove}: the {side} side holds labels .* Choose "
                                               rf"overlap\.remove={other} or pair"):
            settings_of(labels, tmp_path / "corpus", overlap=OverlapSettings(remove=OverlapRemoval(remove)))
    settings_of(labels, tmp_path / "corpus", overlap=OverlapSettings(remove=OverlapRemoval(other)))
    by = CleaningSettings(duplicates=DuplicateFilter(by=DuplicateKey(side)))
    with pytest.raises(SettingError, match=rf"cleaning\.duplicates\.by={side}: the {side} side holds labels"):
        settings_of(labels, tmp_path / "corpus", cleaning=by)
    with pytest.raises(SettingError, match=rf"needs tokenizer\.joint=false and tokenizer\.{side}\.kind=word"):
        settings_of(labels, tmp_path / "corpus", tokenizer=TokenizerSettings(joint=False))


def test_no_hint_to_remove_pairs_for_their_labels(tmp_path):
    corpus = made(tmp_path, Labels.LINES, train=CLASSED, valid=[("another text", "<s>")], test=[("again one", "<s>")])
    shared = corpus.manifest["overlap"]["test"]["normalised"]
    assert shared["target"]["lines"] == 1 and shared["source"]["lines"] == 0
    assert report._hints(corpus.manifest) == []
    shared["source"] = shared["target"]
    assert "overlap.remove=source" in report._hints(corpus.manifest)[0]


def test_what_is_blank_to_everybody_is_empty_to_the_filter():
    assert filters.empty(["\u200c", "a", "a", " \u200b\u200d"], ["b", "\u200c", "b", "b"]).tolist() == [
        False, False, True, False]
    assert filters.aligned(["10\u00a0000 a", "a \u200b", "a b"], ["N N", "N X", "N"]).tolist() == [True, True, False]
    changes, _ = filters.build(CleaningSettings(), ("words", "tags"), Labels.WORDS)
    line = "10\u00a0000  \u200b a\u200bb "
    for change, _ in changes.values():
        (line,) = change([line])
    assert line == "10\u00a0000 \u200b ab" and len(words(line)) == 3


def test_labels_that_an_earlier_preparation_lost_are_counted_in_training(tmp_path, run, monkeypatch):
    monkeypatch.setattr("data_prep.labels.check_pieces", lambda *_: None)
    monkeypatch.setattr("data_prep.labels.RawLabels.every", lambda *_: iter(["N"]))
    made(tmp_path, Labels.WORDS, train=[("chien court", "N V")] * 20)
    done = run("train", "corpus=corpus", "shape=n_to_n", "run=r", "training.max_updates=2", "cell=gru", *SMALL)
    assert done.code == 0 and "corpus/train: 20 labels have no piece, so they are not learnt." in done.err, done.err


def test_a_corpus_that_was_prepared_before_is_still_read(tmp_path, run):
    """Its manifest says nothing of labels."""
    corpus = made(tmp_path, Labels.WORDS, train=[("chien court", "N V")] * 20)
    manifest = json.loads((corpus.folder / "manifest.json").read_text())
    assert manifest["origin"]["settings"].pop("labels") == "words"
    shutil.copytree(corpus.folder, tmp_path / "old")
    (tmp_path / "old" / "manifest.json").write_text(json.dumps(manifest))
    done = run("train", "corpus=old", "shape=n_to_n", "run=old-run", "training.max_updates=2", "cell=gru", *SMALL)
    assert done.code == 0, done.err
    assert "no piece" not in done.err
