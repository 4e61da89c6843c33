"""No n-gram twice: what keeps a translation from running in a circle.

Paulus et al. 2017 (arXiv:1705.04304), section 2.5, for n = 3: a piece may not come that would complete an n-gram of
pieces for the second time. A decoder that has said the same twice is in nearly the same state twice, and says it a
third time; a mean over |Y| (reranking.py) does not mind how often.

The n-grams are of pieces, in the order in which they are written. What may come keeps its probability.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


class Repeats:
    """What each hypothesis of a batch has written, kept only when n is not 0."""

    def __init__(self, size: int) -> None:
        self._size = size                    # n
        self._written: Tensor | None = None  # (B, K, t) y_1..y_t as places among the logits

    def forbid(self, gains: Tensor) -> None:
        """Sets log p (B, K, V) of what would complete an n-gram again to -inf, in place."""
        written = self._written
        if written is None or written.shape[-1] < self._size:
            return
        grams = written.unfold(-1, self._size, 1)                   # (B, K, t - n + 1, n)
        begun = written[..., written.shape[-1] - self._size + 1 :]  # (B, K, n - 1)
        again = (grams[..., :-1] == begun[:, :, None]).all(-1)
        # Added and not set: a piece that ends two n-grams may be forbidden by one of them alone.
        gains.scatter_add_(-1, grams[..., -1], torch.zeros_like(again, dtype=gains.dtype).masked_fill(again, -math.inf))

    def follow(self, parents: Tensor, places: Tensor) -> None:
        """Adds y_t at `places` (B', K') to what was written by `parents` (B', K') of the flattened (B * K)."""
        if not self._size:
            return
        places = places[..., None]
        self._written = (places if self._written is None
                         else torch.cat([self._written.flatten(0, 1)[parents], places], dim=-1))
