"""Lines come in as written: only \\n breaks them, and bad bytes are named by line and offset."""

from __future__ import annotations

import gzip
import io
import itertools
import os
import random
from pathlib import Path

import pytest

from seq2seq.errors import UserError
from seq2seq.text import lines as text
from seq2seq.text.lines import MARK, arriving_lines, read_lines


def lines(content: bytes) -> list[str]:
    return list(read_lines(io.BytesIO(content), "input"))


def test_only_newline_breaks_a_line() -> None:
    assert lines("a\u2028b\u0085c\x0bd\re\nf\n\ng".encode()) == ["a\u2028b\u0085c\x0bd\re", "f", "", "g"]


def test_no_text_no_lines_and_a_last_line_needs_no_newline() -> None:
    assert lines(b"") == []
    assert lines(b"\n") == [""]
    assert lines(b"a") == lines(b"a\n") == ["a"]


def test_carriage_return_before_newline_and_byte_order_mark_are_dropped() -> None:
    assert lines(MARK + b"one\r\ntwo\r\n\r\n" + MARK + b"three\r") == ["one", "two", "", "\ufeffthree"]


@pytest.mark.parametrize("mark", [b"", MARK])
def test_invalid_utf8_names_line_and_byte(mark: bytes) -> None:
    content = mark + "häuser\nalt".encode() + b"\xff neu\n"
    with pytest.raises(UserError) as error:
        lines(content)
    assert f"input line 2 is not UTF-8: byte 0xff at offset {content.index(0xFF)}" in str(error.value)


def test_invalid_bytes_in_the_first_line_after_a_mark() -> None:
    with pytest.raises(UserError, match=r"line 1 is not UTF-8: byte 0xc3 at offset 4\."):
        lines(MARK + b"a\xc3")


def test_plain_and_gz_files_read_alike(tmp_path: Path) -> None:
    content = "eins\nzwei \u2028 drei\n".encode()
    (tmp_path / "a.txt").write_bytes(content)
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(content))
    for name in ("a.txt", "a.txt.gz"):
        assert list(read_lines(tmp_path / name)) == ["eins", "zwei \u2028 drei"]


def test_a_file_that_is_not_there_or_not_readable(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"missing\.txt cannot be read: No such file"):
        list(read_lines(tmp_path / "missing.txt"))
    with pytest.raises(UserError, match="cannot be read: Is a directory"):
        list(read_lines(tmp_path))


def test_a_damaged_gz_file(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(b"eins\n" * 100)[:-6])
    with pytest.raises(UserError, match=r"a\.gz is not a whole gzip file"):
        list(read_lines(path))


def test_what_has_arrived_is_not_kept_waiting() -> None:
    out, into = os.pipe()
    windows = arriving_lines(out, "pipe", itertools.repeat(3))
    os.write(into, b"one\ntwo\nthr")
    assert next(windows) == ["one", "two"]
    os.write(into, b"ee\n4\n5\n6\n7\n")
    assert next(windows) == ["three", "4", "5"]
    assert next(windows) == ["6", "7"]
    os.write(into, b"\r\nlast")
    assert next(windows) == [""]
    os.close(into)
    assert list(windows) == [["last"]]
    os.close(out)


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_arriving_lines_are_the_lines_however_they_are_cut(tmp_path: Path, size: int, monkeypatch) -> None:
    monkeypatch.setattr(text, "READ_BYTES", size)
    draw = random.Random(size)
    content = "".join(draw.choices("ab\n\n\r\u2028ä", k=300)).encode()
    (tmp_path / "a").write_bytes(content)
    with open(tmp_path / "a", "rb") as file:
        windows = list(arriving_lines(file.fileno(), "a", itertools.repeat(4)))
    assert [len(window) for window in windows[:-1]] == [4] * (len(windows) - 1)
    assert [line for window in windows for line in window] == lines(content)


def test_lines_before_invalid_bytes_still_arrive(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"one\ntwo\n\xff\nfour\n")
    with open(tmp_path / "a", "rb") as file:
        windows = arriving_lines(file.fileno(), "a", itertools.repeat(9))
        assert next(windows) == ["one", "two"]
        with pytest.raises(UserError, match=r"a line 3 is not UTF-8: byte 0xff at offset 8\."):
            next(windows)
