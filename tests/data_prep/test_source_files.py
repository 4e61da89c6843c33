"""Files as people give them: read as they are meant, or told what they are and what to do."""

from __future__ import annotations

import bz2
import csv
import json
import lzma

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from test_sources import everything

from data_prep.sources.build import build_source
from seq2seq.errors import CorpusError
from seq2seq.settings.prepare import FilesData


def files_data(train, **more):
    return FilesData(source="en", target="de", train=str(train), **more)


def test_quotes_as_csv_writers_put_them(tmp_path, caplog):
    rows = [('He said "yes"', "Er sagte „ja“"), ("plain", "einfach"), ("a, b", "c;d"), ('"all"', "alles")]
    for ending, delimiter in (("tsv", "\t"), ("csv", ",")):
        path = tmp_path / f"t.{ending}"
        with open(path, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, delimiter=delimiter)
            writer.writerows([("en", "de"), *rows])
        with caplog.at_level("INFO"):
            assert everything(build_source(files_data(path), 1), "train") == tuple(map(list, zip(*rows, strict=True)))
    assert caplog.text.count("quotation marks are read as csv writers put them") == 1


def test_quotes_that_are_text_stay(tmp_path):
    path = tmp_path / "t.tsv"
    path.write_text('en\tde\n"Stop," he said\t„Halt“, sagte er\n"Yes"\t"Ja"\n')
    assert everything(build_source(files_data(path), 1), "train")[0] == ['"Stop," he said', '"Yes"']


def test_a_field_of_several_lines_is_refused(tmp_path):
    (tmp_path / "t.csv").write_text('en,de\n"a\nb",c\n')
    with pytest.raises(CorpusError, match=r"t.csv line 2 has a field with a line break. Write the table as .jsonl"):
        everything(build_source(files_data(tmp_path / "t.csv"), 1), "train")


@pytest.mark.parametrize("ending", ["tsv", "csv"])
def test_a_table_without_a_heading_is_told_how_to_have_one(tmp_path, ending):
    path = tmp_path / f"t.{ending}"
    path.write_text("A house\tEin Haus\nA tree\tEin Baum\n".replace("\t", "," if ending == "csv" else "\t"))
    with pytest.raises(CorpusError, match=r"has no heading with 'en' and 'de': .*'A house.* \(sed -i '1i en"):
        build_source(files_data(path), 1)


def test_groups_as_the_hub_has_them(tmp_path):
    pairs = [{"en": "one", "de": "eins"}, {"en": "two", "de": "zwei"}]
    lines = tmp_path / "t.jsonl"
    lines.write_text("".join(json.dumps({"id": 1, "translation": pair}) + "\n" for pair in pairs) + "\n")
    assert everything(build_source(files_data(lines), 1), "train") == (["one", "two", ""], ["eins", "zwei", ""])
    pq.write_table(pa.table({"id": [1, 2], "translation": pairs}), tmp_path / "t.parquet")
    found = everything(build_source(files_data(tmp_path / "t.parquet"), 1), "train")
    assert found == (["one", "two"], ["eins", "zwei"])


@pytest.mark.parametrize(("name", "words"), [
    ("a.json", r"a.json is a file that is not read: write it as .jsonl"),
    ("a.tmx", r"a.tmx is a file that is not read: translation memories must become"),
    ("a.unknown", r"a.unknown is a file that is not read\. Read are two text files, PREFIX.en and the other"),
    ("train.en", r"train.en is one of two files\. Give what their names have in common: .*/train$"),
    ("nothing.xz", r"Give a prefix without .xz"),
    ("folder", r"folder is a folder\. Give the beginning of the names of two files"),
    ("folder.parquet", r"folder.parquet is a folder\. Give one file; a folder of Parquet files is read with data=hub"),
    ("half", r"half.en is a folder, and a text file is needed\. Check prefix and language"),
    ("nothing", r"nothing.en does not exist \(nor packed: .gz, .bz2, .xz\)"),
])
def test_a_file_that_is_there_is_told_what_it_is(tmp_path, name, words):
    if name.startswith("folder"):
        (tmp_path / name).mkdir()
    elif name == "half":
        (tmp_path / "half.en").mkdir()
    elif not name.startswith("nothing"):
        (tmp_path / name).write_text("[]")
    with pytest.raises(CorpusError, match=words):
        build_source(files_data(tmp_path / name), 1)


def test_packed_text_is_found_by_its_prefix(tmp_path):
    (tmp_path / "t.en.xz").write_bytes(lzma.compress(b"one\ntwo\n"))
    (tmp_path / "t.de").write_bytes(bz2.compress(b"eins\nzwei\n"))  # whatever its name
    assert everything(build_source(files_data(tmp_path / "t"), 1), "train", 5) == (["one", "two"], ["eins", "zwei"])
