"""R-Drop: the loss of two draws equals the library's parts, and training by it makes the draws agree."""

import pytest
import torch
import torch.nn.functional as F
from networks import build, network, random_batch

from seq2seq.models.losses import cross_entropy as output
from seq2seq.models.losses.cross_entropy import output_loss
from seq2seq.models.losses.r_drop import consistent_loss, reference_loss

R, E, V, PAD = 23, 6, 19, 0


def dropout(share):
    return {"embedding": share, "layer": share, "readout": share}


def tensors():
    torch.manual_seed(0)
    target = torch.randint(1, V, (R,))
    target[::5] = PAD
    features = torch.randn(2 * R, E, requires_grad=True)
    return [features, torch.randn(V, E, requires_grad=True), torch.randn(V, requires_grad=True)], target


def by_the_library(features, weight, bias, target, smoothing, strength):
    logits = F.linear(features, weight, bias)
    loss = F.cross_entropy(logits, target.repeat(2), reduction="sum", label_smoothing=smoothing, ignore_index=PAD) / 2
    p, q = (part[target != PAD].log_softmax(-1) for part in logits.chunk(2))
    apart = sum(F.kl_div(one, other, reduction="sum", log_target=True) for one, other in ((p, q), (q, p)))
    return loss + strength * apart / 4


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("block", [V, 7 * V, 10**6])  # one row, an uneven block, all rows at once
def test_loss_and_gradients_equal_the_reference_and_the_library(monkeypatch, smoothing, block):
    monkeypatch.setattr(output, "BLOCK_LOGITS", block)
    results = []
    for by in (consistent_loss, reference_loss, None):
        parameters, target = tensors()
        loss = (by_the_library(*parameters, target, smoothing, 3.0) if by is None
                else by(*parameters, target.repeat(2), smoothing, PAD, 3.0).smoothed)
        (loss / 7).backward()
        results.append([loss, *(parameter.grad for parameter in parameters)])
    for own, reference, library in zip(*results, strict=True):
        torch.testing.assert_close(own, library, atol=1e-4, rtol=1e-5)
        torch.testing.assert_close(reference, library, atol=1e-4, rtol=1e-5)


def test_two_equal_draws_are_one():
    (features, weight, bias), target = tensors()
    once = features.detach()[:R]
    own = consistent_loss(once.repeat(2, 1), weight, bias, target.repeat(2), 0.1, PAD, 5.0)
    plain = output_loss(once, weight, bias, target, 0.1, PAD)
    torch.testing.assert_close(own.smoothed, plain.smoothed)
    torch.testing.assert_close(own.nll, plain.nll)
    assert not own.nll.requires_grad


def test_a_network_without_dropout_has_its_plain_loss():
    model, batch = build(network(dropout=dropout(0.0))).train(), random_batch()
    torch.testing.assert_close(model(batch, 0.1, 0.0, 4.0), model(batch, 0.1))


def test_training_by_it_makes_the_draws_agree():
    assert disagreement_after_training(5.0) < 0.5 * disagreement_after_training(0.0)


def disagreement_after_training(strength):
    torch.manual_seed(1)
    model, batch = build(network(dropout=dropout(0.3))).train(), random_batch()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(60):
        optimizer.zero_grad()
        model(batch, 0.0, 0.0, strength).smoothed.backward()
        optimizer.step()
    with torch.no_grad():
        p, q = (model.logits(batch).log_softmax(-1) for _ in range(2))
    return ((p.exp() - q.exp()) * (p - q)).sum(-1).mean()
