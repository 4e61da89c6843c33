"""Lines of text as everybody here reads them: UTF-8, split at `\\n` only.

A `\\r`, U+0085 or U+2028 inside a sentence is no line break; one `\\r` before `\\n` and a byte-order
mark at the start of the text are dropped. So line n here is line n of `wc -l` and `sed -n`.
"""

from __future__ import annotations

import gzip
import os
import select
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from seq2seq.errors import UserError

MARK = b"\xef\xbb\xbf"  # U+FEFF in UTF-8
READ_BYTES = 1 << 16


def read_lines(source: str | Path | IO[bytes], name: str | None = None) -> Iterator[str]:
    """Yields the lines of a file (plain or .gz) or of an open binary stream, each as soon as it is there.

    `name` stands for the source in messages; left out, it is the path. Raises UserError for a file
    that cannot be read and for invalid UTF-8, with line (from 1) and byte offset (from 0, in the
    unpacked text).
    """
    if not isinstance(source, (str, Path)):
        yield from map(_Decoder(name or "the input"), source)  # binary files break lines at \n alone
        return
    name = name or str(source)
    try:
        with gzip.open(source) if str(source).endswith(".gz") else open(source, "rb") as stream:
            yield from map(_Decoder(name), stream)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError(f"{name} is not a whole gzip file ({error}). Pack it again or unpack it.") from None
    except OSError as error:
        raise UserError(f"{name} cannot be read: {error.strerror or error}.") from None


def arriving_lines(descriptor: int, name: str, sizes: Iterable[int]) -> Iterator[list[str]]:
    """Yields the lines of an open file or pipe in lists of at most `sizes` lines.

    A list is shorter when nothing more has come yet: what is there is never kept waiting for what
    is not. Raises UserError for invalid UTF-8, after the lines before it.
    """
    decode, raw = _Decoder(name), _RawLines(descriptor)
    for size in sizes:
        lines: list[str] = []
        try:
            for line in raw.take(size):
                lines.append(decode(line))
        except UserError:
            if lines:
                yield lines
            raise
        if not lines:
            return
        yield lines


class _Decoder:
    """Bytes of the next line to its text."""

    def __init__(self, name: str) -> None:
        self._name, self._number, self._offset = name, 0, 0

    def __call__(self, line: bytes) -> str:
        self._number += 1
        text = line.removeprefix(MARK) if self._number == 1 else line
        start = self._offset + len(line) - len(text)
        self._offset += len(line)
        text = text.removesuffix(b"\n").removesuffix(b"\r")
        try:
            return text.decode("utf-8")
        except UnicodeDecodeError as error:
            raise UserError(
                f"{self._name} line {self._number} is not UTF-8: byte 0x{text[error.start]:02x} at offset "
                f"{start + error.start}. Convert the text first, for example with: iconv -f latin1 -t utf-8"
            ) from None


class _RawLines:
    """The lines of a descriptor, as bytes with their `\\n`."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._whole: list[bytes] = []  # lines that nobody has taken, last first
        self._parts: list[bytes] = []  # the beginning of the next line
        self._ended = False

    def take(self, most: int) -> list[bytes]:
        """The next lines, at most `most`, waiting only for the first; none at the end."""
        taken: list[bytes] = []
        while len(taken) < most:
            if self._whole:
                taken.append(self._whole.pop())
            elif self._ended or (taken and not _ready(self._descriptor)):
                break
            else:
                self._read()
        return taken

    def _read(self) -> None:
        chunk = os.read(self._descriptor, READ_BYTES)
        first, *rest = _split(chunk)
        self._parts.append(first)
        self._ended = not chunk
        if rest or self._ended:
            lines = [b"".join(self._parts), *rest]
            self._parts = [] if self._ended else [lines.pop()]
            self._whole = [line for line in reversed(lines) if line]


def _split(chunk: bytes) -> list[bytes]:
    """At every `\\n`, which stays; the last part is what has none."""
    *lines, last = chunk.split(b"\n")
    return [*(line + b"\n" for line in lines), last]


def _ready(descriptor: int) -> bool:
    """Whether reading would not wait."""
    try:
        return bool(select.select([descriptor], [], [], 0)[0])
    except OSError:  # Windows asks sockets only: then a window fills before it is translated
        return True
