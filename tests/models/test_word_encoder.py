"""What a word, a blank line and a label are; every word keeps a label, every label a piece of its own."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch
from hostile_bundle import tokenizer
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import build, network

from data_prep.learn_tokenizer import learn
from seq2seq import Predictor
from seq2seq.bundle.bundle import save_bundle
from seq2seq.corpus.batch import pad_source
from seq2seq.models.build import build_model
from seq2seq.settings.model import Shape
from seq2seq.settings.prepare import TokenizerKind, TokenizerSettings
from seq2seq.settings.reading import read_settings
from seq2seq.settings.training import TrainSettings
from seq2seq.tokenization.label_pieces import encode_labels, encode_source, label_names, written
from seq2seq.tokenization.tokenizer import EOS, UNK, Tokenizer
from seq2seq.tokenization.words import is_blank, plain_labels, readable, words

torch.set_num_threads(1)
ODD = st.text("ba do fi.\t\r\x00\x85\u00a0\u0301\u200b\u200c\u2028\u2581\u2585\u241b\ufeff\u3000👩<>", max_size=12)
NAMES = ["<unk>", "<s>", "</s>", "<pad>", "<0x0A>", "very good", "N§", "N", "\u241b20;", "\u2581x",
         "\u2585", "*", "é", "한", ",", "0"]


@pytest.mark.parametrize(("line", "blank"), [
    ("", True), (" \t\u00a0\u3000", True), ("\u200b", True), ("\u200c", True), (" \u200d\u200c ", True),
    ("\ufeff", True), ("\x00", True), ("\ufe0f", True), ("\u2581", True), ("a\u200c", False), (".", False),
    ("👩\u200d👧", False), ("\u0600", False)])
def test_a_line_is_blank_where_nothing_can_be_seen(line: str, blank: bool) -> None:
    assert is_blank(line) is blank


@pytest.mark.parametrize(("line", "expected", "read"), [
    ("10\u00a0000 chiens", ["10\u00a0000", "chiens"], "10000 chiens"),
    ("  a \u200b  b ", ["a", "\u200b", "b"], "a \ufffd b"),
    ("a\tb\u2028c d\r", ["a\tb\u2028c", "d\r"], "abc d"),
    ("a \u2581 b\u2581c", ["a", "\u2581", "b\u2581c"], "a \ufffd bc"),
    (" \u200b ", [], ""),
])
def test_a_word_is_what_the_space_separates(line: str, expected: list[str], read: str) -> None:
    assert words(line) == expected and readable(line) == read


@pytest.mark.parametrize("kind", ["char", "unigram", "bpe"])
@settings(deadline=None)
@given(line=ODD)
def test_a_tokenizer_reads_as_many_words_as_the_line_has(kind: str, line: str) -> None:
    pieces = tokenizer(kind)
    (ids,) = encode_source(pieces, [line], Shape.N_TO_N)
    assert sum(pieces.word_starts[piece] for piece in ids) == len(words(line))


def learnt(names: list[str]) -> Tokenizer:
    return Tokenizer(learn(lambda: iter(sorted(map(written, names))),
                           TokenizerSettings(kind=TokenizerKind.WORD, vocabulary=1000)))


def test_every_label_is_a_piece_of_its_own_whatever_its_name() -> None:
    pieces = learnt(NAMES)
    ids = [place for (place,) in encode_labels(pieces, NAMES, Shape.N_TO_1)]
    assert [label_names(pieces)[place] for place in ids] == NAMES
    assert len(set(ids)) == len(NAMES) and min(ids) > EOS
    assert encode_labels(pieces, ["bad"], Shape.N_TO_1) == [[UNK]]


@settings(deadline=None, max_examples=50)
@given(lines=st.lists(ODD, min_size=1, max_size=5), shape=st.sampled_from([Shape.N_TO_N, Shape.N_TO_1]))
def test_labels_come_back_from_their_pieces(lines: list[str], shape: Shape) -> None:
    found = [plain_labels(line, of_words=shape is Shape.N_TO_N) for line in lines]
    every = sorted({label for row in found for label in row})
    if every:
        pieces = learnt(every)
        names = label_names(pieces)
        assert [[names[place] for place in row] for row in encode_labels(pieces, lines, shape)] == found


def test_labels_of_a_tokenizer_that_never_escaped_them_are_found() -> None:
    pieces = tokenizer("word")
    names = label_names(pieces)
    assert [names[place] for (place,) in encode_labels(pieces, ["ba", "do,"], Shape.N_TO_1)] == ["ba", "do,"]


def test_labels_are_composed_and_a_class_has_single_spaces() -> None:
    assert plain_labels("e\u0301  x\u200b", of_words=False) == ["é x"]
    assert plain_labels("e\u0301  x\u200b \u200b", of_words=True) == ["é", "x", "\u200b"]


def test_what_is_left_of_a_word_at_the_beginning_of_a_part_is_a_word() -> None:
    model = build(network(tie="none", shape="n_to_n", context="none", words={"hidden": 6, "embedding": 5, "rows": 99}))
    source, lengths = pad_source([[5, 5, 4, 5, 6], [5], [4, 5, 6]])
    places = model.words.places(source, lengths)
    assert places.lengths.tolist() == [3, 1, 2] == places.last.sum(1).tolist()
    assert places.last[0].nonzero().flatten().tolist() == [1, 3, 4]
    rows = model.words.hashes(source, places)
    assert rows[0, 1:].tolist() == rows[2, :2].tolist()  # the same two words


@pytest.fixture(scope="module")
def tagger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tagger by character with random weights."""
    pieces, labels = tokenizer("char"), learnt(["N", "V", "<unk>"])
    groups = {"shape": "n_to_n", "context": {"kind": "none"}, "training": {"best_by": "accuracy"}, "model": {
        "embedding": 8, "hidden": 8, "tie": "none", "words": {"hidden": 8, "embedding": 4, "rows": 50}}}
    wanted = read_settings(TrainSettings, groups)
    torch.manual_seed(0)
    model = build_model(wanted, len(pieces), len(labels), pieces.word_starts).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(4)
        model.words.table.weight.normal_()
    folder = tmp_path_factory.mktemp("tagger") / "bundle"
    save_bundle(folder, model, (pieces, labels), wanted, {"languages": ["words", "tags"]})
    return folder


