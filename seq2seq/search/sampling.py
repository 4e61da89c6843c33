"""Sampling: y_t drawn from softmax(logits / temperature), cut to the most probable pieces.

top_k keeps the k most probable pieces (Fan et al. 2018), top_p the smallest set that holds the
probability p (Holtzman et al. 2020). A draw depends on the seed, the sentence's number, the
hypothesis and the step alone, never on the sentences beside it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from seq2seq.search.greedy import Choose
from seq2seq.search.top_k import BLOCK


def sampler(numbers: Sequence[int], limits: Sequence[int], hypotheses: int, seed: int,
            device: torch.device | str, *, temperature: float, top_k: int, top_p: float) -> Choose:
    """The `choose` of greedy.py for sentences with these numbers and limits (pieces)."""
    uniform = np.zeros((len(numbers), hypotheses, max(limits) + 1), dtype=np.float32)
    for row, number in enumerate(numbers):
        # One generator for a sentence, whose first hypotheses are the same however many are drawn.
        steps = limits[row] + 1
        generator = np.random.default_rng([seed, number])
        uniform[row, :, :steps] = generator.random((hypotheses, steps), dtype=np.float32)
    draws = torch.from_numpy(uniform).to(device)

    def choose(logits: Tensor, rows: Tensor, step: int) -> Tensor:
        return draw(logits, draws[rows, :, step], temperature, top_k, top_p)

    return choose


def draw(logits: Tensor, uniform: Tensor, temperature: float = 1.0, top_k: int = 0,
         top_p: float = 1.0) -> Tensor:
    """The pieces (...) that the numbers `uniform` (...) in [0, 1) pick from `logits` (..., V).

    The pieces lie one behind the other on the unit interval, each as wide as its probability.
    """
    pieces = None
    if top_k or top_p < 1:
        logits, pieces = logits.topk(min(top_k or logits.shape[-1], logits.shape[-1]))
    probability = (logits if temperature == 1 else logits / temperature).softmax(-1)
    if top_p < 1:
        before = probability.double().cumsum(-1) - probability
        probability = probability.masked_fill(before >= top_p, 0)
    place = where_it_falls(probability, uniform)
    return place if pieces is None else pieces.gather(-1, place[..., None])[..., 0]


def reference_where_it_falls(weights: Tensor, uniform: Tensor) -> Tensor:
    """Of intervals as wide as `weights` (..., V), one behind the other, which (...) `uniform` in [0, 1) falls into."""
    # In float64, so that thousands of small ones add up and u < 1 never reaches the end.
    ends = weights.double().cumsum(-1)
    return (ends <= uniform.double()[..., None] * ends[..., -1:]).sum(-1).clamp(max=ends.shape[-1] - 1)


def where_it_falls(weights: Tensor, uniform: Tensor) -> Tensor:
    """The same: first in which block of BLOCK, then where in it. So a long row is added up, not looked through."""
    blocks = -(-weights.shape[-1] // BLOCK)
    weights = torch.nn.functional.pad(weights, (0, blocks * BLOCK - weights.shape[-1])).unflatten(-1, (blocks, BLOCK))
    block, share = _interval(weights.sum(-1), uniform.double())
    inside, _ = _interval(weights.take_along_dim(block[..., None, None], dim=-2)[..., 0, :], share)
    return block * BLOCK + inside


def _interval(weights: Tensor, uniform: Tensor) -> tuple[Tensor, Tensor]:
    """Which interval, and which share of it lies before, both (...)."""
    ends = weights.double().cumsum(-1)
    total, point = ends[..., -1:], uniform[..., None] * ends[..., -1:]
    # By rounding the point may reach the end; what is as wide as 0 is never chosen.
    place = torch.minimum((ends <= point).sum(-1), (ends < total).sum(-1))[..., None]
    width = weights.double().gather(-1, place)
    return place[..., 0], ((point - (ends.gather(-1, place) - width)) / width).clamp(0, 1)[..., 0]
