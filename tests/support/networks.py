"""Small networks and batches that several tests build."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import torch

from seq2seq.corpus.batch import Batch, make_batch
from seq2seq.models.build import build_model
from seq2seq.models.encoder_decoder import EncoderDecoder
from seq2seq.models.labeller import Labeller
from seq2seq.settings.model import NetworkSettings
from seq2seq.settings.reading import read_settings

VOCABULARY = 30


def network(*, shape="n_to_m", cell="gru", context="attention", feed_context="every_step", output=True,
            score="additive", heads=1, attention_feed="readout", query="previous", start="last", pooling="mean",
            hops=1, width=None, nonlinearity="tanh", cell_norm=False, transitions=0,
            **model) -> NetworkSettings:
    """Settings of a small network with the given parts."""
    sizes = {"embedding": 12, "hidden": 16, "encoder_layers": 1, "decoder_layers": 1} | model
    return read_settings(NetworkSettings, {
        "shape": shape, "cell": {"kind": cell, "nonlinearity": nonlinearity, "layer_norm": cell_norm,
                                 "transitions": transitions},
        "context": {"kind": context, "pooling": pooling, "hops": hops, "width": width},
        "feed": {"context": feed_context, "output": output},
        "attention": {"score": score, "heads": heads, "feed": attention_feed, "query": query, "start": start},
        "model": sizes,
    })


WORD_STARTS = [place >= 4 and place % 2 == 0 for place in range(VOCABULARY)]  # pieces 4, 6, 8, ... begin a word


def build(settings: NetworkSettings, seed: int = 0) -> EncoderDecoder | Labeller:
    torch.manual_seed(seed)
    return build_model(settings, VOCABULARY, VOCABULARY, WORD_STARTS).eval()


def every_network() -> Iterator[tuple[str, NetworkSettings]]:
    """Each combination of cell, context, feed, score and attention.feed that is not refused, with a name."""
    attention = itertools.product(["additive", "dot", "general", "scaled"],
                                  [("readout", "previous"), ("upper_layers", "previous"), ("input", "previous"),
                                   ("input", "current")])
    contexts = [{"context": kind} for kind in ("last", "projected")]
    contexts += [{"context": "pooled", "pooling": pooling} for pooling in ("mean", "max")]
    contexts += [{"context": "pooled", "pooling": "attentive", "hops": 3, "width": 24}]
    contexts += [{"context": "attention", "score": score, "attention_feed": feed, "query": query,
                  "heads": 2 if score == "scaled" else 1}
                 for score, (feed, query) in attention]
    cells = [{"cell": "rnn"}, {"cell": "rnn", "nonlinearity": "relu"}, {"cell": "gru"}, {"cell": "lstm"},
             {"cell": "lstm", "transitions": 1}]
    feeds = ["initial_state", "every_step"]
    for cell, context, feed, output in itertools.product(cells, contexts, feeds, [True, False]):
        if context["context"] == "attention" and feed == "initial_state":
            continue  # refused, see test_settings
        deep = output and feed == "every_step"
        choice = cell | context | {"feed_context": feed, "output": output}
        settings = network(**choice, encoder_layers=2, decoder_layers=2, residual=True, layer_norm=deep,
                           readout="bahdanau" if deep else "luong")
        yield "-".join(str(value) for value in choice.values()), settings


def random_batch(pairs: int = 5, shortest: int = 1, longest: int = 9, seed: int = 0) -> Batch:
    """Random ids of mixed lengths, the shortest beside the longest."""
    draw = np.random.default_rng(seed)
    lengths = [shortest, longest, *draw.integers(shortest, longest + 1, size=2 * pairs - 2).tolist()]
    sides = [draw.integers(4, VOCABULARY, size=length).tolist() for length in lengths]
    return make_batch(sides[:pairs], sides[pairs:], range(pairs))

