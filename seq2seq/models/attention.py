"""Attention: c_t = sum_j a_tj h_j with a_t = softmax_j score(s, h_j).

    additive  score = v . tanh(W s + U h_j)                     Bahdanau et al. 2015
    dot       score = s . h_j                                   Luong et al. 2015
    general   score = s . W h_j                                 Luong et al. 2015
    scaled    score = (W_q s) . (W_k h_j) / sqrt(d)             Vaswani et al. 2017; with more than one head of
                                                                size d, each sums its own part of W_v h_j
The keys depend on the sentence alone and are projected once. T queries of a sentence are answered
together: the steps of teacher forcing or the hypotheses of a beam.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from seq2seq.models.fast.additive import additive_scores, scores_from_powers
from seq2seq.settings.model import ScoreKind

# Without gradients nothing is kept of a score but the score. So the queries of a long pair (validation has no limit of
# length) are answered in blocks, whose tables over queries and keys, and over the H of additive scores, have at most so
# many numbers: 64 MiB in fp32.
BLOCK = 1 << 24


class Attention(nn.Module):
    """Queries of size H over states of size H; H is also the size of the additive score's hidden layer."""

    def __init__(self, score: ScoreKind, hidden: int, *, heads: int = 1) -> None:
        super().__init__()
        self.score, self.heads = score, heads
        self.query: nn.Module = nn.Linear(hidden, hidden, bias=score is ScoreKind.ADDITIVE) if score in (
            ScoreKind.ADDITIVE, ScoreKind.SCALED) else nn.Identity()
        self.key = nn.Identity() if score is ScoreKind.DOT else nn.Linear(hidden, hidden, bias=False)
        self.value = nn.Linear(hidden, hidden, bias=False) if heads > 1 else nn.Identity()
        if score is ScoreKind.ADDITIVE:
            self.v = nn.Parameter(torch.empty(hidden).uniform_(-1, 1) / math.sqrt(hidden))
        for part in (self.query, self.key, self.value):
            if isinstance(part, nn.Linear):
                nn.init.xavier_uniform_(part.weight)

    def keys_and_values(self, states: Tensor) -> tuple[Tensor, Tensor]:
        """h (B, S, H) -> keys (B, S, H) and values (B, S, H)."""
        return self.key(states), self.value(states)

    def forward(self, queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Queries (B, T, H), keys and values (B, S, H), mask (B, S) True on real pieces.

        Returns c (B, T, H) and the weights a (B, T, S), averaged over the heads.
        """
        of_step = keys.numel() if self.score is ScoreKind.ADDITIVE else keys.shape[:2].numel() * self.heads
        at_once = max(1, BLOCK // max(of_step, 1))
        if torch.is_grad_enabled() or queries.shape[1] <= at_once:
            return self._answers(queries, keys, values, mask)
        contexts, weights = zip(*(self._answers(part, keys, values, mask) for part in queries.split(at_once, dim=1)),
                                strict=True)
        return torch.cat(contexts, dim=1), torch.cat(weights, dim=1)

    def _answers(self, queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        weights = self.weights(self.query(queries), keys, mask)
        if self.heads == 1:
            return torch.bmm(weights[:, 0].to(values.dtype), values), weights[:, 0]
        context = (weights.to(values.dtype) @ self.split(values)).transpose(1, 2).flatten(-2)
        return context, weights.mean(dim=1)

    def weights(self, queries: Tensor, keys: Tensor, mask: Tensor, powers: Tensor | None = None) -> Tensor:
        """Projected queries (B, T, H) -> a of every head (B, heads, T, S). `powers`: of the keys (fast/additive.py)."""
        scores = self._scores(queries, keys, powers)
        return torch.softmax(scores.float().masked_fill(~mask[:, None, None], -math.inf), dim=-1)

    def split(self, x: Tensor) -> Tensor:
        """(B, T or S, H) -> the parts of the heads (B, heads, T or S, d)."""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def _scores(self, queries: Tensor, keys: Tensor, powers: Tensor | None) -> Tensor:
        match self.score:
            case ScoreKind.ADDITIVE if powers is not None:
                return scores_from_powers(queries, powers, self.v)[:, None]
            case ScoreKind.ADDITIVE:
                return additive_scores(queries, keys, self.v)[:, None]
            case ScoreKind.SCALED:
                q, k = self.split(queries), self.split(keys)
                return q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
            case _:
                return torch.bmm(queries.to(keys.dtype), keys.transpose(1, 2))[:, None]
