"""Back-pointers: the pieces of all hypotheses as one tree, read from the leaves when search is over.

Every candidate of every step is a node (piece, parent). Hypotheses that fork, die or leave the batch
cost nothing here: only node numbers move.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

ROOT = -1  # the parent of first pieces


class Trace:
    """The tree of one batch."""

    def __init__(self, keep_attention: bool) -> None:
        self._keep_attention = keep_attention
        self._pieces: list[Tensor] = []     # by step: (B * C,)
        self._parents: list[Tensor] = []    # by step: (B * C,) nodes of the step before, or ROOT
        self._askers: list[Tensor] = []     # by step: (B * C,) the attention rows that chose them
        self._attention: list[Tensor] = []  # by step: (B * K, S)
        self._size = 0

    def add(self, pieces: Tensor, parents: Tensor, askers: Tensor, attention: Tensor | None) -> Tensor:
        """Adds `pieces` (B, C) below the nodes `parents` (B, C); returns their own numbers (B, C).

        `askers` (B, C) counts through the flattened (B * K) rows of `attention` (B, K, S).
        """
        first = self._size
        self._size += pieces.numel()
        self._pieces.append(pieces.reshape(-1))
        self._parents.append(parents.reshape(-1))
        if self._keep_attention and attention is not None:
            self._askers.append(askers.reshape(-1))
            self._attention.append(attention.flatten(0, 1))
        return torch.arange(first, self._size, device=pieces.device).view(pieces.shape)

    def read(self, leaves: Tensor) -> list[tuple[list[int], Tensor | None]]:
        """The path to each of `leaves` (N,): its pieces without the leaf (EOS), and attention (T, S)."""
        pieces, parents = (torch.cat(part).cpu().numpy() for part in (self._pieces, self._parents))
        paths = _paths(leaves.cpu().numpy(), parents)
        if not self._attention:
            return [(pieces[path].tolist(), None) for path in paths]
        askers = torch.cat(self._askers).cpu().numpy()
        attention = torch.stack(_same_height(self._attention)).float().cpu()
        return [(pieces[path].tolist(), attention[range(len(path)), askers[path]]) for path in paths]


def _paths(leaves: np.ndarray, parents: np.ndarray) -> list[np.ndarray]:
    """The nodes from the root to each leaf, both left out; all leaves walk up together."""
    columns = []
    node = parents[leaves]
    while (node != ROOT).any():
        columns.append(node)
        node = np.where(node == ROOT, ROOT, parents[node])
    table = np.stack(columns[::-1], axis=1) if columns else np.zeros((len(leaves), 0), dtype=np.int64)
    return [row[row != ROOT] for row in table]


def _same_height(parts: list[Tensor]) -> list[Tensor]:
    # The first step has one hypothesis for a sentence, and sentences leave: pad to the tallest.
    height = max(len(part) for part in parts)
    return [torch.nn.functional.pad(part, (0, 0, 0, height - len(part))) for part in parts]
