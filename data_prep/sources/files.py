"""`data=files`: two aligned text files for each split, PREFIX.en and PREFIX.de, plain or packed (gzip, bzip2, xz)."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from pathlib import Path

from data_prep.sources.base import BATCH_CHARACTERS, BATCH_LINES, Batch, Shard
from data_prep.sources.lines import TextFile
from seq2seq.errors import CorpusError

PACKED = (".gz", ".bz2", ".xz")  # endings that are looked for; what a file is, its first bytes tell
_CURES = {
    ".json": ": write it as .jsonl, one object a line (jq -c '.[]' FILE.json > FILE.jsonl)",
    ".tmx": ": translation memories must become two text files or a .tsv (for example with tmx2txt)",
    ".xlsx": ": save the sheet as .tsv", ".xls": ": save the sheet as .tsv", ".ods": ": save the sheet as .tsv",
    ".zip": ": unpack it", ".tar": ": unpack it", ".tgz": ": unpack it",
}


class FilesSource:
    """Text files, line n of the one side beside line n of the other."""

    def __init__(self, languages: tuple[str, str], prefixes: dict[str, str]) -> None:
        """`prefixes`: split -> PREFIX. Raises CorpusError: no file, or other numbers of lines."""
        self.languages = languages
        self._pairs = {split: _pair(prefix, languages) for split, prefix in prefixes.items()}

    def splits(self) -> tuple[str, ...]:
        return tuple(self._pairs)

    def shards(self, split: str, count: int) -> list[Shard]:
        source, target = self._pairs[split]
        if source.packed or target.packed:
            count = 1
        return [_Part(source, target, first, last) for first, last in stretches(source.lines, count)]

    def fingerprint(self) -> dict:
        return {
            split: [{"file": Path(file.path).name, "lines": file.lines, "sha256": file.sha256} for file in pair]
            for split, pair in self._pairs.items()
        }


def stretches(total: int, count: int) -> list[tuple[int, int]]:
    """At most `count` stretches (first, last) of about the same size that cover 0..total-1 in order."""
    count = max(1, min(count, -(-total // BATCH_LINES)))
    edges = [total * i // count for i in range(count + 1)]
    return list(itertools.pairwise(edges))


@dataclasses.dataclass(frozen=True)
class _Part:
    source: TextFile
    target: TextFile
    first: int
    last: int

    def __call__(self) -> Iterator[Batch]:
        source, target = (file.read(self.first, self.last) for file in (self.source, self.target))
        return paired(source, target)


def paired(source: Iterator[list[str]], target: Iterator[list[str]]) -> Iterator[Batch]:
    """Two streams of lists of any lengths as batches of up to BATCH_LINES pairs, fewer of long lines."""
    left: list[str] = []
    right: list[str] = []
    while True:
        _fill(left, source)
        _fill(right, target)
        size = min(len(left), len(right), BATCH_LINES)
        if not size:
            return
        yield left[:size], right[:size]
        del left[:size], right[:size]


def _fill(lines: list[str], more: Iterator[list[str]]) -> None:
    held = sum(map(len, lines))
    while len(lines) < BATCH_LINES and held < BATCH_CHARACTERS and (new := next(more, None)) is not None:
        lines += new
        held += sum(map(len, new))


def _pair(prefix: str, languages: tuple[str, str]) -> tuple[TextFile, TextFile]:
    source, target = (TextFile.index(find(prefix, language)) for language in languages)
    if source.lines != target.lines:
        raise CorpusError(
            f"{source.path} has {source.lines:,} lines and {target.path} has {target.lines:,}: line n of the one "
            "must be the translation of line n of the other."
        )
    if not source.lines:
        raise CorpusError(f"{source.path} and {target.path} have no lines: the corpus is empty.")
    return source, target


def find(prefix: str, language: str) -> Path:
    """The text file of a prefix and a language, plain or packed. Raises CorpusError when there is none."""
    plain = Path(f"{prefix}.{language}")
    for path in (plain, *(Path(f"{plain}{ending}") for ending in PACKED)):
        if path.is_file():
            return path
    raise CorpusError(missing(prefix, plain, language))


def missing(prefix: str, plain: Path, language: str) -> str:
    """What a prefix is, of which there is no text file, and what to give instead."""
    given = Path(prefix)
    if given.is_dir():
        return (f"{prefix} is a folder. Give the beginning of the names of two files in it, for example "
                f"{given / 'train'} for train.{language}; a folder of Parquet files is read with data=hub "
                f"data.path={prefix}")
    stem, ends_so, _ = prefix.rpartition(f".{language}")
    if given.is_file() and ends_so:
        return f"{prefix} is one of two files. Give what their names have in common: {stem}"
    if given.is_file():
        cure = _CURES.get(given.suffix.lower(), "")
        return (f"{prefix} is a file that is not read{cure}. Read are two text files, PREFIX.{language} and the other "
                "side's, and tables: .tsv, .csv, .jsonl or .parquet.")
    if given.suffix in PACKED:
        return f"{prefix} does not exist. Give a prefix without {given.suffix}: packed files are found by themselves."
    if plain.is_dir():
        return f"{plain} is a folder, and a text file is needed. Check prefix and language."
    return f"{plain} does not exist (nor packed: {', '.join(PACKED)}). Check folder, prefix and language."
