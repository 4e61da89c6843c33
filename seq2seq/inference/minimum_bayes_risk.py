"""Minimum Bayes risk: of several candidates the one that the others agree with most.

    y* = argmax_i  sum_j p_j U(y_i, y_j)            Kumar & Byrne 2004; by samples: Eikema & Aziz 2022

U is BLEU of the sentence (0..100, smoothed; orders that a short sentence has not are left out), y_j standing for a
reference. p_j is the probability of y_j among the candidates, or 1/n where they were drawn from the model, so that a
probable one comes more often.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from seq2seq.scoring import sentence_bleu


def shares(log_probabilities: Sequence[float], drawn: bool = False) -> list[float]:
    """p_j: what each candidate has of the probability of all, or the same for all that were drawn."""
    if drawn:
        return [1 / len(log_probabilities)] * len(log_probabilities)
    largest = max(log_probabilities)
    weights = [math.exp(value - largest) for value in log_probabilities]
    return [weight / sum(weights) for weight in weights]


def expected_bleu(texts: Sequence[str], weights: Sequence[float], tokenize: str = "13a") -> list[float]:
    """sum_j p_j U(y_i, y_j) for every i, `tokenize` as in scoring.py. Equal texts are scored once."""
    mass: dict[str, float] = {}
    for text, weight in zip(texts, weights, strict=True):
        mass[text] = mass.get(text, 0.0) + weight
    pairs = [(one, other) for one in mass for other in mass if one != other]
    scores = sentence_bleu([one for one, _ in pairs], [other for _, other in pairs], tokenize)
    bleu = dict(zip(pairs, scores, strict=True))
    value = {one: sum(weight * bleu.get((one, other), 100.0) for other, weight in mass.items()) for one in mass}
    return [value[text] for text in texts]
