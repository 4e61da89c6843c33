"""Raw text: lines as they are, parts that make up the whole, and a line for everything that is wrong."""

from __future__ import annotations

import gzip
import json
import pickle

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_prep.sources import lines as lines_module
from data_prep.sources.base import BATCH_LINES
from data_prep.sources.build import build_source, cut_sizes
from data_prep.sources.cut import CutSource
from data_prep.sources.files import FilesSource
from data_prep.sources.hub import HubSource
from data_prep.sources.lines import TextFile
from data_prep.sources.multi30k import multi30k_source
from data_prep.sources.tables import TableSource
from data_prep.workers import Workers
from seq2seq.errors import CorpusError, SettingError
from seq2seq.settings.prepare import FilesData
from seq2seq.text.lines import read_lines

datasets.disable_progress_bars()
NASTY = ["CR at the end\r", "U+2028\u2028inside", "U+0085\x85inside", "CR\rinside", "", "👩‍👩‍👧 🇩🇪", " x ", "\u00a0"]


def everything(source, split, count=1):
    """Both sides of a split, read shard by shard, each sent through pickle as to another process."""
    sides = [], []
    for shard in source.shards(split, count):
        for batch in pickle.loads(pickle.dumps(shard))():
            assert len(batch[0]) == len(batch[1]) <= BATCH_LINES
            for side, found in zip(sides, batch, strict=True):
                side.extend(found)
    return sides


def write(folder, split, source, target, languages=("en", "de")):
    for language, side in zip(languages, (source, target), strict=True):
        (folder / f"{split}.{language}").write_text("".join(f"{line}\n" for line in side), "utf-8", newline="\n")
    return str(folder / split)


# --- lines ---


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(st.text(st.characters(exclude_characters="\n", codec="utf-8"), max_size=9), max_size=30),
    ended=st.booleans(), mark=st.booleans(), block=st.integers(1, 40), data=st.data(),
)
def test_any_stretch_of_lines_is_that_stretch_of_the_file(tmp_path, texts, ended, mark, block, data):
    raw = b"\xef\xbb\xbf" * mark + "\n".join(texts).encode() + b"\n" * ended
    path = tmp_path / "text"
    path.write_bytes(raw)
    expected = list(read_lines(path))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines_module, "BLOCK", block)
        file = TextFile.index(path)
        first = data.draw(st.integers(0, len(expected)))
        last = data.draw(st.integers(first, len(expected)))
        found = [line for some in file.read(first, last) for line in some]
    assert file.lines == len(expected)
    assert found == expected[first:last]


def test_only_newlines_break_lines(tmp_path):
    source = FilesSource(("en", "de"), {"train": write(tmp_path, "train", NASTY, NASTY[::-1])})
    expected = ["CR at the end", *NASTY[1:]]
    assert everything(source, "train") == (expected, expected[::-1])


@pytest.mark.parametrize("count", [1, 3, 64])
def test_shards_one_after_the_other_are_the_split(tmp_path, count):
    english = [f"{i} {'word ' * (i % 7)}" for i in range(35_001)]
    german = [f"{i} {'Wort ' * (i % 11)}" for i in range(35_001)]
    source = FilesSource(("en", "de"), {"train": write(tmp_path, "train", english, german)})
    assert everything(source, "train", count) == (english, german)
    assert len(source.shards("train", count)) == min(count, 4)


def test_packed_files_read_as_plain_ones(tmp_path):
    prefix = write(tmp_path, "train", NASTY, NASTY)
    plain = everything(FilesSource(("en", "de"), {"train": prefix}), "train")
    raw = (tmp_path / "train.de").read_bytes()
    (tmp_path / "train.de").unlink()
    (tmp_path / "train.de.gz").write_bytes(gzip.compress(raw))
    assert everything(FilesSource(("en", "de"), {"train": prefix}), "train", 4) == plain
    (tmp_path / "train.de.gz").write_bytes(gzip.compress(raw)[:-9])
    with pytest.raises(CorpusError, match=r"train\.de\.gz is not a whole gzip file"):
        FilesSource(("en", "de"), {"train": prefix})


