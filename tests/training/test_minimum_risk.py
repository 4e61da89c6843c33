"""Minimum risk training: its gradient by hand, and translations that get better by it."""

from __future__ import annotations

import itertools

import pytest
import torch
from networks import build, network, random_batch
from sacrebleu.metrics.bleu import BLEU

from seq2seq.corpus.batch import make_batch
from seq2seq.distributed import ProcessGroup
from seq2seq.errors import SettingError
from seq2seq.models.losses.cross_entropy import output_loss
from seq2seq.settings.reading import read_settings, write_settings
from seq2seq.settings.training import TrainSettings
from seq2seq.training.gradients import ModelGradients
from seq2seq.training.minimum_risk import RiskGradients

CPU = torch.device("cpu")
NO_DROPOUT = {"embedding": 0.0, "layer": 0.0, "readout": 0.0}
K = 4


class Letters:
    """A tokenizer whose pieces are words of their own."""

    def decode(self, ids):
        return [" ".join(f"w{piece}" for piece in one) for one in ids]


def gradients(model, settings, **training) -> RiskGradients:
    chosen = read_settings(TrainSettings, write_settings(settings) | {
        "training": {"precision": "fp32", "risk": 0.5, "risk_draws": K, **training}})
    likelihood = ModelGradients(model, chosen, ProcessGroup(), CPU)
    return RiskGradients(likelihood, model, chosen.training, Letters(), ProcessGroup(), CPU)


def test_weights_of_rows_are_factors_of_their_loss():
    model, batch = build(network()), random_batch()
    each = []
    for row in range(5):
        source = batch.source[row, : batch.source_lengths[row] - 1].tolist()
        target = batch.target_out[row, : batch.target_lengths[row] - 1].tolist()
        each.append(model(make_batch([source], [target], [0])).smoothed)
    weights = torch.tensor([1.0, -2.0, 0.5, 0.0, 3.0])
    by_hand = sum(weight * loss for weight, loss in zip(weights, each, strict=True))
    together = model(batch, weights=weights).smoothed
    torch.testing.assert_close(together, by_hand)
    wanted = torch.autograd.grad(by_hand, list(model.parameters()), allow_unused=True)
    for found, one in zip(torch.autograd.grad(together, list(model.parameters())), wanted, strict=True):
        torch.testing.assert_close(found, one, atol=1e-5, rtol=1e-4)


def test_counts_of_1_are_none():
    torch.manual_seed(0)
    output = (torch.randn(7, 5), torch.randn(9, 5), torch.randn(9), torch.randint(0, 9, (7,)), 0.1, 0)
    torch.testing.assert_close(output_loss(*output, torch.ones(7)), output_loss(*output))


@pytest.mark.parametrize(("share", "parts", "seed", "end"), [
    (0.5, 1, 3, None), (1.0, 1, 3, None), (0.5, 3, 3, None), (0.5, 1, 2, 0), (0.5, 1, 1, 1)])
def test_the_gradient_is_the_formula(share, parts, seed, end):
    """With a second decoder the draws of an update are of one of both: that on the left, 0, or on the right, 1."""
    settings = network(dropout=NO_DROPOUT, reverse_decoder=end is not None)
    model, batch = build(settings).train(), random_batch()
    compute = gradients(model, settings, risk=share, accumulate=parts)
    torch.manual_seed(seed)
    one_end, number = compute.choose()
    assert one_end.reverse_target == bool(end)
    drawn = compute.draw(batch, one_end, number)
    torch.manual_seed(seed)
    sums = compute(batch)
    found = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}

    likelihood = model(batch, 0.1)
    torch.testing.assert_close(sums.smoothed.float(), likelihood.smoothed)
    total, bleu = (1 - share) * likelihood.smoothed, BLEU(effective_order=True)
    for row, candidates in enumerate(drawn):
        source = batch.source[row, : batch.source_lengths[row] - 1].tolist()
        target = batch.target_out[row, : batch.target_lengths[row] - 1].tolist()
        texts = Letters().decode([one.pieces for one in candidates] + [target])
        D = [1 - bleu.sentence_score(text, texts[-1:]).score / 100 for text in texts[:-1]]
        assert len(D) == K
        for k, one in enumerate(candidates):
            alone = make_batch([source], [one.pieces], [0])
            log_p = one_end.log_probabilities(alone).sum()
            others = (sum(D) - D[k]) / (K - 1)
            total = total + share * batch.target_lengths[row] * (D[k] - others) * log_p / K
    model.zero_grad()
    (total / batch.pieces).backward()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(found[name], parameter.grad, atol=1e-5, rtol=1e-3, msg=lambda m, n=name: n + m)


def test_every_draw_has_its_pass_with_those_of_like_length():
    settings = network()
    model, batch = build(settings).train(), random_batch()
    drawn = gradients(model, settings).draw(batch, model, 1)
    for accumulate, sizes in ((1, [5] * K), (2, [3] * 6 + [2])):
        parts = list(gradients(model, settings, accumulate=accumulate).parts(drawn))
        assert [len(part) for part in parts] == sizes
        assert sorted(itertools.chain.from_iterable(parts)) == [(row, place) for row in range(5) for place in range(K)]
        lengths = [len(drawn[row][place].pieces) for part in parts for row, place in part]
        assert lengths == sorted(lengths)


def test_draws_follow_torchs_seed_and_leave_the_model_in_training():
    settings = network()
    model, batch = build(settings).train(), random_batch()
    compute = gradients(model, settings)

    def draws(seed):
        torch.manual_seed(seed)
        return [[one.pieces for one in found] for found in compute.draw(batch, *compute.choose())]

    assert draws(1) == draws(1) != draws(2)
    assert model.training


def test_draws_come_nearer_to_the_references():
    settings = network(dropout=NO_DROPOUT, hidden=32)
    model = build(settings).train()
    batch = random_batch(pairs=6, shortest=2, longest=5)
    compute = gradients(model, settings, risk=0.7, risk_draws=8)

    def loss() -> float:
        torch.manual_seed(0)
        return compute.losses(compute.draw(batch, *compute.choose()), batch).mean().item()

    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(25):  # so that draws hit something
        optimizer.zero_grad()
        (model(batch).smoothed / batch.pieces).backward()
        optimizer.step()
    before = loss()
    # The gradient of the risk alone.
    frozen = RiskGradients(_Nothing(), model, compute._training, Letters(), ProcessGroup(), CPU)
    for update in range(40):
        optimizer.zero_grad()
        torch.manual_seed(100 + update)
        frozen(batch)
        optimizer.step()
    assert loss() < before - 0.15


class _Nothing:
    def __call__(self, batch):
        return None


@pytest.mark.parametrize(("training", "line"), [
    ({"risk": 0.5, "graphs": True}, "training.graphs=true cannot go with training.risk=0.5"),
    ({"risk": 1.5}, "training.risk=1.5 is out of range"),
    ({"risk": 0.5, "risk_draws": 1}, "training.risk_draws=1 is out of range"),
])
def test_what_cannot_be_is_refused(training, line):
    with pytest.raises(SettingError, match=line):
        read_settings(TrainSettings, write_settings(network()) | {"training": training})
