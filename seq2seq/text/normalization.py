"""One form for text that looks the same: composed letters (NFC), and no invisible characters.

Vietnamese "ế" is one, two or three code points, a soft hyphen or a direction mark is seen by nobody, and a Khmer
U+200B stands between words in one file and not in another. data_prep brings training text into this form, and scores
compare translations and references in it.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Sequence

# Invisible and no white space: controls, soft hyphen, zero-width space, direction marks, byte-order
# mark. The joiners U+200C and U+200D stay: Persian, Indic scripts and emoji need them.
CONTROLS = (
    "\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad"
    "\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff\ufff9-\ufffb"
)
ZERO_WIDTH_SPACE = "\u200b"
# Of several only one means anything, and none at an end or by white space.
_REDUNDANT = re.compile("(?:^|(?<=\\s))\u200b+|\u200b+(?=\\s|\\Z|\u200b)")


def unicode(lines: list[str]) -> list[str]:
    """Canonical composition (NFC): e and a combining accent become é."""
    if unicodedata.is_normalized("NFC", " ".join(lines)):
        return lines
    return [unicodedata.normalize("NFC", line) for line in lines]


def control(lines: list[str]) -> list[str]:
    """Control and other invisible characters become nothing."""
    if " ".join(lines).isprintable():  # none of them is printable; nor are some that may stay
        return lines
    return [line if line.isprintable() else invisible("").sub("", line) for line in lines]


def control_between_words(lines: list[str]) -> list[str]:
    """The same, but one U+200B stays between words: for languages that separate them so (languages.py)."""
    if " ".join(lines).isprintable():
        return lines
    removed = invisible(ZERO_WIDTH_SPACE)
    return [line if line.isprintable() else _REDUNDANT.sub("", removed.sub("", line)) for line in lines]


def normalized(lines: Sequence[str]) -> list[str]:
    """The lines as scores compare them, U+200B removed whatever the language."""
    return unicode(control(list(lines)))  # in this order: letter, invisible, accent is a letter with an accent


@functools.cache
def invisible(kept: str) -> re.Pattern[str]:
    """One of CONTROLS that is not `kept`."""
    return re.compile(f"(?![{kept}])[{CONTROLS}]" if kept else f"[{CONTROLS}]")
