"""The recurrences with their gradients by hand equal the library's fused call."""

import pytest
import torch
from test_cells import KINDS, random_cell

from seq2seq.models.recurrence import recurrence


@pytest.mark.parametrize(("kind", "nonlinearity"), KINDS)
def test_states_and_gradients_equal_the_library_call(kind, nonlinearity):
    cell = random_cell(kind, nonlinearity).double()  # inputs of size 3: two of x_t, one of c
    x, c = torch.randn(4, 7, 2, dtype=torch.double), torch.randn(4, 1, dtype=torch.double)
    start = [torch.randn(4, 5, dtype=torch.double) for _ in cell.zero_state(x, 4)]
    weights = torch.randn(4, 7, 5, dtype=torch.double)

    def results(sequence):
        inputs = [part.clone().requires_grad_() for part in (x, c, *start)]
        cell.zero_grad()
        states = sequence(inputs[0], tuple(inputs[2:]), inputs[1])
        (states * weights).sum().backward()
        return [states.detach(), *(part.grad for part in inputs), *(part.grad.clone() for part in cell.parameters())]

    for ours, library in zip(results(cell.sequence), results(cell.library_sequence), strict=True):
        torch.testing.assert_close(ours, library)


@pytest.mark.parametrize(("kind", "nonlinearity"), KINDS)
def test_gradients_are_those_of_finite_differences(kind, nonlinearity):
    cell = random_cell(kind, nonlinearity, hidden=3).double()
    x = torch.randn(4, 2, len(cell.b), dtype=torch.double, requires_grad=True)  # (T, B, gates * H)
    start = tuple(torch.randn(2, 3, dtype=torch.double, requires_grad=True) for _ in cell.zero_state(x, 2))
    assert torch.autograd.gradcheck(
        lambda x, W, d, *state: recurrence(kind, nonlinearity, x, state, W, d), (x, cell.W, cell.d, *start))
