"""tokenizer.symbols: tags that a person writes into the text stay whole."""

import itertools
import subprocess
import sys

import numpy as np
import pytest
from commands import ROOT

from data_prep.learn_tokenizer import learn
from seq2seq.corpus.packed import PackedCorpus
from seq2seq.errors import SettingError
from seq2seq.settings.prepare import TokenizerKind, TokenizerSettings
from seq2seq.tokenization.sampling import SubwordSampler
from seq2seq.tokenization.tokenizer import META, UNK, Tokenizer

LINES = ["the lower newest widest lowest", "new lower wide west", "low lowest news we were the newer",
         "wider lower rest test tests resting"] * 20


def learnt(kind: TokenizerKind, *symbols: str) -> Tokenizer:
    settings = TokenizerSettings(kind=kind, vocabulary=50, symbols=list(symbols))
    return Tokenizer(learn(lambda: iter(LINES), settings))


@pytest.mark.parametrize("kind", TokenizerKind)
def test_a_symbol_is_one_piece_wherever_it_stands(kind):
    """Whether or not the text that the pieces were learnt from has it."""
    text = ["@news the lower test", "the lower @x test", "@x"]
    without = learnt(kind)
    assert all(UNK in ids for ids in without.encode(text))
    tokenizer = learnt(kind, "@news", "@x")
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text
    pieces = [[piece.removeprefix(META) for piece in tokenizer.pieces(row)] for row in ids]
    assert [[piece for piece in row if "@" in piece] for row in pieces] == [["@news"], ["@x"], ["@x"]]
    assert len(tokenizer) <= 50


def test_within_a_word_too():
    for kind in set(TokenizerKind) - {TokenizerKind.WORD}:
        tokenizer = learnt(kind, "@news")
        assert "@news" in tokenizer.pieces(tokenizer.encode(["low@newsrest"])[0])


@pytest.mark.parametrize(("kind", "alpha"), [(TokenizerKind.UNIGRAM, 0.1), (TokenizerKind.BPE, 0.6)])
def test_no_draw_cuts_a_symbol(kind, alpha):
    tokenizer = learnt(kind, "we@we", "newe")  # of letters that are pieces themselves
    text = ["we@we the lower newest", "the newer we@we", "low newe lowest newes"] * 30
    before = [np.array(ids) for ids in tokenizer.encode(text)]
    after = SubwordSampler(tokenizer, alpha).draw(before, np.random.default_rng(1))
    assert tokenizer.decode(after) == text
    assert sum(a.tolist() != b.tolist() for a, b in zip(after, before, strict=True)) > len(text) / 2
    for symbol in ("we@we", "newe"):
        number = tokenizer.piece_id(symbol)
        counts = [[row.tolist().count(number) for row in rows] for rows in (before, after)]
        assert counts[0] == counts[1] and sum(counts[0]) >= 30


@pytest.mark.parametrize("symbol", ["", "a b", "a,b", "<a>", "<s>", f"{META}a", "a\n", "a\u0301"])
def test_what_cannot_be_a_symbol_is_refused(symbol):
    with pytest.raises(SettingError, match="A symbol has composed letters"):
        TokenizerSettings(symbols=["@a", symbol])


def test_symbols_of_other_pieces_and_twice_the_same_are_refused():
    with pytest.raises(SettingError, match="names one twice"):
        TokenizerSettings(symbols=["@a", "@b", "@a"])
    with pytest.raises(SettingError, match=r"symbols=\['@a'\] cannot be added to the pieces of corpus=x"):
        TokenizerSettings(symbols=["@a"], corpus="x")


def test_the_command_keeps_them_and_other_text_in_the_same_pieces_too(tmp_path):
    def prepared(*words: str, code: int = 0) -> str:
        found = subprocess.run(
            [sys.executable, "-m", "data_prep", "data=files", "data.source=en", "data.target=de", "data.valid_size=5",
             "data.test_size=5", "num_proc=1", *words], cwd=ROOT, capture_output=True, text=True, check=False)
        assert found.returncode == code, found.stderr
        return found.stderr

    for name, begin in (("plain", itertools.repeat("")), ("tagged", itertools.cycle(["@news ", "@speech "]))):
        for language in ("en", "de"):
            lines = [f"{line} {number}" for number, line in enumerate(LINES)]
            lines = [next(begin) + line for line in lines] if language == "en" else [line[::-1] for line in lines]
            (tmp_path / f"{name}.{language}").write_text("".join(f"{line}\n" for line in lines), "utf-8")
    plain, tagged, other = (str(tmp_path / name) for name in ("a", "b", "c"))
    prepared(f"data.train={tmp_path / 'plain'}", f"corpus={plain}", "tokenizer.vocabulary=60",
             "tokenizer.symbols=[@news,@speech]")
    prepared(f"data.train={tmp_path / 'tagged'}", f"corpus={tagged}", f"tokenizer.corpus={plain}")
    split = PackedCorpus.open(tagged).split("train")
    tokenizer = PackedCorpus.open(tagged).tokenizers()[0]
    ids, sources = split.ids(range(len(split)))[0], split.text(range(len(split)))[0]
    assert len(sources) == len(LINES) - 10 and all(source.startswith("@") for source in sources)
    assert [tokenizer.decode([row.tolist()])[0] for row in ids] == sources
    wanted = {source.split()[0] for source in sources}
    assert {tokenizer.pieces(row.tolist())[1] for row in ids} == wanted == {"@news", "@speech"}
    refused = prepared(f"data.train={tmp_path / 'plain'}", f"corpus={other}", "tokenizer.symbols=['a b']", code=2)
    assert "symbols holds 'a b'." in refused
    assert len(refused.strip().splitlines()) == 1 and not (tmp_path / "c").exists()
