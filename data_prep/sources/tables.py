"""`data=files` with a table file for each split: .tsv, .csv or .jsonl (plain or packed), or .parquet.

The two sides are named columns, or fields of a group: {"translation": {"en": ..., "de": ...}}, as the hub has them.
Where a field holds a line break it becomes a space, since a sentence is one line; a missing value is an empty side. In
.csv, and in a .tsv whose first lines have doubled quotation marks inside of quoted fields, quotes are read as the csv
module writes them.
"""

from __future__ import annotations

import csv
import dataclasses
import functools
import hashlib
import json
import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from data_prep.sources.base import BATCH_LINES, Batch, Shard
from data_prep.sources.files import PACKED, stretches
from data_prep.sources.lines import TextFile, check_unchanged
from seq2seq.corpus.integrity import Stamp
from seq2seq.errors import CorpusError

log = logging.getLogger("seq2seq")

GROUP = "translation"
TAB = "\\t"  # as sed reads it
LOOKED_AT = 1000  # rows, for what the quotation marks of a .tsv mean
_PLAIN_ENDINGS = (".tsv", ".csv", ".jsonl")
ENDINGS = (*_PLAIN_ENDINGS, *(plain + packed for plain in _PLAIN_ENDINGS for packed in PACKED), ".parquet")
_DOUBLED = re.compile(r'"(?:[^"]|"")*""(?:[^"]|"")*"')  # a field as csv writers quote one that has quotes
_QUOTED = re.compile(r'"(?:[^"]|"")*"')


class TableSource:
    """One table file for each split."""

    def __init__(self, languages: tuple[str, str], columns: tuple[str, str], paths: dict[str, str]) -> None:
        """`paths`: split -> file. Raises CorpusError: no file, no such column, no rows."""
        self.languages = languages
        self._tables = {split: _open(path, columns) for split, path in paths.items()}

    def splits(self) -> tuple[str, ...]:
        return tuple(self._tables)

    def shards(self, split: str, count: int) -> list[Shard]:
        return self._tables[split].shards(count)

    def fingerprint(self) -> dict:
        return {split: table.fingerprint() for split, table in self._tables.items()}


def is_table(path: str) -> bool:
    """Whether the name is that of a table file, not the prefix of two text files."""
    return path.endswith(ENDINGS)


def one_line(value: Any, where: str) -> str:
    """The text of a field. Raises CorpusError for lists, groups and half surrogate pairs (JSON can write them)."""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise CorpusError(f"{where} is no text: it holds half of a surrogate pair. Correct it, or leave the "
                              "line out.") from None
        return value.replace("\n", " ") if "\n" in value else value
    if value is None:
        return ""
    if isinstance(value, (int, float)):
        return str(value)
    raise CorpusError(f"{where} is no text: {str(value)[:60]!r}. Name a column of text.")


@dataclasses.dataclass(frozen=True)
class _Lines:
    """A .tsv or .jsonl file: some lines of heading, then a row in every line."""

    file: TextFile
    heading: int  # lines
    parse: Callable[[str, str], tuple[str, str]]  # (line, where) -> both sides

    def shards(self, count: int) -> list[Shard]:
        rows = stretches(self.file.lines - self.heading, 1 if self.file.packed else count)
        return [functools.partial(self.read, first + self.heading, last + self.heading) for first, last in rows]

    def read(self, first: int, last: int) -> Iterator[Batch]:
        number = first
        for lines in self.file.read(first, last):
            for start in range(0, len(lines), BATCH_LINES):
                batch = lines[start : start + BATCH_LINES]
                pairs = [self.parse(line, f"{self.file.path} line {number + i + 1}") for i, line in enumerate(batch)]
                number += len(batch)
                yield [source for source, _ in pairs], [target for _, target in pairs]

    def fingerprint(self) -> dict:
        return {"file": Path(self.file.path).name, "sha256": self.file.sha256}


