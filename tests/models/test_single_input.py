"""1 to N: one input, at the first step or at every step, with its own outputs fed back or not."""

from __future__ import annotations

import itertools

import pytest
import torch
from networks import build, network

from seq2seq.corpus.batch import make_batch
from seq2seq.tokenization.tokenizer import BOS

EVERY = list(itertools.product(["rnn", "gru", "lstm"], ["last", "projected"], ["initial_state", "every_step"],
                               [True, False]))


@pytest.mark.parametrize(("cell", "context", "feed", "output"), EVERY)
@torch.no_grad()
def test_step_by_step_is_what_training_sees_and_only_x_counts(cell, context, feed, output):
    model = build(network(shape="one_to_n", cell=cell, context=context, feed_context=feed, output=output))
    batch = make_batch([[5], [9]], [[4, 8, 7], [6]], [0, 1])
    memory = model.encode(batch.source, batch.source_lengths)
    state, logits = model.start(memory), []
    for previous in batch.target_in.split(1, dim=1):
        step, state, _ = model.step(previous, state, memory)
        logits.append(step)
    torch.testing.assert_close(torch.cat(logits, dim=1), model.logits(batch))
    alone = model.logits(make_batch([[9]], [[6]], [0]))
    torch.testing.assert_close(model.logits(batch)[1, :2], alone[0])
    assert not torch.allclose(model.logits(batch)[0, 0], model.logits(batch)[1, 0])


def test_the_first_state_is_a_linear_map_of_x():
    model = build(network(shape="one_to_n", context="last", feed_context="initial_state", output=False))
    source, lengths = torch.tensor([[5, 3]]), torch.tensor([2])
    x = model.embed(model.source_embedding, source)[0, 0]
    (s,) = model.start(model.encode(source, lengths)).layers[0]
    torch.testing.assert_close(s[0, 0], model.encoder.linear.weight @ x + model.encoder.linear.bias)


def test_without_its_outputs_fed_back_it_says_the_same_whatever_it_said():
    model = build(network(shape="one_to_n", context="last", output=False))
    memory = model.encode(torch.tensor([[5, 3]]), torch.tensor([2]))
    one, _, _ = model.step(torch.tensor([[BOS]]), model.start(memory), memory)
    other, _, _ = model.step(torch.tensor([[7]]), model.start(memory), memory)
    torch.testing.assert_close(one, other)
