"""Search in bf16: each network close to itself in fp32, and the bundle's model left alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from networks import VOCABULARY, build, every_network, network, random_batch

from seq2seq.corpus.batch import make_batch
from seq2seq.corpus.shortlist import Shortlist
from seq2seq.models.fast.search_model import ForSearch
from seq2seq.search.decode import translate_ids
from seq2seq.settings.search import SearchKind, SearchSettings

torch.set_num_threads(1)
STEPS = 4
# bf16 has eight bits: a product is off by some 2^-8 of its size, a state a few times that after a few steps.
NEAR = 0.15
# Not the states of a ReLU: they have no bound, so neither has their rounding.
SOME = [(name, settings) for name, settings in every_network() if "relu" not in name][::7]


@pytest.mark.parametrize(("name", "settings"), SOME, ids=[name for name, _ in SOME])
@torch.inference_mode()
def test_every_network_steps_nearly_as_in_fp32(name, settings):
    model, batch = build(settings), random_batch(longest=STEPS + 3)
    exact, rounded = ForSearch(model), ForSearch(model, bf16=True)
    memory, near = (one.encode(batch.source, batch.source_lengths) for one in (exact, rounded))
    assert near.states.dtype is torch.bfloat16
    state, state_near = exact.start(memory), rounded.start(near)
    largest = 0.0
    for t in range(STEPS):
        logits, state, weights = exact.step(batch.target_in[:, t : t + 1], state, memory)
        found, state_near, weights_near = rounded.step(batch.target_in[:, t : t + 1], state_near, near)
        assert found.dtype is torch.float32 and found.shape == logits.shape == (5, 1, VOCABULARY)
        assert all(part.dtype is torch.bfloat16 for layer in state_near.layers for part in layer)
        largest = max(largest, float((found.log_softmax(-1) - logits.log_softmax(-1)).abs().max()))
        if weights is not None:
            assert weights_near.dtype is torch.float32
            torch.testing.assert_close(weights_near.sum(-1), torch.ones(5, 1))  # a softmax in bf16 is off by 1e-3
            torch.testing.assert_close(weights_near, weights, rtol=0, atol=NEAR)
    assert 0 < largest < NEAR


@torch.inference_mode()
def test_logits_of_candidates_too():
    translations = np.arange(4, 4 + 3 * VOCABULARY).reshape(VOCABULARY, 3) % VOCABULARY
    short, batch = Shortlist(np.asarray([5, 6]), translations), random_batch()
    exact, rounded = (ForSearch(build(network()), bf16=bf16, shortlist=short, best=2) for bf16 in (False, True))
    logits = []
    for one in (exact, rounded):
        memory = one.encode(batch.source, batch.source_lengths)
        logits.append(one.step(batch.target_in[:, :1], one.start(memory), memory)[0])
    assert logits[1].dtype is torch.float32
    torch.testing.assert_close(logits[1].log_softmax(-1), logits[0].log_softmax(-1), rtol=0, atol=NEAR)


@pytest.mark.parametrize("kind", SearchKind)
@torch.inference_mode()
def test_what_a_search_finds_has_nearly_the_probability_that_it_says(kind):
    """Not the same pieces: between two of nearly one probability rounding decides, and each processor has its own."""
    model = build(network(cell="lstm"))
    model.output_weight.mul_(4)
    settings = SearchSettings(kind=kind, beam_size=3, max_length=10)
    sentences = [[5, 6, 7], [8], [9, 10, 11, 12, 13, 14]]
    for sentence, (found, *_) in zip(sentences, translate_ids(ForSearch(model, bf16=True), sentences, settings),
                                     strict=True):
        exact = -float(model(make_batch([sentence], [found.pieces], [0])).nll)
        assert found.log_probability == pytest.approx(exact, abs=10 * NEAR)


@pytest.mark.parametrize("tie", ["none", "target", "all"])
def test_the_model_itself_stays_as_it_was(tie):
    model, batch = build(network(tie=tie)), random_batch()
    before = model.logits(batch)
    ForSearch(model, bf16=True)
    assert torch.equal(model.logits(batch), before)
    assert {weight.dtype for weight in model.parameters()} == {torch.float32}
