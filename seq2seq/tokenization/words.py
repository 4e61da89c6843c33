"""What a word and a blank line are, wherever lines are read: preparation, training, evaluation, prediction.

A word of a tagged line is what the space (U+0020) separates. Any other white space, a no-break space for example, is
part of the word: "10\\u00a0000" is one word and has one label.
"""

from __future__ import annotations

import re

from seq2seq.text.normalization import CONTROLS, control, normalized, unicode
from seq2seq.tokenization.tokenizer import META

# What else shows nothing by itself: Unicode's Default_Ignorable_Code_Point.
_IGNORABLE = (
    "\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_UNREADABLE = "\ufffd"  # what is read for a word in which nothing can be seen
_SEEN = re.compile(rf"[^\s{CONTROLS}{_IGNORABLE}{META}]")
_NOT_READ = re.compile(rf"[\s{CONTROLS}{META}]")  # META in a text would be read as a space


def is_blank(line: str) -> bool:
    """Whether nothing of the line can be seen: white space, controls, joiners. Its answer is an empty line."""
    return _SEEN.search(line) is None


def words(line: str) -> list[str]:
    """The words of a line; none of a blank one."""
    return [] if is_blank(line) else [word for word in line.split(" ") if word]


def plain_word(word: str) -> str:
    """Without control characters, but never empty: a word of nothing else stays as it is."""
    return control([word])[0] or word


def readable(line: str) -> str:
    """The line as a tokenizer reads it, with exactly as many words: white space inside a word is left out."""
    return " ".join(_NOT_READ.sub("", word) or _UNREADABLE for word in words(line))


def plain_labels(line: str, *, of_words: bool) -> list[str]:
    """The labels in a line, in one Unicode form (NFC): one for every word, or the line as one; none if blank.

    A class may have spaces in its name, and a run of white space counts as one.
    """
    if of_words:
        return unicode([plain_word(word) for word in words(line)])
    return [] if is_blank(line) else [" ".join(normalized([line])[0].split())]
