"""What those that rank are given of a line: its own text, not what the pieces of the first model make of it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tiny_bundle import make_bundle
from tiny_corpus import make_corpus

from seq2seq.bundle.bundle import load_bundle
from seq2seq.corpus.packed import PackedCorpus
from seq2seq.inference.reranking import Scorer, mean_score
from seq2seq.inference.translator import Translator
from seq2seq.tokenization.tokenizer import UNK

torch.set_num_threads(1)
LINE = "ba\u4e2ddo fi  gu ke \u00e9t lo mi nu pa re so tu"  # two characters that no piece has, and two spaces


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("source")


@pytest.fixture(scope="module")
def corpus(folder: Path) -> Path:
    return make_corpus(folder / "tiny", train=20, valid=10)


@pytest.fixture(scope="module")
def settings(folder: Path, corpus: Path) -> dict:
    """Of a translator: models of both directions and of other pieces, which search too."""
    other = make_corpus(folder / "other", train=20, valid=10, vocabulary=32)
    return {"run": make_bundle(folder / "forward", corpus, reverse_decoder=True),
            "rerank": {"backward": make_bundle(folder / "back", corpus, seed=1, languages=("de", "en")),
                       "forward": make_bundle(folder / "other_pieces", other, seed=2), "second_decoder": True,
                       "search": True}, "device": "cpu", "beam_size": 3, "n_best": 3}


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The sources that were read by teacher forcing, and written by a model of the opposite direction."""
    seen: set[str] = set()
    real = Scorer.log_probabilities

    def spy(self: Scorer, sources: list[str], targets: list[str]) -> list[tuple[float, int]]:
        seen.update(targets if self._bundles[0].languages == ("de", "en") else sources)
        return real(self, sources, targets)

    monkeypatch.setattr(Scorer, "log_probabilities", spy)
    return seen


def test_those_that_rank_read_the_line(settings: dict, given: set[str]) -> None:
    (found,) = Translator.load(**settings).translate_lines([LINE])
    assert "<unk>" in found.source_pieces and given == {LINE}
    back = Scorer([load_bundle(settings["rerank"]["backward"])], torch.device("cpu"), 1000)
    texts = [one.text for one in found.candidates]
    assert [one.backward_score for one in found.candidates] == pytest.approx(
        mean_score([back], texts, [LINE] * len(texts)), abs=1e-5)


@pytest.mark.parametrize(("long", "read"), [
    ("cut", {"ba\u4e2ddo fi  gu ke \u00e9t"}),
    ("split", {"ba\u4e2ddo fi  gu ke \u00e9t", " lo mi nu pa re so tu"}),
])
def test_of_a_long_line_they_read_what_is_translated(settings: dict, given: set[str], long: str,
                                                     read: set[str]) -> None:
    translator = Translator.load(**settings, long=long, max_source_pieces=9)
    (found,) = translator.translate_lines([LINE])
    assert given == read and found.source_pieces.count("</s>") == len(read)


def test_the_text_of_the_pieces_is_the_line(corpus: Path) -> None:
    tokenizer, _ = PackedCorpus.open(corpus).tokenizers()
    surfaces, (ids,) = tokenizer.surfaces(LINE + "\0"), tokenizer.encode([LINE])
    assert "".join(surfaces) == LINE and len(surfaces) == len(ids)
    assert [text for text, piece in zip(surfaces, ids, strict=True) if piece == UNK] == ["\u4e2d", "\u00e9"]
    assert tokenizer.surfaces("") == []
