"""The search for a translation. It sees a model through three methods only: protocol.py.

    greedy.py    the most probable piece at every step         penalties.py  how a hypothesis is scored
    sampling.py  a piece drawn at every step                   backpointers.py      pieces as a tree of back-pointers
    beam.py      the K best partial translations side by side  finished.py     the best finished ones
    ensemble.py  several models as one                         top_k.py        the k largest, fast
    ngram_blocking.py   no n-gram twice
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from seq2seq.corpus.batch import pad_source
from seq2seq.corpus.length_batches import longest_first
from seq2seq.search.beam import beam
from seq2seq.search.ensemble import Ensemble
from seq2seq.search.greedy import choose_pieces, most_probable
from seq2seq.search.penalties import Rules
from seq2seq.search.protocol import D, Hypothesis, M, Searchable
from seq2seq.search.sampling import sampler
from seq2seq.settings.search import LEAST_FACTOR, SearchKind, SearchSettings

__all__ = ["Ensemble", "Hypothesis", "Searchable", "translate_ids"]

# A sentence needs memory for its source pieces and for the logits of a step, hypotheses x V of them. Where so many
# logits weigh as much as a piece, sentences of usual length are planned by their pieces alone (beam 5 of V=16,000:
# those of ten or more), and at batch_pieces=3000 the logits of a step take 100 MB at most.
LOGITS_OF_A_PIECE = 8192


@torch.inference_mode()
def translate_ids(model: Searchable[M, D], source: Sequence[Sequence[int]], settings: SearchSettings,
                  device: torch.device | str = "cpu", numbers: Sequence[int] | None = None,
                  attention: bool = False) -> list[list[Hypothesis]]:
    """Hypotheses for every sentence, best first, in the order given.

    `source` holds piece ids without BOS and EOS. `numbers` name the sentences to the random draws of
    kind=sample (left out: 0, 1, ...). With `attention` hypotheses carry it. The model must be in
    evaluation mode. Raises SettingError for settings that the model cannot serve.
    """
    rules = Rules(
        length_penalty=settings.length_penalty, coverage_penalty=settings.coverage_penalty,
        min_length=settings.min_length, no_repeat_ngram_size=settings.no_repeat_ngram_size,
        allow_unknown=settings.allow_unknown, keep_attention=attention)
    numbers = range(len(source)) if numbers is None else numbers
    result: list[list[Hypothesis]] = [[] for _ in source]
    least = _pieces_of_logits(model.outputs, settings)
    for rows in longest_first([len(ids) + 1 for ids in source], settings.batch_pieces, least):
        ids, lengths = pad_source([source[row] for row in rows])
        limits = [_limit(int(length), settings) for length in lengths]
        batch = (model, ids.to(device), lengths.to(device), limits, rules)
        match settings.kind:
            case SearchKind.BEAM:
                found = beam(*batch, settings.beam_size, settings.n_best)
            case SearchKind.GREEDY:
                found = choose_pieces(*batch, most_probable)
            case SearchKind.SAMPLE:
                choose = sampler(
                    [numbers[row] for row in rows], limits, settings.n_best, settings.seed, device,
                    temperature=settings.temperature, top_k=settings.top_k, top_p=settings.top_p,
                )
                found = choose_pieces(*batch, choose, settings.n_best)
        for row, limit, hypotheses in zip(rows, limits, found, strict=True):
            result[row] = [_as_read(one, limit, model.reverse_target) for one in hypotheses]
    return result


def _as_read(one: Hypothesis, limit: int, reverse: bool) -> Hypothesis:
    """With what was written from right to left turned round; `cut`, since at the limit nothing but EOS may come."""
    one = one._replace(cut=len(one.pieces) >= limit)
    if not reverse:
        return one
    return one._replace(pieces=one.pieces[::-1], attention=None if one.attention is None else one.attention.flip(0))


def _pieces_of_logits(outputs: int, settings: SearchSettings) -> float:
    """How many source pieces weigh as much as the logits of a sentence's hypotheses, `outputs` of each."""
    hypotheses = {SearchKind.BEAM: settings.beam_size, SearchKind.GREEDY: 1, SearchKind.SAMPLE: settings.n_best}
    return hypotheses[settings.kind] * outputs / LOGITS_OF_A_PIECE


def _limit(length: int, settings: SearchSettings) -> int:
    """The most target pieces for a source of `length` pieces (EOS counted)."""
    if settings.max_length is not None:
        return settings.max_length
    return int((settings.max_length_factor or LEAST_FACTOR) * length) + settings.max_length_extra
