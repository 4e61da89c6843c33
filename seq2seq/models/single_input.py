"""1 to N: a single input x stands where the encoder's last state stood, and the decoder does the rest.

    h = W x + b      c = h (context=last) or tanh(W_g h + b_g) (context=projected)

What the decoder does with c is `feed`: c as s_0 only, or at every step, with or without its own outputs.
"""

from __future__ import annotations

from torch import Tensor, nn


class OneInput(nn.Module):
    """Has the form of an encoder (encoder.py) over x and the EOS behind it, which it does not read."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, hidden)

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """x (B, S, E), lengths (B,) -> h at every place (B, S, H), and h (B, H)."""
        h = self.linear(x[:, 0])
        return h[:, None].expand(-1, x.shape[1], -1), h
