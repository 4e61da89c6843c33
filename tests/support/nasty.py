"""Nasty text: what a crawled corpus, a broken program or an unkind person puts into a line."""

from __future__ import annotations

from collections.abc import Iterator

MEGABYTE = 1 << 20

# Valid UTF-8 without a newline.
TEXTS = [
    "", " ", "\t", "\r", "\r\r", "a\rb", "\x0b\x0c", "\x85", "\u2028", "\u2029", "ba\u2028do\u2029fi\x85gu",
    "\0", "ba\0do", "\0\0\0", "\x01\x02\x1b[2J\x7f", "\x9b31m",
    "\ufeff", "ba\ufeffdo", "\ufeff\ufeff", "\ufffd", "\ufffe\uffff", "\U0010ffff", "\ue000",
    "\u202eba do\u202c", "\u2066fi\u2069 \u200f\u200e", "\u05e9\u05dc\u05d5\u05dd ba", "\u0645\u0631\u062d\u0628\u0627",
    "e" + "\u0301" * 1000, "\u0301", "Z\u0351\u036b\u0343\u036a\u0302" * 50, "\uac00\u1100\u1161\u11a8",
    "</s>", "<s>", "<unk>", "<pad>", "</s></s> ba </s>", "ba </s> do", "<0x0A>", "<0x00> <0xFF>", "<unk><pad><s>",
    "\u2581", "\u2581\u2581", "ba\u2581do", "\u2581ba", "ba\u2581", "\u2581</s>", " \u2581 ", "\u2047",
    "\N{GRINNING FACE}", "\U0001f469\u200d\U0001f469\u200d\U0001f467",
    "\U0001f1e9\U0001f1ea" * 9, "\u200d", "\u200b\u200b",
    "0" * 5000, "." * 5000, "ba" * 5000, "\U00020000" * 500, "ba " * 3000, " " * 5000, "\t" * 5000 + "ba",
    "ba, do. fi! gu? " * 200, "{a: b, [c], 'd'} \"e\" $(f) `g` %s %d {0} \\n \\ /", "run=x ++a=b ~c", "\"", "'", "\\",
    "SELECT 1; -- <script>alert(1)</script> &lt; &#0;", "a\tb\tc", "ﬁ ½ Å \uff21 …", "\u3000ba\u3000", "\u00a0",
]
SAME = "ba do fi"  # a source equal to its target

# No UTF-8: half surrogate pairs, an overlong slash, a code point that does not exist, halves of letters, UTF-16.
BROKEN = [b"\xed\xa0\x80", b"ba \xed\xb0\x80", b"\xc0\xaf", b"\xf4\x90\x80\x80", b"\xff", b"ba\xc3", b"\xe2\x82",
          b"\x80", b"\xff\xfeb\x00a\x00", b"\xed\xa0\xbd\xed\xb8\x80"]


def lines() -> Iterator[bytes]:
    """Each as a line of a file, the newline apart."""
    for text in [*TEXTS, SAME]:
        yield text.encode()


def long_lines(count: int, size: int = MEGABYTE) -> Iterator[bytes]:
    """Lines of `size` bytes: words, one word, sentences, letters of four bytes, white space."""
    kinds = [b"ba do fi ", b"ba", b"ba do fi. ", "\U0001f600".encode(), b" ", b"</s> ", "e\u0301".encode()]
    for number in range(count):
        kind = kinds[number % len(kinds)]
        yield kind * (size // len(kind))


def read_back(line: bytes) -> str:
    """What a reader makes of a line: one carriage return at the end belongs to the line break."""
    return line.decode().removesuffix("\r")
