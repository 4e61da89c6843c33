"""The packed corpus: a folder that data_prep writes once and training maps into memory.

    manifest.json                    format version, languages, counts, checksums, cleaning report
    tokenizer.model                  one SentencePiece model for both sides, or
    tokenizer.source.model, tokenizer.target.model      one for each
    shortlist.safetensors            likely translations of every source piece
    train/ valid/ test/              Arrow folders written by `datasets`

Columns: `source`, `target` (text), `source_ids`, `target_ids` (piece ids without BOS and EOS).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from seq2seq.corpus.integrity import CorpusFiles
from seq2seq.corpus.shortlist import SHORTLIST
from seq2seq.errors import CorpusError
from seq2seq.tokenization.tokenizer import UNK, Tokenizer

FORMAT_VERSION = 1
MANIFEST = "manifest.json"
SPLITS = ("train", "valid", "test")
JOINT = "tokenizer.model"
SEPARATE = ("tokenizer.source.model", "tokenizer.target.model")


class PackedCorpus:
    """A packed corpus folder, opened for reading."""

    def __init__(self, folder: Path, manifest: dict[str, Any]) -> None:
        self.folder = folder
        self.manifest = manifest
        self.languages: tuple[str, str] = tuple(manifest["languages"])  # type: ignore[assignment]
        self._files = CorpusFiles(folder, manifest)

    @classmethod
    def open(cls, folder: str | Path) -> PackedCorpus:
        """Raises CorpusError when `folder` is no packed corpus of this format."""
        folder = Path(folder)
        path = folder / MANIFEST
        if not path.is_file():
            raise CorpusError(
                f"{folder} is not a packed corpus (no {MANIFEST}). Make one with: "
                f"python -m data_prep corpus={folder} data=... (grammar, files, multi30k_en_de or hub)"
            )
        try:
            manifest = json.loads(path.read_text(encoding="utf-8"))
            version = manifest["format_version"]
            if version == FORMAT_VERSION:
                _ = manifest["languages"], manifest["hash"]  # what every reader needs
                _ = dict(manifest.get("files", {})), dict(manifest.get("checksums", {}))
        except OSError as error:
            raise CorpusError(f"{path} cannot be read: {error.strerror}. Check its permissions and the disk.") from None
        except (ValueError, KeyError, TypeError):
            raise CorpusError(f"{path} is damaged. Prepare the corpus again with python -m data_prep.") from None
        if version != FORMAT_VERSION:
            raise CorpusError(
                f"{folder} has corpus format {version}; this version reads format {FORMAT_VERSION}. "
                "Prepare the corpus again with python -m data_prep."
            )
        return cls(folder, manifest)

    @property
    def hash(self) -> str:
        """Identifies the packed data: changes whenever a sentence or the tokenizer does."""
        return self.manifest["hash"]

    def tokenizers(self) -> tuple[Tokenizer, Tokenizer]:
        """The source and the target tokenizer; the same object when the vocabulary is joint."""
        if JOINT in self.manifest.get("files", ()) or (self.folder / JOINT).is_file():
            joint = self._tokenizer(JOINT)
            return joint, joint
        source, target = map(self._tokenizer, SEPARATE)
        return source, target

    def shortlist(self) -> bytes | None:
        """The likely translations of the pieces (shortlist.py), None where none were learnt."""
        if SHORTLIST not in self.manifest.get("files", ()):
            return None
        self._files.take(SHORTLIST)
        return (self.folder / SHORTLIST).read_bytes()

    def _tokenizer(self, name: str) -> Tokenizer:
        self._files.take(name)
        return Tokenizer.load(self.folder / name)

    def split(self, name: str) -> Split:
        """Raises CorpusError when it is not there, or not as it was written."""
        folder = self.folder / name
        if not folder.is_dir():
            there = [split for split in SPLITS if (self.folder / split).is_dir()]
            raise CorpusError(f"{self.folder} has no split {name!r}; it has: {', '.join(there)}.")
        self._files.take(name)
        return Split(folder, self._files)


class Split:
    """One split, memory-mapped: nothing is copied before it is asked for."""

    def __init__(self, folder: Path, files: CorpusFiles) -> None:
        import datasets  # slow to import: only training and evaluation of a split need it

        self.check_unchanged = files.check
        try:
            self._data = datasets.load_from_disk(str(folder)).with_format("arrow")
            table = self._data.data.table
            self._ids = tuple(_Ids(table.column(name)) for name in ("source_ids", "target_ids"))
        except Exception as error:
            cause = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise CorpusError(
                f"{folder} cannot be read ({cause}). Prepare the corpus again with python -m data_prep."
            ) from None
        self._table = table

    def __len__(self) -> int:
        return self._table.num_rows

    @property
    def source_lengths(self) -> np.ndarray:
        """(pairs,) pieces of every source side, without BOS and EOS."""
        return self._ids[0].lengths

    @property
    def target_lengths(self) -> np.ndarray:
        """(pairs,) pieces of every target side, without BOS and EOS."""
        return self._ids[1].lengths

    def source_counts(self, counted: np.ndarray) -> np.ndarray:
        """(pairs,) how many pieces of every source side are among the True ones of `counted` (V,)."""
        return self._ids[0].counts(counted)

    def unknown(self, side: int) -> int:
        """UNK among the pieces of the source sides (0) or the target sides (1)."""
        return self._ids[side].count(UNK)

    def ids(self, rows: Sequence[int] | np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """The piece ids of both sides of the given rows."""
        source, target = self._ids
        return [source[row] for row in rows], [target[row] for row in rows]

    def text(self, rows: Sequence[int] | np.ndarray | None = None) -> tuple[list[str], list[str]]:
        """The text of both sides of the given rows, or of all."""
        table = self._table.select(["source", "target"])
        if rows is not None:
            table = table.take(np.asarray(rows, dtype=np.int64))
        return table.column("source").to_pylist(), table.column("target").to_pylist()


class _Ids:
    """Random access to a chunked Arrow list column through its offsets, without making Python lists."""

    def __init__(self, column: Any) -> None:
        self._values: list[np.ndarray] = []
        self._offsets: list[np.ndarray] = []
        starts, lengths = [0], []
        for chunk in column.chunks:
            offsets = chunk.offsets.to_numpy()
            self._offsets.append(offsets)
            self._values.append(chunk.values.to_numpy(zero_copy_only=True))
            lengths.append(np.diff(offsets))
            starts.append(starts[-1] + len(chunk))
        self._starts = np.asarray(starts)
        self.lengths = np.concatenate(lengths) if lengths else np.zeros(0, dtype=np.int32)

    def counts(self, counted: np.ndarray) -> np.ndarray:
        found = [np.zeros(0, dtype=np.int64)]
        for values, offsets in zip(self._values, self._offsets, strict=True):
            before = np.concatenate([[0], np.cumsum(counted[values])])  # of all values up to each place
            found.append(np.diff(before[offsets]))
        return np.concatenate(found)

    def count(self, piece: int) -> int:
        return sum(int((values == piece).sum()) for values in self._values)

    def __getitem__(self, row: int) -> np.ndarray:
        chunk = int(np.searchsorted(self._starts, row, side="right")) - 1
        place = row - self._starts[chunk]
        first, last = self._offsets[chunk][place], self._offsets[chunk][place + 1]
        return self._values[chunk][first:last]
