"""Batches: every pair once, little padding, the same for the same seed, found again in one step."""

from __future__ import annotations

import itertools

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from tiny_corpus import make_corpus

from seq2seq.corpus.batch import make_batch, pad_source
from seq2seq.corpus.length_batches import shuffled_batches, valid_batches
from seq2seq.corpus.packed import PackedCorpus
from seq2seq.corpus.stream import Position, TrainingBatches
from seq2seq.errors import SettingError
from seq2seq.tokenization.sampling import SubwordSampler
from seq2seq.tokenization.tokenizer import BOS, EOS, PAD


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return PackedCorpus.open(make_corpus(tmp_path_factory.mktemp("data") / "tiny", train=300))


def stream(corpus, **settings):
    values = {"budget": 120, "max_pieces": 100, "seed": 1, "chunk_pairs": 70, **settings}
    return TrainingBatches(corpus.split("train"), **values)


def same(left, right) -> bool:
    return all(torch.equal(a, b) for a, b in zip(left, right, strict=True))


def test_a_batch_is_padded_as_documented():
    batch = make_batch([[5, 6], [7]], [[8], []], rows=[3, 9])
    assert batch.source.tolist() == [[5, 6, EOS], [7, EOS, PAD]]
    assert batch.source_lengths.tolist() == [3, 2]
    assert batch.target_in.tolist() == [[BOS, 8], [BOS, PAD]]
    assert batch.target_out.tolist() == [[8, EOS], [EOS, PAD]]
    assert batch.target_lengths.tolist() == [2, 1]
    assert batch.rows.tolist() == [3, 9]
    assert batch.pieces == 3


def test_padded_sources_for_the_search():
    source, lengths = pad_source([[], [4, 5]])
    assert source.tolist() == [[EOS, PAD, PAD], [4, 5, EOS]]
    assert lengths.tolist() == [1, 3]


@hypothesis.settings(max_examples=60, deadline=None)
@hypothesis.given(st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40)), min_size=1, max_size=60),
                  st.integers(1, 200), st.integers(0, 5))
def test_a_plan_holds_every_pair_once_within_the_budget(lengths, budget, seed):
    source, target = np.array(lengths).T
    plan = shuffled_batches(source, target, budget, np.random.default_rng(seed))
    assert sorted(np.concatenate(plan).tolist()) == list(range(len(lengths)))
    for rows in plan:
        longest = max(source[rows].max(), target[rows].max())
        assert len(rows) == 1 or longest * len(rows) <= budget


def test_padding_stays_small():
    draw = np.random.default_rng(0)
    target = draw.integers(5, 40, 20_000)
    source = np.maximum(1, target + draw.integers(-3, 4, len(target)))
    plan = shuffled_batches(source, target, 4000, draw)
    places = sum(len(rows) * target[rows].max() for rows in plan)
    assert target.sum() / places > 0.98


def test_an_epoch_has_every_pair_once_and_in_another_order_than_the_next(corpus):
    batches = stream(corpus)
    orders = [np.concatenate([batch.rows for chunk in range(batches.chunks) for batch in batches.chunk(epoch, chunk)])
              for epoch in (0, 1)]
    assert batches.chunks == 5
    for order in orders:
        assert sorted(order.tolist()) == list(range(300))
    assert orders[0].tolist() != orders[1].tolist()


def test_rows_are_those_of_the_split(corpus):
    split = corpus.split("train")
    for batch in stream(corpus).chunk(0, 0)[:3]:
        source, target = split.ids(batch.rows.numpy())
        assert same(batch, make_batch(source, target, batch.rows))


def test_the_seed_decides(corpus):
    first, again, other = (stream(corpus, seed=seed).chunk(0, 0) for seed in (1, 1, 2))
    assert all(map(same, first, again))
    assert [batch.rows.tolist() for batch in first] != [batch.rows.tolist() for batch in other]


def test_the_stream_goes_on_from_any_position(corpus):
    batches = stream(corpus)
    whole = list(itertools.islice(batches.stream(), 120))
    assert whole[-1][1].epoch >= 2
    for place in (0, 3, 30, 105):
        start = whole[place - 1][1] if place else Position()
        rest = list(itertools.islice(batches.stream(start), 120 - place))
        for (batch, position, epochs), (wanted, its_position, its_epochs) in zip(rest, whole[place:], strict=True):
            assert same(batch, wanted)
            assert (position, epochs) == (its_position, its_epochs)


def test_epochs_are_counted_in_shares(corpus):
    shares = [epochs for _, _, epochs in itertools.islice(stream(corpus).stream(), 120)]
    assert shares == sorted(shares)
    assert 1.0 in shares
    assert 2.0 in shares


def test_long_pairs_are_left_out_and_counted(corpus):
    split = corpus.split("train")
    longest = np.maximum(split.source_lengths, split.target_lengths) + 1
    batches = stream(corpus, max_pieces=int(np.median(longest)))
    assert batches.left_out == (longest > np.median(longest)).sum() > 0
    with pytest.raises(SettingError, match="training.max_pieces=2 leaves out all 300 training pairs"):
        next(stream(corpus, max_pieces=2).stream())


def test_parts_are_the_batch_without_its_idle_padding(corpus):
    batch = max(stream(corpus, budget=400).chunk(0, 0), key=lambda batch: len(batch.rows))
    count = 3
    parts = [batch.part(number, count) for number in range(count)]
    assert sorted(torch.cat([part.rows for part in parts]).tolist()) == sorted(batch.rows.tolist())
    assert sum(part.pieces for part in parts) == batch.pieces
    for part in parts:
        assert part.source.shape[1] == part.source_lengths.max()
        assert same(part, make_batch(*corpus.split("train").ids(part.rows.numpy()), part.rows))
    assert batch.part(len(batch.rows), len(batch.rows) + 1) is None


def test_validation_batches_hold_every_pair_once_within_the_budget(corpus):
    batches = list(valid_batches(corpus.split("valid"), 60))
    assert sorted(torch.cat([batch.rows for batch in batches]).tolist()) == list(range(20))
    assert len(batches) > 1
    for batch in batches:
        assert len(batch.rows) == 1 or max(batch.source.numel(), batch.target_out.numel()) <= 60


def test_sampled_pieces_spell_the_same_text_and_change_with_the_epoch(corpus):
    tokenizer = corpus.tokenizers()[0]
    batches = stream(corpus, samplers=(SubwordSampler(tokenizer, 0.3), None), chunk_pairs=300)
    split, seen = corpus.split("train"), []
    for epoch in (0, 1, 0):
        drawn = {}
        for batch in batches.chunk(epoch, 0):
            for row, ids, length in zip(batch.rows.tolist(), batch.source, batch.source_lengths, strict=True):
                drawn[row] = ids[: length - 1].tolist()
        assert tokenizer.decode([drawn[row] for row in sorted(drawn)]) == split.text()[0]
        seen.append(drawn)
    assert seen[0] == seen[2]
    assert seen[0] != seen[1]
