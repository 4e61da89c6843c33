"""The lexical part of the output: its equations, its place, and that it can copy."""

import pytest
import torch
from networks import build, network, random_batch

from seq2seq.models.for_search import ForSearch
from seq2seq.models.lexical import Lexical


def test_the_equations_by_hand():
    torch.manual_seed(0)
    lexical = Lexical(3)
    torch.nn.init.normal_(lexical.linear.bias)
    a, e = torch.tensor([[[0.2, 0.8, 0.0]]]), torch.randn(1, 3, 3)
    f = torch.tanh(0.2 * e[0, 0] + 0.8 * e[0, 1])
    expected = f + torch.tanh(lexical.linear.weight @ f + lexical.linear.bias)
    torch.testing.assert_close(lexical(a, e)[0, 0], expected)


@pytest.mark.parametrize("choice", [{}, {"attention_feed": "input"}, {"attention_feed": "input", "query": "current"},
                                    {"attention_feed": "upper_layers", "decoder_layers": 2}, {"reverse_source": True}])
def test_it_is_added_to_the_readout_from_the_words_that_attention_names(choice):
    model, batch = build(network(lexical=True, score="scaled", heads=2, **choice)), random_batch()
    memory = model.encode(batch.source, batch.source_lengths)
    state, lexical = model.start(memory), model.decoder.lexical
    for t in range(batch.target_in.shape[1]):
        y = model.embed_previous(batch.target_in[:, t : t + 1])
        with_it, following, weights = model.decoder.step(y, state, memory)
        model.decoder.lexical = None
        without, _, _ = model.decoder.step(y, state, memory)
        model.decoder.lexical = lexical
        e = model.embed(model.source_embedding, batch.source)  # in reading order, as the weights are
        torch.testing.assert_close(with_it, without + lexical(weights, e))
        state = following


def test_nothing_is_kept_where_there_is_none():
    batch = random_batch()
    for settings in (network(), network(lexical=True, context="last")):
        model = build(settings)
        assert model.decoder.lexical is None
        assert model.encode(batch.source, batch.source_lengths).embedded is None


def test_the_fast_step_of_search_has_it_too():
    model, batch = build(network(lexical=True, score="scaled", heads=2)), random_batch()
    search = ForSearch(model)
    assert search.steps is not None and search.steps.lexical is not None
    with torch.inference_mode():
        memory, plain = search.encode(batch.source, batch.source_lengths), model.encode(batch.source,
                                                                                       batch.source_lengths)
        fast, _, _ = search.step(batch.target_in[:, :1], search.start(memory), memory)
        slow, _, _ = model.step(batch.target_in[:, :1], model.start(plain), plain)
    torch.testing.assert_close(fast, slow, atol=1e-5, rtol=1e-4)


def test_a_piece_that_is_attended_calls_itself_when_all_embeddings_are_one():
    model = build(network(lexical=True, tie="all", embedding=64)).double()
    model.decoder.lexical.linear.weight.data.zero_()
    pieces = torch.arange(4, 30)[None]
    e = model.embed(model.source_embedding, pieces)
    called = model.decoder.lexical(torch.eye(26, dtype=torch.float64)[None], e) @ model.output_weight.T
    assert (called.argmax(-1) == pieces).all()
