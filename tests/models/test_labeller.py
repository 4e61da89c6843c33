"""N to N and N to 1: the equations, words out of pieces, and nothing beside a line changes its labels."""

from __future__ import annotations

import itertools

import pytest
import torch
import torch.nn.functional as F
from networks import VOCABULARY, WORD_STARTS, build, network

from seq2seq.corpus.batch import make_batch, pad_source
from seq2seq.models.labeller import label_probabilities
from seq2seq.tokenization.tokenizer import EOS, PAD

WORDS = {"hidden": 6, "embedding": 5, "rows": 1000}
LINES = [[4, 5, 6, 8, 9, 11, 10], [12], [14, 15, 15, 15, 15, 16], [4, 5, 8, 4, 5, 4, 4, 7, 20, 21, 22, 24]]
N_TO_1 = [{"context": "last"}, {"context": "projected"},
          *({"context": "pooled", "pooling": pooling} for pooling in ("mean", "max", "attentive")),
          {"context": "pooled", "pooling": "attentive", "hops": 3, "width": 24}]
SHAPES = [{"shape": "n_to_n", "context": "none", "words": WORDS}, *({"shape": "n_to_1", **kind} for kind in N_TO_1)]
EVERY = [
    {"cell": cell, "bidirectional": both, "encoder_layers": layers, "residual": True, "layer_norm": layers > 1,
     "tie": "none", **shape}
    for cell, both, layers, shape in itertools.product(["rnn", "gru", "lstm"], [True, False], [1, 2], SHAPES)]


def counts(shape: str) -> list[int]:
    return [sum(WORD_STARTS[piece] for piece in line) if shape == "n_to_n" else 1 for line in LINES]


def labelled(model, lines, padding=0) -> list[torch.Tensor]:
    source, lengths = pad_source(lines)
    logits, found = model.logits(F.pad(source, (0, padding), value=PAD), lengths)
    return [row[:count] for row, count in zip(logits, found.tolist(), strict=True)]


@pytest.mark.parametrize("settings", EVERY, ids=lambda choice: "-".join(map(str, choice.values()))[:60])
@torch.no_grad()
def test_a_line_is_labelled_alike_whatever_is_beside_it(settings):
    model = build(network(**settings)).double()
    alone = [labelled(model, [line])[0] for line in LINES]
    assert [row.shape for row in alone] == [(count, VOCABULARY) for count in counts(settings["shape"])]
    for other in (labelled(model, LINES), labelled(model, LINES[::-1])[::-1], labelled(model, LINES, padding=6)):
        for one, two in zip(alone, other, strict=True):
            torch.testing.assert_close(one, two)


@pytest.mark.parametrize("shape", SHAPES[:2], ids=["n_to_n", "n_to_1"])
def test_the_loss_is_the_cross_entropy_of_the_labels(shape):
    model = build(network(tie="none", **shape))
    labels = [[4 + row + place for place in range(count)] for row, count in enumerate(counts(shape["shape"]))]
    batch = make_batch(LINES, labels, range(len(LINES)), labels=True)
    assert batch.pieces == sum(map(len, labels)) and batch.target_in.shape == (len(LINES), 0)
    logits = torch.cat(labelled(model, LINES))
    flat = torch.tensor([label for line in labels for label in line])
    loss = model(batch, label_smoothing=0.1)
    torch.testing.assert_close(loss.nll, F.cross_entropy(logits, flat, reduction="sum").detach())
    torch.testing.assert_close(loss.smoothed, F.cross_entropy(logits, flat, reduction="sum", label_smoothing=0.1))
    loss.smoothed.backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_n_to_n_answers_from_every_state_and_n_to_1_from_one():
    """o_t = softmax(V h_t + b), and o = softmax(V h_N + b), with V and h taken out of the network."""
    tagger = build(network(tie="none", bidirectional=False, **SHAPES[0]))
    source, lengths = pad_source(LINES)
    words, numbers = tagger.words(tagger.embed(tagger.source_embedding, source), source, lengths)
    h, _ = tagger.encoder(words, numbers)
    torch.testing.assert_close(tagger.logits(source, lengths)[0], h @ tagger.output.weight.T + tagger.output.bias)
    classifier = build(network(tie="none", bidirectional=False, shape="n_to_1", context="last"))
    h, _ = classifier.encoder(classifier.embed(classifier.source_embedding, source), lengths)
    last = h[range(len(LINES)), lengths - 1]
    torch.testing.assert_close(classifier.logits(source, lengths)[0][:, 0],
                               last @ classifier.output.weight.T + classifier.output.bias)


def test_words_are_found_and_read_at_their_ends():
    model = build(network(tie="none", **SHAPES[0]))
    source, lengths = pad_source(LINES)
    places = model.words.places(source, lengths)
    assert places.lengths.tolist() == counts("n_to_n")
    assert places.first[0].nonzero().flatten().tolist() == [0, 2, 3, 6]
    assert places.last[0].nonzero().flatten().tolist() == [1, 2, 5, 6]
    x = model.embed(model.source_embedding, source)
    states, _ = model.words.reader(x, lengths)
    words, _ = model.words(x, source, lengths)
    torch.testing.assert_close(words[0, 2, :3], states[0, 5, :3])   # forward, at the last piece of the third word
    torch.testing.assert_close(words[0, 2, 3:6], states[0, 3, 3:])  # backward, at its first
    torch.testing.assert_close(words[0, 2, 6:], torch.zeros(5))     # the table of whole words before training


def test_a_word_has_one_row_wherever_it_stands_and_other_words_have_others():
    model = build(network(tie="none", **SHAPES[0]))
    source, lengths = pad_source([[4, 5, 6, 4, 5], [8, 4, 5, 5, 4], [5, 4]])
    rows = model.words.hashes(source, model.words.places(source, lengths))
    word = rows[0, 0]
    assert rows[0, 2] == word  # 4 5
    assert len({int(row) for row in (word, rows[0, 1], rows[1, 0], rows[1, 1], rows[1, 2])}) == 5  # 45 6 8 455 4
    many = [[4 + 2 * (n % 13), 5 + 2 * (n // 13 % 13), 5 + 2 * (n // 169 % 13)] for n in range(2197)]
    source, lengths = pad_source(many)
    found = model.words.hashes(source, model.words.places(source, lengths)).flatten().tolist()
    assert 850 < len(set(found)) <= 1000  # 2,197 words on 1,000 rows: by chance 889 of them are taken


def test_a_special_piece_is_never_the_label():
    logits = torch.zeros(1, 1, VOCABULARY)
    logits[..., : EOS + 1] = 9.0
    probabilities = label_probabilities(logits)
    assert probabilities[..., : EOS + 1].sum() == 0
    torch.testing.assert_close(probabilities.sum(), torch.tensor(1.0))
