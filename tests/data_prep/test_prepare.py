"""python -m data_prep as a person runs it: real files in, a packed corpus or one line out."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import unicodedata
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from data_prep import learn_tokenizer as tokenization
from data_prep import passes
from data_prep.prepare import prepare
from seq2seq.commands.app import CONFIGURATION
from seq2seq.corpus.packed import PackedCorpus
from seq2seq.errors import UserError
from seq2seq.settings.prepare import (
    FilesData,
    OverlapRemoval,
    OverlapSettings,
    PrepareSettings,
    TokenizerKind,
    TokenizerSettings,
)
from seq2seq.settings.reading import read_settings, write_settings
from seq2seq.tokenization.tokenizer import BOS, EOS, PAD, UNK, Tokenizer

ROOT = Path(__file__).resolve().parents[2]
LONG = "word " * 9_999 + "end"  # 10,000 words
HELD_OUT = [
    ("An emoji 👩‍👩‍👧 here.", "Ein Emoji 👩‍👩‍👧 hier."),
    ("", "Ohne Quelle."),
    ("Line\u2028separator", "Zeilen\u2028trenner"),
    ("A\rreturn inside", "Ein\x85NEL darin"),
    (LONG, "Wort " * 9_999 + "Ende"),
    ("  spaces  ", "\u00a0Leerzeichen\t"),
    ("Ich bin 3.", "Ich bin 3."),
]
TRAIN = [(f"The cat number {i} sees {i % 7} dogs.", f"Die Katze Nummer {i} sieht {i % 7} Hunde.") for i in range(400)]


def run(*arguments, **settings):
    return subprocess.run([sys.executable, "-m", "data_prep", *map(str, arguments)], cwd=ROOT, capture_output=True,
                          text=True, timeout=120, check=False, **settings)


def write(folder, split, pairs, end="\n", mark=""):
    for side, language in enumerate(("en", "de")):
        text = mark + "".join(pair[side] + end for pair in pairs)
        (folder / f"{split}.{language}").write_text(text, "utf-8", newline="")
    return folder / split


@pytest.fixture
def raw(tmp_path):
    """Files with CR LF line ends, a byte-order mark and everything else that text brings along."""
    folder = tmp_path / "raw"
    folder.mkdir()
    cafe = ("Cafe\u0301  au\u00a0lait \u200b!", "Milchkaffee!")
    odd = [("", "leer"), cafe, TRAIN[5], (LONG, LONG), HELD_OUT[0], HELD_OUT[6]]
    write(folder, "train", TRAIN + odd, end="\r\n", mark="\ufeff")
    write(folder, "valid", HELD_OUT, end="\r\n", mark="\ufeff")
    write(folder, "test", HELD_OUT[::-1])
    return folder


def files_data(raw, **more):
    names = {split: str(raw / split) for split in ("train", "valid", "test")}
    return FilesData(source="en", target="de", **(names | more))


def make(corpus, raw, num_proc=1, vocabulary=150, data=None, **more):
    tokenizer = more.pop("tokenizer", TokenizerSettings(kind=TokenizerKind.BPE, vocabulary=vocabulary))
    return prepare(PrepareSettings(corpus=str(corpus), data=data or files_data(raw), num_proc=num_proc,
                                   tokenizer=tokenizer, **more))


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


# --- what comes out ---


def test_a_nasty_corpus_comes_through_with_its_line_numbers(tmp_path, raw):
    corpus = PackedCorpus.open(make(tmp_path / "c", raw))
    assert list(zip(*corpus.split("valid").text(), strict=True)) == HELD_OUT
    assert list(zip(*corpus.split("test").text(), strict=True)) == HELD_OUT[::-1]
    train = list(zip(*corpus.split("train").text(), strict=True))
    assert train == [*TRAIN, ("Café au lait !", "Milchkaffee!"), HELD_OUT[0]]
    source, target = corpus.tokenizers()
    assert source is target
    for lines, ids in zip(corpus.split("train").text(), corpus.split("train").ids(range(len(train))), strict=True):
        assert source.decode([row.tolist() for row in ids]) == lines
        assert source.encode(lines) == [row.tolist() for row in ids]
    assert corpus.split("valid").source_lengths[4] >= 10_000


def test_the_report_counts_what_happened(tmp_path, raw):
    manifest = json.loads((make(tmp_path / "c", raw) / "manifest.json").read_text("utf-8"))
    train = manifest["cleaning"]["train"]
    counts = {name: (row["changed"], row["dropped"]) for name, row in train.items()}
    assert counts == {"unicode": (1, 0), "control": (1, 0), "whitespace": (1, 0), "empty": (0, 1), "length": (0, 1),
                      "ratio": (0, 0), "identical": (0, 1), "overlap": (0, 0), "duplicates": (0, 1)}
    assert train["duplicates"]["examples"] == [list(TRAIN[5])]
    valid = {name: (row["changed"], row["dropped"]) for name, row in manifest["cleaning"]["valid"].items()}
    assert valid["empty"] == (0, 1) and valid["identical"] == (0, 1) and valid["whitespace"] == (3, 0)
    assert manifest["overlap"]["test"]["exact"]["pair"] == {"lines": 1, "training_pairs": 1}
    assert manifest["origin"]["raw"]["train"][0]["file"] == "train.en"


def test_overlap_is_taken_out_of_training(tmp_path, raw):
    corpus = PackedCorpus.open(make(tmp_path / "c", raw, overlap=OverlapSettings(remove=OverlapRemoval.PAIR)))
    assert HELD_OUT[0] not in zip(*corpus.split("train").text(), strict=True)
    assert corpus.manifest["cleaning"]["train"]["overlap"]["dropped"] == 1


@pytest.mark.parametrize("kind", TokenizerKind)
def test_every_kind_of_tokenizer_gives_the_text_back(tmp_path, kind):
    lines = [side for pair in TRAIN for side in pair] + ["½ … ﬁ ™ ² Ⅳ"]  # nfkc would change all of these
    settings = TokenizerSettings(kind=kind, vocabulary=3_000 if kind is TokenizerKind.WORD else 90)
    tokenizer = Tokenizer(tokenization.learn(lambda: iter(lines), settings))
    assert tokenizer.decode(tokenizer.encode(lines)) == lines
    assert [tokenizer.pieces([i])[0] for i in (PAD, UNK, BOS, EOS)] == ["<pad>", "<unk>", "<s>", "</s>"]
    assert tokenizer.model == tokenization.learn(lambda: iter(lines), settings)


def test_text_to_translate_is_spelt_as_training_text():
    tokenizer = Tokenizer(tokenization.learn(lambda: iter(["Café au lait"] * 9), TokenizerSettings(vocabulary=18)))
    assert tokenizer.encode([" Cafe\u0301\u00a0au\u2028 la\u200bit"]) == tokenizer.encode(["Café au lait"])


@pytest.mark.parametrize(("text", "other"), [
    ("tiếng Việt", "tiê\u0301ng Viê\u0323t"),  # composed by half, as Windows writes it
    ("tiếng Việt", "tie\u0302\u0301ng Vie\u0323\u0302t"),
    ("한국어 단어", "\u1112\u1161\u11ab\u1100\u116e\u11a8\u110b\u1165 \u1103\u1161\u11ab\u110b\u1165"),
    ("क़लम", "\u0958लम"),
])
def test_text_in_another_unicode_form_has_the_same_pieces(text, other):
    text = unicodedata.normalize("NFC", text)
    assert other != text
    tokenizer = Tokenizer(tokenization.learn(lambda: iter([text] * 9), TokenizerSettings(vocabulary=24)))
    assert tokenizer.encode([other, "x"]) == tokenizer.encode([text, "x"])
    assert tokenizer.decode(tokenizer.encode([other])) == [text]


def test_pieces_learnt_from_text_that_is_not_composed_are_still_found():
    text = unicodedata.normalize("NFD", "한국어 단어")
    tokenizer = Tokenizer(tokenization.learn(lambda: iter([text] * 9), TokenizerSettings(vocabulary=24)))
    assert tokenizer.decode(tokenizer.encode([text])) == [text]


def test_the_vocabulary_fits_the_corpus(tmp_path, raw, caplog):
    with caplog.at_level("INFO"):
        folder = make(tmp_path / "c", raw, tokenizer=TokenizerSettings(vocabulary=8_000))
    size = len(PackedCorpus.open(folder).tokenizers()[0])
    assert 100 < size < 8_000
    assert f"the text has too few for 8,000 pieces: tokenizer.model has {size}" in caplog.text
    with pytest.raises(UserError, match=r"vocabulary=10 is less than the characters of the text need \(\d+\)"):
        make(tmp_path / "d", raw, vocabulary=10)


def test_only_a_sample_is_learnt_from(tmp_path, raw, caplog):
    with caplog.at_level("INFO"):
        make(tmp_path / "c", raw, tokenizer=TokenizerSettings(vocabulary=80, sample=100))
    assert "pieces from 100 pairs" in caplog.text


# --- the same bytes, and only when needed ---


def test_the_same_bytes_for_any_number_of_processes(tmp_path, raw):
    big = write(raw, "big", [(f"{i} one two", f"{i} eins zwei {i % 7_000}") for i in range(25_000)])
    data = files_data(raw, train=str(big))
    settings = {"data": data, "tokenizer": TokenizerSettings(vocabulary=60, sample=2_000, joint=False)}
    one = contents(make(tmp_path / "one", raw, num_proc=1, **settings))
    two = contents(make(tmp_path / "two", raw, num_proc=2, **settings))
    assert len([name for name in one if name.startswith("train/data-")]) == 3
    assert one == two
    moved = tmp_path / "moved"
    shutil.copytree(raw, moved)
    settings["data"] = files_data(moved, train=str(moved / "big"))
    assert contents(make(tmp_path / "three", moved, **settings)) == one


def test_unchanged_does_nothing_and_changed_replaces(tmp_path, raw, caplog):
    caplog.set_level("INFO")
    folder = make(tmp_path / "c", raw)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    make(folder, raw, num_proc=2)
    assert "is up to date: same input, same settings. Nothing to do." in caplog.text
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    old = PackedCorpus.open(folder).hash
    make(folder, raw, vocabulary=140)
    assert "will be replaced: tokenizer.vocabulary changed." in caplog.text
    middle = PackedCorpus.open(folder).hash
    write(raw, "test", HELD_OUT[:3])
    make(folder, raw, vocabulary=140)
    assert "will be replaced: the raw text changed." in caplog.text
    assert len({old, middle, PackedCorpus.open(folder).hash}) == 3
    (folder / "train" / "state.json").unlink()
    make(folder, raw, vocabulary=140)
    assert "will be replaced: its files changed." in caplog.text
    assert [path.name for path in tmp_path.iterdir() if path.name != "raw"] == ["c"]


# --- the command ---


def test_the_command_makes_a_corpus_and_prints_its_folder(tmp_path, raw):
    done = run("data=files", "data.source=en", "data.target=de", f"data.train={raw / 'train'}", "data.valid_size=20",
               f"corpus={tmp_path / 'c'}", "tokenizer.kind=bpe", "num_proc=1")
    assert (done.returncode, done.stdout) == (0, f"{tmp_path / 'c'}\n")
    assert ("no split given for valid and test: cut from train, 20 pairs for valid, 40 pairs for test (not 1,000 for "
            "test: at most a tenth of the text is taken for each)") in done.stderr
    assert "duplicates" in done.stderr and "overlap" in done.stderr and "\x1b" not in done.stderr
    assert PackedCorpus.open(tmp_path / "c").manifest["counts"]["valid"] == 20


def test_help_helps_and_the_settings_are_shown():
    done = run("--help")
    assert done.returncode == 0
    assert "data=multi30k_en_de data.raw_dir=DIR" in done.stdout and "cleaning.duplicates: " in done.stdout


@pytest.mark.parametrize(("arguments", "message"), [
    (["tokeniser.kind=bpe"], "tokeniser.kind is not a setting. Did you mean tokenizer.kind?"),
    (["data=multi30k"], "data=multi30k is not one of: classification, files, generation, grammar, hub, multi30k_en_de, "
                        "tagging. Did you mean multi30k_en"),
    (["+tokenizer.size=3"], "tokenizer.size is not a setting."),
    (["data=files", "data.source=en", "data.target=de", "data.train=nowhere/x"], "nowhere/x.en does not exist"),
])
def test_a_mistake_ends_with_one_line(tmp_path, arguments, message):
    done = run(f"corpus={tmp_path / 'c'}", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {message}") and done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_nothing(tmp_path, number):
    command = [sys.executable, "-m", "data_prep", f"corpus={tmp_path / 'c'}", "data.train=2000000", "num_proc=2"]
    # A shell that starts the tests in the background makes them, and what they start, ignore SIGINT.
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, start_new_session=True,
                               preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))  # noqa: PLW1509
    try:
        while not list(tmp_path.glob(".c.*.part/*/train-1")):
            assert process.poll() is None
            time.sleep(0.05)
        os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)
        _, errors = process.communicate(timeout=60)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 130
    assert errors.splitlines()[-1] == "interrupted" and "Traceback" not in errors
    assert list(tmp_path.iterdir()) == []


# --- folders that cannot be written, input that is of no use ---


def test_no_space_leaves_the_old_corpus_and_nothing_else(tmp_path, raw, monkeypatch):
    folder = make(tmp_path / "c", raw)
    before = contents(folder)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(passes.pa, "OSFile", full)
    with pytest.raises(UserError, match="cannot be written: there is no space left"):
        make(folder, raw, vocabulary=140)
    assert contents(folder) == before and not list(tmp_path.glob(".c*"))


def test_folders_that_cannot_be_written(tmp_path, raw):
    with pytest.raises(UserError, match=r"train\.en is there and is no packed corpus"):
        make(raw / "train.en", raw)
    with pytest.raises(UserError, match="raw is there and is no packed corpus. Give another folder"):
        make(raw, raw)
    with pytest.raises(UserError, match="cannot be written: a file of that name is in the way"):
        make(raw / "train.en" / "c", raw)


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_no_permission(tmp_path, raw):
    (tmp_path / "locked").mkdir(mode=0o555)
    with pytest.raises(UserError, match="no permission to write there"):
        make(tmp_path / "locked" / "c", raw)


def test_nothing_left_after_cleaning(tmp_path, raw):
    write(raw, "train", [("same", "same"), ("", "x")])
    with pytest.raises(UserError, match=r"no training pair is left after cleaning \(dropped: empty 1, identical 1\)"):
        make(tmp_path / "c", raw)
    assert not list(tmp_path.glob("*c*"))


# --- settings ---


@pytest.mark.parametrize("group", ["grammar", "files", "hub", "multi30k_en_de"])
def test_the_configuration_says_what_the_dataclasses_say(group):
    given = ["data.source=en", "data.target=de"] if group in ("files", "hub") else []
    given += {"files": ["data.train=x"], "hub": ["data.path=x"]}.get(group, [])
    with initialize_config_dir(str(CONFIGURATION), version_base="1.3"):
        config = OmegaConf.to_container(compose("prepare", [f"data={group}", *given]), resolve=True)
    settings = read_settings(PrepareSettings, config)
    assert settings.corpus == f"data/{group}"
    kind = config["data"].pop("kind")
    written = write_settings(settings)
    assert written == config
    names = {"data": type(settings.data)(**{key: config["data"][key] for key in ("source", "target", "train", "path")
                                            if kind in ("files", "hub") and key in config["data"]})}
    defaults = write_settings(PrepareSettings(corpus=settings.corpus, **names))
    if group in ("grammar", "multi30k_en_de"):  # these choose a vocabulary of their own
        assert written["tokenizer"].pop("vocabulary") != defaults["tokenizer"].pop("vocabulary")
    assert written == defaults