@pytest.mark.parametrize("long", ["cut", "split"])
@settings(deadline=None, max_examples=30)
@given(lines=st.lists(ODD, max_size=4))
def test_there_is_a_label_for_every_word(tagger: Path, long: str, lines: list[str]) -> None:
    predictor = Predictor.load(tagger, device="cpu", max_source_pieces=3, long=long)
    found = predictor.predict([*lines, "ba do"])
    assert [len(words(answer)) for answer in found] == [len(words(line)) for line in [*lines, "ba do"]]


def test_words_longer_than_the_limit_change_no_other_label(tagger: Path, caplog: pytest.LogCaptureFixture) -> None:
    predictor = Predictor.load(tagger, device="cpu", max_source_pieces=9, long="split")
    with caplog.at_level(logging.WARNING, "seq2seq"):
        found = predictor.predict(["ba do", "x" * 40, "do " + "x" * 40 + " fi du", "ba。" * 3 + " do"])
    assert [len(answer.split()) for answer in found] == [2, 1, 4, 2]
    alone = [predictor.predict([part])[0] for part in ("do", "x" * 8, "fi du")]
    assert found[2] == " ".join(alone)  # parts of whole words, each read as a line of its own
    assert [record.getMessage() for record in caplog.records[:1]] == [
        "the input line 2 has words of more than 9 pieces: 32 pieces at their ends are not read (max_source_pieces)"]
    assert all("parts" not in record.getMessage() for record in caplog.records)
    caplog.clear()
    Predictor.load(tagger, device="cpu", max_source_pieces=9).predict(["ba do fi du", "ba\tdo"])
    assert [record.getMessage() for record in caplog.records] == [
        "the input line 1 has 12 pieces: its words are labelled in 2 parts (max_source_pieces)",
        "the input line 2 has a tab, which separates no words as a space does: it is read as 1 words"]
