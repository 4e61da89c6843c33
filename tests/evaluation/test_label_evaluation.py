"""The paired test of labels: its p under chance, of a real difference, and of systems that are equal."""

from __future__ import annotations

import numpy as np
import pytest

from seq2seq.evaluation.files import Pairs, Stored
from seq2seq.evaluation.labels import compare_labels
from seq2seq.settings.model import Shape


def answers(draw: np.random.Generator, lines: int, words: int, right: float) -> list[str]:
    """Lines of `words` labels, each right (a) with the same probability."""
    return [" ".join(line) for line in np.where(draw.random((lines, words)) < right, "a", "b")]


def p_value(one: list[str], other: list[str], shape: Shape) -> float:
    references = [" ".join("a" * len(line.split())) for line in one]
    pairs = Pairs("test", {}, ["w"] * len(one), references)
    return compare_labels(Stored("other", [], other), pairs, one, shape, resamples=200).p_value


@pytest.mark.parametrize(("shape", "words"), [(Shape.N_TO_N, 10), (Shape.N_TO_1, 1)])
def test_chance_is_called_significant_as_often_as_the_level_says(shape: Shape, words: int) -> None:
    trials = 600
    draw = np.random.default_rng(1)
    found = sum(p_value(*(answers(draw, 200, words, 0.7) for _ in range(2)), shape) < 0.05 for _ in range(trials))
    assert 0.03 < found / trials < 0.07


def test_a_real_difference_is_found_from_both_sides() -> None:
    draw = np.random.default_rng(2)
    good, bad = (answers(draw, 100, 10, right) for right in (0.8, 0.7))
    assert p_value(good, bad, Shape.N_TO_N) == p_value(bad, good, Shape.N_TO_N) < 0.05
    assert p_value(good, good, Shape.N_TO_N) == 1
