"""Reranking: of the candidates of a beam the one that models agree on that could not search for it.

    score(Y) = log P(Y|X) / lp(Y) + cp(X; Y) + lambda * log P_back(X|Y) / |X| + mu * log P_again(Y|X) / |Y|

The first two terms are those of search (search/penalties.py); the others are by teacher forcing, of several models
their mean, |X| and |Y| pieces with EOS.

P_back, `reverse=`: models of the opposite direction. A translation that leaves out half of its source, or says
something else, makes that half improbable. Li et al. 2016 (arXiv:1510.03055), for translation the noisy channel of
Yee et al. 2019 (arXiv:1908.05731).

P_again, `rescore=`: models of the same direction that cannot be of the ensemble, for they write from right to left
(model.reverse_target; Liu et al. 2016, "Agreement on Target-bidirectional Neural Machine Translation") or in other
pieces. A wrong beginning, which a beam cannot take back, is to them an end, judged when all else is known.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from seq2seq.batches import like_lengths
from seq2seq.bundle import Bundle
from seq2seq.models.encoder_decoder import EncoderDecoder


class Scorers:
    """Models of one direction that score pairs of sentences."""

    def __init__(self, bundles: Sequence[Bundle], device: torch.device, batch_pieces: int) -> None:
        self._bundles, self._device, self._batch_pieces = list(bundles), device, batch_pieces

    def scores(self, given: Sequence[str], told: Sequence[str]) -> list[float]:
        """log P(told | given) / |told| of each pair, natural logarithm, the mean over the models."""
        every = [self._of_one(bundle, given, told) for bundle in self._bundles]
        return [sum(values) / len(values) for values in zip(*every, strict=True)]

    @torch.inference_mode()
    def _of_one(self, bundle: Bundle, given: Sequence[str], told: Sequence[str]) -> list[float]:
        model = bundle.model
        assert isinstance(model, EncoderDecoder)
        read, wrote = bundle.source_tokenizer.encode(given), bundle.target_tokenizer.encode(told)
        result = [0.0] * len(given)
        for batch in like_lengths(read, wrote, self._batch_pieces):
            values = model.log_probabilities(batch.to(self._device)).cpu() / batch.target_lengths
            for row, value in zip(batch.rows.tolist(), values.tolist(), strict=True):
                result[row] = value
        return result
