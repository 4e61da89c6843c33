"""64-bit keys of sentences: equal keys are taken for equal sentences (chance of a mistake: n^2 / 2^65).

exact: of the text as it is. normalised: of the text without case, white space and punctuation.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Iterable

import numpy as np
import xxhash

_ASCII = (string.punctuation + " \t\r\v\f").encode()
# Punctuation, spaces and invisible characters beyond ASCII. Not "all but \\w": that would take the
# vowel signs of Indic scripts away, and with them the difference between words.
_OTHER = re.compile(
    "[" + "".join(chr(c) for c in range(0x80, 0x10000) if unicodedata.category(chr(c))[0] in "PZ"
                  or unicodedata.category(chr(c)) == "Cf") + "]+"
)


def exact(lines: list[str]) -> np.ndarray:
    """(lines,) uint64"""
    return _hash(map(str.encode, lines), len(lines))


def normalised(lines: list[str]) -> np.ndarray:
    """(lines,) uint64. A line of nothing but punctuation keeps it: else all of them would be equal."""
    text = unicodedata.normalize("NFC", "\n".join(lines)).casefold()
    if not text.isascii():
        text = _OTHER.sub("", text)
    bare = text.encode().translate(None, _ASCII).split(b"\n")
    return _hash((key or line.encode() for key, line in zip(bare, lines, strict=True)), len(lines))


def pair(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """(pairs,) uint64 of the keys of both sides; (a, b) and (b, a) differ."""
    with np.errstate(over="ignore"):
        mixed = source * np.uint64(0x9E3779B97F4A7C15) + (target ^ (target >> np.uint64(29)))
        mixed = (mixed ^ (mixed >> np.uint64(32))) * np.uint64(0xD6E8FEB86659FD93)
        return mixed ^ (mixed >> np.uint64(32))


def among(keys: np.ndarray, known: np.ndarray) -> np.ndarray:
    """(keys,) bool: True where a key is in `known`, which is sorted."""
    if not len(known):
        return np.zeros(len(keys), dtype=bool)
    return known[np.searchsorted(known, keys).clip(max=len(known) - 1)] == keys


def _hash(texts: Iterable[bytes], count: int) -> np.ndarray:
    return np.fromiter(map(xxhash.xxh3_64_intdigest, texts), dtype=np.uint64, count=count)
