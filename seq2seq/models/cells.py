"""The three recurrences, as equations and as one fused library call.

x_t (B, X) the input, h_t (B, H) the state, U the input matrix, W the recurrent matrix; both hold one
block of H rows for each gate. `*_step` read like the equations; `Cell` gives the same numbers fast.

    rnn   h_t = f(U x_t + b + W h_{t-1} + d)                        f = tanh or relu     Elman 1990
    gru   r, z = sigma(U_r x_t + b_r + W_r h_{t-1} + d_r), likewise z       Cho et al. 2014, in cuDNN's form:
          n = tanh(U_n x_t + b_n + r * (W_n h_{t-1} + d_n))                the reset gate acts after W_n
          h_t = (1 - z) * n + z * h_{t-1}
    lstm  i, f, o = sigma(...), g = tanh(...)                      Hochreiter & Schmidhuber 1997; Gers et al. 2000
          m_t = f * m_{t-1} + i * g,  h_t = o * tanh(m_t)
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seq2seq.settings.model import CellKind, Nonlinearity

# cuDNN says so of weights that were cast or drawn for one pass, which it then copies together.
warnings.filterwarnings("ignore", message="RNN module weights are not part of single contiguous chunk")

CellState = tuple[Tensor, ...]  # (h,) for rnn and gru, (h, m) for lstm; h first


def rnn_step(x: Tensor, a: Tensor, state: CellState, nonlinearity: Nonlinearity = Nonlinearity.TANH) -> CellState:
    """One step of the plain RNN. x = U x_t + b and a = W h_{t-1} + d (B, H), h_{t-1} (B, H) -> (h_t,)."""
    f = torch.tanh if nonlinearity is Nonlinearity.TANH else torch.relu
    return (f(x + a),)


def gru_step(x: Tensor, a: Tensor, state: CellState) -> CellState:
    """One step of the GRU. x = U x_t + b and a = W h_{t-1} + d (B, 3H) hold the blocks r, z, n -> (h_t,)."""
    (h,) = state
    H = h.shape[-1]
    r, z = torch.sigmoid(x[:, : 2 * H] + a[:, : 2 * H]).chunk(2, dim=-1)
    n = torch.tanh(torch.addcmul(x[:, 2 * H :], r, a[:, 2 * H :]))
    return (torch.lerp(n, h, z),)  # (1 - z) n + z h


def lstm_step(x: Tensor, a: Tensor, state: CellState, norm: Callable[[Tensor], Tensor] | None = None) -> CellState:
    """One step of the LSTM. x = U x_t + b and a = W h_{t-1} + d (B, 4H) hold the blocks i, f, g, o -> (h_t, m_t).

    `norm`: of m_t where h_t is made of it (Ba et al. 2016); None: m_t as it is.
    """
    _, m = state
    i, f, g, o = (x + a).chunk(4, dim=-1)
    m = torch.sigmoid(f) * m + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(m if norm is None else norm(m)), m


def step_from_gates(kind: CellKind, nonlinearity: Nonlinearity, x: Tensor, a: Tensor, state: CellState,
                    norm: Callable[[Tensor], Tensor] | None = None) -> CellState:
    """One step of any of them."""
    match kind:
        case CellKind.GRU:
            return gru_step(x, a, state)
        case CellKind.LSTM:
            return lstm_step(x, a, state, norm)
        case CellKind.RNN:
            return rnn_step(x, a, state, nonlinearity)


class Cell(nn.Module):
    """One layer of one direction: `sequence` over all steps in one call, `step` for a single one."""

    def __init__(self, kind: CellKind, inputs: int, hidden: int, *,
                 nonlinearity: Nonlinearity = Nonlinearity.TANH, dropout: float = 0.0) -> None:
        """`dropout` is the share of W's entries that training sets to zero."""
        super().__init__()
        self.kind, self.nonlinearity, self.hidden, self.dropout = kind, nonlinearity, hidden, dropout
        match kind:
            case CellKind.RNN:
                self.library: nn.RNNBase = nn.RNN(inputs, hidden, nonlinearity=nonlinearity.value, batch_first=True)
            case CellKind.GRU:
                self.library = nn.GRU(inputs, hidden, batch_first=True)
            case CellKind.LSTM:
                self.library = nn.LSTM(inputs, hidden, batch_first=True)
        self._initialise()

    @property
    def U(self) -> Tensor:
        """(gates * H, X), the input matrix."""
        return self.library.get_parameter("weight_ih_l0")

    @property
    def W(self) -> Tensor:
        """(gates * H, H), the recurrent matrix."""
        return self.library.get_parameter("weight_hh_l0")

    @property
    def b(self) -> Tensor:
        """(gates * H,), the bias beside U."""
        return self.library.get_parameter("bias_ih_l0")

    @property
    def d(self) -> Tensor:
        """(gates * H,), the bias beside W."""
        return self.library.get_parameter("bias_hh_l0")

    def draws(self) -> tuple[Tensor, ...]:
        """W as all steps of one sequence shall see it: in training a draw of its entries (Merity et al. 2018)."""
        return (F.dropout(self.W, self.dropout, self.training),)

    def zero_state(self, like: Tensor, *shape: int) -> CellState:
        """h_0 = 0 (and m_0 = 0) with the given leading shape."""
        zeros = like.new_zeros(*shape, self.hidden)
        return (zeros, zeros) if self.kind is CellKind.LSTM else (zeros,)

    def state_from(self, c: Tensor) -> CellState:
        """s_0 = c. An LSTM's memory starts at c too, so that c lies on its linear path."""
        return (c, c) if self.kind is CellKind.LSTM else (c,)

    def sequence(self, x: Tensor, state: CellState, constant: Tensor | None = None) -> Tensor:
        """x (B, T, X), state (B, H) -> h_1..h_T (B, T, H).

        `constant` (B, C) is the rest of the input where that is the same at every step: U = [U_x, U_c].
        """
        if constant is not None:
            x = torch.cat([x, constant[:, None].expand(-1, x.shape[1], -1)], dim=-1)
        dtype = _autocast_dtype(x)
        if dtype is None and not (self.training and self.dropout > 0):
            outputs, _ = self.library(x, self._library_state(state, x.dtype))
            return outputs
        (W,) = self.draws()
        # Autocast knows fused recurrences on some devices only, and not always in this type: cast here.
        with torch.autocast(x.device.type, enabled=False):
            wanted = dtype or x.dtype
            weights = [weight.to(wanted) for weight in (self.U, W, self.b, self.d)]
            return self._fused(x.to(wanted), self._library_state(state, wanted), weights)

    def _fused(self, x: Tensor, state: Tensor | CellState, weights: list[Tensor]) -> Tensor:
        """The library's call with weights other than its own, of which it keeps none.

        functional_call would leave them in the library's list, and with them the graph that they came from: memory
        until the next pass, and no CUDA graph can be recorded with a node of autograd alive from before.
        """
        match self.kind:
            case CellKind.GRU:
                call: Callable = torch.gru
            case CellKind.LSTM:
                call = torch.lstm
            case CellKind.RNN:
                call = torch.rnn_tanh if self.nonlinearity is Nonlinearity.TANH else torch.rnn_relu
        outputs, *_ = call(x, state, weights, True, 1, 0.0, self.training, False, True)  # biases, layers, dropout, ...
        return outputs

    def step(self, x: Tensor, state: CellState) -> CellState:
        """x (B, X), state (B, H) -> the next state (B, H)."""
        with torch.autocast(x.device.type, enabled=False):
            x, state = x.to(self.U.dtype), tuple(part.to(self.U.dtype) for part in state)
            weights = (self.U, self.W, self.b, self.d)
            match self.kind:
                case CellKind.GRU:
                    return (torch.gru_cell(x, state[0], *weights),)
                case CellKind.LSTM:
                    return torch.lstm_cell(x, state, *weights)
                case _ if self.nonlinearity is Nonlinearity.TANH:
                    return (torch.rnn_tanh_cell(x, state[0], *weights),)
                case _:
                    return (torch.rnn_relu_cell(x, state[0], *weights),)

    def equation_step(self, x: Tensor, state: CellState, draws: tuple[Tensor, ...]) -> CellState:
        """`step` by the equations above, from x = U x_t + b (B, gates * H) and W or its draw.

        Where inputs are known before the states, U x_t is one product for all t, and this does the rest.
        """
        (W,) = draws
        a = F.linear(state[0], W, self.d)
        return step_from_gates(self.kind, self.nonlinearity, x, a, state)

    def _library_state(self, state: CellState, dtype: torch.dtype) -> Tensor | CellState:
        layered = tuple(part.to(dtype).unsqueeze(0).contiguous() for part in state)  # (1, B, H)
        return layered if self.kind is CellKind.LSTM else layered[0]

    def _initialise(self) -> None:
        initialise_W(self.W, self.b, self.kind, self.nonlinearity)
        for block in self.U.data.split(self.hidden):
            nn.init.xavier_uniform_(block)  # Glorot & Bengio 2010
        nn.init.zeros_(self.d)


def initialise_W(W: Tensor, b: Tensor, kind: CellKind, nonlinearity: Nonlinearity) -> None:
    """W (gates * H, H) and the bias b (gates * H,) beside it, in place."""
    hidden = W.shape[1]
    # Orthogonal W keeps the length of h over many steps (Saxe et al. 2014).
    for block in W.data.split(hidden):
        nn.init.orthogonal_(block)
    nn.init.zeros_(b)
    if kind is CellKind.LSTM:
        # The forget gate starts open (Gers et al. 2000; Jozefowicz et al. 2015).
        b.data[hidden : 2 * hidden] = 1.0
    if kind is CellKind.RNN and nonlinearity is Nonlinearity.RELU:
        nn.init.eye_(W.data)  # Le et al. 2015


MakeCell = Callable[[int, int], Cell]  # a new cell of so many inputs and hidden units


def _autocast_dtype(x: Tensor) -> torch.dtype | None:
    device = x.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else None
