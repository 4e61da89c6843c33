"""A line of too many pieces in parts, each short enough: cut after a sentence, else after a clause, else
between two words, else anywhere.

A part is as long as it can be: as many whole sentences as fit, and only of a sentence that is too
long by itself a stretch of clauses, and so on.
"""

from __future__ import annotations

from collections.abc import Sequence

from seq2seq.tokenizer import META

_SENTENCE_ENDS = ".!?…؟۔।"
_WIDE_ENDS = "。！？"  # no space follows them
_CLAUSE_ENDS = ",;:，；：،、–—"
_CLOSING = "\"'”’»«)]}」』）"
_LOOKED_AT = 4       # pieces before a place that can hold the end of a sentence and what closes it


def parts(pieces: Sequence[str], limit: int) -> list[slice]:
    """Consecutive slices of `pieces` (as text, without EOS), each of at most `limit`, that cover all of them."""
    found, start = [], 0
    while len(pieces) - start > limit:
        places = range(start + 1, start + limit + 1)
        end = max(places, key=lambda place: (_worth(pieces, place), place))
        found.append(slice(start, end))
        start = end
    return [*found, slice(start, len(pieces))]


def _worth(pieces: Sequence[str], place: int) -> int:
    """How good it is to cut before `place`: 3 after a sentence, 2 after a clause, 1 between words, 0 in a word."""
    before = "".join(pieces[max(0, place - _LOOKED_AT) : place]).rstrip(_CLOSING)
    if before.endswith(tuple(_WIDE_ENDS)) and not pieces[place].startswith(tuple(_CLOSING)):
        return 3
    if not pieces[place].startswith(META):
        return 0
    if before.endswith(tuple(_SENTENCE_ENDS)):
        return 3
    return 2 if before.endswith(tuple(_CLAUSE_ENDS)) else 1
