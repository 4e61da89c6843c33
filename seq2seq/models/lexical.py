"""What the attended words say by themselves, past encoder and decoder (Nguyen & Chiang 2018, section 4).

    f_t = tanh(sum_j a_tj e_j)          e_1..e_N the embedded source, a_t the weights of attention
    l_t = f_t + tanh(W f_t + b)         p(y_t | y_<t, x) = softmax(V (r_t + l_t) + b_o)

A rare word, seen too seldom for the states to carry it, needs no more than its own embedding to be translated. The
paper gives l_t an output matrix of its own; here it shares V. With model.tie=all the embeddings are the rows of V: a
piece of a name or a number, which both languages have, then calls itself.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Lexical(nn.Module):
    """Weights and embeddings in, l_t out."""

    def __init__(self, embedding: int) -> None:
        super().__init__()
        self.linear = nn.Linear(embedding, embedding)
        nn.init.xavier_uniform_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, weights: Tensor, embedded: Tensor) -> Tensor:
        """a (B, T, S), 0 where nothing stands, and e (B, S, E) -> l (B, T, E)."""
        f = torch.tanh(torch.bmm(weights.to(embedded.dtype), embedded))
        return f + torch.tanh(self.linear(f))
