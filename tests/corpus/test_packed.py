"""The packed corpus as training reads it, and what it says about a folder that is none."""

from __future__ import annotations

import json
import shutil
from contextlib import nullcontext

import datasets
import numpy as np
import pytest

from data_prep.prepare import prepare
from seq2seq.corpus import integrity as corpus_files
from seq2seq.corpus.packed import FORMAT_VERSION, PackedCorpus
from seq2seq.errors import CorpusError
from seq2seq.settings.prepare import FilesData, PrepareSettings, TokenizerKind, TokenizerSettings
from seq2seq.storage.atomic import whole_file

PAIRS = [(f"line {i}" + " word" * (i % 5), f"Zeile {i}" + " Wort" * (i % 3)) for i in range(25_000)]
MIDDLE = "train/data-00001-of-00003.arrow"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    raw = tmp_path_factory.mktemp("raw")
    for split, pairs in (("train", PAIRS), ("valid", [("", "x y"), ("z", "")]), ("test", [("one", "eins")])):
        for side, language in enumerate(("en", "de")):
            (raw / f"{split}.{language}").write_text("".join(pair[side] + "\n" for pair in pairs))
    splits = {split: str(raw / split) for split in ("train", "valid", "test")}
    data = FilesData(source="en", target="de", **splits)
    made = tmp_path_factory.mktemp("made") / "corpus"
    return prepare(PrepareSettings(corpus=str(made), data=data, num_proc=1, tokenizer=TokenizerSettings(
        kind=TokenizerKind.BPE, vocabulary=100, joint=False)))


def flip(path, place):
    raw = bytearray(path.read_bytes())
    raw[place] ^= 1
    path.write_bytes(raw)


def without_checksums(folder):
    """As an older version wrote it."""
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["checksums"], manifest["files"]
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_rows_are_found_across_files(folder):
    split = PackedCorpus.open(folder).split("train")
    assert len(list((folder / "train").glob("*.arrow"))) == 3
    rows = [24_999, 0, 10_000, 9_999, 8_333, 8_334, 16_667]
    assert split.text(rows) == ([PAIRS[row][0] for row in rows], [PAIRS[row][1] for row in rows])
    source, target = PackedCorpus.open(folder).tokenizers()
    ids = split.ids(rows)
    assert source.decode([row.tolist() for row in ids[0]]) == [PAIRS[row][0] for row in rows]
    assert target.decode([row.tolist() for row in ids[1]]) == [PAIRS[row][1] for row in rows]


def test_lengths_are_those_of_the_ids(folder):
    split = PackedCorpus.open(folder).split("train")
    source, target = split.ids(range(len(split)))
    assert split.source_lengths.tolist() == [len(row) for row in source]
    assert split.target_lengths.tolist() == [len(row) for row in target]


def test_empty_sides_of_validation_are_rows_without_pieces(folder):
    split = PackedCorpus.open(folder).split("valid")
    assert split.text() == (["", "z"], ["x y", ""])
    assert [len(row) for row in split.ids([0, 1])[0]] == [0, split.source_lengths[1]]
    assert split.target_lengths[1] == 0


def test_ids_are_mapped_not_copied(folder):
    (row,), _ = PackedCorpus.open(folder).split("train").ids([20_000])
    assert isinstance(row, np.ndarray) and not row.flags.owndata and not row.flags.writeable


def test_datasets_opens_it_as_its_own(folder):
    data = datasets.load_from_disk(str(folder / "train"))
    assert data.column_names == ["source", "target", "source_ids", "target_ids"]
    assert (data[7]["source"], data[7]["target"], len(data)) == (*PAIRS[7], len(PAIRS))


def test_one_tokenizer_for_both_sides_is_one_object(folder, tmp_path):
    copy = tmp_path / "joint"
    shutil.copytree(folder, copy)
    (copy / "tokenizer.source.model").rename(copy / "tokenizer.model")
    source, target = PackedCorpus.open(copy).tokenizers()
    assert source is target
    separate = PackedCorpus.open(folder).tokenizers()
    assert separate[0] is not separate[1]


