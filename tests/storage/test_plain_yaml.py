"""YAML that only holds data: what seq2seq writes comes back, and nothing else is understood."""

import math

import pytest
import yaml

from seq2seq.storage.plain_yaml import load_plain

WRITTEN = [
    None, True, False, 0, -7, 2**31, 0.5, -1e-07, 1e300, 5e-324, math.inf, -math.inf, "", "a", "null", "~", "yes", "on",
    "1:30", "0x10", "010", "1_000", "1e5", "1e-05", ".5", "2026-11-01", "=", "<<", "!x", "&a", "*a", "été\n\u2028",
    [], {}, [1, ["a"]], {"a": {"b": None}},
]


@pytest.mark.parametrize("value", WRITTEN, ids=ascii)
def test_what_was_written_comes_back(value):
    found = load_plain(yaml.safe_dump({"key": value}, allow_unicode=True))["key"]
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(("text", "value"), [
    ("1:30", "1:30"), ("0x10", "0x10"), ("010", "010"), ("0b1", "0b1"), ("2026-11-01", "2026-11-01"), ("yes", "yes"),
    ("1_000", "1_000"), ("=", "="), ("9" * 100, "9" * 100)])
def test_other_notations_are_texts(text, value):
    assert load_plain(text) == value


def test_merging_is_an_ordinary_key():
    assert load_plain("<<: {a: 1}") == {"<<": {"a": 1}}


@pytest.mark.parametrize("text", ["!!int 1", "!!str a", "!x 1", "! a", "!!map {}", "!!seq []", "a: !!bool true",
                                  "[!!null x]", "a: &a 1\nb: *a"])
def test_tags_and_aliases_are_refused(text):
    with pytest.raises(yaml.YAMLError, match="not supported"):
        load_plain(text)
