"""What the quick and the long tests of invariance share: nothing but a sentence decides about that sentence.

Rounding differs with the shape of a product, so numbers are compared to a tolerance and translations as
they are: the networks get clear preferences and fixed seeds, for between two pieces of the same probability
rounding may decide.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
import torch.nn.functional as F
from hypothesis import strategies as st
from networks import VOCABULARY, build, every_network

from seq2seq.corpus.batch import Batch, make_batch
from seq2seq.models.encoder_decoder import EncoderDecoder
from seq2seq.search.decode import translate_ids
from seq2seq.search.ensemble import Ensemble
from seq2seq.settings.model import ContextKind, NetworkSettings
from seq2seq.settings.search import SearchKind, SearchSettings
from seq2seq.tokenization.tokenizer import PAD

EVERY = list(every_network())
SIDE = st.lists(st.integers(4, VOCABULARY - 1), max_size=9)
PAIRS = st.lists(st.tuples(SIDE, SIDE), min_size=2, max_size=6)
SEARCHES = {
    "greedy": {"kind": SearchKind.GREEDY},
    "beam": {"kind": SearchKind.BEAM, "beam_size": 4, "n_best": 4, "length_penalty": 0.6},
    "beam with coverage": {"kind": SearchKind.BEAM, "beam_size": 3, "coverage_penalty": 0.3, "min_length": 2},
    "sample": {"kind": SearchKind.SAMPLE, "n_best": 2, "seed": 3},
    "sample of few": {"kind": SearchKind.SAMPLE, "top_k": 8, "top_p": 0.9, "temperature": 0.8},
}


def with_preferences(settings: NetworkSettings, seed: int = 0) -> EncoderDecoder:
    model = build(settings, seed)
    with torch.no_grad():
        model.output_weight.mul_(4)
    return model


def wider(batch: Batch, padding: int) -> Batch:
    """The same pairs beside more padding."""
    return batch._replace(**{name: F.pad(getattr(batch, name), (0, padding), value=PAD)
                             for name in ("source", "target_in", "target_out")})


@torch.no_grad()
def check_logits_and_losses(model: EncoderDecoder, pairs: Sequence[tuple[list[int], list[int]]], order: Sequence[int],
                            cut: int, padding: int) -> None:
    """Alone = in a batch, in `order`, in two batches cut at `cut`, beside `padding` more PAD."""
    def batch(rows: Sequence[int]) -> Batch:
        return make_batch([pairs[row][0] for row in rows], [pairs[row][1] for row in rows], rows)

    alone = [(model.logits(batch([row]))[0], model(batch([row]), 0.1)) for row in range(len(pairs))]
    for rows in (order, order[:cut], order[cut:]):
        if not rows:
            continue
        for shape in (batch(rows), wider(batch(rows), padding)):
            logits, loss = model.logits(shape), model(shape, 0.1)
            for place, row in enumerate(rows):
                torch.testing.assert_close(logits[place, : len(pairs[row][1]) + 1], alone[row][0], atol=1e-4, rtol=1e-4)
            for name in ("smoothed", "nll"):
                expected = sum(float(getattr(alone[row][1], name)) for row in rows)
                assert float(getattr(loss, name)) == pytest.approx(expected, rel=1e-4, abs=1e-3)


def check_translations(settings: NetworkSettings, search: str, sources: Sequence[list[int]], order: Sequence[int],
                       batch_pieces: int, ensemble: bool = False) -> int:
    """Alone = in a batch, in `order`, in batches of `batch_pieces`; draws follow a sentence's number.

    Returns how many translations were compared.
    """
    chosen = SearchSettings(**SEARCHES[search], max_length=10)
    if settings.context.kind is not ContextKind.ATTENTION:
        chosen.coverage_penalty = 0.0
    # In double precision: in single, some of these untrained networks score two hypotheses alike to the last bit
    # or two, and rounding then chooses between them.
    models = [with_preferences(settings, seed).double() for seed in range(1 + ensemble)]
    model = Ensemble(models) if ensemble else models[0]
    numbers = [100 + row for row in range(len(sources))]
    alone = [translate_ids(model, [ids], chosen, numbers=[number])[0]
             for ids, number in zip(sources, numbers, strict=True)]
    together = translate_ids(model, sources, chosen, numbers=numbers)
    chosen.batch_pieces = batch_pieces
    shuffled = translate_ids(model, [sources[row] for row in order], chosen, numbers=[numbers[row] for row in order])
    for row, expected in enumerate(alone):
        for found in (together[row], shuffled[list(order).index(row)]):
            assert [one.pieces for one in found] == [one.pieces for one in expected]
            assert [one.score for one in found] == pytest.approx([one.score for one in expected], rel=1e-4, abs=1e-3)
    return 2 * len(sources)
