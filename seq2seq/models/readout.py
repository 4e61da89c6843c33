"""The readout: from state, context and previous output to the vector that the output matrix scores.

    luong     r_t = tanh(W [s_t; c_t])                                        Luong et al. 2015, eq. 5
    bahdanau  r_t = max over pairs of (W [s_t; c_t; y_{t-1}])  (maxout)       Bahdanau et al. 2015, A.2.2

W [s; c; y] is formed as W_s s + W_c c + W_y y, so that a c that is the same at all steps is multiplied once.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seq2seq.settings.model import ReadoutKind


class Readout(nn.Module):
    """`context` is the size of c, 0 where no c reaches the readout; `previous` the size of y_{t-1}, or 0."""

    def __init__(self, kind: ReadoutKind, *, hidden: int, context: int, previous: int, outputs: int) -> None:
        super().__init__()
        self.kind = kind
        deep = kind is ReadoutKind.BAHDANAU
        self.linear = nn.Linear(hidden + context + (previous if deep else 0), outputs * (2 if deep else 1))
        nn.init.xavier_uniform_(self.linear.weight)

    def forward(self, s: Tensor, c: Tensor | None, y: Tensor | None) -> Tensor:
        """s (B, T, H), c (B, T or 1, H) or None, embedded y_{t-1} (B, T, E) or None -> r (B, T, outputs)."""
        return self.bend(self._sum(s, c, y if self.kind is ReadoutKind.BAHDANAU else None))

    def bend(self, total: Tensor) -> Tensor:
        """W [s; c; y] + b -> r."""
        match self.kind:
            case ReadoutKind.LUONG:
                return torch.tanh(total)
            case ReadoutKind.BAHDANAU:
                return total.unflatten(-1, (-1, 2)).amax(dim=-1)

    def _sum(self, *parts: Tensor | None) -> Tensor:
        there = [part for part in parts if part is not None]
        weights = self.linear.weight.split([part.shape[-1] for part in there], dim=1)
        total = F.linear(there[0], weights[0], self.linear.bias)
        for part, weight in zip(there[1:], weights[1:], strict=True):
            total = total + F.linear(part, weight)
        return total
