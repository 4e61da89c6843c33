"""The fused library recurrences equal the equations."""

import pytest
import torch

from seq2seq.models.cells import Cell, gru_step, lstm_step, rnn_step
from seq2seq.settings.model import CellKind, Nonlinearity

KINDS = [(CellKind.RNN, Nonlinearity.TANH), (CellKind.RNN, Nonlinearity.RELU), (CellKind.GRU, Nonlinearity.TANH),
         (CellKind.LSTM, Nonlinearity.TANH)]


def random_cell(kind, nonlinearity, inputs=3, hidden=5):
    torch.manual_seed(1)
    cell = Cell(kind, inputs, hidden, nonlinearity=nonlinearity)
    for parameter in cell.parameters():  # biases too: zeros would hide a swapped one
        torch.nn.init.normal_(parameter, std=0.5)
    return cell


@pytest.mark.parametrize(("kind", "nonlinearity"), KINDS)
def test_sequence_step_and_equations_agree(kind, nonlinearity):
    cell = random_cell(kind, nonlinearity)
    x = torch.randn(4, 7, 3)
    start = tuple(torch.randn(4, 5) for _ in cell.zero_state(x, 4))
    outputs = cell.sequence(x, start)
    same = x[:, :1, 1:].expand(-1, 7, -1)  # c at every step
    torch.testing.assert_close(cell.sequence(x[:, :, :1], start, same[:, 0]),
                               cell.sequence(torch.cat([x[:, :, :1], same], dim=-1), start))
    by_step, by_equation = start, start
    for t in range(7):
        by_step = cell.step(x[:, t], by_step)
        by_equation = cell.equation_step(x[:, t] @ cell.U.T + cell.b, by_equation, (cell.W,))
        torch.testing.assert_close(by_equation[0], outputs[:, t], atol=1e-6, rtol=1e-5)
        for fast, slow in zip(by_step, by_equation, strict=True):
            torch.testing.assert_close(fast, slow, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize(("kind", "nonlinearity"), KINDS)
def test_gradients_of_the_fused_call_equal_those_of_the_equations(kind, nonlinearity):
    cell = random_cell(kind, nonlinearity)
    x = torch.randn(4, 6, 3)
    weights = torch.randn(4, 6, 5)

    def gradients(run):
        cell.zero_grad()
        (run() * weights).sum().backward()
        return [parameter.grad.clone() for parameter in cell.parameters()]

    def by_equation():
        state, states = cell.zero_state(x, 4), []
        for t in range(6):
            state = cell.equation_step(x[:, t] @ cell.U.T + cell.b, state, (cell.W,))
            states.append(state[0])
        return torch.stack(states, dim=1)

    fused = gradients(lambda: cell.sequence(x, cell.zero_state(x, 4)))
    for fast, slow in zip(fused, gradients(by_equation), strict=True):
        torch.testing.assert_close(fast, slow, atol=1e-5, rtol=1e-4)


def test_plain_rnn_by_hand():
    """Input 1, hidden 1: s = tanh(2 * 0.5 - 1 * 0.25 + 0.125)."""
    one = torch.ones(1, 1)
    (s,) = rnn_step(2 * 0.5 * one + 0.125, -0.25 * one, (0.25 * one,))
    torch.testing.assert_close(s, torch.tanh(torch.tensor([[0.875]])))


def test_a_closed_update_gate_keeps_the_gru_state_and_an_open_forget_gate_the_lstm_memory():
    h = torch.tensor([[0.3, -0.7]])
    x = torch.randn(1, 6)
    x[:, 2:4] = 100.0  # z = 1
    torch.testing.assert_close(gru_step(x, torch.zeros(1, 6), (h,))[0], h)
    x = torch.randn(1, 8)
    x[:, 0:2], x[:, 2:4] = -100.0, 100.0  # i = 0, f = 1
    torch.testing.assert_close(lstm_step(x, torch.zeros(1, 8), (h, h))[1], h)


def test_the_matrices_have_the_shapes_of_the_equations():
    cell = random_cell(CellKind.RNN, Nonlinearity.TANH, inputs=2, hidden=5)
    assert (cell.U.shape, cell.W.shape, cell.b.shape, cell.d.shape) == ((5, 2), (5, 5), (5,), (5,))


@pytest.mark.parametrize(("kind", "nonlinearity"), KINDS)
def test_bf16_autocast_stays_close_and_keeps_fp32_weights(kind, nonlinearity):
    cell = random_cell(kind, nonlinearity)
    x = torch.randn(4, 6, 3)
    exact = cell.sequence(x, cell.zero_state(x, 4))
    with torch.autocast("cpu", torch.bfloat16):
        coarse = cell.sequence(x, cell.zero_state(x, 4))
    assert coarse.dtype is torch.bfloat16
    assert cell.U.dtype is torch.float32
    scale = exact.abs().max()
    assert (coarse.float() - exact).abs().max() < 0.1 * scale
    coarse.float().sum().backward()
    assert cell.W.grad is not None and cell.W.grad.dtype is torch.float32
