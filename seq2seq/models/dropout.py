"""Dropout of vectors: of each step for itself, or variational, the same components at all steps of a row.

    x_bt * m_bt / (1 - p)   plain: another draw m for every step t                        Srivastava et al. 2014
    x_bt * m_b  / (1 - p)   variational: one draw for a row, at all of its steps          Gal & Ghahramani 2016

A recurrence can learn around noise that changes from step to step, and not around a component that it never
sees. Whole words are dropped in embedding.py, entries of the recurrent matrix in cells.py.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class Dropout(nn.Dropout):
    """Sets a share of the components to zero in training; what a row has but once (B, X) is plain in both forms."""

    def __init__(self, share: float, variational: bool = False) -> None:
        super().__init__(share)
        self.variational = variational

    def forward(self, x: Tensor) -> Tensor:
        """x (B, T, X) or (B, X) -> the same shape."""
        if not self.variational or x.dim() < 3 or not self.training or self.p == 0:
            return super().forward(x)
        return x * F.dropout(x.new_ones(x.shape[0], 1, x.shape[2]), self.p)
