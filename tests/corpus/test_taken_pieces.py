"""tokenizer.corpus: a corpus with the pieces of another one."""

import subprocess
import sys

import pytest
from commands import ROOT

from data_prep.prepare import prepare
from seq2seq.corpus.packed import PackedCorpus
from seq2seq.errors import CorpusError, SettingError
from seq2seq.settings.prepare import FilesData, PrepareSettings, TokenizerKind, TokenizerSettings

LINES = {"en": [f"The cat number {i} sees {i % 7} dogs." for i in range(200)],
         "de": [f"Die Katze Nummer {i} sieht {i % 7} Hunde." for i in range(200)],
         "nl": [f"De kat nummer {i} ziet {i % 7} honden." for i in range(200)]}


@pytest.fixture
def raw(tmp_path):
    for language, lines in LINES.items():
        for split, part in (("train", lines), ("valid", lines[:5]), ("test", lines[5:9])):
            (tmp_path / f"{split}.{language}").write_text("".join(line + "\n" for line in part), "utf-8")
    return tmp_path


def make(raw, name, source, target, **tokenizer):
    data = FilesData(source=source, target=target, train=str(raw / "train"), valid=str(raw / "valid"),
                     test=str(raw / "test"))
    tokenizer = TokenizerSettings(**{"vocabulary": 70, **tokenizer})
    return prepare(PrepareSettings(corpus=str(raw / name), data=data, tokenizer=tokenizer, num_proc=1))


@pytest.mark.parametrize("joint", [True, False])
def test_each_language_keeps_its_pieces_the_other_way_round(raw, joint):
    there = PackedCorpus.open(make(raw, "a", "en", "de", joint=joint))
    here = PackedCorpus.open(make(raw, "b", "de", "en", corpus=str(raw / "a"), vocabulary=9))
    source, target = here.tokenizers()
    assert (source is target) is joint
    assert (target.model, source.model) == tuple(tokenizer.model for tokenizer in there.tokenizers())
    ids = here.split("train").ids(range(200))
    assert source.decode([row.tolist() for row in ids[0]]) == LINES["de"]
    assert target.decode([row.tolist() for row in ids[1]]) == LINES["en"]


def test_what_decides_is_the_pieces_not_the_folder(raw, caplog):
    caplog.set_level("INFO")
    make(raw, "a", "en", "de")
    (raw / "a").rename(raw / "moved")
    make(raw, "b", "de", "en", corpus=str(raw / "moved"))
    assert f"took the pieces of {raw / 'moved'}" in caplog.text
    (raw / "moved").rename(raw / "a")
    make(raw, "b", "de", "en", corpus=str(raw / "a"))
    assert "is up to date" in caplog.text
    make(raw, "b", "de", "en", corpus=str(make(raw, "c", "en", "de", kind=TokenizerKind.CHAR)))
    assert "will be replaced: tokenizer changed." in caplog.text
    caplog.clear()
    make(raw, "b", "de", "en")
    assert "will be replaced: tokenizer changed." in caplog.text


def test_a_language_without_pieces_is_refused(raw):
    make(raw, "a", "en", "de", joint=False)
    with pytest.raises(SettingError, match=r"a has pieces of its own for en and for de, and none for nl\. Give"):
        make(raw, "b", "en", "nl", corpus=str(raw / "a"))
    with pytest.raises(CorpusError, match="is not a packed corpus"):
        make(raw, "b", "en", "nl", corpus=str(raw / "nowhere"))
    assert not (raw / "b").exists()


def test_the_command_takes_the_folder_and_refuses_another(raw):
    make(raw, "a", "en", "de")
    words = [f"corpus={raw / 'b'}", "data=files", "data.source=de", "data.target=en", f"data.train={raw / 'train'}",
             "data.valid_size=5", "data.test_size=5", "num_proc=1"]

    def command(folder):
        return subprocess.run([sys.executable, "-m", "data_prep", *words, f"tokenizer.corpus={folder}"], cwd=ROOT,
                              capture_output=True, text=True, check=False)

    missing = command(raw / "nowhere")
    assert (missing.returncode, missing.stdout, missing.stderr.count("\n")) == (2, "", 1)
    assert missing.stderr.startswith(f"error: {raw / 'nowhere'} is not a packed corpus")
    done = command(raw / "a")
    assert (done.returncode, done.stdout) == (0, f"{raw / 'b'}\n")
