"""The mathematics that the benchmarks bring along."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))

from gradients import KINDS, Remember
from names import BEGIN, END, by_counting, perplexity, sample


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_norms_of_gradients_are_those_of_the_loss(kind):
    """At distance 0 dL/dh_T = V^T (p - onehot); at distance 1 the same through the last step alone."""
    torch.manual_seed(1)
    model, symbols = Remember(kind), torch.randint(8, (3, 6))
    norms = model.gradient_norms(symbols)
    assert all(len(values) == 6 for values in norms.values())
    p = torch.softmax(model(symbols), dim=-1)
    p[range(3), symbols[:, 0]] -= 1
    assert norms["h"][0] == pytest.approx(float((p @ model.output.weight).norm(dim=-1).mean().detach()), rel=1e-5)
    x = torch.nn.functional.one_hot(symbols, 8).float()
    before = model.cell.sequence(x[:, :-1], model.cell.zero_state(x, 3))[:, -1].detach()
    if kind.name.startswith(("rnn", "gru")):
        before.requires_grad_()
        (last,) = model.cell.step(x[:, -1], (before,))
        loss = torch.nn.functional.cross_entropy(model.output(last), symbols[:, 0], reduction="sum")
        (gradient,) = torch.autograd.grad(loss, before)
        assert norms["h"][1] == pytest.approx(float(gradient.norm(dim=-1).mean()), rel=1e-5)


def test_counted_grams_are_distributions_and_learn():
    import random

    train = [("A", "anna"), ("A", "ana"), ("A", "nan"), ("B", "bob"), ("B", "obo")]
    vocabulary = {letter for _, name in train for letter in name}
    for models in by_counting(train, vocabulary).values():
        for history in (BEGIN * 2, BEGIN + "a", "an", "zz"):
            total = sum(models["A"].probability(history, letter) for letter in [*vocabulary, END, "unseen"])
            assert total == pytest.approx(1)
        assert perplexity(models, train) < perplexity(models, [("B", "anna"), ("A", "bob")])
        drawn = [sample(models["A"], [*sorted(vocabulary), END], random.Random(seed)) for seed in range(30)]
        assert sum(set(name) <= set("an") for name in drawn) > 15


@pytest.mark.parametrize(("cell", "context", "score", "heads", "feed", "readout", "layers"), [
    ("gru", "attention", "general", 1, "readout", "luong", 1),
    ("lstm", "attention", "scaled", 2, "upper_layers", "bahdanau", 2),
    ("rnn", "last", "additive", 1, "readout", "luong", 2),
    ("gru", "pooled", "additive", 1, "readout", "bahdanau", 1),
])
@pytest.mark.filterwarnings("ignore:TF32")
def test_counted_operations_and_parameters_are_those_of_the_network(cell, context, score, heads, feed, readout, layers):
    """What torch counts of a forward pass over sentences of one length, and the parameters but for biases."""
    from floor import Lengths, count
    from networks import VOCABULARY, build, network
    from torch.utils.flop_counter import FlopCounterMode

    from seq2seq.batches import make_batch

    settings = network(cell=cell, context=context, score=score, heads=heads, attention_feed=feed, readout=readout,
                       encoder_layers=layers, decoder_layers=layers)
    model = build(settings)
    sentences, lengths = 3, Lengths(source=7, target=5, sentences=3)
    batch = make_batch([[5] * 6] * sentences, [[6] * 4] * sentences, range(sentences))
    # An LSTM of the other library is one operation, of which torch counts nothing.
    with torch.backends.mkldnn.flags(enabled=False), FlopCounterMode(display=False) as counter, torch.no_grad():
        model(batch)
    found = count(settings, VOCABULARY, lengths)
    expected = 2 * sentences * (found.encoder + lengths.target * (found.step + found.output))
    assert counter.get_total_flops() == pytest.approx(expected, rel=0.01)
    matrices = sum(p.numel() for name, p in model.named_parameters() if p.dim() > 1)
    assert found.parameters == matrices
