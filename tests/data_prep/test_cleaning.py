"""Every filter, what it leaves alone, what it counts, and that batches do not matter."""

from __future__ import annotations

import sys
import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep import filters, keys, overlap, passes
from data_prep.cleaning import EXAMPLES, LONGEST, Cleaning, Tally
from seq2seq.errors import SettingError
from seq2seq.settings.prepare import (
    CleaningSettings,
    LanguageFilter,
    LengthFilter,
    OverlapMatch,
    OverlapRemoval,
    OverlapSettings,
    RatioFilter,
    ScriptFilter,
    Switch,
)

LINES = st.lists(st.text("ab .\t\r\x00\x85\u00a0\u00e9e\u0301\u200b\u200d\u2028\u3000👩", max_size=6), max_size=6)
CHANGES = {"unicode": filters.unicode, "control": filters.control, "whitespace": filters.whitespace,
           "control between words": filters.control_between_words}


def kept(drop, *pairs):
    """Numbers of the pairs that stay."""
    return np.flatnonzero(drop([s for s, _ in pairs], [t for _, t in pairs])).tolist()


@pytest.mark.parametrize("name", CHANGES)
@given(lines=LINES)
def test_a_change_is_the_same_line_by_line_and_twice(name, lines):
    change = CHANGES[name]
    once = change(lines)
    assert once == [change([line])[0] for line in lines]
    assert change(once) == once


@given(lines=LINES)
def test_white_space_is_single_spaces_inside(lines):
    assert filters.whitespace(lines) == [" ".join(line.split()) for line in lines]


@given(lines=LINES)
def test_unicode_is_nfc(lines):
    assert filters.unicode(lines) == [unicodedata.normalize("NFC", line) for line in lines]


@pytest.mark.parametrize("change", CHANGES.values())
def test_clean_lines_are_not_even_copied(change):
    lines = ["Ein ganz gewöhnlicher Satz.", "Noch einer: „ja“ – 10 €!"]
    assert change(lines) is lines


def test_controls_go_and_joiners_stay():
    family, persian = "👩\u200d👩\u200d👧", "می\u200cخواهم"
    lines = ["a\x00b\x7f", "zero\u200bwidth", "soft\u00adhyphen", "\ufeffmark", family, persian, "tab\tstays"]
    assert filters.control(lines) == ["ab", "zerowidth", "softhyphen", "mark", family, persian, "tab\tstays"]


def test_one_zero_width_space_stays_between_the_words_of_languages_that_separate_them_so():
    lines = ["\u200bក\u200bខ\u200b\u200bគ\u200b \u200bឃ\u200b", "\u200b", "ក\u200b\u00ad\u200bខ", "ក \u200b ខ", "plain"]
    assert filters.control_between_words(lines) == ["ក\u200bខ\u200bគ ឃ", "", "ក\u200bខ", "ក  ខ", "plain"]
    for language in ("km", "khm_Khmr", "th", "lo", "mya"):
        for languages in (("en", language), (language, "en")):
            (source, target) = filters.build(CleaningSettings(), languages)[0]["control"]
            keeps, removes = (target, source) if languages[0] == "en" else (source, target)
            assert keeps(["a\u200bb"]) == ["a\u200bb"] and removes(["a\u200bb"]) == ["ab"]
    assert Cleaning(CleaningSettings(), ("en", "km"))((["a\u200bb", "c"], ["ក\u200bខ", "\u200b"])) == (
        ["ab"], ["ក\u200bខ"])  # the other one has an empty side


def test_empty_sides():
    assert kept(filters.empty, ("a", "b"), ("", "b"), ("a", " \u3000"), ("\u00a0", "")) == [0]


def test_lengths():
    drop = filters.length(LengthFilter(min_words=2, max_words=3, max_characters=9))
    assert kept(drop, ("a b", "a b c"), ("a", "b c"), ("a b", "a b c d"), ("a b", "abcd efghi")) == [0]


def test_ratio_counts_characters_with_slack():
    drop = filters.ratio(RatioFilter(max_ratio=2.0, slack=10))
    assert kept(drop, ("a" * 10, "b" * 30), ("a" * 10, "b" * 31), ("b" * 31, "a" * 10), ("", "b" * 10)) == [0, 3]


def test_identical_sides():
    assert kept(filters.identical, ("OK", "OK"), ("OK", "Ok")) == [1]


def test_numbers_in_figures():
    pairs = [("1,000 cats", "1.000 Katzen"), ("3 and 4", "4 und 3"), ("at 5", "um fünf"), ("2 2", "2"), ("a", "b")]
    assert kept(filters.numbers, *pairs) == [0, 1, 4]


