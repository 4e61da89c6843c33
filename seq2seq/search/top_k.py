"""The k largest of each long row, several times faster on CPUs than one `topk` over the row."""

from __future__ import annotations

import math

import torch
from torch import Tensor

BLOCK = 64


def top(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k largest of the last axis of `scores` (..., V), largest first, and their places: both (..., k).

    The k largest lie in the k blocks with the largest maxima. Maxima are cheap (they vectorise, which
    `topk` does not), and then only k blocks are left to sort.
    """
    blocks = -(-scores.shape[-1] // BLOCK)
    if 4 * k > blocks:
        return scores.topk(k)
    missing = blocks * BLOCK - scores.shape[-1]
    if missing:
        scores = torch.nn.functional.pad(scores, (0, missing), value=-math.inf)
    scores = scores.unflatten(-1, (blocks, BLOCK))
    best = scores.amax(-1).topk(k, sorted=False).indices                                  # (..., k)
    among = scores.gather(-2, best[..., None].expand(*best.shape, BLOCK)).flatten(-2)     # (..., k * BLOCK)
    values, places = among.topk(k)
    return values, best.gather(-1, places // BLOCK) * BLOCK + places % BLOCK