@dataclasses.dataclass(frozen=True)
class _Parquet:
    path: str
    columns: tuple[str, str]
    nested: bool             # they are fields of GROUP
    groups: tuple[int, ...]  # rows of every row group
    sha256: str
    stamp: Stamp | None

    def shards(self, count: int) -> list[Shard]:
        total = len(self.groups)
        count = max(1, min(count, total))
        return [functools.partial(self.read, total * i // count, total * (i + 1) // count) for i in range(count)]

    def read(self, first: int, last: int) -> Iterator[Batch]:
        check_unchanged(self.path, self.stamp)
        file = pq.ParquetFile(self.path)
        wanted = [f"{GROUP}.{name}" for name in self.columns] if self.nested else [*self.columns]
        for record in file.iter_batches(BATCH_LINES, row_groups=list(range(first, last)), columns=wanted):
            table = pa.Table.from_batches([record])
            if self.nested:
                table = pa.Table.from_struct_array(table.column(GROUP))
            try:
                source, target = (table.column(name).to_pylist() for name in self.columns)
            except UnicodeDecodeError:
                raise CorpusError(f"{self.path} holds text that is not UTF-8. Write it from text that is.") from None
            yield (
                [one_line(value, f"{self.path} column {self.columns[0]}") for value in source],
                [one_line(value, f"{self.path} column {self.columns[1]}") for value in target],
            )
        check_unchanged(self.path, self.stamp)

    def fingerprint(self) -> dict:
        return {"file": Path(self.path).name, "sha256": self.sha256}


def _open(path: str, columns: tuple[str, str]) -> _Lines | _Parquet:
    if Path(path).is_dir():
        raise CorpusError(f"{path} is a folder. Give one file; a folder of Parquet files is read with data=hub "
                          f"data.path={path}")
    if not Path(path).is_file():
        raise CorpusError(f"{path} does not exist. Check the folder and the name.")
    if path.endswith(".parquet"):
        table: _Lines | _Parquet = _open_parquet(path, columns)
        rows = sum(table.groups)  # type: ignore[union-attr]
    else:
        file = TextFile.index(path)
        if not {".tsv", ".csv"}.isdisjoint(Path(path).suffixes):
            table = _open_columns(path, file, columns)
        else:
            table = _Lines(file, 0, functools.partial(_jsonl, columns))
        rows = file.lines - table.heading
    if rows <= 0:
        raise CorpusError(f"{path} has no rows: the corpus is empty.")
    return table


def _open_columns(path: str, file: TextFile, columns: tuple[str, str]) -> _Lines:
    """A .tsv or .csv file, whose first line names the columns."""
    first = [line for lines in file.read(0, min(file.lines, LOOKED_AT)) for line in lines] or [""]
    comma = ".csv" in Path(path).suffixes
    split = _comma_split if comma else _quoted_split if _is_quoted(first) else _plain_split
    if split is _quoted_split:
        log.info("%s: quotation marks are read as csv writers put them, doubled inside of quoted fields", path)
    heading = split(first[0], f"{path} line 1")
    if set(columns).isdisjoint(heading) and len(heading) <= 3:
        sides = f"{columns[0]}{',' if comma else TAB}{columns[1]}"
        raise CorpusError(f"{path} has no heading with {columns[0]!r} and {columns[1]!r}: its first line is "
                          f"{first[0][:80]!r}. Put the names above it (sed -i '1i {sides}' {path}), or, if it is a "
                          "heading, give data.source_column and data.target_column.")
    parse = functools.partial(_columns, split, _places(path, heading, columns), len(heading))
    return _Lines(file, 1, parse)


def _is_quoted(lines: list[str]) -> bool:
    """Whether all fields that begin with a quotation mark are quoted as csv writers do, and one has quotes inside."""
    fields = [field for line in lines for field in line.split("\t") if field.startswith('"')]
    return all(map(_QUOTED.fullmatch, fields)) and any(map(_DOUBLED.fullmatch, fields))


def _plain_split(line: str, where: str) -> list[str]:
    return line.split("\t")


def _quoted_split(line: str, where: str) -> list[str]:
    return [field[1:-1].replace('""', '"') if _QUOTED.fullmatch(field) else field for field in line.split("\t")]


def _comma_split(line: str, where: str) -> list[str]:
    if line.count('"') % 2:
        raise CorpusError(f"{where} has a field with a line break. Write the table as .jsonl, or without line breaks.")
    return next(csv.reader([line]), [""])


def _open_parquet(path: str, columns: tuple[str, str]) -> _Parquet:
    stamp = Stamp.of(Path(path))
    try:
        metadata = pq.read_metadata(path)
    except (OSError, pa.ArrowException) as error:
        raise CorpusError(f"{path} is not a whole Parquet file ({str(error).splitlines()[0]}).") from None
    schema = metadata.schema.to_arrow_schema()
    group = schema.field(GROUP).type if GROUP in schema.names else None
    nested = isinstance(group, pa.StructType) and not set(columns) <= set(schema.names)
    names = [field.name for field in group] if isinstance(group, pa.StructType) and nested else schema.names
    _places(path, names, columns)
    groups = tuple(metadata.row_group(i).num_rows for i in range(metadata.num_row_groups))
    with open(path, "rb") as file:
        return _Parquet(path, columns, nested, groups, hashlib.file_digest(file, "sha256").hexdigest(), stamp)


def _places(path: str, heading: list[str], columns: tuple[str, str]) -> tuple[int, int]:
    for name in columns:
        if name not in heading:
            raise CorpusError(
                f"{path} has no column {name!r}; it has: {', '.join(heading)[:200]}. "
                "Give data.source_column and data.target_column."
            )
    return heading.index(columns[0]), heading.index(columns[1])


def _columns(split: Callable[[str, str], list[str]], places: tuple[int, int], width: int, line: str,
             where: str) -> tuple[str, str]:
    fields = split(line, where)
    if len(fields) != width:
        raise CorpusError(f"{where} has {len(fields)} columns, the heading has {width}. Is there a tab or comma inside "
                          "a sentence?")
    return fields[places[0]], fields[places[1]]


def _jsonl(columns: tuple[str, str], line: str, where: str) -> tuple[str, str]:
    if not line.strip():
        return "", ""  # as an empty last line: dropped and counted by cleaning.empty
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        raise CorpusError(f"{where} is not JSON: {line[:60]!r}. A .jsonl file has one object in every line.") from None
    sides = []
    if isinstance(row, dict) and isinstance(row.get(GROUP), dict) and not set(columns) <= row.keys():
        row = row[GROUP]
    for name in columns:
        if not isinstance(row, dict) or name not in row:
            there = ", ".join(row)[:200] if isinstance(row, dict) else "no names"
            raise CorpusError(
                f"{where} has no {name!r}; it has: {there}. Give data.source_column and data.target_column."
            )
        sides.append(one_line(row[name], f"{where}, {name}"))
    return sides[0], sides[1]
