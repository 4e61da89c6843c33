"""Subword sampling: the right distribution, the same text, and nothing but the seed decides."""

from __future__ import annotations

import collections
import io
import itertools
import math
import subprocess
import sys

import numpy as np
import pytest
import sentencepiece

from seq2seq.tokenization import unigram_sampling
from seq2seq.tokenization.sampling import SubwordSampler
from seq2seq.tokenization.tokenizer import UNK, Tokenizer
from seq2seq.tokenization.unigram_sampling import UnigramSampling

LINES = ["the lower newest widest lowest", "new lower wide west", "low lowest news we were the newer",
         "wider lower rest test tests resting"] * 20


def train(kind: str, vocabulary: int) -> Tokenizer:
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(LINES), model_writer=model, model_type=kind, vocab_size=vocabulary, pad_id=0,
        unk_id=1, bos_id=2, eos_id=3, hard_vocab_limit=False, minloglevel=2, num_threads=1)
    return Tokenizer(model.getvalue())


@pytest.fixture(scope="module", params=["unigram", "bpe"])
def tokenizer(request):
    return train(request.param, 45)


def encoded(tokenizer, lines):
    return [np.array(ids) for ids in tokenizer.encode(lines)]


def test_the_text_stays_and_the_pieces_change(tokenizer):
    before = encoded(tokenizer, LINES)
    after = SubwordSampler(tokenizer, 0.4).draw(before, np.random.default_rng(1))
    assert tokenizer.decode(after) == tokenizer.decode(before) == LINES
    assert sum(a.tolist() != b.tolist() for a, b in zip(after, before, strict=True)) > len(LINES) / 2


