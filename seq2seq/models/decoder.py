"""The decoder: s_0 = c, then s_t from s_{t-1}, y_{t-1} and c by `feed`.

s_0 is g(h_N) with attention, and g(c) where the fixed c is not as wide as the states.

    feed.context   feed.output
    initial_state  false        s_t = f(s_{t-1})                       1-to-N, input at the first step only
    every_step     false        s_t = f(s_{t-1}, c)                    1-to-N, input at every step
    initial_state  true         s_t = f(s_{t-1}, y_{t-1})              Sutskever et al. 2014
    every_step     true         s_t = f(s_{t-1}, y_{t-1}, c)           Cho et al. 2014; with attention c is c_t

Where c_t of attention enters (`attention.feed`):

    readout       s_t = f(s_{t-1}, y_{t-1});  c_t = attend(s_t);  r_t = readout(s_t, c_t)
    upper_layers  the bottom layer asks, c_t = attend(s^1_t); the layers above and the readout see c_t
    input         query=previous: c_t = attend(s^1_{t-1}), s_t = f(s_{t-1}, y_{t-1}, c_t)       Bahdanau
                  query=current:  s_t = f(s_{t-1}, y_{t-1}, c_{t-1}), c_t = attend(s_t)         Luong

`sequence` answers all T steps of teacher forcing: at once unless attention.feed=input, where step t needs
c of step t-1 and the steps go one by one. `step` is one step of K hypotheses, for search.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seq2seq.models.attention import Attention
from seq2seq.models.cells import Cell, CellState, MakeCell
from seq2seq.models.dropout import Dropout
from seq2seq.models.readout import Readout
from seq2seq.models.types import Memory, State
from seq2seq.settings.model import (
    AttentionFeed,
    AttentionQuery,
    AttentionStart,
    ReadoutKind,
)


class Decoder(nn.Module):
    """Embedded previous outputs in, readout vectors r_t out. The output matrix is outside."""

    def __init__(self, *, cell: MakeCell, embedding: int, hidden: int, context: int, layers: int, residual: bool,
                 layer_norm: bool, dropout: float, variational: bool, readout: ReadoutKind, attention: Attention | None,
                 attention_feed: AttentionFeed, attention_query: AttentionQuery, attention_start: AttentionStart,
                 context_every_step: bool, output_fed: bool) -> None:
        """`context` is the size C of c."""
        super().__init__()
        self.attention, self.attention_feed, self.attention_query = attention, attention_feed, attention_query
        self.attention_start = attention_start
        self.context_every_step, self.output_fed, self.residual = context_every_step, output_fed, residual
        stepwise = attention is not None and attention_feed is AttentionFeed.INPUT
        upper = attention is not None and attention_feed is AttentionFeed.UPPER_LAYERS
        self.stepwise, self.upper = stepwise, upper
        self.context_in_input = stepwise or (attention is None and context_every_step)
        # A decoder without any input still takes one that is always 0: s_t = f(s_{t-1}).
        inputs = (embedding if output_fed else 0) + (context if self.context_in_input else 0)
        self.cells = nn.ModuleList(
            cell(max(inputs, 1) if i == 0 else hidden * (2 if upper else 1), hidden) for i in range(layers)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(hidden) if layer_norm else nn.Identity() for _ in range(layers))
        self.dropout = Dropout(dropout, variational)
        # With attention no single c exists before the first step: s_0 = tanh(W_l h_N + b_l) for each layer l, or of
        # the mean of h_1..h_N in the place of h_N. A fixed c that is no state by its size is taken likewise.
        bridged = attention is not None or context != hidden
        self.bridges = nn.ModuleList(
            nn.Sequential(nn.Linear(context, hidden), nn.Tanh()) for _ in range(layers if bridged else 0)
        )
        self.readout = Readout(readout, hidden=hidden, context=context if context_every_step else 0,
                               previous=embedding if output_fed else 0, outputs=embedding)

    def start(self, memory: Memory) -> State:
        """s_0 of one hypothesis per sentence: (B, 1, H) in every layer."""
        layers = tuple(
            tuple(part[:, None] for part in self.cell(layer).state_from(self._initial(layer, memory)))
            for layer in range(len(self.cells))
        )
        fed = torch.zeros_like(memory.final)[:, None] if self.stepwise else None
        return State(layers, fed)

    def sequence(self, y: Tensor | None, memory: Memory, steps: int) -> Tensor:
        """Embedded y_0..y_{T-1} (B, T, E), None if not fed back -> readout vectors r_1..r_T (B, T, E)."""
        if self.stepwise:
            return self._one_by_one(y, memory, steps)
        constant = memory.context if self.context_in_input else None
        # Without y the input is c alone, or the 0 that stands for none.
        x = memory.final.new_zeros(len(memory.final), steps, 0 if self.context_in_input else 1) if y is None else y
        state = [self._initial(layer, memory) for layer in range(len(self.cells))]
        s = self.cell(0).sequence(x, self.cell(0).state_from(state[0]), constant)
        c = self._attend(s, memory)[0] if self.upper else None
        for layer in range(1, len(self.cells)):
            below = self.dropout(self.norms[layer - 1](s))
            cell = self.cell(layer)
            s = cell.sequence(below if c is None else torch.cat([below, c], dim=-1), cell.state_from(state[layer]))
            if self.residual:
                s = s + below
        s = self.norms[-1](s)
        if self.attention is None:
            c = self._spread(memory.context, 1) if self.context_every_step else None
        elif c is None:
            c, _ = self._attend(s, memory)
        return self.readout(s, c, y)

    def step(self, y: Tensor | None, state: State, memory: Memory) -> tuple[Tensor, State, Tensor | None]:
        """Embedded previous outputs (B, K, E) -> r (B, K, E), the next state, attention (B, K, S) or None."""
        s, c, layers, weights = self._advance(y, state, memory)
        fed = c if self.stepwise else None
        return self.readout(s, c, y), State(layers, fed), weights

    def _advance(self, y: Tensor | None, state: State, memory: Memory
                 ) -> tuple[Tensor, Tensor | None, tuple[CellState, ...], Tensor | None]:
        """One step of B x K hypotheses -> s_t of the top layer, c_t, all layers' states, attention weights."""
        shape = state.layers[0][0].shape[:2]  # B, K
        c, weights = self._context_before(state, memory)
        x = self._inputs(y, c if self.context_in_input else None, shape, memory.final)
        bottom = _step(self.cell(0), x, state.layers[0])
        return self._above(bottom, c, weights, state, memory)

    def _context_before(self, state: State, memory: Memory) -> tuple[Tensor | None, Tensor | None]:
        """The c that enters step t (None if none does yet), and its attention weights."""
        if self.attention is None:
            c = self._spread(memory.context, state.layers[0][0].shape[1]) if self.context_every_step else None
            return c, None
        if not self.stepwise:
            return None, None
        if self.attention_query is AttentionQuery.PREVIOUS:
            return self._attend(state.layers[0][0], memory)
        return state.fed, None

    def _above(self, bottom: CellState, c: Tensor | None, weights: Tensor | None, state: State, memory: Memory
               ) -> tuple[Tensor, Tensor | None, tuple[CellState, ...], Tensor | None]:
        """The layers above the bottom one, and the attention that comes after a layer."""
        layers, s = [bottom], bottom[0]
        if self.upper:
            c, weights = self._attend(s, memory)
        for layer in range(1, len(self.cells)):
            below = self.dropout(self.norms[layer - 1](s))
            x = torch.cat([below, c], dim=-1) if self.upper and c is not None else below
            layers.append(_step(self.cell(layer), x, state.layers[layer]))
            s = layers[-1][0] + below if self.residual else layers[-1][0]
        s = self.norms[-1](s)
        if self.attention is not None and weights is None:  # feed=readout, or query=current
            c, weights = self._attend(s, memory)
        return s, c, tuple(layers), weights

    def _one_by_one(self, y: Tensor | None, memory: Memory, steps: int) -> Tensor:
        """Teacher forcing where c_{t-1} or s_{t-1} is needed first. U y_{t-1} + b is one product for all t."""
        state, cell = self.start(memory), self.cell(0)
        split = 0 if y is None else y.shape[-1]
        of_output, of_context = cell.U[:, :split], cell.U[:, split:]  # cut once: their gradients add up once
        # Unbound, not indexed step by step: the gradient of an index is a whole tensor of zeros each time.
        x = [cell.b] * steps if y is None else F.linear(y, of_output, cell.b).unbind(dim=1)
        states: list[Tensor] = []
        contexts: list[Tensor] = []
        draws = cell.draws()
        for t in range(steps):
            c, weights = self._context_before(state, memory)
            assert c is not None  # stepwise: attention answers, or its last answer was kept
            gates = F.linear(c[:, 0], of_context) + x[t]
            bottom = cell.equation_step(gates, tuple(part[:, 0] for part in state.layers[0]), draws)
            s, c, layers, _ = self._above(tuple(part[:, None] for part in bottom), c, weights, state, memory)
            assert c is not None
            state = State(layers, c)
            states.append(s)
            contexts.append(c)
        return self.readout(torch.cat(states, dim=1), torch.cat(contexts, dim=1), y)

    def cell(self, layer: int) -> Cell:
        cell = self.cells[layer]
        assert isinstance(cell, Cell)
        return cell

    def _initial(self, layer: int, memory: Memory) -> Tensor:
        if self.attention is None:
            known = memory.context
        else:
            known = _mean(memory) if self.attention_start is AttentionStart.MEAN else memory.final
        assert known is not None
        return self.bridges[layer](known) if self.bridges else known

    def _attend(self, queries: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        assert self.attention is not None
        return self.attention(queries, memory.keys, memory.values, memory.mask)

    def _spread(self, c: Tensor | None, steps: int) -> Tensor:
        assert c is not None
        return c[:, None].expand(-1, steps, -1)

    def _inputs(self, y: Tensor | None, c: Tensor | None, shape: tuple[int, int] | torch.Size, like: Tensor) -> Tensor:
        there = [part for part in (y if self.output_fed else None, c) if part is not None]
        if not there:
            return like.new_zeros(*shape, 1)
        return there[0] if len(there) == 1 else torch.cat(there, dim=-1)


def _mean(memory: Memory) -> Tensor:
    """(1/N) sum_j h_j, (B, H)."""
    return torch.einsum("bs,bsh->bh", memory.mask.to(memory.states.dtype), memory.states) / memory.lengths[:, None]


def _step(cell: Cell, x: Tensor, state: CellState) -> CellState:
    """One step of B x K hypotheses: (B, K, X) -> state parts (B, K, H)."""
    rows = x.shape[:2]
    flat = cell.step(x.flatten(0, 1), tuple(part.flatten(0, 1) for part in state))
    return tuple(part.unflatten(0, rows) for part in flat)
