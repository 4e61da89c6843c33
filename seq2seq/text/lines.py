"""Lines of text as everybody here reads them: UTF-8, split at `\\n` only.

A `\\r`, U+0085 or U+2028 inside a sentence is no line break; one `\\r` before `\\n` and a byte-order
mark at the start of the text are dropped. So line n here is line n of `wc -l` and `sed -n`.
Memory is bounded: a line may have LONGEST_LINE bytes, and no more of a text is held than is needed.
"""

from __future__ import annotations

import os
import select
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO

from seq2seq.errors import UserError
from seq2seq.text.encodings import no_text, not_utf8, opened

MARK = b"\xef\xbb\xbf"  # U+FEFF in UTF-8
READ_BYTES = 1 << 16
LONGEST_LINE = 1 << 24  # bytes, the newline counted
WINDOW_BYTES = 1 << 20  # lines that are handed on together have little more than so many bytes


def read_lines(source: str | Path | IO[bytes], name: str | None = None) -> Iterator[str]:
    """Yields the lines of a file (plain, gzip, bzip2 or xz) or of an open binary stream, each as soon as it is there.

    `name` stands for the source in messages; left out, it is the path. Raises UserError for a file
    that cannot be read, for invalid UTF-8, with line (from 1) and byte offset (from 0, in the
    unpacked text), and for a line longer than LONGEST_LINE.
    """
    if not isinstance(source, (str, Path)):
        yield from map(_Decoder(name or "the input"), _raw(source))
        return
    name = name or str(source)
    with opened(source, name=name) as stream:
        yield from map(_Decoder(name), _raw(stream))


def arriving_lines(descriptor: int, name: str, sizes: Iterable[int]) -> Iterator[list[str]]:
    """Yields the lines of an open file or pipe in lists of at most `sizes` lines.

    A list is shorter when nothing more has come yet: what is there is never kept waiting for what
    is not; and when its lines are long (WINDOW_BYTES). Raises UserError for invalid UTF-8 and for a
    line longer than LONGEST_LINE, after the lines before it.
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
        if len(line) > LONGEST_LINE:
            raise UserError(too_long(self._name, self._number))
        text = line.removeprefix(MARK) if self._number == 1 else line
        start = self._offset + len(line) - len(text)
        self._offset += len(line)
        text = text.removesuffix(b"\n").removesuffix(b"\r")
        try:
            return text.decode("utf-8")
        except UnicodeDecodeError as error:
            if self._number == 1 and (said := no_text(line)):
                raise UserError(f"{self._name} line 1 is not UTF-8: the input {said}") from None
            said = not_utf8(text[error.start], start + error.start)
            raise UserError(f"{self._name} line {self._number} {said}") from None


def too_long(name: str, number: int) -> str:
    """What to say about a line with more than LONGEST_LINE bytes."""
    return (f"{name} line {number} has more than {LONGEST_LINE >> 20} MiB: that is no sentence, and perhaps no text. "
            "Give one sentence a line.")


def grouped(lines: Iterable[str], sizes: Iterable[int]) -> Iterator[list[str]]:
    """The lines in lists of `sizes`, fewer where lines are long (WINDOW_BYTES)."""
    rest = iter(lines)
    for size in sizes:
        group: list[str] = []
        held = 0
        while len(group) < size and held < WINDOW_BYTES and (line := next(rest, None)) is not None:
            group.append(line)
            held += len(line)
        if not group:
            return
        yield group


def _raw(stream: IO[bytes]) -> Iterator[bytes]:
    # Binary streams break lines at \n alone.
    return iter(lambda: stream.readline(LONGEST_LINE + 1), b"")


class _RawLines:
    """The lines of a descriptor, as bytes with their `\\n`."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._whole: list[bytes] = []  # lines that nobody has taken, last first
        self._parts: list[bytes] = []  # the beginning of the next line,
        self._begun = 0                # and its bytes
        self._ended = False

    def take(self, most: int) -> list[bytes]:
        """The next lines, at most `most`, waiting only for the first; none at the end."""
        taken: list[bytes] = []
        held = 0
        while len(taken) < most and held < WINDOW_BYTES:
            if self._whole:
                taken.append(self._whole.pop())
                held += len(taken[-1])
            elif self._ended or (taken and not _ready(self._descriptor)):
                break
            else:
                self._read()
        return taken

    def _read(self) -> None:
        chunk = os.read(self._descriptor, READ_BYTES)
        first, *rest = _split(chunk)
        self._parts.append(first)
        self._begun += len(first)
        self._ended = not chunk or self._begun > LONGEST_LINE  # more of such a line is not wanted
        if rest or self._ended:
            lines = [b"".join(self._parts), *rest]
            self._parts = [] if self._ended else [lines.pop()]
            self._begun = sum(map(len, self._parts))
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


def check_surrogates(lines: Sequence[str], first: int, name: str) -> None:
    """Raises UserError for a line that is no text, TypeError for one that is not a `str`; `first` is the number of the
    first line in `name`."""
    for number, line in enumerate(lines, first):
        if not isinstance(line, str):
            raise TypeError(f"{name} line {number} is {line!r:.40}, and a text is needed.")
        try:
            line.encode()
        except UnicodeEncodeError as error:
            raise UserError(f"{name} line {number} is no text: character {error.start + 1} is half of a surrogate "
                            "pair. Put the pair together, or leave the half out.") from None
