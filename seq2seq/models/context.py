"""The fixed contexts: one vector c for the whole sentence.

    last       c = h_N
    projected  c = g(h_N),          g(h) = tanh(W_g h + b_g)      Cho et al. 2014
    pooled     c = g(pool(h_1..h_N)), over the real positions:
                 mean       (1/N) sum_j h_j
                 max        max_j h_j in each component
                 attentive  [m_1..m_K], m_k = sum_j a_kj h_j, a_k = softmax_j v_k . tanh(W h_j)
                            of K = context.hops                 Lin et al. 2017, (5) to (7), without the penalty
g makes of it a vector of context.width numbers, which need not be the H of the states.
The context that changes with t is in attention.py.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from seq2seq.settings.model import ContextKind, Pooling


class FixedContext(nn.Module):
    """h_1..h_N and h_N to c, for every `context` but attention."""

    def __init__(self, kind: ContextKind, hidden: int, *, pooling: Pooling = Pooling.MEAN, hops: int = 1,
                 width: int | None = None) -> None:
        """`width` is the size C of c, None: H. `last` takes none, and the other poolings have one hop."""
        super().__init__()
        self.kind, self.pooling = kind, pooling
        self.g = (nn.Sequential() if kind is ContextKind.LAST
                  else nn.Sequential(nn.Linear(hops * hidden, width or hidden), nn.Tanh()))
        if kind is ContextKind.POOLED and pooling is Pooling.ATTENTIVE:
            self.score = nn.Sequential(nn.Linear(hidden, hidden), nn.Tanh(), nn.Linear(hidden, hops, bias=False))

    def forward(self, states: Tensor, final: Tensor, mask: Tensor) -> Tensor:
        """h_1..h_N (B, S, H), h_N (B, H), mask (B, S) -> c (B, C)."""
        if self.kind is ContextKind.POOLED:
            return self.g(self.pool(states, mask))
        return self.g(final)

    def pool(self, states: Tensor, mask: Tensor) -> Tensor:
        """(B, S, H), (B, S) -> (B, K H), K = 1 but for several hops; padding takes no part."""
        real = mask[:, :, None]
        match self.pooling:
            case Pooling.MEAN:
                return (states * real).sum(dim=1) / real.sum(dim=1)
            case Pooling.MAX:
                return states.masked_fill(~real, -math.inf).amax(dim=1)
            case Pooling.ATTENTIVE:
                weights = torch.softmax(self.score(states).float().masked_fill(~real, -math.inf), dim=1)
                return torch.einsum("bsk,bsh->bkh", weights.to(states.dtype), states).flatten(1)
