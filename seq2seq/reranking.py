"""Reranking: of the candidates of a beam the one from which the source can best be told again.

    score(Y) = log P(Y|X) / lp(Y) + cp(X; Y) + lambda * log P(X|Y) / |X|

The first two terms are those of search (search/penalties.py). P(X|Y) is a model of the opposite direction, by teacher
forcing; |X| its source pieces, EOS counted; of several such models the mean of the last term. A translation that leaves
out half of its source, or says something else, makes that half improbable. Li et al. 2016 (arXiv:1510.03055), for
translation the noisy channel of Yee et al. 2019 (arXiv:1908.05731).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from seq2seq.batches import like_lengths
from seq2seq.bundle import Bundle
from seq2seq.models.encoder_decoder import EncoderDecoder


class ReverseModels:
    """Models that translate back, from the target language to the source language."""

    def __init__(self, bundles: Sequence[Bundle], device: torch.device, batch_pieces: int) -> None:
        self._bundles, self._device, self._batch_pieces = list(bundles), device, batch_pieces

    def scores(self, sources: Sequence[str], candidates: Sequence[str]) -> list[float]:
        """log P(X|Y) / |X| of each pair, natural logarithm, the mean over the models."""
        every = [self._of_one(bundle, sources, candidates) for bundle in self._bundles]
        return [sum(values) / len(values) for values in zip(*every, strict=True)]

    @torch.inference_mode()
    def _of_one(self, bundle: Bundle, sources: Sequence[str], candidates: Sequence[str]) -> list[float]:
        model = bundle.model
        assert isinstance(model, EncoderDecoder)
        read, told = bundle.source_tokenizer.encode(candidates), bundle.target_tokenizer.encode(sources)
        result = [0.0] * len(sources)
        for batch in like_lengths(read, told, self._batch_pieces):
            values = model.log_probabilities(batch.to(self._device)).cpu() / batch.target_lengths
            for row, value in zip(batch.rows.tolist(), values.tolist(), strict=True):
                result[row] = value
        return result
