"""Variational dropout keeps its draw over the steps of a row, recurrent dropout over those of a sequence."""

import pytest
import torch
from networks import build, every_network, network, random_batch

from seq2seq.errors import SettingError
from seq2seq.models.cells import Cell
from seq2seq.models.dropout import Dropout
from seq2seq.settings.model import CellKind


def test_variational_dropout_draws_once_for_a_row_and_keeps_the_mean():
    torch.manual_seed(0)
    x = torch.ones(400, 7, 30)
    dropped = Dropout(0.4, variational=True).train()(x)
    assert torch.equal(dropped, dropped[:, :1].expand_as(x))               # the same components at all steps
    assert not torch.equal(dropped[0], dropped[1])                         # others in another row
    assert dropped.unique().tolist() == pytest.approx([0.0, 1 / 0.6])
    assert dropped.mean().item() == pytest.approx(1.0, abs=0.05)
    plain = Dropout(0.4).train()(x)
    assert not torch.equal(plain, plain[:, :1].expand_as(x))


@pytest.mark.parametrize("variational", [False, True])
def test_nothing_is_dropped_outside_training(variational):
    x = torch.randn(3, 4, 5)
    assert torch.equal(Dropout(0.5, variational).eval()(x), x)
    assert torch.equal(Dropout(0.0, variational).train()(x), x)


@pytest.mark.parametrize("constant", [None, 2])
@pytest.mark.parametrize("kind", list(CellKind))
def test_a_sequence_with_recurrent_dropout_is_one_with_another_W(kind, constant):
    torch.manual_seed(1)
    cell = Cell(kind, 3 + (constant or 0), 6, dropout=0.5).train()
    x, c = torch.randn(4, 5, 3), None if constant is None else torch.randn(4, constant)
    torch.manual_seed(7)
    dropped = cell.sequence(x, cell.zero_state(x, 4), c)
    torch.manual_seed(7)
    (W,) = cell.draws()
    assert 0.3 < (W == 0).float().mean() < 0.7
    inputs = x if c is None else torch.cat([x, c[:, None].expand(-1, 5, -1)], dim=-1)
    state, states = cell.zero_state(x, 4), []
    for t in range(5):
        state = cell.equation_step(inputs[:, t] @ cell.U.T + cell.b, state, (W,))
        states.append(state[0])
    torch.testing.assert_close(dropped, torch.stack(states, dim=1), atol=1e-6, rtol=1e-5)
    dropped.sum().backward()
    assert cell.W.grad is not None
    assert torch.equal(cell.W.grad == 0, W == 0)                           # a dropped entry has no gradient
    undropped = Cell(kind, cell.U.shape[1], 6).eval()
    undropped.load_state_dict(cell.state_dict())
    torch.testing.assert_close(cell.eval().sequence(x, cell.zero_state(x, 4), c),
                               undropped.sequence(x, cell.zero_state(x, 4), c))


def test_step_by_step_all_steps_see_one_draw(monkeypatch):
    model, seen = build(network(attention_feed="input", dropout={"recurrent": 0.5})).train(), []
    step = Cell.equation_step
    monkeypatch.setattr(Cell, "equation_step", lambda self, x, state, W: seen.extend(W) or step(self, x, state, W))
    model(random_batch())
    assert len(seen) > 3 and all(W is seen[0] for W in seen)
    assert (seen[0] == 0).any()


def test_every_network_trains_with_both():
    for name, settings in every_network():
        if settings.attention.feed.value == "input":
            settings.model.decoder_layers = 1
        settings.model.dropout.recurrent, settings.model.dropout.variational = 0.3, True
        model = build(settings).train()
        first, second = (model(random_batch(), 0.1).smoothed for _ in range(2))
        assert first.isfinite() and first != second, name                  # two draws
        first.backward()
        assert torch.equal(model.eval()(random_batch()).nll, model(random_batch()).nll), name


@pytest.mark.parametrize(("part", "line"), [({"recurrent": 0.2}, "model.dropout.recurrent=0.2 is one draw for all"),
                                            ({"variational": True}, "model.dropout.variational=true is one draw")])
def test_upper_layers_that_go_step_by_step_refuse_both(part, line):
    with pytest.raises(SettingError, match=line):
        network(attention_feed="input", decoder_layers=2, dropout=part)
    network(attention_feed="upper_layers", decoder_layers=2, dropout=part)
