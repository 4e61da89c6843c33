"""What the bytes of a text file are, told by their first ones: packed, another encoding, or no text at all."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import lzma
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from seq2seq.errors import UserError

HEAD = 4096  # bytes that are looked at
_PACKED: list[tuple[bytes, str, Callable[..., Any]]] = [
    (b"\x1f\x8b", "gzip", gzip.open), (b"BZh", "bzip2", bz2.open), (b"\xfd7zXZ\0", "xz", lzma.open)]
_NO_TEXT = [
    (b"\x28\xb5\x2f\xfd", "is packed by zstd", "Unpack it first: zstd -d"),
    (b"PK\x03\x04", "is a zip archive (or .xlsx, .docx)", "Unpack it, or save it as text, one sentence a line"),
    (b"%PDF-", "is a PDF file", "Save it as text, one sentence a line"),
    (b"PAR1", "is a Parquet file", "Give it the ending .parquet"),
]
_UNICODE = [(b"\xff\xfe\0\0", "UTF-32"), (b"\0\0\xfe\xff", "UTF-32"), (b"\xff\xfe", "UTF-16"), (b"\xfe\xff", "UTF-16")]


def is_packed(path: str | Path) -> bool:
    """Whether it is a gzip, bzip2 or xz file, whatever its name."""
    with open(path, "rb") as file:
        head = file.read(16)
    return any(head.startswith(mark) for mark, *_ in _PACKED)


@contextlib.contextmanager
def opened(path: str | Path, error: type[UserError] = UserError, name: str | None = None) -> Iterator[IO[bytes]]:
    """The unpacked bytes of a file. Raises `error` where it cannot be read, or is no text (`name` in the message)."""
    name = name or str(path)
    try:
        with open(path, "rb") as file:
            head = file.read(16)
        opener: Callable[..., Any] = next((one for mark, _, one in _PACKED if head.startswith(mark)), open)
        with opener(path, "rb") as stream:
            if said := no_text(stream.read(HEAD)):
                raise error(f"{name} {said}")
            stream.seek(0)
            yield stream
    except (EOFError, zlib.error, gzip.BadGzipFile, lzma.LZMAError) as cause:
        raise error(f"{name} is not a whole {_kind(head)} file ({cause}). Pack it again or unpack it.") from None
    except OSError as cause:
        if cause.errno is None and _kind(head):  # bzip2 has no exception of its own
            raise error(f"{name} is not a whole {_kind(head)} file ({cause}). Pack it again or unpack it.") from None
        raise error(f"{name} cannot be read: {cause.strerror or cause}.") from None


def no_text(head: bytes) -> str | None:
    """What to say of bytes that begin so, after the name of the file; None where they may be UTF-8."""
    for mark, kind, _ in _PACKED:
        if head.startswith(mark):
            return f"is packed by {kind}. Unpack it first."
    for mark, what, cure in _NO_TEXT:
        if head.startswith(mark):
            return f"{what}. {cure}."
    for mark, encoding in _UNICODE:
        if head.startswith(mark):
            return f"is {encoding}, not UTF-8. Convert it first: iconv -f {encoding} -t UTF-8"
    for first, encoding in ((1, "UTF-16LE"), (0, "UTF-16BE")):
        zeros, others = head[first::2].count(0), head[1 - first :: 2].count(0)
        if len(head) >= 16 and 5 * zeros > len(head) and 20 * others < len(head):
            return f"is {encoding}, not UTF-8. Convert it first: iconv -f {encoding} -t UTF-8"
    if len(head) >= 16 and head.count(b"\r") > 3 and b"\n" not in head:
        return ("has lines that end in \\r alone, as old Macintosh programs write them. Convert it first: "
                "tr '\\r' '\\n' < OLD > NEW")
    return None


def not_utf8(byte: int, offset: int) -> str:
    """What to say of an invalid byte, after the name of the file and line.

    Windows-1252 has all letters of Latin-1, and the quotation marks and dashes that Latin-1 has not.
    """
    return (f"is not UTF-8: byte 0x{byte:02x} at offset {offset}. Convert the text first, Western text for example "
            "with: iconv -f CP1252 -t UTF-8 (iconv -l lists other encodings)")


def _kind(head: bytes) -> str:
    return next((kind for mark, kind, _ in _PACKED if head.startswith(mark)), "")
