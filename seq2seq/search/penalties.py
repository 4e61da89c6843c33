"""Which pieces may come next, and how a finished hypothesis is scored.

Wu et al. 2016 (arXiv:1609.08144), equation 14, for Y = y_1..y_T, EOS (so |Y| = T + 1):

    score(Y, X) = log P(Y|X) / lp(Y) + cp(X; Y)
    lp(Y)       = ((5 + |Y|) / 6)^alpha                  alpha: length_penalty
    cp(X; Y)    = beta * sum_j log(min(sum_t a_tj, 1))   beta: coverage_penalty

alpha = 0 ranks by probability, which favours short translations; lp is 1 for the empty one.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TypeVar

import torch
from torch import Tensor

from seq2seq.errors import SettingError
from seq2seq.tokenization.tokenizer import BOS, EOS, PAD, UNK

N = TypeVar("N", float, Tensor)

# Attention underflows to 0 on a piece that is never looked at; log 0 would drown all else.
LEAST_COVERAGE = 1e-9


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rules:
    """What every kind of search obeys."""

    length_penalty: float = 1.5
    coverage_penalty: float = 0.0
    min_length: int = 0            # pieces before EOS may come
    no_repeat_ngram_size: int = 0  # n of ngram_blocking.py
    allow_unknown: bool = False    # UNK may come
    keep_attention: bool = False   # hypotheses carry their attention


def length_penalty(length: N, alpha: float) -> N:
    """lp(Y) for |Y| = `length` pieces (a number, or any tensor of them), EOS counted."""
    return ((5 + length) / 6) ** alpha


def without_coverage(total: N, length: int, alpha: float) -> N:
    """log P / lp of hypotheses of `length` pieces whose log P is `total`."""
    return total / length_penalty(length, alpha)


class Coverage:
    """sum_t a_tj of every hypothesis, counted only when beta is not 0."""

    def __init__(self, beta: float) -> None:
        self._beta = beta
        self._sums: Tensor | None = None  # (B, K, S)

    def add(self, attention: Tensor | None) -> None:
        """Adds a_t (B, K, S). Raises SettingError when the model has no attention to count."""
        if not self._beta:
            return
        if attention is None:
            raise SettingError(
                f"search.coverage_penalty={self._beta} counts attention, and this model has none "
                "(it was trained with another context than attention). Set search.coverage_penalty=0."
            )
        self._sums = attention if self._sums is None else self._sums + attention

    def penalty(self, lengths: Tensor) -> Tensor | float:
        """cp(X; Y) (B, K) for sources of `lengths` (B,) pieces; 0 without beta."""
        if self._sums is None:
            return 0.0
        real = torch.arange(self._sums.shape[-1], device=lengths.device) < lengths[:, None, None]
        logs = self._sums.clamp(LEAST_COVERAGE, 1).log()
        return self._beta * logs.masked_fill(~real, 0).sum(-1)

    def select(self, sentences: Tensor) -> None:
        """Keeps the sentences (B',)."""
        if self._sums is not None:
            self._sums = self._sums[sentences]

    def follow(self, places: Tensor) -> None:
        """Takes over from the hypotheses `places` (B', K') among the flattened (B * K)."""
        if self._sums is not None:
            self._sums = self._sums.flatten(0, 1)[places]

    def choose(self, places: Tensor) -> None:
        """Keeps `places` (B, K') among the K of each sentence."""
        if self._sums is not None:
            self._sums = self._sums.take_along_dim(places[..., None], dim=1)


def restrict(gains: Tensor, step: int, at_limit: Tensor, rules: Rules) -> None:
    """Sets log p (B, K, V) of pieces that may not come at `step` (from 0) to -inf, in place.

    PAD and BOS are no pieces of a sentence. A sentence in `at_limit` (B,) has all the pieces it may
    have: EOS alone may follow, so that every hypothesis ends in EOS and has its true probability.
    """
    end = gains[..., EOS].clone()
    # Asking a GPU would make it wait; there the fill costs next to nothing.
    if gains.is_cuda or at_limit.any():
        gains.masked_fill_(at_limit[:, None, None], -math.inf)
    if step < rules.min_length:
        # Where the limit of a very short source lies below min_length, the limit wins.
        end.masked_fill_(~at_limit[:, None], -math.inf)
    gains[..., EOS] = end
    for piece in (PAD, BOS) if rules.allow_unknown else (PAD, BOS, UNK):
        gains[..., piece] = -math.inf
