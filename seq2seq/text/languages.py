"""How languages are written, as far as it matters here: with or without a space between words."""

from __future__ import annotations

import re

# ISO 639-2 and 639-3 to the two letters of 639-1; of Chinese also its members, which are written alike.
_TWO_LETTERS = {
    "zho": "zh", "chi": "zh", "cmn": "zh", "yue": "zh", "wuu": "zh", "hak": "zh", "nan": "zh", "gan": "zh",
    "hsn": "zh", "lzh": "zh", "jpn": "ja", "kor": "ko", "tha": "th", "khm": "km", "lao": "lo", "mya": "my",
    "bur": "my", "bod": "bo", "tib": "bo", "dzo": "dz",
}
_WITHOUT_SPACES = frozenset({"zh", "ja", "th", "km", "lo", "my", "bo", "dz"})
_ZERO_WIDTH_SPACES = frozenset({"th", "km", "lo", "my"})
# Han, kana, Thai, Lao, Tibetan, Burmese, Khmer.
_SCRIPTS_WITHOUT_SPACES = re.compile(
    "[\u0e00-\u109f\u1780-\u17ff\u19e0-\u19ff\u3040-\u30ff\u3400-\u9fff\ua9e0-\ua9ff\uaa60-\uaa7f\uf900-\ufaff"
    "\U00020000-\U0003ffff]")
# Characters, on average. No language that is written with spaces has longer words; in these scripts, where text was
# cut into words by a program, words have two to four.
LONGEST_WORDS, LONGEST_WORDS_THERE = 20, 6

_WIDE = re.compile(
    "[\u1100-\u11ff\u2e80-\ua4cf\uac00-\ud7af\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffef\U00020000-\U0003ffff]")
WIDTH = 3  # letters of an alphabet that a wide character stands for, about


def wide_characters(line: str) -> int:
    """Han, kana, hangul and their punctuation: each says as much as WIDTH letters."""
    return 0 if line.isascii() else len(_WIDE.findall(line))


def estimated_words(line: str) -> int:
    """Words of a line: what spaces separate, and in scripts without spaces as many as the characters make up."""
    found = [] if line.isascii() else _SCRIPTS_WITHOUT_SPACES.findall(line)
    east_asian = sum(character >= "\u3040" for character in found)
    return line.count(" ") + 1 + east_asian // 2 + (len(found) - east_asian) // 5


def base_language(code: str) -> str:
    """The language alone, two letters where we know them: zh of zh-CN, zh_Hant, zho, cmn and yue_Hant."""
    first = re.split(r"[-_.@]", code.strip().lower(), maxsplit=1)[0]
    return _TWO_LETTERS.get(first, first)


def writes_spaces(code: str, lines: list[str]) -> bool:
    """Whether there are spaces between the words of `lines`: by the language, else by script and length of words."""
    if base_language(code) in _WITHOUT_SPACES:
        return False
    words = [word for line in lines for word in line.split()]
    characters = sum(map(len, words))
    there = sum(len(_SCRIPTS_WITHOUT_SPACES.findall(word)) for word in words if not word.isascii())
    return characters <= len(words) * (LONGEST_WORDS_THERE if 2 * there > characters else LONGEST_WORDS)


def writes_zero_width_spaces(code: str) -> bool:
    """Whether U+200B is what separates the words of the language."""
    return base_language(code) in _ZERO_WIDTH_SPACES