def test_script():
    drop = filters.script(ScriptFilter(source="Latin", target="Cyrillic", min_share=0.5))
    assert kept(drop, ("yes", "да"), ("да", "да"), ("yes", "yes да"), ("yes", "ye да"), ("12!", "12!")) == [0, 3, 4]
    with pytest.raises(SettingError, match=r"script\.source=Klingonn is not a Unicode script"):
        filters.script(ScriptFilter(source="Klingonn"))


def test_language():
    pytest.importorskip("py3langid")
    english = "The committee has decided to publish its report next week."
    german = "Der Ausschuss hat beschlossen, seinen Bericht nächste Woche zu veröffentlichen."
    drop = filters.language(LanguageFilter(min_characters=20), ("en", "de"))
    assert kept(drop, (english, german), (german, german), (english, english), ("Der Hund.", "The dog.")) == [0, 3]
    with pytest.raises(SettingError, match=r"does not know data\.target=xx"):
        filters.language(LanguageFilter(), ("en", "xx"))


def test_language_without_its_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "py3langid.langid", None)
    with pytest.raises(SettingError, match="needs the package py3langid"):
        filters.language(LanguageFilter(), ("en", "de"))


# --- the filters one after the other ---


def test_every_filter_is_a_setting_and_can_be_switched_off():
    changes, drops = filters.build(CleaningSettings(), ("en", "de"))
    everything = [*changes, *drops]
    assert everything == ["unicode", "control", "whitespace", "empty", "length", "ratio", "identical"]
    off = CleaningSettings(**{name: type(getattr(CleaningSettings(), name))(enabled=False) for name in everything})
    assert filters.build(off, ("en", "de")) == ({}, {})
    batch = [" a\u200b ", ""], [" a\u200b ", "x"]
    assert Cleaning(off, ("en", "de"))(batch) == batch


def test_counts_and_examples():
    cleaning = Cleaning(CleaningSettings(length=LengthFilter(max_words=3)), ("en", "de"))
    source = ["one  two", "e\u0301", "", "a b c d", "same", "fine"]
    target = ["eins zwei", "x", "leer", "a b", "same", "gut"]
    assert cleaning((source, target)) == (["one two", "é", "fine"], ["eins zwei", "x", "gut"])
    counts = {name: (tally.checked, tally.changed, tally.dropped) for name, tally in cleaning.report.items()}
    assert counts == {"unicode": (6, 1, 0), "control": (6, 0, 0), "whitespace": (6, 1, 0), "empty": (6, 0, 1),
                      "length": (5, 0, 1), "ratio": (4, 0, 0), "identical": (4, 0, 1)}
    assert cleaning.report["whitespace"].examples == [["one  two", "one two"]]
    assert cleaning.report["identical"].examples == [["same", "same"]]


def test_ten_examples_at_most_and_none_too_long():
    cleaning = Cleaning(CleaningSettings(), ("en", "de"))
    for _ in range(2):
        cleaning((["x " * 500] * 7, [""] * 7))
    tally = cleaning.report["empty"]
    assert (tally.dropped, len(tally.examples)) == (14, EXAMPLES)
    assert all(len(text) <= LONGEST + 4 for example in tally.examples for text in example)
    merged = Tally()
    merged.add(tally)
    merged.add(tally)
    assert (merged.dropped, len(merged.examples)) == (28, EXAMPLES)


def test_duplicates_keep_the_first_over_all_shards():
    shards = [np.array([5, 3, 5], np.uint64), np.array([], np.uint64), np.array([3, 9], np.uint64)]
    assert [mask.tolist() for mask in passes.first_of_each(shards)] == [[True, True, False], [], [False, True]]


# --- keys and overlap ---


def test_normalised_keys_see_words_only():
    same = ["Hello, World!", "hello world", "HELLO\u00a0„WORLD“…", "hel-lo world"]
    assert len(set(keys.normalised(same).tolist())) == 1
    other = ["hello worlds", "", "...", "?!", "Straße", "strasse", "कि", "का"]
    assert len(set(keys.normalised(other).tolist())) == 7  # Straße folds to strasse; bare punctuation stays itself
    assert len(set(keys.exact(same).tolist())) == 4


def test_a_pair_is_not_its_reverse():
    a, b = keys.exact(["a", "a", "b"]), keys.exact(["b", "a", "a"])
    assert len(set(keys.pair(a, b).tolist())) == 3


def meet(train, test, **settings):
    table = overlap.keys_of(tuple(map(list, zip(*test, strict=True))))
    known = {"test": {name: np.unique(column) for name, column in table.items()}}
    meeting = overlap.Meeting(known, OverlapSettings(**settings))
    left = meeting(tuple(map(list, zip(*train, strict=True))))
    return list(zip(*left, strict=True)), overlap.summary(meeting.found, {"test": table})["test"], meeting.tally


