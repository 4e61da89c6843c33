"""The whole network: its two paths agree, and nothing but a sentence decides about that sentence."""

import itertools

import pytest
import torch
import torch.nn.functional as F
from networks import VOCABULARY, build, every_network, network, random_batch

from seq2seq.corpus.batch import Batch, make_batch
from seq2seq.errors import SettingError
from seq2seq.models.build import build_model
from seq2seq.tokenization.tokenizer import PAD

EVERY = list(every_network())


def stepwise_logits(model, batch):
    memory = model.encode(batch.source, batch.source_lengths)
    state, logits = model.start(memory), []
    for t in range(batch.target_in.shape[1]):
        step, state, weights = model.step(batch.target_in[:, t : t + 1], state, memory)
        logits.append(step)
        if weights is not None:
            torch.testing.assert_close(weights.sum(-1), torch.ones(weights.shape[:2]))
            assert weights.masked_select(~memory.mask[:, None].expand_as(weights)).abs().sum() == 0
    return torch.cat(logits, dim=1)


@pytest.mark.parametrize(("name", "settings"), EVERY, ids=[name for name, _ in EVERY])
def test_teacher_forcing_steps_padding_and_loss(name, settings):
    """For each network: all steps at once = step by step; alone = in a batch; loss = its definition."""
    model, batch = build(settings), random_batch()
    logits = model.logits(batch)
    torch.testing.assert_close(stepwise_logits(model, batch), logits, atol=1e-5, rtol=1e-4)
    for row in range(2):  # the shortest and the longest sentence
        alone = Batch(*(tensor[row : row + 1] for tensor in batch))
        alone = alone._replace(source=alone.source[:, : alone.source_lengths[0]],
                               target_in=alone.target_in[:, : alone.target_lengths[0]],
                               target_out=alone.target_out[:, : alone.target_lengths[0]])
        length = alone.target_lengths[0]
        torch.testing.assert_close(model.logits(alone)[0], logits[row, :length], atol=1e-5, rtol=1e-4)
    loss = model(batch, 0.1)
    expected = F.cross_entropy(logits.flatten(0, 1), batch.target_out.flatten(), ignore_index=PAD, reduction="sum",
                               label_smoothing=0.1)
    torch.testing.assert_close(loss.smoothed, expected, atol=1e-3, rtol=1e-5)


@pytest.mark.parametrize("feed", ["readout", "input"])
def test_s_0_of_the_mean_of_all_states(feed):
    model, batch = build(network(start="mean", attention_feed=feed, cell="lstm", decoder_layers=2)), random_batch()
    memory = model.encode(batch.source, batch.source_lengths)
    state = model.start(memory)
    for row, length in enumerate(batch.source_lengths.tolist()):
        mean = memory.states[row, :length].mean(dim=0)
        for layer, parts in enumerate(state.layers):
            for part in parts:
                torch.testing.assert_close(part[row, 0], model.decoder.bridges[layer](mean))
    torch.testing.assert_close(stepwise_logits(model, batch), model.logits(batch), atol=1e-5, rtol=1e-4)


def test_every_combination_is_there():
    # 5 cells x (5 fixed contexts x 2 feeds + 16 attentions) x output fed or not
    assert len(EVERY) == 5 * (5 * 2 + 16) * 2


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_each_parameter_gets_a_gradient(cell):
    for context in ("last", "projected", "pooled", "attention"):
        model = build(network(cell=cell, context=context, pooling="attentive")).train()
        model(random_batch()).smoothed.backward()
        without = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
        assert without == []


