"""Minimum Bayes risk: the expected utility by hand, and what the translator makes of it."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from sacrebleu.metrics.bleu import BLEU
from tiny_bundle import make_bundle
from tiny_corpus import make_corpus

from seq2seq.errors import SettingError
from seq2seq.inference.minimum_bayes_risk import expected_bleu, shares
from seq2seq.inference.translator import Translator

torch.set_num_threads(1)
LINES = ["ba do fi", "", "gu ke lo mi nu pa", "re so tu ba do"]


def test_shares_are_probabilities_among_the_candidates() -> None:
    assert shares([math.log(0.03), math.log(0.01)]) == pytest.approx([0.75, 0.25])
    assert shares([-1e4, -1e4 - 1e3]) == [1.0, 0.0]  # no underflow


def test_expected_bleu_is_the_weighted_sum_over_the_candidates() -> None:
    texts = ["a b c d e", "a b c d f", "z z"]
    sentence = BLEU(effective_order=True)
    weights = [0.5, 0.3, 0.2]
    by_hand = [sum(weight * sentence.sentence_score(one, [other]).score
                   for other, weight in zip(texts, weights, strict=True)) for one in texts]
    assert expected_bleu(texts, weights) == pytest.approx(by_hand)
    assert expected_bleu(["a", "a", "b"], [0.2, 0.3, 0.5])[:2] == pytest.approx([50, 50])
    assert expected_bleu(["", ""], [0.5, 0.5]) == pytest.approx([100, 100])


def test_the_one_that_others_agree_with_beats_the_most_probable() -> None:
    texts = ["x y z x y", "a b c d e", "a b c d f", "a b c d g"]
    expected = expected_bleu(texts, shares([-1.0, -1.2, -1.2, -1.2]))
    assert max(range(4), key=expected.__getitem__) != 0


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("risk")
    return make_bundle(folder / "run", make_corpus(folder / "tiny", train=20, valid=10))


@pytest.mark.parametrize("search", [{"kind": "beam", "beam_size": 4}, {"kind": "sample", "seed": 3}])
def test_candidates_are_those_of_the_search_in_another_order(bundle: Path, search: dict) -> None:
    plain = Translator.load(bundle, device="cpu", n_best=4, **search).translate_lines(LINES)
    chosen = Translator.load(bundle, device="cpu", mbr=4, n_best=4, **search).translate_lines(LINES)
    best = Translator.load(bundle, device="cpu", mbr=4, **search).translate(LINES)
    for one, other in zip(plain, chosen, strict=True):
        assert sorted(c.text for c in one.candidates) == sorted(c.text for c in other.candidates)
        scores = [c.score for c in other.candidates]
        assert scores == sorted(scores, reverse=True)
        if scores:
            drawn = search["kind"] == "sample"
            weights = [1 / 4] * 4 if drawn else shares([c.log_probability for c in one.candidates])
            by_hand = expected_bleu([c.text for c in one.candidates], weights)
            assert scores == pytest.approx(sorted(by_hand, reverse=True))
    assert best == [translation.text for translation in chosen]
    assert best[1] == ""


@pytest.mark.parametrize(("search", "line"), [
    ({"kind": "greedy", "mbr": 2}, "search.mbr=2 needs kind=beam or kind=sample"),
    ({"mbr": 9}, "search.mbr=9 is more than beam_size=5; raise beam_size."),
    ({"mbr": 2, "n_best": 3}, "search.n_best=3 is more than the mbr=2 candidates; raise mbr."),
])
def test_what_cannot_be_is_refused(bundle: Path, search: dict, line: str) -> None:
    with pytest.raises(SettingError, match=line):
        Translator.load(bundle, device="cpu", **search)