TRAIN = [("a", "x"), ("A!", "X"), ("a", "new"), ("new", "x"), ("other", "other"), ("a", "x")]
TEST = [("a", "x"), ("b", "y"), ("a", "z")]


def test_overlap_counts_lines_of_test_and_pairs_of_training():
    left, found, _ = meet(TRAIN, TEST)
    assert left == TRAIN
    assert found["exact"] == {"pair": {"lines": 1, "training_pairs": 2}, "source": {"lines": 2, "training_pairs": 3},
                              "target": {"lines": 1, "training_pairs": 3}}
    assert found["normalised"]["pair"] == {"lines": 1, "training_pairs": 3}


@pytest.mark.parametrize(("remove", "match", "left"), [
    (OverlapRemoval.PAIR, OverlapMatch.EXACT, [1, 2, 3, 4]),
    (OverlapRemoval.PAIR, OverlapMatch.NORMALISED, [2, 3, 4]),
    (OverlapRemoval.SOURCE, OverlapMatch.NORMALISED, [3, 4]),
    (OverlapRemoval.TARGET, OverlapMatch.NORMALISED, [2, 4]),
    (OverlapRemoval.EITHER, OverlapMatch.NORMALISED, [4]),
])
def test_overlap_is_removed_on_request(remove, match, left):
    found, _, tally = meet(TRAIN, TEST, remove=remove, match=match)
    assert found == [TRAIN[row] for row in left]
    assert (tally.checked, tally.dropped) == (6, 6 - len(left))


def test_settings_refuse_impossible_ranges():
    for make, message in ((lambda: LengthFilter(min_words=0), "min_words=0"),
                          (lambda: RatioFilter(max_ratio=0.5), "max_ratio=0.5"),
                          (lambda: LengthFilter(min_words=9, max_words=8), "max_words=8"),
                          (lambda: ScriptFilter(min_share=2), "min_share=2")):
        with pytest.raises(SettingError, match=message):
            make()
    assert Switch().enabled


EN = ("The committee decided on Tuesday that the new bridge across the northern river would not be opened before the "
      "end of next summer, because the engineers had found several cracks in its eastern pillars.")
SAME = {
    "zh": "委员会周二决定，由于工程师在东侧桥墩发现多处裂缝，横跨北河的新桥在明年夏末之前不会开通。",
    "ja": "委員会は火曜日、技術者が"
          "東側の橋脚に複数のひび割れを発見したため、北の川に架かる新しい橋は来年の夏の終わりまで開通しないことを決めた。",
    "ko": "위원회는 화요일, 기술자들이 동쪽 교각에서 여러 균열을 발견했기 "
          "때문에 북쪽 강을 가로지르는 새 다리를 내년 여름 말 이전에는 개통하지 않기로 결정했다.",
    "de": "Der Ausschuss beschloss am Dienstag, die neue Brücke über den nördlichen Fluss nicht vor Ende des nächsten "
          "Sommers zu öffnen, weil die Ingenieure mehrere Risse in ihren östlichen Pfeilern gefunden hatten.",
}


@pytest.mark.parametrize("language", SAME)
def test_a_good_pair_has_the_usual_ratio_whatever_it_is_written_in(language):
    drop = filters.ratio(RatioFilter())
    found = drop([EN, EN, "I like tea."], [SAME[language], SAME[language][:9], SAME[language]])
    assert found.tolist() == [True, False, False]
    assert drop([SAME[language]], [EN]).tolist() == [True]


def test_the_ratio_is_against_the_usual_one_of_the_corpus():
    lines = ["a" * 100, "a" * 100]
    assert filters.ratio(RatioFilter())(lines, ["b" * 15, "b" * 90]).tolist() == [False, True]
    assert filters.ratio(RatioFilter(), usual=4.0)(lines, ["b" * 15, "b" * 90]).tolist() == [True, False]


def test_long_lines_without_spaces_are_long():
    drop = filters.length(LengthFilter(max_words=100, max_characters=5000))
    lines = ["中" * 300, "中" * 90, "ก" * 900, "ก" * 300, "wort " * 99 + "wort", "w" * 4000, "가 " * 99 + "가"]
    assert drop(lines, ["x"] * len(lines)).tolist() == [False, True, False, True, True, True, True]


@pytest.mark.parametrize(("line", "name"), [("It &apos;s &quot; a &amp; b", "entities"), ("&#39;", "entities"),
                                            ("gut\x92s", "C1 controls")])
def test_signs_of_another_conversion_are_counted(line, name):
    cleaning = Cleaning(CleaningSettings(), ("en", "de"))
    cleaning((["plain", line, "R&D; AT&T"], ["x", "y", "z"]))
    assert cleaning.report[name].noticed == 1 and len({"entities", "C1 controls"} & cleaning.report.keys()) == 1
