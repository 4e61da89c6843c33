"""Cells that no fused call knows: layer normalisation inside the recurrence, and deep transition.

    cell.layer_norm=true   the sums that meet in the gates are normalised, each by itself         Ba et al. 2016
        x_t = LN(U x_t + b),  a_t = LN(W h_{t-1}) + d;  the LSTM's h_t = o * tanh(LN(m_t))

    cell.transitions=L     L further steps of the recurrence at every t, without an input         Pascanu et al. 2014
        h_{t,0} = f_0(U x_t + b, W_0 h_{t-1,L} + d_0)                             Miceli Barone et al. 2017
        h_{t,l} = f_l(b_l, W_l h_{t,l-1} + d_l),  l = 1..L;   h_t = h_{t,L}

The steps go one by one, as the equations of cells.py, in training too: U x_t is one product for all t, the rest is not.
Products are of the type that autocast says, gates and states of the parameters' own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seq2seq.models.cells import Cell, CellState, initialise_W, step_from_gates
from seq2seq.settings.model import CellKind, CellSettings, Nonlinearity


class Norms(nn.Module):
    """The normalisations within one transition; the identity where there are none."""

    def __init__(self, kind: CellKind, gates: int, hidden: int, enabled: bool) -> None:
        super().__init__()
        # d, outside, is the bias. Inside it would be all that h_0 = 0 leaves to be normalised: a gradient out of hand.
        self.of_state = nn.LayerNorm(gates, bias=False) if enabled else nn.Identity()
        self.of_memory = nn.LayerNorm(hidden) if enabled and kind is CellKind.LSTM else nn.Identity()


class Transition(nn.Module):
    """A step without an input: b (gates * H,) stands in the place of U x_t + b."""

    def __init__(self, kind: CellKind, nonlinearity: Nonlinearity, gates: int, hidden: int) -> None:
        super().__init__()
        self.W = nn.Parameter(torch.empty(gates, hidden))
        self.b, self.d = nn.Parameter(torch.zeros(gates)), nn.Parameter(torch.zeros(gates))
        initialise_W(self.W, self.b, kind, nonlinearity)


class DeepCell(Cell):
    """A cell of either kind, or of both. It answers as Cell does."""

    def __init__(self, kind: CellKind, inputs: int, hidden: int, *, nonlinearity: Nonlinearity = Nonlinearity.TANH,
                 dropout: float = 0.0, layer_norm: bool = False, transitions: int = 0) -> None:
        super().__init__(kind, inputs, hidden, nonlinearity=nonlinearity, dropout=dropout)
        gates = len(self.W)
        self.transitions = nn.ModuleList(Transition(kind, nonlinearity, gates, hidden) for _ in range(transitions))
        self.of_input = nn.LayerNorm(gates) if layer_norm else nn.Identity()
        self.norms = nn.ModuleList(Norms(kind, gates, hidden, layer_norm) for _ in range(1 + transitions))
        if layer_norm:  # what b begins with would be normalised away
            self.d.data.copy_(self.b.data)
            nn.init.zeros_(self.b)

    def draws(self) -> tuple[Tensor, ...]:
        """W_0..W_L as all steps of one sequence shall see them."""
        return (*super().draws(), *(F.dropout(part.W, self.dropout, self.training) for part in self._further()))

    def sequence(self, x: Tensor, state: CellState, constant: Tensor | None = None) -> Tensor:
        """x (B, T, X), state (B, H) -> h_1..h_T (B, T, H), with `constant` (B, C) as in Cell."""
        inputs = x.shape[-1]
        gates = F.linear(x, self.U[:, :inputs], self.b)
        if constant is not None:
            gates = gates + F.linear(constant, self.U[:, inputs:])[:, None]
        gates = self.of_input(gates.to(self.U.dtype))
        state = tuple(part.to(self.U.dtype) for part in state)
        states, products = [], _products(self.draws())
        for gate in gates.unbind(dim=1):
            state = self.transit(gate, state, products)
            states.append(state[0])
        return torch.stack(states, dim=1)

    def step(self, x: Tensor, state: CellState) -> CellState:
        """x (B, X), state (B, H) -> the next state (B, H)."""
        with torch.autocast(x.device.type, enabled=False):
            x, state = x.to(self.U.dtype), tuple(part.to(self.U.dtype) for part in state)
            return self.equation_step(F.linear(x, self.U, self.b), state, self.draws())

    def equation_step(self, x: Tensor, state: CellState, draws: tuple[Tensor, ...]) -> CellState:
        """The step from x = U x_t + b (B, gates * H) and W_0..W_L or their draws."""
        return self.transit(self.of_input(x.to(self.U.dtype)), state, _products(draws))

    def transit(self, x: Tensor, state: CellState, products: Iterable[Callable[[Tensor], Tensor]]) -> CellState:
        """All transitions of one t, from x = LN(U x_t + b) and `products`, h -> W_l h for every l."""
        biases = [(x, self.d), *((part.b.expand_as(x), part.d) for part in self._further())]
        for (x_l, d), product, norms in zip(biases, products, self.norms, strict=True):
            assert isinstance(norms, Norms)
            a = norms.of_state(product(state[0]).to(x.dtype)) + d
            state = step_from_gates(self.kind, self.nonlinearity, x_l, a, state, norms.of_memory)
        return state

    def _further(self) -> list[Transition]:
        return [part for part in self.transitions if isinstance(part, Transition)]


def make_cell(settings: CellSettings, dropout: float, inputs: int, hidden: int) -> Cell:
    """The cell that the settings ask for: the fused one wherever it will do."""
    if settings.layer_norm or settings.transitions:
        return DeepCell(settings.kind, inputs, hidden, nonlinearity=settings.nonlinearity, dropout=dropout,
                        layer_norm=settings.layer_norm, transitions=settings.transitions)
    return Cell(settings.kind, inputs, hidden, nonlinearity=settings.nonlinearity, dropout=dropout)


def _products(draws: tuple[Tensor, ...]) -> list[Callable[[Tensor], Tensor]]:
    return [partial(F.linear, weight=W) for W in draws]