def test_invalid_utf8_is_named_by_file_line_and_byte(tmp_path):
    prefix = write(tmp_path, "train", ["a"] * 20_000, ["b"] * 20_000)
    raw = "\ufeff".encode() + b"b\n" * 12_345 + b"na\xefve\n" + b"b\n" * 7_654
    (tmp_path / "train.de").write_bytes(raw)
    source = FilesSource(("en", "de"), {"train": prefix})
    place = raw.index(b"na") + 2
    with pytest.raises(CorpusError, match=rf"train\.de line 12346 is not UTF-8: byte 0xef at offset {place}\."):
        everything(source, "train", 2)


def test_a_file_that_shrinks_meanwhile_is_no_endless_loop(tmp_path):
    source = FilesSource(("en", "de"), {"train": write(tmp_path, "train", "a" * 30_000, "b" * 30_000)})
    write(tmp_path, "train", "a" * 15_000, "b" * 15_000)
    for shard in source.shards("train", 3)[1:]:
        with pytest.raises(CorpusError, match="was changed while it was read"):
            list(shard())


def test_wrong_files_are_refused(tmp_path):
    prefix = write(tmp_path, "train", ["a", "b", "c"], ["d", "e"])
    with pytest.raises(CorpusError, match=r"train\.en has 3 lines and .*train\.de has 2"):
        FilesSource(("en", "de"), {"train": prefix})
    with pytest.raises(CorpusError, match=r"train\.fr does not exist"):
        FilesSource(("en", "fr"), {"train": prefix})
    with pytest.raises(CorpusError, match="have no lines: the corpus is empty"):
        FilesSource(("en", "de"), {"train": write(tmp_path, "void", [], [])})
    with pytest.raises(CorpusError, match=r"raw_dir=.*nowhere is no folder"):
        multi30k_source(str(tmp_path / "nowhere"))


def test_multi30k_is_read_in_its_own_layout(tmp_path):
    for prefix in ("train", "val", "test_2016_flickr"):
        write(tmp_path, prefix, [f"{prefix} en"], [f"{prefix} de"])
    source = multi30k_source(str(tmp_path))
    assert source.languages == ("en", "de")
    assert {split: everything(source, split) for split in source.splits()} == {
        "train": (["train en"], ["train de"]),
        "valid": (["val en"], ["val de"]),
        "test": (["test_2016_flickr en"], ["test_2016_flickr de"]),
    }


# --- tables ---

ROWS = [("Hello\u2028you", "Hallo du"), ("", "leer"), ('He said "hi"', "Er sagte „hi“")]


@pytest.fixture(params=[".tsv", ".jsonl", ".jsonl.gz", ".parquet"])
def table(request, tmp_path):
    path = tmp_path / f"all{request.param}"
    if request.param == ".parquet":
        columns = {"id": [1, 2, 3], "de": [target for _, target in ROWS], "en": [source for source, _ in ROWS]}
        pq.write_table(pa.table(columns), path, row_group_size=1)
    elif request.param == ".tsv":
        path.write_text("id\tde\ten\n" + "".join(f"7\t{de}\t{en}\n" for en, de in ROWS), "utf-8", newline="\n")
    else:
        raw = "".join(json.dumps({"de": de, "en": en, "id": 7}) + "\n" for en, de in ROWS).encode()
        path.write_bytes(gzip.compress(raw) if request.param.endswith(".gz") else raw)
    return str(path)


@pytest.mark.parametrize("count", [1, 2])
def test_tables_give_their_named_columns(table, count):
    source = TableSource(("en", "de"), ("en", "de"), {"train": table})
    assert everything(source, "train", count) == tuple(map(list, zip(*ROWS, strict=True)))


