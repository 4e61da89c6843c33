"""`data=hub`: a translation data set of the hub, or a folder in the shape of one, through `datasets`.

The two sides are flat columns (`en`, `de`) or fields of a group column (`translation: {en, de}`).
"""

from __future__ import annotations

import dataclasses
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from data_prep.sources.base import BATCH_LINES, Batch, Shard
from data_prep.sources.files import stretches
from data_prep.sources.tables import one_line
from seq2seq.errors import CorpusError

GROUP = "translation"
log = logging.getLogger("seq2seq")


class HubSource:
    """The splits of a data set that `datasets` loads."""

    def __init__(self, *, path: str, languages: tuple[str, str], splits: dict[str, str],
                 columns: tuple[str, str] | None = None, config: str | None = None, revision: str | None = None,
                 streaming: bool = False, instead: str = "data=files with files of your own") -> None:
        """`splits`: our name -> its name there; `columns`: None for the languages.

        Raises CorpusError: it cannot be loaded, or has no such split or column. `instead` is what
        the message tells to do without a connection.
        """
        self.languages, self._path, self._config, self._revision = languages, path, config, revision
        self._streaming = streaming
        found = _load(path, config, revision, streaming, instead)
        self._data: dict[str, Any] = {}
        for ours, theirs in splits.items():
            if theirs not in found:
                raise CorpusError(
                    f"{path} has no split {theirs!r}; it has: {', '.join(map(str, found))}. "
                    f"Give data.{ours}=NAME" + ("" if ours == "train" else f", or data.{ours}=null to cut one")
                )
            self._data[ours] = found[theirs]
        self._columns = {split: _columns(path, data, columns or languages) for split, data in self._data.items()}

    def splits(self) -> tuple[str, ...]:
        return tuple(self._data)

    def shards(self, split: str, count: int) -> list[Shard]:
        data, columns = self._data[split], self._columns[split]
        if self._streaming:
            total = min(count, data.num_shards)
            return [_Part(data.shard(total, i), columns, self._path) for i in range(total)]
        return [_Part(data.select(range(a, b)), columns, self._path) for a, b in stretches(len(data), count)]

    def fingerprint(self) -> dict:
        """The text itself, hashed; of a stream, which is not read twice, its name and version."""
        if self._streaming:
            name = {"path": self._path, "config": self._config, "revision": self._revision}
            return {split: name | {"version": str(data.info.version)} for split, data in self._data.items()}
        return {split: _hash(data, self._columns[split]) for split, data in self._data.items()}


@dataclasses.dataclass(frozen=True)
class _Part:
    data: Any                                        # Dataset or IterableDataset
    columns: tuple[tuple[str, ...], tuple[str, ...]]  # the way to each side: a column, or a column and a field
    path: str

    def __call__(self) -> Iterator[Batch]:
        for table in _tables(self.data, self.path):
            source, target = (_column(table, way).to_pylist() for way in self.columns)
            yield ([one_line(value, f"{self.path}, {'.'.join(self.columns[0])}") for value in source],
                   [one_line(value, f"{self.path}, {'.'.join(self.columns[1])}") for value in target])


def _load(path: str, config: str | None, revision: str | None, streaming: bool, instead: str) -> Any:
    """split name -> data set."""
    if not sys.stderr.isatty():
        datasets.disable_progress_bars()
    for name in ("huggingface_hub", "httpx"):  # which tell of every request and every retry
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        if Path(path).is_dir() and any((Path(path) / name).is_file() for name in ("dataset_dict.json", "state.json")):
            found = datasets.load_from_disk(path)
            return found if isinstance(found, datasets.DatasetDict) else {"train": found}
        if not Path(path).exists():
            log.info("loading %s from the hub; without a connection it gives up after half a minute", path)
        return datasets.load_dataset(path, name=config, revision=revision, streaming=streaming)
    except Exception as error:  # of many kinds: of the network, of the hub, of the files
        where = "the folder" if Path(path).exists() else "the name and the connection"
        raise CorpusError(
            f"data.path={path} cannot be loaded ({_first_line(error)}). Check {where}, or use {instead}."
        ) from None


def _columns(path: str, data: Any, names: tuple[str, str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    features = data.features or data._resolve_features().features  # a stream may not know them yet
    ways: list[tuple[str, ...]] = []
    for name in names:
        fields = _fields(features.get(GROUP))
        if name in features:
            ways.append((name,))
        elif name in fields:
            ways.append((GROUP, name))
        else:
            there = [*features, *(f"{GROUP}.{field}" for field in fields)]
            raise CorpusError(
                f"{path} has no column {name!r}; it has: {', '.join(there)}. "
                "Give data.source_column and data.target_column."
            )
    return ways[0], ways[1]


def _fields(feature: Any) -> list[str]:
    if isinstance(feature, datasets.Translation):
        return list(feature.languages)
    return list(feature) if isinstance(feature, dict) else []


def _tables(data: Any, path: str) -> Iterator[pa.Table]:
    try:
        yield from data.with_format("arrow").iter(batch_size=BATCH_LINES)
    except Exception as error:
        raise CorpusError(f"{path} cannot be read on ({_first_line(error)}). Check the connection.") from None


def _column(table: pa.Table, way: tuple[str, ...]) -> pa.ChunkedArray:
    column = table.column(way[0])
    return pc.struct_field(column, list(way[1:])) if len(way) > 1 else column


def _hash(data: Any, columns: tuple[tuple[str, ...], tuple[str, ...]]) -> dict:
    digest = xxhash.xxh3_128()
    for source, target in _Part(data, columns, "")():
        digest.update("\n".join(source).encode())
        digest.update(b"\0" + "\n".join(target).encode() + b"\0")
    return {"rows": len(data), "xxh3_128": digest.hexdigest()}


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines()
    return lines[0][:200] if lines else type(error).__name__
