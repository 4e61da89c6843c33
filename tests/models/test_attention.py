"""Attention by its definition, one score at a time."""

import math

import pytest
import torch

from seq2seq.models.attention import Attention
from seq2seq.settings.model import ScoreKind

B, T, S, H = 2, 3, 5, 8
MASK = torch.arange(S) < torch.tensor([[5], [2]])


def score(attention, s, h):
    """score(s, h_j) for single vectors, as the equation has it."""
    match attention.score:
        case ScoreKind.ADDITIVE:
            hidden = attention.query.weight @ s + attention.query.bias + attention.key.weight @ h
            return attention.v @ torch.tanh(hidden)
        case ScoreKind.DOT:
            return s @ h
        case ScoreKind.GENERAL:
            return s @ attention.key.weight @ h
        case ScoreKind.SCALED:
            return (attention.query.weight @ s) @ (attention.key.weight @ h) / math.sqrt(H)


@pytest.mark.parametrize("kind", list(ScoreKind))
def test_weights_and_context_follow_the_definition(kind):
    torch.manual_seed(0)
    attention = Attention(kind, H)
    queries, states = torch.randn(B, T, H), torch.randn(B, S, H)
    context, weights = attention(queries, *attention.keys_and_values(states), MASK)
    for b, real in enumerate([5, 2]):
        for t in range(T):
            scores = torch.stack([score(attention, queries[b, t], states[b, j]) for j in range(real)])
            a = torch.exp(scores) / torch.exp(scores).sum()
            torch.testing.assert_close(weights[b, t, :real], a, atol=1e-5, rtol=1e-4)
            assert weights[b, t, real:].abs().sum() == 0
            torch.testing.assert_close(context[b, t], a @ states[b, :real], atol=1e-5, rtol=1e-4)


def test_each_head_attends_with_its_own_part():
    torch.manual_seed(0)
    attention = Attention(ScoreKind.SCALED, H, heads=2)
    queries, states = torch.randn(B, T, H), torch.randn(B, S, H)
    context, weights = attention(queries, *attention.keys_and_values(states), MASK)
    mean = torch.zeros(B, T, S)
    for head, part in enumerate((slice(0, 4), slice(4, 8))):
        q = queries @ attention.query.weight.T
        k, v = states @ attention.key.weight.T, states @ attention.value.weight.T
        scores = torch.einsum("btd,bsd->bts", q[..., part], k[..., part]) / math.sqrt(4)
        a = torch.softmax(scores.masked_fill(~MASK[:, None], -math.inf), dim=-1)
        torch.testing.assert_close(context[..., part], a @ v[..., part], atol=1e-5, rtol=1e-4)
        mean += a / 2
        assert head < attention.heads
    torch.testing.assert_close(weights, mean)
