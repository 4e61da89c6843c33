"""The plain network by hand: docs/plain_rnn.md is run, and the equation holds against the library and our cell."""

from __future__ import annotations

import doctest
from pathlib import Path

import torch

from seq2seq.models.cells import Cell
from seq2seq.models.plain_rnn import PlainRNN
from seq2seq.settings.model import CellKind

PAGE = Path(__file__).resolve().parents[2] / "docs" / "plain_rnn.md"


def test_every_number_of_the_page_is_right():
    failed, tried = doctest.testfile(str(PAGE), module_relative=False)
    assert (failed, tried) == (0, 19)


def test_the_equation_gives_what_the_library_gives_step_by_step():
    torch.manual_seed(1)
    net, library, cell = PlainRNN(2, 5, 3), torch.nn.RNN(2, 5, batch_first=True), Cell(CellKind.RNN, 2, 5)
    with torch.no_grad():
        net.b.uniform_()
        for U, W, b, d in ((library.weight_ih_l0, library.weight_hh_l0, library.bias_ih_l0, library.bias_hh_l0),
                           (cell.U, cell.W, cell.b, cell.d)):
            U.copy_(net.U)
            W.copy_(net.W)
            b.copy_(net.b)
            d.zero_()
    x = torch.randn(4, 3, 2)
    states, outputs = net(x)
    assert outputs.shape == (4, 3, 3)
    torch.testing.assert_close(outputs.sum(-1), torch.ones(4, 3))
    torch.testing.assert_close(states, library(x)[0])
    torch.testing.assert_close(states, cell.sequence(x, (torch.zeros(4, 5),)))
    s = torch.zeros(5)
    for t in range(3):
        s, o = net.step(x[2, t], s)
        torch.testing.assert_close(s, states[2, t])
        torch.testing.assert_close(o, outputs[2, t])
