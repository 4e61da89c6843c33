"""Scores: known values, signatures, intervals, significance, buckets."""

from __future__ import annotations

import random

import pytest
from sacrebleu.metrics.bleu import BLEU

from seq2seq.scoring import (
    bleu,
    bleu_by_length,
    bleu_of_papers,
    chrf,
    compare,
    length_ratio,
    moses,
    sentence_bleu,
)

REFERENCES = ["The cat sat on the mat .", "A man is riding a bicycle down the street.", "Two dogs play in the snow."]


def corpus(count: int, wrong: float, seed: int = 0) -> tuple[list[str], list[str]]:
    """References of words, and hypotheses with a share of the words replaced."""
    draw = random.Random(seed)
    references = [[f"w{draw.randrange(50)}" for _ in range(draw.randrange(4, 20))] for _ in range(count)]
    hypotheses = [[word if draw.random() > wrong else "zz" for word in sentence] for sentence in references]
    return [" ".join(words) for words in hypotheses], [" ".join(words) for words in references]


def test_perfect_and_hopeless_translations() -> None:
    assert bleu(REFERENCES, REFERENCES).value == pytest.approx(100)
    assert chrf(REFERENCES, REFERENCES).value == pytest.approx(100)
    nothing = bleu(["", "", ""], REFERENCES)
    assert nothing.value == 0 and nothing.interval == (0, 0)
    # One word of one sentence: some resamples have it, most do not.
    hardly = bleu(["The", "", "", "", ""], [*REFERENCES, *REFERENCES[1:]])
    assert hardly.interval is not None and hardly.interval[0] <= hardly.value <= hardly.interval[1]


def test_a_value_worked_out_by_hand() -> None:
    # 6 words against 7 references: brevity exp(1 - 7/6); precisions 6/6, 5/5, 4/4, 3/3.
    score = bleu(["a b c d e f"], ["a b c d e f g"], resamples=0)
    assert score.value == pytest.approx(100 * 2.718281828 ** (1 - 7 / 6))
    assert score.interval is None
    assert length_ratio(["a b c d e f"], ["a b c d e f g"]) == pytest.approx(6 / 7)


def test_signatures_name_what_must_be_named() -> None:
    assert bleu(REFERENCES, REFERENCES).signature.startswith("nrefs:1|bs:1000|seed:12345|case:mixed|eff:no|tok:13a")
    assert "nc:6|nw:0" in chrf(REFERENCES, REFERENCES).signature
    assert chrf(REFERENCES, REFERENCES).name == "chrF2"


def test_the_score_of_papers_ignores_case_and_cuts_as_moses_does() -> None:
    lower = [line.lower() for line in REFERENCES]
    score = bleu_of_papers(lower, REFERENCES, "en")
    assert score.value == pytest.approx(100) and bleu(lower, REFERENCES).value < 90
    assert "case:lc" in score.signature and "tok:moses" in score.signature and score.interval is not None
    # The hyphen stays, the dot of Dr. too; the last dot, the comma and 's are cut off, the quote is made plain.
    assert moses(["A T-shirt, Dr. Who\u2019s."], "en") == ["A T-shirt , Dr. Who 's ."]
    short = bleu_of_papers(["a b c d."], ["A b c d e."], "en", resamples=0)
    by_hand = BLEU(tokenize="none", force=True).corpus_score(["a b c d ."], [["a b c d e ."]])
    assert short.value == pytest.approx(by_hand.score)
    assert bleu_of_papers(REFERENCES, REFERENCES, "tlh").value == pytest.approx(100)  # Moses has no Klingon


def test_the_interval_holds_the_score_and_narrows_with_more_sentences() -> None:
    few, many = (bleu(*corpus(count, 0.3)) for count in (30, 500))
    for score in (few, many):
        assert score.interval is not None
        assert score.interval[0] < score.value < score.interval[1]
    assert few.interval[1] - few.interval[0] > 2 * (many.interval[1] - many.interval[0])  # type: ignore[index]


def test_a_real_difference_is_significant_and_chance_is_not() -> None:
    good, references = corpus(300, 0.2)
    bad, _ = corpus(300, 0.4)
    draw = random.Random(5)  # as many errors, in other places
    other = [" ".join(word if draw.random() > 0.2 else "zz" for word in line.split()) for line in references]
    clear = compare(good, bad, references)
    assert clear.significant and clear.value == pytest.approx(bleu(good, references).value)
    assert clear.baseline == pytest.approx(bleu(bad, references).value) and clear.value > clear.baseline
    assert not compare(other, good, references).significant
    assert compare(good, good, references).p_value == 1
    assert clear.signature.startswith("nrefs:1|ar:1000|seed:12345|case:mixed|eff:no|tok:13a")


def test_chance_is_called_significant_as_often_as_the_level_says() -> None:
    vocabulary, trials, found = [f"w{number}" for number in range(30)], 600, 0
    for trial in range(trials):
        draw = random.Random(trial)
        references = [draw.choices(vocabulary, k=draw.randrange(6, 14)) for _ in range(25)]
        # Both make the same mistakes with the same probability: there is no difference between the systems.
        one, other = ([" ".join(draw.choice(vocabulary) if draw.random() < 0.25 else word for word in line)
                       for line in references] for _ in range(2))
        found += compare(one, other, [" ".join(line) for line in references], resamples=200).significant
    assert 0.03 < found / trials < 0.07


def test_the_paired_test_takes_both_systems_alike() -> None:
    (one, references), (other, _) = corpus(100, 0.20), corpus(100, 0.25)
    there, back = compare(one, other, references), compare(other, one, references)
    assert there.p_value == back.p_value and 0 < there.p_value < 1
    assert (there.value, there.baseline) == (back.baseline, back.value)


def test_one_sentence_that_differs_proves_nothing() -> None:
    lines = [f"{line} {number}" for number, line in enumerate(REFERENCES * 10)]
    other = ["The dog lay under the mat .", *lines[1:]]
    assert compare(lines, other, lines).p_value == 1  # exchanged or not, the difference is as large
    # Three that differ, all in one direction: 2 of the 8 ways to exchange them are as extreme.
    assert compare(REFERENCES, ["", "a", "b"], REFERENCES).p_value == 2 / 8


@pytest.mark.parametrize("score", [bleu, chrf, length_ratio, sentence_bleu,
                                   lambda one, other: bleu_of_papers(one, other, "en"),
                                   lambda one, other: compare(one, other, other),
                                   lambda one, other: compare(other, one, other),
                                   lambda one, other: bleu_by_length(other, one, other),
                                   lambda one, other: bleu_by_length(one, other, other)])
def test_a_text_is_no_list_of_texts(score) -> None:
    for pair in (("ab", ["ab", "ab"]), (["ab", "ab"], "ab")):
        with pytest.raises(TypeError, match="'ab' is one text, and a list of texts is needed"):
            score(*pair)


def test_buckets_count_words_of_the_source() -> None:
    sources = ["a b", "a b c", "a b c d", "a " * 9, ""]
    hypotheses = ["x y z w", "x y z w", "p q r s", "x y z w", "x y z w"]
    buckets = bleu_by_length(sources, hypotheses, ["x y z w"] * 5, ends=(3, 8))
    assert [(bucket.name, bucket.sentences) for bucket in buckets] == [("0-3", 3), ("4-8", 1), ("9+", 1)]
    assert [bucket.bleu for bucket in buckets] == pytest.approx([100, 0, 100])
