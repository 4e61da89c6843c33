"""c = h_N, c = g(h_N), c = g(h_1..h_N), each by its formula."""

import pytest
import torch
from networks import build, network, random_batch

from seq2seq.models.context import FixedContext
from seq2seq.settings.model import ContextKind, Pooling

LENGTHS = [3, 5, 1]
MASK = torch.arange(5) < torch.tensor(LENGTHS)[:, None]


def inputs():
    torch.manual_seed(0)
    return torch.randn(3, 5, 4), torch.randn(3, 4)


def test_last_is_h_N_itself():
    states, final = inputs()
    assert FixedContext(ContextKind.LAST, 4)(states, final, MASK) is final


def test_projected_is_tanh_of_an_affine_map():
    states, final = inputs()
    context = FixedContext(ContextKind.PROJECTED, 4)
    linear = context.g[0]
    expected = torch.tanh(final @ linear.weight.T + linear.bias)
    torch.testing.assert_close(context(states, final, MASK), expected)


@pytest.mark.parametrize("pooling", list(Pooling))
def test_pooling_sees_real_positions_only(pooling):
    states, final = inputs()
    context = FixedContext(ContextKind.POOLED, 4, pooling=pooling)
    expected = []
    for row, length in enumerate(LENGTHS):
        h = states[row, :length]
        match pooling:
            case Pooling.MEAN:
                pooled = sum(h) / length
            case Pooling.MAX:
                pooled = torch.stack([max(column) for column in h.T])
            case Pooling.ATTENTIVE:
                weights = torch.softmax(context.score(h).squeeze(-1), dim=0)
                pooled = sum(weight * state for weight, state in zip(weights, h, strict=True))
        expected.append(pooled)
    torch.testing.assert_close(context.pool(states, MASK), torch.stack(expected))
    changed = states.masked_fill(~MASK[:, :, None], 1e4)
    torch.testing.assert_close(context(changed, final, MASK), context(states, final, MASK))


def test_hops_weigh_the_states_each_in_its_way_and_c_has_the_width_that_was_asked_for():
    states, final = inputs()
    context = FixedContext(ContextKind.POOLED, 4, pooling=Pooling.ATTENTIVE, hops=3, width=7)
    w, v, linear = context.score[0], context.score[2].weight, context.g[0]
    expected = []
    for row, length in enumerate(LENGTHS):
        h = states[row, :length]
        weightings = [torch.softmax(torch.tanh(h @ w.weight.T + w.bias) @ v_k, dim=0) for v_k in v]
        side_by_side = torch.cat([a_k @ h for a_k in weightings])
        expected.append(torch.tanh(linear.weight @ side_by_side + linear.bias))
    found = context(states, final, MASK)
    assert len(v) == 3 and found.shape == (3, 7)
    torch.testing.assert_close(found, torch.stack(expected))


def test_a_context_of_another_size_starts_every_layer_through_its_bridge():
    """s_0 = tanh(W_l c + b_l), and c itself enters every step."""
    model = build(network(context="projected", width=24, decoder_layers=2))
    batch = random_batch()
    memory = model.encode(batch.source, batch.source_lengths)
    assert memory.context.shape == (5, 24)
    for layer, bridge in zip(model.start(memory).layers, model.decoder.bridges, strict=True):
        expected = torch.tanh(memory.context @ bridge[0].weight.T + bridge[0].bias)
        torch.testing.assert_close(layer[0][:, 0], expected)
    assert model.decoder.cells[0].U.shape[1] == 12 + 24
