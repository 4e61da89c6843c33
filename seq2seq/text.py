"""Lines of text as everybody here reads them: UTF-8, split at `\\n` only.

A `\\r`, U+0085 or U+2028 inside a sentence is no line break; one `\\r` before `\\n` and a byte-order
mark at the start of the text are dropped. So line n here is line n of `wc -l` and `sed -n`.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from seq2seq.errors import UserError

MARK = b"\xef\xbb\xbf"  # U+FEFF in UTF-8


def read_lines(source: str | Path | IO[bytes], name: str | None = None) -> Iterator[str]:
    """Yields the lines of a file (plain or .gz) or of an open binary stream, each as soon as it is there.

    `name` stands for the source in messages; left out, it is the path. Raises UserError for a file
    that cannot be read and for invalid UTF-8, with line (from 1) and byte offset (from 0, in the
    unpacked text).
    """
    if not isinstance(source, (str, Path)):
        yield from _decoded(source, name or "the input")
        return
    name = name or str(source)
    try:
        with gzip.open(source) if str(source).endswith(".gz") else open(source, "rb") as stream:
            yield from _decoded(stream, name)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError(f"{name} is not a whole gzip file ({error}). Pack it again or unpack it.") from None
    except OSError as error:
        raise UserError(f"{name} cannot be read: {error.strerror or error}.") from None


def _decoded(stream: Iterable[bytes], name: str) -> Iterator[str]:
    offset = 0
    for number, line in enumerate(stream, start=1):  # binary files break lines at \n alone
        text = line.removeprefix(MARK) if number == 1 else line
        text = text.removesuffix(b"\n").removesuffix(b"\r")
        try:
            decoded = text.decode("utf-8")
        except UnicodeDecodeError as error:
            place = offset + error.start + (len(MARK) if number == 1 and line.startswith(MARK) else 0)
            raise UserError(
                f"{name} line {number} is not UTF-8: byte 0x{text[error.start]:02x} at offset {place}. "
                "Convert the text first, for example with: iconv -f latin1 -t utf-8"
            ) from None
        yield decoded
        offset += len(line)
