"""What a list of lines or a long pair takes: bounded by what is asked for, counted in elements and never in seconds."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import torch
from allocations import Largest
from networks import build, network

from seq2seq.corpus.batch import Batch, make_batch
from seq2seq.corpus.length_batches import cut, longest_first, pair_batches
from seq2seq.corpus.shortlist import NONE, Shortlist
from seq2seq.models import attention
from seq2seq.models.build import build_model
from seq2seq.models.encoder_decoder import EncoderDecoder
from seq2seq.models.fast.search_model import ForSearch
from seq2seq.search.decode import LOGITS_OF_A_PIECE, translate_ids
from seq2seq.search.ensemble import Ensemble
from seq2seq.settings.model import NetworkSettings
from seq2seq.settings.reading import read_settings
from seq2seq.settings.search import SearchKind, SearchSettings

# Lists


def test_rows_are_not_copied_to_cut_them() -> None:
    order = np.arange(2000)
    lengths = np.random.default_rng(0).integers(5, 60, 2000)
    parts = list(cut(order, lengths, 100))
    assert np.concatenate(parts).tolist() == order.tolist() and len(parts) > 500
    assert all(np.shares_memory(part, order) for part in parts)


@pytest.mark.parametrize("plan", [
    lambda lengths: longest_first(lengths, 100),
    lambda lengths: (batch.rows.tolist() for batch in
                     pair_batches([[5] * length for length in lengths], [[6]] * len(lengths), 100)),
], ids=["search", "pairs"])
def test_every_row_comes_once(plan: Any) -> None:
    draw = random.Random(0)
    lengths = [draw.randrange(5, 60) for _ in range(2000)]
    assert sorted(row for rows in plan(lengths) for row in rows) == list(range(2000))


def test_batches_are_those_of_the_budget() -> None:
    assert list(longest_first([2, 9, 3, 5, 30, 3], 10)) == [[4], [1], [3, 2], [5, 0]]
    assert list(longest_first([2, 9, 3, 5, 30, 3], 10, least=3.4)) == [[4], [1], [3, 2], [5, 0]]
    assert list(longest_first([2, 9, 3, 5, 30, 3], 10, least=5.1)) == [[4], [1], [3], [2], [5], [0]]
    assert list(longest_first([2, 3], 10, least=100)) == [[1], [0]]
    assert list(longest_first([], 10)) == []


# Search

V, PIECES = 16_000, 200  # of the budget
BOUND = LOGITS_OF_A_PIECE * PIECES


def wide(seed: int) -> EncoderDecoder:
    torch.manual_seed(seed)
    return build_model(read_settings(NetworkSettings, {"model": {"embedding": 8, "hidden": 8}}), V, V).eval()


def shortlisted(model: EncoderDecoder) -> ForSearch:
    nothing = np.full((V, 1), NONE, dtype=np.int32)
    return ForSearch(model, shortlist=Shortlist(np.arange(4, V - 5, dtype=np.int32), nothing), best=1)


@pytest.mark.parametrize("kind", [SearchKind.BEAM, SearchKind.SAMPLE])
@pytest.mark.parametrize("make", [
    lambda: wide(0), lambda: ForSearch(wide(0)), lambda: Ensemble([ForSearch(wide(0)), ForSearch(wide(1))]),
    lambda: shortlisted(wide(0)),
], ids=["reference", "for_search", "ensemble", "shortlist"])
def test_short_lines_are_planned_by_their_logits(make: Any, kind: SearchKind) -> None:
    """A list of names: of one piece each, so that a budget of pieces alone would take hundreds of them at once."""
    settings = SearchSettings(kind=kind, beam_size=5, n_best=5, max_length=2, batch_pieces=PIECES)
    with Largest() as largest:
        translate_ids(make(), [[5]] * (PIECES // 2), settings)
    assert BOUND / 2 < largest.numbers <= BOUND


def test_lines_of_usual_length_are_planned_by_their_pieces() -> None:
    draw = random.Random(1)
    lengths = [draw.randrange(10, 60) for _ in range(3000)]
    least = 5 * V / LOGITS_OF_A_PIECE
    assert list(longest_first(lengths, 3000, least)) == list(longest_first(lengths, 3000))


def test_every_searchable_knows_its_logits() -> None:
    model = wide(0)
    assert model.outputs == ForSearch(model).outputs == V
    assert Ensemble([model, ForSearch(model)]).outputs == 2 * V
    assert shortlisted(model).outputs == V - 5


# Long pairs


def long_pair(length: int) -> Batch:
    return make_batch([[5] * length, [7] * 3], [[6] * length, [8] * 4], range(2))


@pytest.mark.parametrize(("score", "heads", "pieces"), [
    ("additive", 1, 400), ("additive", 1, 40), ("scaled", 2, 400), ("dot", 1, 400)])
@pytest.mark.parametrize("feed", ["readout", "upper_layers"])
def test_a_pair_of_any_length_is_judged_in_blocks(score: str, heads: int, pieces: int, feed: str,
                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    """The loss of every pair counts, long ones too; what is made at once is bounded, and no result changes."""
    model, batch = build(network(score=score, heads=heads, attention_feed=feed, decoder_layers=2)), long_pair(pieces)
    whole = model(batch)  # with gradients: as one
    block = batch.source.numel() * 16 + 5  # a step of additive scores: B S H
    monkeypatch.setattr(attention, "BLOCK", block)
    with torch.inference_mode(), Largest() as largest:
        found = model(batch)
    torch.testing.assert_close(found.nll, whole.nll.detach(), rtol=1e-5, atol=0)
    # Besides its blocks a pass makes what grows with the length alone, and the weights (B, T, S) that it hands on.
    assert largest.numbers <= max(block, len(batch.rows) * (pieces + 1) ** 2)


def test_the_block_is_no_larger_than_promised() -> None:
    model, batch = build(network()), long_pair(740)  # B T S H = 17.6 million numbers
    with torch.inference_mode(), Largest() as largest:
        model(batch)
    assert 2 * 741**2 * 16 > attention.BLOCK >= largest.numbers


def test_training_is_not_cut_into_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its backward pass needs the whole table in any case."""
    monkeypatch.setattr(attention, "BLOCK", 1)
    model, batch = build(network()), long_pair(20)
    with Largest() as largest:
        model(batch)
    assert largest.numbers >= 2 * 21 * 21 * 16
