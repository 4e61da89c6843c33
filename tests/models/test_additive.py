"""The additive score by powers equals the one by tanh, with its gradients, up to the largest numbers."""

import pytest
import torch

from seq2seq.models.fast import additive
from seq2seq.models.fast.additive import additive_scores, powers_of, reference_scores, scores_from_powers


def inputs(size=1.0, dtype=torch.float32):
    torch.manual_seed(0)
    return [(size * torch.randn(*shape, dtype=torch.double)).to(dtype).requires_grad_()
            for shape in ((3, 4, 16), (3, 5, 16), (16,))]


@pytest.mark.parametrize("size", [1e-3, 1.0, 8.0, 30.0])  # at 30 some are beyond what powers can hold
def test_scores_and_gradients_equal_those_by_tanh(size):
    results = []
    for function in (additive_scores, reference_scores):
        parts = inputs(size)
        scores = function(*parts)
        (scores * torch.linspace(-1, 1, scores.numel()).view_as(scores)).sum().backward()
        results.append([scores.detach(), *(part.grad for part in parts)])
    for own, reference in zip(*results, strict=True):
        torch.testing.assert_close(own, reference, rtol=1e-4, atol=1e-5 * max(1.0, size))


def test_opposite_extremes_cancel():
    queries, keys = torch.full((1, 1, 4), 39.5), torch.tensor([[[-39.5] * 4, [39.5] * 4, [-40.0] * 4]])
    expected = reference_scores(queries, keys, torch.ones(4))
    torch.testing.assert_close(additive_scores(queries, keys, torch.ones(4)), expected, rtol=1e-3, atol=1e-4)


def test_what_powers_cannot_hold_takes_the_tanh(monkeypatch):
    used = []
    monkeypatch.setattr(additive, "reference_scores", lambda *parts: used.append(parts) or reference_scores(*parts))
    queries, keys, v = torch.full((1, 1, 4), 41.0), torch.full((1, 2, 4), -41.0), torch.ones(4)
    assert additive_scores(queries, keys, v).abs().max() == 0 and len(used) == 1


def test_gradients_are_those_of_finite_differences():
    parts = inputs(dtype=torch.double)
    assert torch.autograd.gradcheck(additive._AdditiveScores.apply, parts)


@pytest.mark.parametrize("block", [1, 300, 10**6])  # a sentence at a time, the last block smaller, all at once
def test_scores_from_powers_are_the_same(monkeypatch, block):
    monkeypatch.setattr(additive, "_BLOCK", block)
    queries, keys, v = (part.detach() for part in inputs())
    expected = reference_scores(queries, keys, v)
    torch.testing.assert_close(scores_from_powers(queries, powers_of(keys), v), expected, rtol=1e-4, atol=1e-5)


def test_large_queries_meet_powers_and_large_keys_have_none():
    _, keys, v = (part.detach() for part in inputs())
    queries = torch.full((3, 4, 16), 41.0)
    expected = reference_scores(queries, keys, v)
    torch.testing.assert_close(scores_from_powers(queries, powers_of(keys), v), expected, rtol=1e-4, atol=1e-4)
    assert powers_of(torch.full((1, 2, 4), -41.0)) is None
