"""Files of other encodings, packed ones and those that are no text: read, or told what they are and what to do."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zipfile
from pathlib import Path

import pytest

from data_prep.sources.lines import TextFile
from seq2seq.errors import CorpusError, UserError
from seq2seq.text.encodings import no_text
from seq2seq.text.lines import read_lines

LINES = ["„gut’s“ – 5 €", "Ärger", "中文", ""] * 40
TEXT = "".join(line + "\n" for line in LINES).encode()


def both(path: Path) -> list[list[str]]:
    file = TextFile.index(path)
    return [list(read_lines(path)), [line for lines in file.read(0, file.lines) for line in lines]]


@pytest.mark.parametrize("packed", [bytes, gzip.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize("name", ["a.en", "a.en.gz", "a.xz"])
def test_a_packed_file_is_read_whatever_its_name(tmp_path, packed, name):
    path = tmp_path / name
    path.write_bytes(packed(TEXT))
    assert both(path) == [LINES, LINES]
    assert TextFile.index(path).packed == (packed is not bytes)


@pytest.mark.parametrize(("packed", "kind"), [(gzip.compress, "gzip"), (bz2.compress, "bzip2"), (lzma.compress, "xz")])
def test_a_cut_packed_file_is_named(tmp_path, packed, kind):
    path = tmp_path / "a"
    path.write_bytes(packed(bytes(range(9, 128)) * 999)[:-20])
    with pytest.raises(UserError, match=f"a is not a whole {kind} file"):
        list(read_lines(path))
    with pytest.raises(CorpusError, match=f"a is not a whole {kind} file"):
        TextFile.index(path)


def in_code(code: str) -> bytes:
    return "".join(line + "\n" for line in LINES if code != "cp1252" or line.isascii() or "中" not in line).encode(code)


@pytest.mark.parametrize(("code", "said"), [
    ("utf-16", "is UTF-16, not UTF-8. Convert it first: iconv -f UTF-16 -t UTF-8"),
    ("utf-32", "is UTF-32, not UTF-8. Convert it first: iconv -f UTF-32 -t UTF-8"),
    ("cp1252", r"line 1 is not UTF-8: byte 0x84 at offset 0\. .*iconv -f CP1252 -t UTF-8"),
])
def test_another_encoding_is_named_with_its_cure(tmp_path, code, said):
    path = tmp_path / "a"
    path.write_bytes(in_code(code))
    for read in (lambda: list(read_lines(path)), lambda: both(path)):
        with pytest.raises(UserError, match=said):
            read()


@pytest.mark.parametrize(("code", "named"), [("utf-16-le", "UTF-16LE"), ("utf-16-be", "UTF-16BE")])
def test_utf16_without_a_mark_is_no_text_of_zeros(code, named):
    assert f"is {named}, not UTF-8" in str(no_text("Every good boy does fine. Ärger.\n".encode(code)))


def test_what_is_no_text_is_named(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.xlsx", "w") as archive:
        archive.writestr("sheet.xml", "x")
    with pytest.raises(UserError, match=r"is a zip archive \(or .xlsx, .docx\)\. Unpack it, or save it as text"):
        list(read_lines(tmp_path / "a.xlsx"))
    for head, words in ((b"%PDF-1.7", "is a PDF file"), (b"PAR1..", "Parquet"), (b"\x28\xb5\x2f\xfd", "zstd -d"),
                        (gzip.compress(b"a"), "is packed by gzip. Unpack it first"),
                        (b"eins\rzwei\rdrei\rvier\rfuenf\r", "end in \\r alone")):
        assert words in str(no_text(head))


@pytest.mark.parametrize("head", [b"", b"a", b"\0", b"eins\r\nzwei\r\n", b"a\rb\rc\rd\re\n", "中文".encode(),
                                  b"\0" * 40, b"Bz", b"%PDF"])
def test_text_is_text(head):
    assert no_text(head) is None
