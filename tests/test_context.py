"""c = h_N, c = g(h_N), c = g(h_1..h_N), each by its formula."""

import pytest
import torch

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
