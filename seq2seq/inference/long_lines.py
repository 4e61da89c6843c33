"""A line of too many pieces in parts, each short enough: cut after a sentence, else after a clause, else
between two words, else anywhere.

A part is as long as it can be: as many whole sentences as fit, and only of a sentence that is too
long by itself a stretch of clauses, and so on.
"""

from __future__ import annotations

from collections.abc import Sequence

from seq2seq.tokenization.tokenizer import META

_SENTENCE_ENDS = ".!?…؟۔।"
_WIDE_ENDS = "。！？"  # no space follows them
_CLAUSE_ENDS = ",;:，；：،、–—"
_CLOSING = "\"'”’»«)]}」』）"
_LOOKED_AT = 4       # pieces before a place that can hold the end of a sentence and what closes it


def parts(pieces: Sequence[str], limit: int, *, between_words: bool = False) -> list[slice]:
    """Consecutive slices of `pieces` (as text, without EOS), each of at most `limit`, that cover all of them.

    `between_words`: never cut inside a word; none may have more than `limit` pieces.
    """
    found, start = [], 0
    while len(pieces) - start > limit:
        places = [place for place in range(start + 1, start + limit + 1)
                  if not between_words or pieces[place].startswith(META)]
        end = max(places, key=lambda place: (_worth(pieces, place), place))
        found.append(slice(start, end))
        start = end
    return [*found, slice(start, len(pieces))]


def parts_of_words(pieces: Sequence[str], limit: int) -> list[list[int]]:
    """Positions in `pieces` of parts that each hold whole words in at most `limit` pieces, for labels of every word.

    Of a word with more pieces only the first `limit` are in a part, so that it still is one word.
    """
    kept: list[int] = []
    length = 0
    for place, piece in enumerate(pieces):
        length = 1 if piece.startswith(META) else length + 1
        if length <= limit:
            kept.append(place)
    return [kept[cut] for cut in parts([pieces[place] for place in kept], limit, between_words=True)]


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
