"""The output layer's loss and gradients equal the library's cross-entropy."""

import pytest
import torch

from seq2seq.models.losses import cross_entropy as output
from seq2seq.models.losses.cross_entropy import log_probabilities, output_loss, reference_loss

R, E, V, PAD = 37, 6, 19, 0


def tensors():
    torch.manual_seed(0)
    target = torch.randint(1, V, (R,))
    target[::5] = PAD
    return [torch.randn(R, E, requires_grad=True), torch.randn(V, E, requires_grad=True),
            torch.randn(V, requires_grad=True)], target


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("block", [V, 7 * V, 10**6])  # one row, an uneven block, all rows at once
def test_loss_and_gradients_equal_the_reference(monkeypatch, smoothing, block):
    monkeypatch.setattr(output, "BLOCK_LOGITS", block)
    results = []
    for function in (output_loss, reference_loss):
        parameters, target = tensors()
        loss = function(*parameters, target, smoothing, PAD)
        (loss.smoothed / 7).backward()  # a factor behind the sum must reach the gradients
        results.append([loss.smoothed, loss.nll, *(parameter.grad for parameter in parameters)])
    for fast, reference in zip(*results, strict=True):
        torch.testing.assert_close(fast, reference, atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("block", [V, 7 * V, 10**6])
def test_log_probabilities_are_those_of_the_softmax(monkeypatch, block):
    monkeypatch.setattr(output, "BLOCK_LOGITS", block)
    (r, weight, bias), target = tensors()
    logits = r @ weight.T + bias
    torch.testing.assert_close(log_probabilities(r, weight, bias, target),
                               logits.log_softmax(-1)[torch.arange(R), target], atol=1e-5, rtol=1e-5)


def test_networks_in_double_precision_train_too():
    parameters, target = tensors()
    double = [parameter.detach().double().requires_grad_() for parameter in parameters]
    losses = [output_loss(*each, target, 0.1, PAD).smoothed for each in (parameters, double)]
    for loss in losses:
        loss.backward()
    torch.testing.assert_close(*losses)
    for single, other in zip(parameters, double, strict=True):
        torch.testing.assert_close(single.grad.double(), other.grad, atol=1e-4, rtol=1e-5)


def test_ignored_rows_count_nothing():
    parameters, target = tensors()
    target[:] = PAD
    loss = output_loss(*parameters, target, 0.1, PAD)
    loss.smoothed.backward()
    assert loss.smoothed == 0 and loss.nll == 0
    assert all(parameter.grad.abs().sum() == 0 for parameter in parameters)


def test_without_gradients_none_are_computed(monkeypatch):
    parameters, target = tensors()
    expected = output_loss(*parameters, target, 0.1, PAD)
    asked = []
    monkeypatch.setattr(output, "_forward", lambda *parts, wanted, real=output._forward: (
        asked.append(wanted), real(*parts, wanted=wanted))[1])
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            loss = output_loss(*parameters, target, 0.1, PAD)
        torch.testing.assert_close(loss.smoothed, expected.smoothed.detach())
        torch.testing.assert_close(loss.nll, expected.nll.detach())
    assert asked == [False, False]


def test_nll_carries_no_gradient():
    parameters, target = tensors()
    assert not output_loss(*parameters, target, 0.1, PAD).nll.requires_grad