def test_order_of_sentences_changes_nothing():
    model, batch = build(network()), random_batch()
    order = torch.tensor([3, 0, 4, 2, 1])
    shuffled = Batch(*(tensor[order] for tensor in batch))
    torch.testing.assert_close(model.logits(shuffled), model.logits(batch)[order], atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("feed", ["readout", "input"])
def test_hypotheses_beside_each_other_do_not_mix(feed):
    """K hypotheses of a sentence give what K sentences with one hypothesis each give."""
    model, batch = build(network(attention_feed=feed, cell="lstm")), random_batch(pairs=3)
    memory = model.encode(batch.source, batch.source_lengths)
    beams = torch.arange(3)[:, None].expand(3, 2)
    state = model.start(memory).select(beams)
    previous = torch.randint(4, VOCABULARY, (3, 2))
    for _ in range(3):
        logits, state, _ = model.step(previous, state, memory)
    for k in range(2):
        alone = model.start(memory)
        for _ in range(3):
            single, alone, _ = model.step(previous[:, k : k + 1], alone, memory)
        torch.testing.assert_close(logits[:, k : k + 1], single, atol=1e-6, rtol=1e-5)


def test_select_drops_and_repeats_sentences_and_hypotheses():
    model, batch = build(network()), random_batch(pairs=3)
    memory = model.encode(batch.source, batch.source_lengths)
    rows = torch.tensor([2, 0])
    picked, state = memory.select(rows), model.start(memory).select(rows[:, None].expand(2, 4))
    logits, _, _ = model.step(torch.full((2, 4), 5), state, picked)
    full, _, _ = model.step(torch.full((3, 1), 5), model.start(memory), memory)
    torch.testing.assert_close(logits, full[rows].expand(-1, 4, -1), atol=1e-6, rtol=1e-5)


def test_reversing_the_source_keeps_attention_on_source_positions():
    """With a network that reads each position by itself, reversing must change nothing but the recurrence."""
    plain, turned = (build(network(reverse_source=value, bidirectional=False)) for value in (False, True))
    batch = random_batch()
    seen = turned.encode(batch.source, batch.source_lengths)
    for row, length in enumerate(batch.source_lengths.tolist()):
        ids = batch.source[row, :length]
        reading = torch.cat([ids[:-1].flip(0), ids[-1:]])[None]  # what a person would feed by hand
        by_hand = plain.encode(reading, torch.tensor([length])).states[0]
        by_hand = torch.cat([by_hand[:-1].flip(0), by_hand[-1:]])
        torch.testing.assert_close(seen.states[row, :length], by_hand, atol=1e-6, rtol=1e-5)


def test_a_reversed_target_is_what_a_person_would_turn_by_hand():
    plain, turned = (build(network(reverse_target=value)) for value in (False, True))
    batch = random_batch()
    sides = [[ids[: length - 1].tolist() for ids, length in zip(side, lengths.tolist(), strict=True)] for side, lengths
             in ((batch.source, batch.source_lengths), (batch.target_out, batch.target_lengths))]
    by_hand = make_batch(sides[0], [ids[::-1] for ids in sides[1]], range(len(sides[0])))
    for consistency in (0.0, 1.0):
        torch.testing.assert_close(turned(batch, consistency=consistency), plain(by_hand, consistency=consistency))
    torch.testing.assert_close(turned.log_probabilities(batch), plain.log_probabilities(by_hand))
    assert not torch.allclose(turned.log_probabilities(batch), plain.log_probabilities(batch))
    read, written = turned.logits(batch), plain.logits(by_hand)
    for row, length in enumerate(batch.target_lengths.tolist()):  # position t in reading order, EOS last
        torch.testing.assert_close(read[row, : length - 1], written[row, : length - 1].flip(0))
        torch.testing.assert_close(read[row, length - 1], written[row, length - 1])


@pytest.mark.parametrize(("tie", "tables"), [("none", 3), ("target", 2), ("all", 1)])
def test_tied_embeddings_share_one_table(tie, tables):
    model = build(network(tie=tie))
    shapes = [p.shape for p in model.parameters() if p.shape == (VOCABULARY, 12)]
    assert len(shapes) == tables


def test_tying_all_needs_one_vocabulary():
    with pytest.raises(SettingError, match="model.tie=all needs one vocabulary"):
        build_model(network(tie="all"), 30, 31)


def test_dropout_acts_in_training_only_and_word_dropout_drops_whole_words():
    model = build(network(dropout={"embedding": 0.0, "layer": 0.0, "readout": 0.0, "word": 0.5}))
    ids = torch.full((50, 20), 7)
    assert (model.embed(model.source_embedding, ids) == 0).all(-1).sum() == 0
    dropped = (model.train().embed(model.source_embedding, ids) == 0).all(-1).float().mean()
    assert 0.4 < dropped < 0.6


def test_scheduled_sampling_mixes_in_the_models_own_pieces():
    model, batch = build(network()), random_batch()
    memory = model.encode(batch.source, batch.source_lengths)
    mixed = model._mix_in_own(batch.target_in, memory, 1.0)
    own = model.logits(batch).argmax(-1)[:, :-1]
    later = batch.target_in[:, 1:]
    assert torch.equal(mixed[:, 0], batch.target_in[:, 0])
    assert torch.equal(mixed[:, 1:], torch.where(later == PAD, later, own))
    assert torch.equal(model._mix_in_own(batch.target_in, memory, 0.0), batch.target_in)


@pytest.mark.parametrize(("cell", "context"), list(itertools.product(["rnn", "gru", "lstm"], ["last", "attention"])))
def test_bf16_loss_stays_close(cell, context):
    model, batch = build(network(cell=cell, context=context)), random_batch()
    exact = model(batch).nll
    with torch.autocast("cpu", torch.bfloat16):
        coarse = model.train()(batch)
    assert abs(coarse.nll - exact) < 0.2 * exact  # dropout is on as well
    coarse.smoothed.backward()
    assert all(p.grad.dtype is torch.float32 for p in model.parameters())
