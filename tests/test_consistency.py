"""R-Drop and SimCut: the loss of two draws equals the library's parts, and training by it makes the draws agree."""

import pytest
import torch
import torch.nn.functional as F
from networks import build, network, random_batch

from seq2seq.models import output
from seq2seq.models.consistency import consistent_loss, reference_loss
from seq2seq.models.embed import Embed
from seq2seq.models.output import Soft, output_loss
from seq2seq.settings.model import Shape

embed = Embed.forward
R, E, V, PAD = 23, 6, 19, 0


def dropout(share):
    return {"embedding": share, "layer": share, "readout": share}


def tensors():
    torch.manual_seed(0)
    target = torch.randint(1, V, (R,))
    target[::5] = PAD
    features = torch.randn(2 * R, E, requires_grad=True)
    return [features, torch.randn(V, E, requires_grad=True), torch.randn(V, requires_grad=True)], target


def by_the_library(features, weight, bias, target, smoothing, strength, cut):
    logits = F.linear(features, weight, bias)
    if cut:
        loss = F.cross_entropy(logits[:R], target, reduction="sum", label_smoothing=smoothing, ignore_index=PAD)
        p, q = (part[target != PAD].log_softmax(-1) for part in logits.chunk(2))
        return loss + strength * F.kl_div(q, p, reduction="sum", log_target=True)  # KL(p || q), in the library's order
    loss = F.cross_entropy(logits, target.repeat(2), reduction="sum", label_smoothing=smoothing, ignore_index=PAD) / 2
    p, q = (part[target != PAD].log_softmax(-1) for part in logits.chunk(2))
    apart = sum(F.kl_div(one, other, reduction="sum", log_target=True) for one, other in ((p, q), (q, p)))
    return loss + strength * apart / 4


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("block", [V, 7 * V, 10**6])  # one row, an uneven block, all rows at once
@pytest.mark.parametrize("cut", [False, True])
def test_loss_and_gradients_equal_the_reference_and_the_library(monkeypatch, smoothing, block, cut):
    monkeypatch.setattr(output, "BLOCK_LOGITS", block)
    results = []
    for by in (consistent_loss, reference_loss, None):
        parameters, target = tensors()
        loss = (by_the_library(*parameters, target, smoothing, 3.0, cut) if by is None
                else by(*parameters, target.repeat(2), smoothing, PAD, 3.0, cut).smoothed)
        (loss / 7).backward()
        results.append([loss, *(parameter.grad for parameter in parameters)])
    for own, reference, library in zip(*results, strict=True):
        torch.testing.assert_close(own, library, atol=1e-4, rtol=1e-5)
        torch.testing.assert_close(reference, library, atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("block", [V, 7 * V, 10**6])
@pytest.mark.parametrize("cut", [False, True])
def test_with_a_teacher_loss_and_gradients_equal_the_reference(monkeypatch, smoothing, block, cut):
    monkeypatch.setattr(output, "BLOCK_LOGITS", block)
    draw = torch.Generator().manual_seed(1)
    pieces, shares = torch.randint(0, V, (R, 4), generator=draw), torch.rand(R, 4, generator=draw)
    soft = Soft(pieces.repeat(2, 1), (0.8 * shares / shares.sum(1, keepdim=True)).repeat(2, 1))
    results = []
    for by in (consistent_loss, reference_loss):
        parameters, target = tensors()
        loss = by(*parameters, target.repeat(2), smoothing, PAD, 3.0, cut, soft)
        (loss.smoothed / 7).backward()
        results.append([loss.smoothed, loss.nll, *(parameter.grad for parameter in parameters)])
    for own, reference in zip(*results, strict=True):
        torch.testing.assert_close(own, reference, atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("cut", [False, True])
def test_two_equal_draws_are_one(cut):
    (features, weight, bias), target = tensors()
    once = features.detach()[:R]
    own = consistent_loss(once.repeat(2, 1), weight, bias, target.repeat(2), 0.1, PAD, 5.0, cut)
    plain = output_loss(once, weight, bias, target, 0.1, PAD)
    torch.testing.assert_close(own.smoothed, plain.smoothed)
    torch.testing.assert_close(own.nll, plain.nll)
    assert not own.nll.requires_grad


def test_a_network_without_dropout_has_its_plain_loss():
    model, batch = build(network(dropout=dropout(0.0))).train(), random_batch()
    torch.testing.assert_close(model(batch, 0.1, 0.0, 4.0), model(batch, 0.1))


@pytest.mark.parametrize("settings", [network(dropout=dropout(0.0)), network(shape="n_to_1", context="last", tie="none",
                                                                             dropout=dropout(0.0))])
def test_the_words_of_the_second_row_alone_are_cut(monkeypatch, settings):
    model, seen = build(settings).train(), []
    monkeypatch.setattr(Embed, "forward", lambda self, *inputs: seen.append(embed(self, *inputs)) or seen[-1])
    batch = random_batch(pairs=40)
    if settings.shape is Shape.N_TO_1:
        batch = batch._replace(target_out=batch.target_out[:, :1].clamp(min=4))
    model(batch, 0.1, 0.0, 3.0, 0.3)
    assert len(seen) == (1 if settings.shape is Shape.N_TO_1 else 2)  # of the source, of what is fed back
    for x in seen:
        first, second = ((half == 0).all(-1).float().mean() for half in x.chunk(2))
        assert first == 0
        assert 0.2 < second < 0.4


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
