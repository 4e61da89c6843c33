"""The cleaning filters, one function or class each, over a batch of lines at a time.

A *change* maps the lines of one side to lines; a *drop* maps both sides to a mask, True where the
pair stays. Text is mostly clean, so a change first looks at the whole batch in one string: no line
is touched when that shows nothing to do.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from seq2seq.errors import CorpusError, SettingError
from seq2seq.settings.labels import Labels
from seq2seq.settings.prepare import CleaningSettings, LanguageFilter, LengthFilter, RatioFilter, ScriptFilter
from seq2seq.text.languages import WIDTH, estimated_words, wide_characters, writes_zero_width_spaces
from seq2seq.text.normalization import control, control_between_words, unicode
from seq2seq.tokenization.words import is_blank, plain_word, words

Lines = list[str]
Change = Callable[[Lines], Lines]                # returns its argument itself when nothing changes
Changes = tuple[Change, Change]                  # of the source and of the target side
Drop = Callable[[Lines, Lines], np.ndarray]      # (lines,) bool, True: stays

_DIGITS = re.compile(r"\d(?:[\d.,]*\d)?")


class TabFound(CorpusError):
    """A tab in a line of words or labels."""


def check_tabs(batch: tuple[Lines, Lines]) -> None:
    """Raises TabFound, which does not know the number of the line: labels.py looks for it."""
    if any("\t" in line for side in batch for line in side):
        raise TabFound("a line of words or labels has a tab. Replace the tabs by spaces.")


def whitespace(lines: Lines) -> Lines:
    """Any run of white space becomes one space; none at either end."""
    text = " ".join(lines)
    if text.isprintable() and "  " not in text and text[:1] != " " != text[-1:]:
        return lines
    return [" ".join(line.split()) for line in lines]


def control_in_words(lines: Lines) -> Lines:
    """`control` for lines of words and labels: every word stays one, and one of nothing else stays as it is."""
    if " ".join(lines).isprintable():
        return lines
    return [" ".join(plain_word(word) for word in line.split(" ")) for line in lines]


def spaces(lines: Lines) -> Lines:
    """`whitespace` for lines of words and labels: other white space than U+0020 is part of a word."""
    return [" ".join(words(line)) for line in lines]


def empty(source: Lines, target: Lines) -> np.ndarray:
    """A side in which nothing can be seen."""
    return ~(_blank(source) | _blank(target))


def identical(source: Lines, target: Lines) -> np.ndarray:
    """Both sides the same: not translated."""
    return np.fromiter((s != t for s, t in zip(source, target, strict=True)), dtype=bool, count=len(source))


def numbers(source: Lines, target: Lines) -> np.ndarray:
    """Other numbers in figures on the two sides; 1,000 and 1.000 are the same."""
    return np.fromiter((_numbers(s) == _numbers(t) for s, t in zip(source, target, strict=True)), dtype=bool,
                       count=len(source))


def aligned(source: Lines, target: Lines) -> np.ndarray:
    """Another number of words on each side: no label for every word."""
    return np.fromiter((len(words(s)) == len(words(t)) for s, t in zip(source, target, strict=True)), dtype=bool,
                       count=len(source))


def length(settings: LengthFilter) -> Drop:
    """A side with fewer or more words, or more characters, than allowed."""

    def drop(source: Lines, target: Lines) -> np.ndarray:
        keep = np.ones(len(source), dtype=bool)
        for lines in (source, target):
            counts = np.fromiter(map(estimated_words, lines), dtype=np.int64, count=len(lines))
            keep &= (counts >= settings.min_words) & (counts <= settings.max_words)
            keep &= _characters(lines) <= settings.max_characters
        return keep

    return drop


def ratio(settings: RatioFilter, usual: float = 1.0) -> Drop:
    """One side much longer than the other, where `usual` is what the source has for each letter of the target."""

    def drop(source: Lines, target: Lines) -> np.ndarray:
        a, b = letters(source) + settings.slack, usual * (letters(target) + settings.slack)
        return np.maximum(a, b) <= settings.max_ratio * np.minimum(a, b)

    return drop


def letters(lines: Lines) -> np.ndarray:
    """(lines,) the length of each in letters of an alphabet."""
    wide = np.fromiter(map(wide_characters, lines), dtype=np.int64, count=len(lines))
    return _characters(lines) + (WIDTH - 1) * wide


def script(settings: ScriptFilter) -> Drop:
    """Too few letters of a side are of its script. Raises SettingError for an unknown script."""
    import regex

    letter = regex.compile(r"\p{L}")
    patterns = []
    for side in ("source", "target"):
        name = getattr(settings, side)
        try:
            patterns.append(regex.compile(rf"\p{{Script={name}}}"))
        except regex.error:
            raise SettingError(
                f"cleaning.script.{side}={name} is not a Unicode script. Examples: Latin, Cyrillic, Greek, Arabic, Han."
            ) from None

    def stays(line: str, pattern: Any) -> bool:
        letters = letter.findall(line)
        return not letters or sum(map(bool, map(pattern.match, letters))) >= settings.min_share * len(letters)

    def drop(source: Lines, target: Lines) -> np.ndarray:
        keep = [stays(s, patterns[0]) and stays(t, patterns[1]) for s, t in zip(source, target, strict=True)]
        return np.array(keep, dtype=bool)

    return drop


def language(settings: LanguageFilter, languages: tuple[str, str]) -> Drop:
    """A side that py3langid takes for another language. Raises SettingError when it is not there."""
    try:
        from py3langid.langid import MODEL_FILE, LanguageIdentifier
    except ImportError:
        raise SettingError(
            "cleaning.language.enabled=true needs the package py3langid. "
            "Install it (pip install py3langid) or leave the filter off."
        ) from None
    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    for side, code in zip(("source", "target"), languages, strict=True):
        if code not in identifier.nb_classes:
            raise SettingError(
                f"cleaning.language.enabled=true: py3langid does not know data.{side}={code}. Leave the filter off."
            )

    def stays(line: str, expected: str) -> bool:
        if len(line) < settings.min_characters:
            return True
        found, probability = identifier.classify(line)
        return found == expected or probability < settings.min_probability

    def drop(source: Lines, target: Lines) -> np.ndarray:
        keep = [stays(s, languages[0]) and stays(t, languages[1]) for s, t in zip(source, target, strict=True)]
        return np.array(keep, dtype=bool)

    return drop


def build(settings: CleaningSettings, languages: tuple[str, str], labels: Labels = Labels.NONE,
          usual_ratio: float = 1.0) -> tuple[dict[str, Changes], dict[str, Drop]]:
    """The filters that are on, by name, in the order in which they run. `usual_ratio`: see `ratio`."""
    source, target = (control_between_words if writes_zero_width_spaces(language) else control
                      for language in languages)
    changes: dict[str, Changes] = {
        "unicode": (unicode, unicode), "control": (source, target), "whitespace": (whitespace, whitespace)}
    if labels is Labels.WORDS:
        changes |= {"control": (control_in_words, control_in_words), "whitespace": (spaces, spaces)}
    drops: dict[str, Callable[[], Drop]] = {
        "empty": lambda: empty,
        "length": lambda: length(settings.length),
        "ratio": lambda: ratio(settings.ratio, usual_ratio),
        "identical": lambda: identical,
        "script": lambda: script(settings.script),
        "numbers": lambda: numbers,
        "aligned": lambda: aligned,
        "language": lambda: language(settings.language, languages),
    }
    return (
        {name: change for name, change in changes.items() if getattr(settings, name).enabled},
        {name: make() for name, make in drops.items() if getattr(settings, name).enabled},
    )


def _blank(lines: Lines) -> np.ndarray:
    return np.fromiter(map(is_blank, lines), dtype=bool, count=len(lines))


def _characters(lines: Lines) -> np.ndarray:
    return np.fromiter(map(len, lines), dtype=np.int64, count=len(lines))


def _numbers(line: str) -> list[str]:
    return sorted(found.replace(".", "").replace(",", "") for found in _DIGITS.findall(line))
