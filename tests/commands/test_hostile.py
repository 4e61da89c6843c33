"""Hostile and dirty text: one line out for one line in, no special piece from text, bounded memory.

The short run; tests/stress/stress_hostile.py has a million lines and lines of a megabyte.
"""

from __future__ import annotations

import io
import itertools
import json
import os
from collections.abc import Iterator
from pathlib import Path

import nasty
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from commands import run_apart
from hostile_bundle import make_hostile_bundle, tokenizer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_prep.prepare import prepare
from data_prep.sources.lines import TextFile
from data_prep.sources.tables import TableSource
from seq2seq.corpus.packed import PackedCorpus
from seq2seq.errors import CorpusError, UserError
from seq2seq.inference.translator import Translator
from seq2seq.settings.prepare import CleaningSettings, FilesData, PrepareSettings, Switch, TokenizerSettings
from seq2seq.text import lines as text
from seq2seq.text.lines import arriving_lines, grouped, read_lines
from seq2seq.tokenization.tokenizer import BOS, EOS, PAD, UNK

torch.set_num_threads(1)
QUICK = settings(max_examples=40, deadline=None, derandomize=True, database=None,
                 suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
KINDS = list(itertools.product(["unigram", "bpe", "char", "word"], [False, True]))
SPECIAL = ["</s>", "<s>", "<pad>", "<unk>", "\u2581", "<0x0A>", "ba", " ", "\0", "\u2028", "\x85", "\r", "é"]
ANY_TEXT = st.one_of(st.text(), st.lists(st.sampled_from(SPECIAL)).map("".join))
LINES = st.lists(ANY_TEXT.map(lambda line: line.replace("\n", " ")), max_size=6)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_hostile_bundle(tmp_path_factory.mktemp("hostile"), tokenizer("unigram", byte_fallback=True))


@pytest.fixture(scope="module")
def translator(bundle: Path) -> Translator:
    return Translator.load(bundle, device="cpu", kind="greedy", max_length=5, max_source_pieces=50)


# --- pieces ---


@pytest.mark.parametrize(("kind", "byte_fallback"), KINDS)
def test_no_text_becomes_a_special_piece(kind: str, byte_fallback: bool) -> None:
    """The model has been trained on text with the marks of all special pieces, and still they are plain text."""
    pieces = tokenizer(kind, byte_fallback)

    @QUICK
    @given(ANY_TEXT)
    def holds(line: str) -> None:
        (ids,) = pieces.encode([line])
        assert not {PAD, BOS, EOS} & set(ids)
        assert not (byte_fallback and UNK in ids)  # with bytes nothing is unknown
        (back,) = pieces.decode([ids])
        assert "\u2581" not in back

    holds()
    for line in nasty.TEXTS:
        assert not {PAD, BOS, EOS} & set(pieces.encode([line])[0])
    newline = [place for place in range(len(pieces)) if pieces.pieces([place]) == ["<0x0A>"]]
    assert not set(newline) & set(pieces.encode(["<0x0A> a<0x0A>b"])[0])


def test_a_piece_is_unknown_only_where_a_character_is() -> None:
    pieces = tokenizer("bpe")
    assert UNK not in pieces.encode(["ba do fi été", "<unk", ""])[0]
    assert pieces.encode(["ba \u4e2d do"])[0].count(UNK) == 1


def test_what_sentencepiece_does_not_say_about_itself() -> None:
    for kind, byte_fallback in KINDS:
        pieces = tokenizer(kind, byte_fallback)
        assert pieces.encode(["ba\0 do\0", "\0"]) == [*pieces.encode(["ba do"]), []]    # NUL is a control like others
        assert pieces.encode(["ba\u2581do"]) == pieces.encode(["ba do"])                # the meta symbol is a space
        assert pieces.encode(["\u2581", "\x01\x02", "\u200b", " "]) == [[]] * 4
    words = tokenizer("word", byte_fallback=True)
    assert words.decode(words.encode(["ba zz do"])) == ["ba zz do"]  # bytes of the meta symbol are a space again


# --- translation ---


def test_every_nasty_line_gives_one_line_and_its_own(bundle: Path) -> None:
    given_lines = list(nasty.lines())
    arguments = [f"run={bundle}", "device=cpu", "search=greedy", "search.max_length=4", "format=jsonl"]
    done = run_apart("translate", [*arguments, "max_source_pieces=100"], b"\n".join(given_lines) + b"\n")
    assert done.code == 0, done.err
    records = [json.loads(line) for line in done.out.split(b"\n")[:-1]]
    assert [record["source"] for record in records] == [nasty.read_back(line) for line in given_lines]
    assert all("\n" not in record["translation"] for record in records)
    cut = [line for line in done.err.split("\n") if line and "cut at the length limit" not in line]
    numbers = [int(line.split()[3]) for line in cut]
    assert numbers == sorted(numbers) and all(len(given_lines[number - 1]) > 100 for number in numbers)
    assert all("only the first 100 are translated (max_source_pieces)" in line for line in cut)
    assert sum(len(line) >= 5000 and not line.isspace() for line in given_lines) <= len(cut)


@QUICK
@given(LINES)
def test_any_text_gives_one_line_each(translator: Translator, lines: list[str]) -> None:
    found = translator.translate(lines)
    assert len(found) == len(lines)
    assert not any("\n" in one or "\r" in one for one in found)
    assert all(found[row] == "" for row, line in enumerate(lines) if not line.strip())


@QUICK
@given(st.lists(st.one_of(st.binary(), st.sampled_from([*nasty.lines(), *nasty.BROKEN])), max_size=6), st.booleans())
def test_any_bytes_give_one_line_each_or_one_message(translator: Translator, parts: list[bytes], ended: bool) -> None:
    content = b"\n".join(parts) + b"\n" * ended
    expected = content.split(b"\n")[:-1] + [rest for rest in [content.split(b"\n")[-1]] if rest]
    good = list(itertools.takewhile(_is_text, expected))
    out, into = os.pipe()
    os.write(into, content)
    os.close(into)
    found: list[str] = []
    try:
        for window in translator.stream(arriving_lines(out, "pipe", itertools.repeat(3))):
            found += [one.text for one in window]
        message = ""
    except UserError as error:
        message = str(error)
    finally:
        os.close(out)
    assert len(found) == len(good)
    assert ("" if len(good) == len(expected) else f"pipe line {len(good) + 1} is not UTF-8") in message
    assert (message == "") == (len(good) == len(expected)) and "\n" not in message


def _is_text(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def test_half_a_surrogate_pair_is_named(translator: Translator) -> None:
    with pytest.raises(UserError, match=r"a\.txt line 8 is no text: character 4 is half of a surrogate pair"):
        translator.translate_lines(["ba", "ba \ud800"], first=7, name="a.txt")


@pytest.mark.parametrize("line", [5, None, b"ba", ["ba"]])
def test_what_is_no_text_is_named(translator: Translator, line: object) -> None:
    with pytest.raises(TypeError, match=r"the input line 2 is .*, and a text is needed"):
        translator.translate(["ba", line])  # type: ignore[list-item]


# --- memory ---


def test_a_line_without_an_end_is_refused_before_it_fills_the_memory(tmp_path: Path, monkeypatch) -> None:
    for module in ("seq2seq.text.lines", "data_prep.sources.lines"):
        monkeypatch.setattr(f"{module}.LONGEST_LINE", 100)
    monkeypatch.setattr("data_prep.sources.lines.BLOCK", 40)
    monkeypatch.setattr(text, "READ_BYTES", 30)
    (tmp_path / "a").write_bytes(b"one\n" + b"x" * 99 + b"\n" + b"y" * 1000 + b"\nlast\n")
    message = r"line 3 has more than 0 MiB: that is no sentence"
    found: list[str] = []
    with pytest.raises(UserError, match=message):
        found.extend(iter(read_lines(tmp_path / "a")))
    with pytest.raises(UserError, match=message):
        list(read_lines(io.BytesIO((tmp_path / "a").read_bytes()), "a"))
    windows: list[list[str]] = []
    with open(tmp_path / "a", "rb") as file, pytest.raises(UserError, match=message):
        windows.extend(arriving_lines(file.fileno(), "a", itertools.repeat(9)))
    assert windows == [["one", "x" * 99]]
    with pytest.raises(CorpusError, match=message):
        list(TextFile.index(tmp_path / "a").read(0, 4))


def test_windows_of_long_lines_have_few(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(text, "WINDOW_BYTES", 100)
    lines = ["a" * 60, "b" * 60, "c", "d" * 500, "e", "f"]
    (tmp_path / "a").write_text("\n".join(lines) + "\n")
    with open(tmp_path / "a", "rb") as file:
        windows = list(arriving_lines(file.fileno(), "a", itertools.repeat(9)))
    assert windows == list(grouped(lines, itertools.repeat(9))) == [lines[:2], lines[2:4], lines[4:]]


def test_batches_of_long_lines_have_few(monkeypatch) -> None:
    from data_prep.sources import files

    def blocks() -> Iterator[list[str]]:
        yield from (["x" * 50] for _ in range(20))

    monkeypatch.setattr(files, "BATCH_CHARACTERS", 200)
    batches = list(files.paired(blocks(), iter([["y"] * 20])))
    assert [len(source) for source, _ in batches] == [4] * 5
    assert [line for _, target in batches for line in target] == ["y"] * 20


# --- data preparation ---


@pytest.mark.parametrize("cleaned", [True, False])
def test_a_nasty_corpus_is_prepared_line_by_line(tmp_path: Path, cleaned: bool) -> None:
    lines = list(nasty.lines())
    plain = [b"ba do fi %d" % number for number in range(150)]
    for split, content in (("train", plain + lines), ("valid", lines), ("test", lines[::-1])):
        (tmp_path / f"{split}.en").write_bytes(b"\n".join(content) + b"\n")
        turned = [nasty.SAME.encode() if line == nasty.SAME.encode() else line + b" x" for line in content]
        (tmp_path / f"{split}.de").write_bytes(b"\n".join(turned) + b"\n")
    cleaning = CleaningSettings() if cleaned else CleaningSettings(
        unicode=Switch(enabled=False), control=Switch(enabled=False), whitespace=Switch(enabled=False))
    corpus = PackedCorpus.open(prepare(PrepareSettings(
        corpus=str(tmp_path / "corpus"), num_proc=1, cleaning=cleaning,
        data=FilesData(source="en", target="de", **{name: str(tmp_path / name) for name in ("train", "valid", "test")}),
        tokenizer=TokenizerSettings(vocabulary=2000, byte_fallback=True))))
    assert corpus.split("valid").text()[0] == [nasty.read_back(line) for line in lines]
    assert corpus.split("test").text()[0] == [nasty.read_back(line) for line in lines[::-1]]
    train = corpus.split("train")
    assert (nasty.SAME, nasty.SAME) not in set(zip(*train.text(), strict=True))  # not translated
    for split in (train, corpus.split("valid")):
        for side in split.ids(range(len(split))):
            assert not any({PAD, UNK, BOS, EOS} & set(row.tolist()) for row in side)


@pytest.mark.parametrize(("line", "message"), [
    (r'{"en": "ba \ud800", "de": "x"}', r"line 2, en is no text: it holds half of a surrogate pair"),
    ('{"en": ' + "[" * 100_000, "line 2 is not JSON"),
    ('{"en": "' + "x" * 10, "line 2 is not JSON"),
])
def test_json_that_holds_no_text_is_one_line(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "a.jsonl").write_text('{"en": "\\ud83d\\ude00", "de": "y"}\n' + line + "\n")
    with pytest.raises(CorpusError, match=message) as caught:
        _read(tmp_path / "a.jsonl")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


def test_a_table_of_bytes_that_are_no_text_is_one_line(tmp_path: Path) -> None:
    bad = pa.array([b"ba", b"\xff"]).view(pa.string())
    pq.write_table(pa.table({"en": bad, "de": ["x", "y"]}), tmp_path / "a.parquet")
    with pytest.raises(CorpusError, match=r"a\.parquet holds text that is not UTF-8"):
        _read(tmp_path / "a.parquet")


def _read(path: Path) -> list:
    source = TableSource(("en", "de"), ("en", "de"), {"train": str(path)})
    return [batch for shard in source.shards("train", 1) for batch in shard()]
