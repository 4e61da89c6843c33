"""Embedded inputs: rows of a table, with dropout on their components and on whole words.

Rows are drawn with deviation E^-1/2, which suits an output matrix tied to them; the recurrence wants
inputs of deviation 1, so they are multiplied by E^1/2.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from seq2seq.models.dropout import Dropout


class Embed(nn.Module):
    """Looks up tables that belong to somebody else."""

    def __init__(self, dropout: float, word_dropout: float, variational: bool = False) -> None:
        super().__init__()
        self.dropout, self.word_dropout = Dropout(dropout, variational), word_dropout

    def forward(self, table: nn.Embedding, ids: Tensor) -> Tensor:
        """ids of any shape -> the same with E behind."""
        x = self.dropout(table(ids) * math.sqrt(table.embedding_dim))
        if self.training and self.word_dropout > 0:
            keep = torch.rand(ids.shape, device=ids.device) >= self.word_dropout
            x = x * keep[..., None]
        return x
