"""The gathered step of search equals the decoder's, step after step, for every decoder that it serves."""

import itertools

import pytest
import torch
from networks import build, every_network, network, random_batch

from seq2seq.models.fast import one_layer_step
from seq2seq.models.fast.one_layer_step import OneLayerStep
from seq2seq.models.fast.products import linear
from seq2seq.models.fast.search_model import ForSearch
from seq2seq.search.decode import translate_ids
from seq2seq.settings.search import SearchKind, SearchSettings

KINDS = [
    {"cell": cell, "score": score, "heads": heads, "readout": readout}
    for cell, (score, heads), readout in itertools.product(
        ["rnn", "gru", "lstm"], [("additive", 1), ("dot", 1), ("general", 1), ("scaled", 1), ("scaled", 4)],
        ["luong", "bahdanau"])
]


def steps_of(model, batch, beams=3):
    """Logits, attention and top states of some steps, with hypotheses that change places."""
    draw = torch.Generator().manual_seed(1)
    memory = model.encode(batch.source, batch.source_lengths)
    state, found = model.start(memory), []
    places = torch.zeros(len(batch.rows), beams, dtype=torch.long) + torch.arange(len(batch.rows))[:, None]
    state = state.select(places)
    for _ in range(4):
        previous = torch.randint(4, 30, places.shape, generator=draw)
        logits, state, weights = model.step(previous, state, memory)
        found.append((logits, weights, state.layers[0][0]))
        moved = torch.randint(0, beams, places.shape, generator=draw) + beams * torch.arange(len(places))[:, None]
        state = state.select(moved)
    return found


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: "-".join(map(str, kind.values())))
@pytest.mark.parametrize("table", [True, False])
def test_every_step_equals_the_decoders(kind, table, monkeypatch):
    if not table:
        monkeypatch.setattr(one_layer_step, "TABLE_BYTES", 0)
    model, batch = build(network(**kind)), random_batch()
    for parameter in model.parameters():  # biases begin at 0: one that is left out would not show
        parameter.data += 0.1 * torch.randn(parameter.shape)
    search = ForSearch(model)
    assert search.steps is not None and (search.steps.table is not None) is table
    with torch.inference_mode():
        for own, reference in zip(steps_of(search, batch), steps_of(model, batch), strict=True):
            for one, other in zip(own, reference, strict=True):
                torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_decoders_of_another_kind_keep_their_own_step():
    assert not any(OneLayerStep.fits(build(settings).decoder) for _, settings in every_network())  # of two layers
    for other in ({"attention_feed": "input"}, {"output": False}, {"layer_norm": True}, {"context": "last"}):
        assert not OneLayerStep.fits(build(network(**other)).decoder)


@pytest.mark.parametrize("kind", SearchKind)
def test_searches_find_the_same(kind):
    model, settings = build(network()), SearchSettings(kind=kind, max_length=12)
    sentences = [[5, 6, 7], [8], [9, 10, 11, 12, 13, 14], [4, 4], []]
    for (one, *_), (other, *_) in zip(translate_ids(ForSearch(model), sentences, settings),
                                      translate_ids(model, sentences, settings), strict=True):
        assert one.pieces == other.pieces and one.score == pytest.approx(other.score, rel=1e-4)


def test_keys_beyond_the_powers_take_the_tanh():
    model, batch = build(network()), random_batch()
    model.decoder.attention.key.weight.data *= 1000
    with torch.inference_mode():
        assert ForSearch(model).encode(batch.source, batch.source_lengths).powers is None
        for own, reference in zip(steps_of(ForSearch(model), batch), steps_of(model, batch), strict=True):
            torch.testing.assert_close(own[0], reference[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (2, 4), (3, 3), (0, 5)])
def test_products_of_few_rows_are_those_of_many(shape):
    x, weight, bias = torch.randn(*shape, 7), torch.randn(9, 7), torch.randn(9)
    found = linear(x, weight, bias)
    assert found.is_contiguous()
    torch.testing.assert_close(found, torch.nn.functional.linear(x, weight, bias))
