"""Lines of a text file by blocks, from any line to any other: fast for the whole file, cheap for a part.

Read as seq2seq/text/lines.py reads: UTF-8, split at `\\n` only, one `\\r` before it and a byte-order mark at
the start dropped. A plain file is indexed once (newlines before every block), so that several
processes each read their own stretch; a packed file (gzip, bzip2, xz) can only be read from its start.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np

from seq2seq.corpus.integrity import Stamp
from seq2seq.errors import CorpusError
from seq2seq.text.encodings import is_packed, not_utf8, opened
from seq2seq.text.lines import LONGEST_LINE, MARK, too_long

BLOCK = 1 << 20  # bytes


@dataclasses.dataclass(frozen=True)
class TextFile:
    """An indexed file of lines."""

    path: str
    lines: int
    sha256: str                  # of the unpacked bytes
    stamp: Stamp | None          # when they were counted
    newlines: tuple[int, ...]    # before block 0, 1, ...; of a packed file only block 0
    packed: bool = False

    @classmethod
    def index(cls, path: str | Path) -> TextFile:
        """Counts and hashes. Raises CorpusError when the file cannot be read."""
        stamp, digest, newlines, last = Stamp.of(Path(path)), hashlib.sha256(), [0], b"\n"
        with opened(path, CorpusError) as stream:
            while block := stream.read(BLOCK):
                digest.update(block)
                newlines.append(newlines[-1] + block.count(b"\n"))
                last = block[-1:]
        lines = newlines[-1] + (last != b"\n")
        packed = is_packed(path)
        return cls(str(path), lines, digest.hexdigest(), stamp, tuple(newlines[:1] if packed else newlines), packed)

    def read(self, first: int, last: int) -> Iterator[list[str]]:
        """Yields the lines first..last-1 in lists of some thousand.

        Raises CorpusError at invalid UTF-8, at a line longer than LONGEST_LINE, and when the file is not the
        one that was counted.
        """
        if first >= last:
            return
        check_unchanged(self.path, self.stamp)
        with opened(self.path, CorpusError) as stream:
            offset = self._seek(stream, first)
            number, rest = first, b""
            while number < last:
                block = stream.read(BLOCK)
                data = rest + block
                end = len(data) if not block else data.rfind(b"\n") + 1
                whole, rest = data[:end], data[end:]
                if len(rest) > LONGEST_LINE:
                    raise CorpusError(too_long(self.path, number + whole.count(b"\n") + 1))
                if whole:
                    lines = self._decode(whole, number, offset)
                    yield lines[: last - number]
                    number, offset = number + len(lines), offset + end
                if not block and number < last:
                    raise _changed(self.path)
        check_unchanged(self.path, self.stamp)

    def _seek(self, stream: IO[bytes], line: int) -> int:
        """Moves to the start of a line; returns its byte offset."""
        block = int(np.searchsorted(self.newlines, line, side="left")) - 1 if line else 0
        block = max(block, 0)
        position, missing = block * BLOCK, line - self.newlines[block]
        stream.seek(position)
        while missing:
            data = stream.read(BLOCK)
            if not data:
                raise _changed(self.path)
            count = data.count(b"\n")
            if count >= missing:
                ends = np.flatnonzero(np.frombuffer(data, dtype=np.uint8) == ord("\n"))
                position += int(ends[missing - 1]) + 1
                break
            position, missing = position + len(data), missing - count
        stream.seek(position)
        return position

    def _decode(self, data: bytes, number: int, offset: int) -> list[str]:
        mark = len(MARK) if offset == 0 and data.startswith(MARK) else 0
        try:
            text = data[mark:].decode("utf-8")
        except UnicodeDecodeError as error:
            start = mark + error.start
            line = number + data.count(b"\n", 0, start) + 1
            raise CorpusError(f"{self.path} line {line} {not_utf8(data[start], offset + start)}") from None
        if "\r" in text:
            text = text.replace("\r\n", "\n").removesuffix("\r")
        lines = text.split("\n")
        return lines[:-1] if data.endswith(b"\n") else lines


def check_unchanged(path: str, stamp: Stamp | None) -> None:
    """Raises CorpusError when the file is not the one any more that had this stamp."""
    if Stamp.of(Path(path)) != stamp:
        raise _changed(path)


def _changed(path: str) -> CorpusError:
    return CorpusError(f"{path} was changed while it was read. Start again when it is complete.")