@pytest.mark.parametrize(("damage", "message"), [
    (lambda folder: (folder / "manifest.json").unlink(), r"is not a packed corpus .* python -m data_prep corpus="),
    (lambda folder: (folder / "manifest.json").write_text("{"), r"manifest\.json is damaged"),
    (lambda folder: (folder / "manifest.json").write_text("[]"), r"manifest\.json is damaged"),
    (lambda folder: (folder / "manifest.json").write_text('{"format_version": 99}'),
     rf"has corpus format 99; this version reads format {FORMAT_VERSION}"),
    (lambda folder: (folder / "manifest.json").write_text(f'{{"format_version": {FORMAT_VERSION}}}'),
     r"manifest\.json is damaged"),
    (lambda folder: shutil.rmtree(folder / "train"), r"has no split 'train'; it has: valid, test"),
    (lambda folder: (folder / MIDDLE).unlink(), f"{MIDDLE} is missing"),
    (lambda folder: (folder / MIDDLE).write_bytes(b"x" * 99), rf"{MIDDLE} has 99 bytes, not [\d,]+ as the manifest"),
    (lambda folder: (folder / MIDDLE).write_bytes((folder / MIDDLE).read_bytes()[:-9_999]), "it was changed or cut"),
    (lambda folder: flip(folder / MIDDLE, -700), rf"{MIDDLE} is not the file of the manifest \(its checksum"),
    (lambda folder: flip(folder / "train/state.json", 70), r"state\.json is not the file of the manifest"),
    (lambda folder: flip(folder / "tokenizer.target.model", 300), r"target\.model is not the file of the manifest"),
    (lambda folder: without_checksums(folder) or (folder / MIDDLE).unlink(), r"train cannot be read \("),
    (lambda folder: without_checksums(folder) or (folder / "tokenizer.target.model").write_bytes(b"x"),
     "is not a SentencePiece model"),
])
def test_a_damaged_corpus_is_told_in_one_line(folder, tmp_path, damage, message):
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    damage(copy)
    with pytest.raises(Exception, match=message) as caught:
        corpus = PackedCorpus.open(copy)
        corpus.tokenizers()
        corpus.split("train")
    assert type(caught.value).__name__ in ("CorpusError", "BundleError") and "\n" not in str(caught.value)


@pytest.mark.parametrize("same", [True, False])
def test_a_file_that_is_replaced_during_its_check_is_looked_at_again(folder, tmp_path, monkeypatch, same):
    copy, real = shutil.copytree(folder, tmp_path / "copy"), corpus_files.checksum
    content = (copy / MIDDLE).read_bytes() if same else b"x" * (copy / MIDDLE).stat().st_size

    def checksum(path):
        found = real(path)
        whole_file(path, content)
        return found

    files = corpus_files.CorpusFiles(copy, json.loads((copy / "manifest.json").read_text()))
    with monkeypatch.context() as replaced:
        replaced.setattr(corpus_files, "checksum", checksum)
        files.take(MIDDLE)
    with nullcontext() if same else pytest.raises(CorpusError, match=rf"{MIDDLE} is not the file of the manifest"):
        files.check()


def test_the_manifest_says_what_is_inside(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["counts"] == {"train": 25_000, "valid": 2, "test": 1}
    corpus = PackedCorpus.open(folder)
    assert corpus.languages == ("en", "de")
    assert manifest["vocabulary"] == [len(tokenizer) for tokenizer in corpus.tokenizers()]
    assert manifest["tokenizers"] == [tokenizer.hash for tokenizer in corpus.tokenizers()]
    mean = corpus.split("train").source_lengths.mean()
    assert manifest["splits"]["train"]["mean_pieces"][0] == pytest.approx(mean, abs=1e-3)


def test_an_absent_folder(tmp_path):
    with pytest.raises(CorpusError, match="nowhere is not a packed corpus"):
        PackedCorpus.open(tmp_path / "nowhere")
