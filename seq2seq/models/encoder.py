"""The encoder: x_1..x_N -> h_1..h_N.

Each layer reads the whole sequence in one fused call. A bidirectional layer is a forward and a
backward cell of H/2 each, joined (Schuster & Paliwal 1997). The backward cell reads each sentence
reversed by its own length, so padding comes last for both and never touches a real position:
no packing, which would leave the fused path on CPUs.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from seq2seq.models.cells import MakeCell
from seq2seq.models.dropout import Dropout


def reverse_by_length(x: Tensor, lengths: Tensor) -> Tensor:
    """Reverses the first lengths[b] entries of each row; the rest stays. x (B, S) or (B, S, X)."""
    place = torch.arange(x.shape[1], device=x.device)
    index = torch.where(place < lengths[:, None], lengths[:, None] - 1 - place, place)  # (B, S)
    if x.dim() == 2:
        return x.gather(1, index)
    return x.gather(1, index[:, :, None].expand_as(x))


class Layer(nn.Module):
    """One recurrent layer over the source, of one direction or two."""

    def __init__(self, cell: MakeCell, inputs: int, hidden: int, *, bidirectional: bool) -> None:
        super().__init__()
        size = hidden // 2 if bidirectional else hidden
        self.forward_cell = cell(inputs, size)
        self.backward_cell = cell(inputs, size) if bidirectional else None

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """x (B, S, X), lengths (B,) -> h_1..h_N (B, S, H) and h_N (B, H)."""
        rows = torch.arange(x.shape[0], device=x.device)
        states = self.forward_cell.sequence(x, self.forward_cell.zero_state(x, x.shape[0]))
        final = states[rows, lengths - 1]
        if self.backward_cell is None:
            return states, final
        reverse = self.backward_cell.sequence(
            reverse_by_length(x, lengths), self.backward_cell.zero_state(x, x.shape[0])
        )
        backward_final = reverse[rows, lengths - 1]
        states = torch.cat([states, reverse_by_length(reverse, lengths)], dim=-1)
        return states, torch.cat([final, backward_final], dim=-1)


class Encoder(nn.Module):
    """A stack of layers with residual connections, and normalisation and dropout on what each layer hands on."""

    def __init__(self, *, cell: MakeCell, inputs: int, hidden: int, layers: int, bidirectional: bool, residual: bool,
                 layer_norm: bool, dropout: float, variational: bool) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            Layer(cell, inputs if i == 0 else hidden, hidden, bidirectional=bidirectional)
            for i in range(layers)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(hidden) if layer_norm else nn.Identity() for _ in range(layers))
        self.dropout = Dropout(dropout, variational)
        self.residual, self.bidirectional = residual, bidirectional

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Embedded source (B, S, E), lengths (B,) -> h_1..h_N (B, S, H) and h_N (B, H) of the top layer."""
        states, final = self.layers[0](x, lengths)
        rows = torch.arange(x.shape[0], device=x.device)
        for below, layer in zip(self.norms[:-1], self.layers[1:], strict=True):
            inputs = self.dropout(below(states))
            states, final = layer(inputs, lengths)
            if self.residual:
                states = states + inputs
                # h_N of the sum: the inputs at the place where each direction ended.
                final = final + self._ends(inputs, rows, lengths)
        return self.dropout(self.norms[-1](states)), self.dropout(self.norms[-1](final))

    def _ends(self, states: Tensor, rows: Tensor, lengths: Tensor) -> Tensor:
        last = states[rows, lengths - 1]
        if not self.bidirectional:
            return last
        half = states.shape[-1] // 2  # forward states end at N, backward states at 1
        return torch.cat([last[:, :half], states[:, 0, half:]], dim=-1)
