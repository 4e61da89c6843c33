"""The encoder reads each sentence as if it were alone."""

from functools import partial

import pytest
import torch

from seq2seq.models.cells import Cell
from seq2seq.models.encoder import Encoder, reverse_by_length
from seq2seq.settings.model import CellKind


def encoder(bidirectional=True, layers=2, residual=True):
    torch.manual_seed(0)
    return Encoder(cell=partial(Cell, CellKind.GRU), inputs=6, hidden=8, layers=layers, bidirectional=bidirectional,
                   residual=residual, layer_norm=True, dropout=0.0, variational=False).eval()


def test_reverse_by_length_turns_only_the_real_part():
    x = torch.tensor([[1, 2, 3, 0, 0], [4, 5, 6, 7, 8]])
    assert reverse_by_length(x, torch.tensor([3, 5])).tolist() == [[3, 2, 1, 0, 0], [8, 7, 6, 5, 4]]
    assert reverse_by_length(x[:, :, None].float(), torch.tensor([2, 1])).squeeze(2).tolist() == [
        [2, 1, 3, 0, 0], [4, 5, 6, 7, 8]]


@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize("residual", [True, False])
def test_padding_never_leaks(bidirectional, residual):
    model = encoder(bidirectional, residual=residual)
    x = torch.randn(3, 9, 6)
    lengths = torch.tensor([4, 9, 1])
    states, final = model(x, lengths)
    for row, length in enumerate(lengths.tolist()):
        alone, alone_final = model(x[row : row + 1, :length], lengths[row : row + 1])
        torch.testing.assert_close(states[row, :length], alone[0], atol=1e-6, rtol=1e-5)
        torch.testing.assert_close(final[row], alone_final[0], atol=1e-6, rtol=1e-5)


def test_a_bidirectional_layer_equals_the_library_one():
    model = encoder(layers=1)
    library = torch.nn.GRU(6, 4, bidirectional=True, batch_first=True)
    layer = model.layers[0]
    for suffix, cell in (("", layer.forward_cell), ("_reverse", layer.backward_cell)):
        for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"):
            getattr(library, name + suffix).data.copy_(getattr(cell.library, name))
    x = torch.randn(2, 5, 6)
    states, final = layer(x, torch.tensor([5, 5]))
    expected, last = library(x)
    torch.testing.assert_close(states, expected)
    torch.testing.assert_close(final, torch.cat([last[0], last[1]], dim=-1))


def test_final_joins_the_end_of_each_direction():
    layer = encoder(layers=1).layers[0]
    states, final = layer(torch.randn(1, 6, 6), torch.tensor([6]))
    torch.testing.assert_close(final, torch.cat([states[:, -1, :4], states[:, 0, 4:]], dim=-1))
