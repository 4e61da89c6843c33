"""What encoder, decoder and search hand to each other. Passed and returned, never kept on a module.

B sentences, K hypotheses beside each other (a beam; K = 1 in greedy search), S source pieces.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from seq2seq.models.cells import CellState


class Candidates(NamedTuple):
    """The rows of the output matrix that a sentence's pieces are looked for among: some for all, and its own."""

    common: Tensor  # (F,)       pieces of every sentence, the special ones first
    common_weight: Tensor  # (F, E)
    common_bias: Tensor    # (F,)
    pieces: Tensor  # (B, L)     common and own ones, in that order; PAD behind the last
    weight: Tensor  # (B, E, L - F)  of the own ones; a row of E for each would be read more slowly
    bias: Tensor    # (B, L - F)     -inf where there is no candidate

    def logits(self, features: Tensor) -> Tensor:
        """r (B, K, E) -> (B, K, L)."""
        common = F.linear(features, self.common_weight, self.common_bias)
        return torch.cat([common, torch.baddbmm(self.bias[:, None], features, self.weight)], dim=-1)

    def select(self, rows: Tensor) -> Candidates:
        own = {name: getattr(self, name).index_select(0, rows) for name in ("pieces", "weight", "bias")}
        return self._replace(**own)


class Memory(NamedTuple):
    """The encoded sentences: once per sentence, however many hypotheses there are."""

    states: Tensor          # (B, S, H)  h_1..h_N
    final: Tensor           # (B, H)     h_N (of both directions, joined)
    mask: Tensor            # (B, S)     True on real pieces
    lengths: Tensor         # (B,)       N
    context: Tensor | None  # (B, C)     the fixed c; None with attention
    keys: Tensor | None     # (B, S, A)  what attention compares with, projected once; None without
    values: Tensor | None   # (B, S, H)  what attention sums up; None without
    powers: Tensor | None = None  # (B, S, A) of the keys of an additive score, in search (fast/additive.py)
    candidates: Candidates | None = None  # of search with a shortlist

    @property
    def columns(self) -> Tensor | None:
        """(B, L) the pieces that the logits are of; None: all, in order."""
        return None if self.candidates is None else self.candidates.pieces

    def select(self, rows: Tensor) -> Memory:
        """The sentences `rows` (B',), in that order."""

        def pick(part: Tensor | None) -> Tensor | None:
            return None if part is None else part.index_select(0, rows)

        candidates = None if self.candidates is None else self.candidates.select(rows)
        kept = Memory(*map(pick, self[:-1]))  # type: ignore[arg-type]
        return kept._replace(candidates=candidates)


class State(NamedTuple):
    """The decoder's state of B x K hypotheses."""

    layers: tuple[CellState, ...]  # per layer (h,) or (h, m), each (B, K, H)
    fed: Tensor | None             # (B, K, H) c_{t-1}, with attention.feed=input and query=current

    def select(self, rows: Tensor) -> State:
        """`rows` (B', K') counts through the B x K hypotheses; the result has the shape of `rows`."""

        def pick(part: Tensor) -> Tensor:
            flat = part.reshape(-1, part.shape[-1]).index_select(0, rows.reshape(-1))
            return flat.reshape(*rows.shape, part.shape[-1])

        layers = tuple(tuple(pick(part) for part in layer) for layer in self.layers)
        return State(layers, None if self.fed is None else pick(self.fed))


class Loss(NamedTuple):
    """Sums over the real target pieces of a batch: divide once, by the count over all devices."""

    smoothed: Tensor  # ()  cross-entropy against the smoothed target: what is minimised
    nll: Tensor       # ()  -sum log p(y_t), without gradient: exp(nll / pieces) is the perplexity