def test_the_generator_alone_decides(tokenizer):
    before = encoded(tokenizer, LINES)
    draws = [SubwordSampler(tokenizer, 0.4).draw(before, np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert [d.tolist() for d in draws[0]] == [d.tolist() for d in draws[1]]
    assert [d.tolist() for d in draws[0]] != [d.tolist() for d in draws[2]]


def test_empty_sentences_and_unknown_characters_stay(tokenizer):
    before = encoded(tokenizer, ["", "lower \u4f60 \u4f60lower", "", "low"])
    after = SubwordSampler(tokenizer, 0.4).draw(before, np.random.default_rng(1))
    assert [len(ids) == 0 for ids in after] == [True, False, True, False]
    assert tokenizer.decode(after) == tokenizer.decode(before)
    assert (after[1] == UNK).sum() == (before[1] == UNK).sum() == 2
    assert SubwordSampler(tokenizer, 0.4).draw([], np.random.default_rng(1)) == []


def test_bpe_without_dropout_is_the_usual_segmentation():
    tokenizer = train("bpe", 45)
    before = encoded(tokenizer, LINES)
    after = SubwordSampler(tokenizer, 0.0).draw(before, np.random.default_rng(1))
    assert [ids.tolist() for ids in after] == [ids.tolist() for ids in before]
    whole = SubwordSampler(tokenizer, 1.0).draw(before, np.random.default_rng(1))
    assert all(len(piece) == 1 for ids in whole for piece in tokenizer.pieces(ids))


@pytest.mark.parametrize("alpha", [0.2, 1.0])
def test_unigram_draws_follow_the_powered_probabilities(alpha):
    """Against the probabilities of all segmentations, enumerated: P(x)^alpha / sum P^alpha (Kudo 2018)."""
    tokenizer, word, draws = train("unigram", 60), "\u2581lowest", 20_000
    processor = sentencepiece.SentencePieceProcessor(model_proto=tokenizer.model)
    logs = {processor.id_to_piece(i): processor.get_score(i) for i in range(4, len(tokenizer))}
    weights = {}
    for cuts in itertools.product((False, True), repeat=len(word) - 1):
        ends = [i + 1 for i, cut in enumerate(cuts) if cut] + [len(word)]
        parts = [word[a:b] for a, b in zip([0, *ends], ends, strict=False)]
        if all(part in logs for part in parts):
            weights[tuple(parts)] = math.exp(alpha * sum(logs[part] for part in parts))
    assert len(weights) > 6
    ids = encoded(tokenizer, ["lowest"])[0]
    drawn = SubwordSampler(tokenizer, alpha).draw([ids] * draws, np.random.default_rng(3))
    counts = collections.Counter(tuple(tokenizer.pieces(row)) for row in drawn)
    total = sum(weights.values())
    distance = sum(abs(counts[parts] / draws - weight / total) for parts, weight in weights.items()) / 2
    assert distance < 0.02
    assert set(counts) <= set(weights)


def test_draws_are_the_same_in_another_process(tmp_path):
    tokenizer = train("unigram", 45)
    (tmp_path / "model").write_bytes(tokenizer.model)
    program = ("import sys, numpy as np; from pathlib import Path\n"
               "from seq2seq.tokenization.tokenizer import Tokenizer\n"
               "from seq2seq.tokenization.sampling import SubwordSampler\n"
               "t = Tokenizer.load(Path(sys.argv[1]))\n"
               "ids = [np.array(x) for x in t.encode(['the lower newest widest lowest'] * 20)]\n"
               "print([x.tolist() for x in SubwordSampler(t, 0.3).draw(ids, np.random.default_rng(5))])")
    runs = [subprocess.run([sys.executable, "-c", program, str(tmp_path / "model")], check=True,
                           capture_output=True, text=True).stdout for _ in range(2)]
    assert runs[0] == runs[1]
    ids = encoded(tokenizer, ["the lower newest widest lowest"] * 20)
    here = SubwordSampler(tokenizer, 0.3).draw(ids, np.random.default_rng(5))
    assert runs[0].strip() == str([x.tolist() for x in here])


def small_unigram() -> UnigramSampling:
    pieces = {piece: number for number, piece in enumerate(["a", "b", "ab", "ba", "aba", "abb"])}
    return UnigramSampling(pieces, np.log([0.3, 0.25, 0.15, 0.12, 0.1, 0.08]), 0.5)


def test_a_seed_gives_the_draws_that_it_always_gave():
    values, lengths = np.tile([4, 1, 2, 3, 0, 5], 3), np.tile([2, 3, 1], 3)
    drawn, counts = small_unigram()(values, lengths, np.random.default_rng(7))
    assert drawn.tolist() == [0, 3, 1, 5, 0, 0, 5, 2, 0, 1, 5, 0, 0, 5, 0, 3, 1, 0, 1, 1, 0, 0, 5]
    assert counts.tolist() == [3, 3, 1, 3, 3, 1, 3, 5, 1]


def test_lattices_that_are_kept_have_a_limit_and_the_draws_do_not_depend_on_it(monkeypatch):
    """A corpus without spaces: every word is another one, and as long as a sentence."""
    limited, kept, limit = small_unigram(), small_unigram(), 20_000
    for number in range(6):
        generator = np.random.default_rng(number)
        lengths = generator.integers(1, 40, 50)
        values = generator.integers(0, 6, int(lengths.sum()))
        # A sampler that has seen nothing yet stands for a run that was resumed here.
        fresh = small_unigram()(values, lengths, np.random.default_rng([number, 1]))
        whole = kept(values, lengths, np.random.default_rng([number, 1]))
        monkeypatch.setattr(unigram_sampling, "HELD_BYTES", limit)
        found = limited(values, lengths, np.random.default_rng([number, 1]))
        monkeypatch.undo()
        for one, other, third in zip(found, whole, fresh, strict=True):
            assert one.tolist() == other.tolist() == third.tolist()
        assert limited.held_bytes == sum(lattice.size for lattice in limited._words.values()) <= limit
    assert kept.held_bytes > 5 * limit and limited.held_bytes > limit / 2


def test_the_words_used_last_are_kept(monkeypatch):
    sampling = small_unigram()
    one, other, third = (np.array(word) for word in ([0, 0], [1, 1], [0, 0, 0]))
    sizes = [sampling._lattice(word.tobytes(), word.dtype).size for word in (one, other, third)]
    monkeypatch.setattr(unigram_sampling, "HELD_BYTES", sum(sizes))
    sampling(one, np.array([2]), np.random.default_rng(0))    # now `other` is the oldest
    fourth = np.array([1])
    sampling(fourth, np.array([1]), np.random.default_rng(0))
    assert list(sampling._words) == [word.tobytes() for word in (third, one, fourth)]