def test_a_missing_column_is_named_with_those_that_are_there(table):
    with pytest.raises(CorpusError, match=r"'fr'; it has: .*de.*data\.target_column"):
        everything(TableSource(("en", "fr"), ("en", "fr"), {"train": table}), "train")


def test_fields_become_one_line_of_text(tmp_path):
    path = tmp_path / "all.jsonl"
    path.write_text('{"en": "two\\nlines", "de": null}\n{"en": 3, "de": "x"}\n')
    assert everything(TableSource(("en", "de"), ("en", "de"), {"train": str(path)}), "train") == (
        ["two lines", "3"], ["", "x"])


@pytest.mark.parametrize(("name", "content", "message"), [
    ("a.tsv", "en\tde\nx\ty\nx\ty\tz\n", r"a\.tsv line 3 has 3 columns, the heading has 2"),
    ("a.tsv", "en\tde\n", "has no rows: the corpus is empty"),
    ("a.jsonl", '{"en": "x", "de": "y"}\nx\n', r"a\.jsonl line 2 is not JSON"),
    ("a.jsonl", '{"en": "x", "de": ["y"]}\n', r"line 1, de is no text"),
    ("a.jsonl", "", "has no rows"),
    ("a.parquet", "PAR1", "is not a whole Parquet file"),
])
def test_damaged_tables_are_refused(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(CorpusError, match=message):
        everything(TableSource(("en", "de"), ("en", "de"), {"train": str(tmp_path / name)}), "train")


def test_text_files_and_tables_do_not_mix(tmp_path):
    with pytest.raises(SettingError, match="not of one kind"):
        build_source(FilesData(source="en", target="de", train="a", valid="b.tsv"), seed=1)


# --- cut ---


def cut(source, sizes):
    with Workers(1) as workers:
        return CutSource(source, workers, 4, sizes)


def test_cut_splits_share_no_pair_and_lose_none(tmp_path):
    english = [f"sentence {i % 900}" for i in range(1_000)]  # the last hundred repeat the first
    german = [f"Satz {i % 900}." if i % 2 else f"satz {i % 900}" for i in range(1_000)]
    source = FilesSource(("en", "de"), {"train": write(tmp_path, "train", english, german)})
    source = cut(source, {"valid": 30, "test": 50})
    splits = {split: set(zip(*everything(source, split), strict=True)) for split in ("train", "valid", "test")}
    assert {split: len(everything(source, split)[0]) for split in ("valid", "test")} == {"valid": 30, "test": 50}
    bare = {split: {(s, t.strip(".").lower()) for s, t in pairs} for split, pairs in splits.items()}
    assert not bare["train"] & bare["valid"] and not bare["train"] & bare["test"] and not bare["valid"] & bare["test"]
    assert set.union(*splits.values()) == set(zip(english, german, strict=True))


def test_the_cut_is_the_same_in_any_order(tmp_path):
    english, german = [f"s {i}" for i in range(500)], [f"t {i}" for i in range(500)]
    one = cut(FilesSource(("en", "de"), {"train": write(tmp_path, "a", english, german)}), {"valid": 20, "test": 20})
    other = cut(FilesSource(("en", "de"), {"train": write(tmp_path, "b", english[::-1], german[::-1])}),
                {"valid": 20, "test": 20})
    for split in ("valid", "test"):
        assert everything(one, split)[0] == everything(other, split)[0][::-1]


def test_a_small_corpus_gives_a_tenth_and_a_tiny_one_is_refused(tmp_path):
    source = FilesSource(("en", "de"), {"train": write(tmp_path, "a", map(str, range(50)), map(str, range(50)))})
    assert cut(source, {"valid": 1_000, "test": 1_000}).sizes == {"valid": 5, "test": 5}
    source = FilesSource(("en", "de"), {"train": write(tmp_path, "b", "ab", "cd")})
    with pytest.raises(CorpusError, match="2 training pairs are too few"):
        cut(source, {"valid": 1, "test": 1})


def test_only_missing_splits_are_cut(tmp_path):
    prefix = write(tmp_path, "train", "abc", "def")
    data = FilesData(source="en", target="de", train=prefix, test=prefix, valid_size=7)
    assert cut_sizes(data, build_source(data, seed=1)) == {"valid": 7}


# --- data sets of the hub, as `datasets` loads them ---

PAIRS = {"en": ["one\nline", "two", "three"], "de": ["eins", None, "drei"]}
READ = (["one line", "two", "three"], ["eins", "", "drei"])


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))


