"""Search in eight bits: each product within its rounding, each sentence alone, each network close to itself."""

import math

import pytest
import torch
from networks import VOCABULARY, build, every_network, network, random_batch

from seq2seq.models.fast.int8 import Int8Cell, Int8Linear
from seq2seq.models.fast.search_model import ForSearch
from seq2seq.models.types import State
from seq2seq.search.decode import translate_ids
from seq2seq.settings.model import CellKind
from seq2seq.settings.search import SearchKind, SearchSettings

pytestmark = pytest.mark.skipif(torch.backends.quantized.engine == "none", reason="no products of integers here")


def by_definition(x, weight, bias):
    scales = weight.abs().amax(1, keepdim=True) / 127
    largest = x.abs().amax(1, keepdim=True)
    q = (x / largest * 63).round() / 63 * largest
    return q @ ((weight / scales).round() * scales).T + bias


@pytest.mark.parametrize("size", [1e-6, 1.0, 1e4])
def test_a_product_is_that_of_the_rounded_matrices(size):
    torch.manual_seed(0)
    x, weight, bias = size * torch.randn(7, 33), torch.randn(20, 33), torch.randn(20)
    torch.testing.assert_close(Int8Linear(weight, bias)(x), by_definition(x, weight, bias), rtol=1e-4, atol=1e-4 * size)


def test_the_largest_integers_do_not_overflow():
    x, weight = torch.ones(2, 512), torch.ones(16, 512)
    x[1] = -1
    torch.testing.assert_close(Int8Linear(weight, None)(x), x.sum(1, keepdim=True).expand(2, 16), rtol=1e-5, atol=1e-3)


def test_a_row_of_zeros_is_its_bias():
    bias = torch.randn(20)
    y = Int8Linear(torch.randn(20, 9), bias)(torch.zeros(3, 2, 9))
    torch.testing.assert_close(y, bias.expand(3, 2, 20))


def test_a_row_does_not_depend_on_those_beside_it():
    product = Int8Linear(torch.randn(20, 33), torch.randn(20))
    x = torch.randn(5, 33)
    beside = torch.cat([1000 * torch.randn(4, 33), x])
    torch.testing.assert_close(product(beside)[4:], product(x), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kind", CellKind)
def test_a_cell_steps_nearly_as_before(kind):
    cell = build(network(cell=kind.value)).decoder.cells[0]
    x, start = torch.randn(6, 12), cell.state_from(torch.randn(6, 16).tanh())
    for rounded, exact in zip(Int8Cell(cell).step(x, start), cell.step(x, start), strict=True):
        assert 0 < (rounded - exact).abs().max() < 0.05


@pytest.mark.parametrize(("name", "settings"), list(every_network())[::7])
def test_every_network_takes_its_steps_in_eight_bits(name, settings):
    model, batch = build(settings), random_batch()
    with torch.inference_mode():
        memory = model.encode(batch.source, batch.source_lengths)
        state, previous = model.start(memory), batch.target_in[:, :1]
        exact, after, _ = model.step(previous, state, memory)
        rounded, after_rounded, _ = ForSearch(model, int8=True).step(previous, state, memory)
    assert isinstance(after_rounded, State) and len(after_rounded.layers) == len(after.layers)
    assert rounded.shape == exact.shape == (5, 1, VOCABULARY)
    difference = (rounded.log_softmax(-1) - exact.log_softmax(-1)).abs().max()
    assert 0 < difference < 0.5


def test_search_in_eight_bits_is_the_same_alone_and_in_a_batch():
    search = ForSearch(build(network(cell="gru")), int8=True)
    settings = SearchSettings(kind=SearchKind.BEAM, beam_size=4, max_length=12)
    sentences = [[5, 6, 7], [8], [9, 10, 11, 12, 13, 14], [4, 4]]
    together = translate_ids(search, sentences, settings)
    for sentence, found in zip(sentences, together, strict=True):
        (alone,) = translate_ids(search, [sentence], settings)
        assert [one.pieces for one in alone] == [one.pieces for one in found]
        assert math.isclose(alone[0].score, found[0].score, rel_tol=1e-4)


def test_the_model_itself_stays_as_it_was():
    model, batch = build(network()), random_batch()
    before = model.logits(batch)
    ForSearch(model, int8=True)
    assert torch.equal(model.logits(batch), before)
    model.train()(batch).smoothed.backward()
