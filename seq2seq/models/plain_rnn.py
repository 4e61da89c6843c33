"""The plain recurrent network, written out (Elman 1990): the same U, W and V at every step.

    s_t = f(U x_t + W s_{t-1} + b),  s_0 = 0        f = tanh
    o_t = softmax(V s_t + c)

To read, and to hold the fast cells against (cells.py, docs/plain_rnn.md). X inputs, H states, Y outputs.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class PlainRNN(nn.Module):
    """One layer and its outputs. N to N: all o_t; N to 1: the last; 1 to N: x_t = 0 from the second step on."""

    def __init__(self, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.U = nn.Parameter(torch.empty(hidden, inputs))   # (H, X)
        self.W = nn.Parameter(torch.empty(hidden, hidden))   # (H, H)
        self.V = nn.Parameter(torch.empty(outputs, hidden))  # (Y, H)
        self.b = nn.Parameter(torch.zeros(hidden))
        self.c = nn.Parameter(torch.zeros(outputs))
        nn.init.xavier_uniform_(self.U)
        nn.init.orthogonal_(self.W)
        nn.init.xavier_uniform_(self.V)

    def step(self, x: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
        """x_t (X,) or (B, X), s_{t-1} (H,) or (B, H) -> s_t, o_t (Y,) or (B, Y)."""
        s = torch.tanh(x @ self.U.T + s @ self.W.T + self.b)
        return s, torch.softmax(s @ self.V.T + self.c, dim=-1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x_1..x_T (B, T, X) -> s_1..s_T (B, T, H), o_1..o_T (B, T, Y)."""
        s, states, outputs = x.new_zeros(x.shape[0], self.W.shape[0]), [], []
        for x_t in x.unbind(dim=1):
            s, o = self.step(x_t, s)
            states.append(s)
            outputs.append(o)
        return torch.stack(states, dim=1), torch.stack(outputs, dim=1)