def hub_folder(folder, shape):
    rows = [{"en": en, "de": de} for en, de in zip(PAIRS["en"], PAIRS["de"], strict=True)]
    grouped = {"id": ["1", "2", "3"], "translation": rows}
    folder.mkdir()
    if shape == "json":
        (folder / "train.json").write_text("".join(json.dumps({"translation": row}) + "\n" for row in rows))
    elif shape == "parquet":
        pq.write_table(pa.table(PAIRS), folder / "train.parquet")
    elif shape == "saved":
        features = datasets.Features(id=datasets.Value("string"), translation=datasets.Translation(("en", "de")))
        datasets.DatasetDict(train=datasets.Dataset.from_dict(grouped, features)).save_to_disk(str(folder))
    else:
        datasets.Dataset.from_dict(PAIRS).save_to_disk(str(folder))
    return str(folder)


@pytest.mark.parametrize("shape", ["json", "parquet", "saved", "one split"])
def test_data_sets_in_every_shape(tmp_path, shape):
    source = HubSource(path=hub_folder(tmp_path / "set", shape), languages=("en", "de"), splits={"train": "train"})
    assert everything(source, "train", 2) == READ
    assert source.fingerprint()["train"]["rows"] == 3


def test_a_stream_gives_the_same_pairs(tmp_path):
    path = hub_folder(tmp_path / "set", "parquet")
    source = HubSource(path=path, languages=("en", "de"), splits={"train": "train"}, streaming=True)
    assert everything(source, "train", 4) == READ


def test_other_columns_and_the_fingerprint_of_their_text(tmp_path):
    path = hub_folder(tmp_path / "set", "one split")
    names = {"path": path, "languages": ("en", "de"), "splits": {"train": "train"}}
    straight, swapped = HubSource(**names), HubSource(**names, columns=("de", "en"))
    assert everything(swapped, "train") == READ[::-1]
    assert straight.fingerprint() == HubSource(**names).fingerprint() != swapped.fingerprint()


def test_what_a_data_set_lacks_is_named(tmp_path):
    path = hub_folder(tmp_path / "set", "saved")
    with pytest.raises(CorpusError, match=r"no split 'validation'; it has: train\. .* data\.valid=null to cut one"):
        HubSource(path=path, languages=("en", "de"), splits={"train": "train", "valid": "validation"})
    with pytest.raises(CorpusError, match=r"no column 'fr'; it has: id, translation, translation\.en, translation\.de"):
        HubSource(path=path, languages=("en", "fr"), splits={"train": "train"})


def test_without_a_connection_it_says_what_to_do(monkeypatch):
    def refuse(*_, **__):
        raise ConnectionError("Couldn't reach the server\nwith many\nmore lines")

    monkeypatch.setattr(datasets, "load_dataset", refuse)
    with pytest.raises(CorpusError) as caught:
        HubSource(path="owner/name", languages=("en", "de"), splits={"train": "train"})
    assert str(caught.value) == ("data.path=owner/name cannot be loaded (Couldn't reach the server). "
                                 "Check the name and the connection, or use data=files with files of your own.")
    with pytest.raises(CorpusError, match=r"or use data\.raw_dir=DIR with train\.en"):
        multi30k_source(None)
