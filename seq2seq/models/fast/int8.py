"""Search in eight bits on a CPU: the decoder's products of matrices in integers, everything else as it was.

    W_i ~ s_i w_i    w_i integers in -127..127, s_i = max |W_i| / 127 for every row i, once
    x   ~ r (q - 64) / 63    q integers in 1..127, r = max |x| for every row x, anew at each step

    (W x)_i ~ s_i r / 63 sum_j w_ij (q_j - 64)

A row's scale is its own: what a sentence becomes does not depend on those beside it. q has seven bits, for the sum of
two products of eight must fit into sixteen where the processor adds them so (AVX2). The encoder, keys and values,
made once for a sentence, stay in fp32.
"""

from __future__ import annotations

import copy
import warnings

import torch
from torch import Tensor, nn

from seq2seq.models.cells import Cell, CellState, step_from_gates
from seq2seq.models.decoder import Decoder
from seq2seq.models.deep_cell import DeepCell
from seq2seq.models.readout import Readout

_MIDDLE, _REACH = 64, 63  # q of x = 0, and of r above it


class Int8Linear(nn.Module):
    """W x + b with W in eight bits. Not for training."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        """W (O, I), b (O,)."""
        super().__init__()
        weight = weight.detach().float()
        scales = weight.abs().amax(dim=1).clamp(min=torch.finfo(torch.float32).tiny) / 127
        with warnings.catch_warnings():
            # torch announces another form for integer tensors; the products below know this one only.
            warnings.simplefilter("ignore", UserWarning)
            integers = torch.quantize_per_channel(weight, scales, torch.zeros_like(scales, dtype=torch.long), 0,
                                                  torch.qint8)
            self.packed = torch.ops.quantized.linear_prepack(integers, None)
        self.outputs = len(weight)
        self.bias = torch.zeros(self.outputs) if bias is None else bias.detach().float()

    def forward(self, x: Tensor) -> Tensor:
        """(..., I) -> (..., O)."""
        rows = x.reshape(-1, x.shape[-1])
        largest = rows.abs().amax(dim=1, keepdim=True).clamp_(min=torch.finfo(torch.float32).tiny)
        y = torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32(
            rows / largest, 1 / _REACH, _MIDDLE, self.packed)
        return torch.addcmul(self.bias, y, largest).unflatten(0, x.shape[:-1])


class Int8Cell(Cell):
    """A cell that makes single steps only, U x_t and W h_{t-1} in eight bits."""

    def __init__(self, cell: Cell) -> None:
        nn.Module.__init__(self)
        self.kind, self.nonlinearity, self.hidden = cell.kind, cell.nonlinearity, cell.hidden
        self.of_input, self.of_state = Int8Linear(cell.U, cell.b), Int8Linear(cell.W, cell.d)

    def step(self, x: Tensor, state: CellState) -> CellState:
        """x (B, X), state (B, H) -> the next state (B, H)."""
        return step_from_gates(self.kind, self.nonlinearity, self.of_input(x), self.of_state(state[0]), state)


class Int8DeepCell(Cell):
    """The same of a DeepCell: its norms are in fp32, and each transition has its own product."""

    def __init__(self, cell: DeepCell) -> None:
        nn.Module.__init__(self)
        self.exact, self.kind = cell, cell.kind
        self.of_input = Int8Linear(cell.U, cell.b)
        self.of_state = nn.ModuleList(Int8Linear(W, None) for W in cell.draws())

    def step(self, x: Tensor, state: CellState) -> CellState:
        """x (B, X), state (B, H) -> the next state (B, H)."""
        return self.exact.transit(self.exact.of_input(self.of_input(x)), state, self.of_state)


class Int8Readout(Readout):
    """The same with W [s; c; y] as one product."""

    def __init__(self, readout: Readout) -> None:
        nn.Module.__init__(self)
        self.kind, self.product = readout.kind, Int8Linear(readout.linear.weight, readout.linear.bias)

    def _sum(self, *parts: Tensor | None) -> Tensor:
        there = [part for part in parts if part is not None]
        steps = there[0].shape[1]
        return self.product(torch.cat([part.expand(-1, steps, -1) for part in there], dim=-1))


def decoder_in_int8(decoder: Decoder) -> Decoder:
    """A copy that makes single steps in eight bits."""
    rounded = copy.deepcopy(decoder)
    rounded.cells = nn.ModuleList(Int8DeepCell(cell) if isinstance(cell, DeepCell) else Int8Cell(cell)
                                  for cell in map(decoder.cell, range(len(decoder.cells))))
    rounded.readout = Int8Readout(decoder.readout)
    if rounded.attention is not None and isinstance(query := rounded.attention.query, nn.Linear):
        rounded.attention.query = Int8Linear(query.weight, query.bias)
    return rounded
