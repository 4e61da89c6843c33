"""Long lines: cut with a warning, or translated in parts; and how a line is cut into parts."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_bundle import make_bundle
from tiny_corpus import WORDS, make_corpus

from seq2seq.commands.translation_file import json_line
from seq2seq.errors import SettingError
from seq2seq.inference.long_lines import parts
from seq2seq.inference.translator import Translator

torch.set_num_threads(1)
SOME = ["\u2581ba", "do", ".", ",", "\u2581", "\u2581\"", "\"", "!", "。", "」", "x"]
PIECES = st.lists(st.sampled_from(SOME), max_size=60)


def texts(pieces: list[str], limit: int) -> list[str]:
    return ["".join(pieces[part]).replace("\u2581", " ").strip() for part in parts(pieces, limit)]


@settings(deadline=None)
@given(PIECES, st.integers(1, 9))
def test_parts_cover_everything_once_and_none_is_too_long(pieces: list[str], limit: int) -> None:
    cuts = parts(pieces, limit)
    assert [piece for cut in cuts for piece in pieces[cut]] == pieces
    assert all(1 <= cut.stop - cut.start <= limit for cut in cuts) or pieces == []


@pytest.mark.parametrize(("line", "limit", "expected"), [
    ("▁a ▁b . ▁c ▁d . ▁e", 6, ["a b. c d.", "e"]),               # as many sentences as fit
    ("▁a ▁b . ▁c ▁d , ▁e ▁f", 4, ["a b.", "c d,", "e f"]),        # then clauses
    ("▁a ▁b ▁c ▁d ▁e", 2, ["a b", "c d", "e"]),                    # then words
    ("▁a b c d e", 2, ["ab", "cd", "e"]),                          # then anywhere
    ("▁a . \" ▁b ▁c", 4, ["a.\"", "b c"]),                         # what closes a sentence stays with it
    ("▁a 。 」 b 。 c", 5, ["a。」b。", "c"]),                     # no space follows a wide full stop
    ("▁3 . 5 ▁a ▁b", 4, ["3.5 a", "b"]),                           # a full stop inside a number ends nothing
    ("▁a ▁b", 2, ["a b"]), ("", 3, [""]),
])
def test_where_lines_are_cut(line: str, limit: int, expected: list[str]) -> None:
    assert texts(line.split(), limit) == expected


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parts")
    return make_bundle(folder / "bundle", make_corpus(folder / "tiny", train=20, valid=10))


def test_a_long_line_is_the_translations_of_its_parts(bundle: Path, caplog: pytest.LogCaptureFixture) -> None:
    translator = Translator.load(bundle, device="cpu", max_source_pieces=12, max_length=6, long="split")
    line = " ".join(WORDS * 3)
    (ids,) = translator._source.encode([line])
    cuts = parts(translator._source.pieces(ids), 12)
    assert len(cuts) > 2
    with caplog.at_level(logging.WARNING, "seq2seq"):
        short, long, empty = translator.translate_lines(["ba do", line, ""], attention=True)
    assert "only the first" not in caplog.text
    pieces = [translator._source.decode([ids[cut]])[0] for cut in cuts]
    separate = translator.translate_lines(pieces, attention=True)
    assert long.text == " ".join(one.text for one in separate if one.text)
    assert long.source_pieces == [piece for one in separate for piece in one.source_pieces]
    (best,) = long.candidates
    assert best.log_probability == pytest.approx(sum(one.candidates[0].log_probability for one in separate), abs=1e-3)
    assert best.attention is None and best.alignment is not None and len(best.alignment) == len(best.pieces)
    assert max(best.alignment) < len(long.source_pieces)
    first = separate[0].candidates[0]
    assert best.alignment[: len(first.pieces)] == first.alignment
    second = separate[1].candidates[0].alignment
    assert second is not None
    shift = len(separate[0].source_pieces)
    assert best.alignment[len(first.pieces) :][: len(second)] == [place + shift for place in second]
    record = json.loads(json_line(long))
    assert "attention" not in record and record["alignment"] == best.alignment
    assert (empty.text, short.text) == ("", translator.translate(["ba do"])[0])
    assert short.candidates[0].attention is not None


@pytest.mark.parametrize("search", [{"kind": "beam", "n_best": 3}, {"kind": "sample", "n_best": 2}, {"kind": "greedy"}])
def test_parts_go_with_every_search(bundle: Path, search: dict, monkeypatch) -> None:
    monkeypatch.setattr("seq2seq.inference.translator.PARTS_AT_ONCE", 2)
    translator = Translator.load(bundle, device="cpu", max_source_pieces=10, max_length=5, long="split", **search)
    lines = [" ".join(WORDS * 2), "ba", " ".join(WORDS * 4)]
    found = translator.translate_lines(lines)
    for one in found:
        assert len(one.candidates) == search.get("n_best", 1)
        assert [best.score for best in one.candidates] == sorted((best.score for best in one.candidates), reverse=True)
    assert [one.text for one in translator.translate_lines(lines[2:], first=3)] == [found[2].text]


def test_another_word_for_long_is_refused(bundle: Path) -> None:
    with pytest.raises(SettingError, match=r"long=splt is not one of: cut, split\. Did you mean split\?"):
        Translator.load(bundle, device="cpu", long="splt")
