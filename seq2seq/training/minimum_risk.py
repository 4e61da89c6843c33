"""Minimum risk training: it is whole translations that count, not single pieces (Shen et al. 2016).

    R = E_{y ~ p(y|x)} D(y),   D(y) = 1 - BLEU(y, y*)                     of a sentence, smoothed, over text
    grad R = E_y (D(y) - b) grad log p(y|x)                               for any b that y does not change
           ~ (1 / K) sum_k (D_k - mean of the other D_j) grad log p(y_k|x)       Kool et al. 2019

y_1..y_K are drawn from the model without dropout. The loss of a pair with M target pieces is

    (1 - r) loss_MLE + r M R                                              r = training.risk; mixed: Edunov et al. 2018

so that both parts are of one size. It is for a model that translates already: fork=RUN training.risk=0.5.

Of a model with two decoders R is the mean of both: which of them an update draws from and changes by it is drawn too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from seq2seq.corpus.batch import Batch, make_batch
from seq2seq.device import autocast
from seq2seq.distributed import ProcessGroup
from seq2seq.models.encoder_decoder import EncoderDecoder
from seq2seq.models.fast.search_model import ForSearch
from seq2seq.models.types import Loss
from seq2seq.scoring import sentence_bleu
from seq2seq.search.decode import translate_ids
from seq2seq.search.protocol import Hypothesis
from seq2seq.settings.search import SearchKind, SearchSettings
from seq2seq.settings.training import TrainingSettings
from seq2seq.tokenization.tokenizer import Tokenizer
from seq2seq.training.gradients import Gradients


class RiskGradients:
    """The gradient of the mixed loss: that of the likelihood, and K more passes of the draws.

    Each process of a group draws for its own rows of the batch, and they draw what one process would.
    """

    def __init__(self, likelihood: Gradients, model: EncoderDecoder, training: TrainingSettings, target: Tokenizer,
                 group: ProcessGroup, device: torch.device, tokenize: str = "13a",
                 max_length_factor: float | None = None) -> None:
        """`tokenize`: of BLEU (scoring.py); `max_length_factor`: of the draws (length_limits.py)."""
        self._max_length_factor = max_length_factor
        self._likelihood, self._model, self._training = likelihood, model, training
        self._target, self._group, self._device, self._tokenize = target, group, device, tokenize
        self._ends = [model] if model.reverse_decoder is None else [model, model.right_to_left_view()]

    def __call__(self, batch: Batch) -> Loss:
        """As Gradients. The sums returned are those of the likelihood."""
        share, group = self._training.risk, self._group
        own, (one_end, number) = batch.part(group.rank, group.size), self.choose()
        drawn = [] if own is None else self.draw(own, one_end, number)
        sums = self._likelihood(batch)
        gradients = [parameter.grad for parameter in self._model.parameters() if parameter.grad is not None]
        for gradient in gradients:
            gradient.mul_((1 - share) / group.size)  # all processes have it, and it is summed with that of the draws
        if own is not None:
            self._add(drawn, own, one_end, share / batch.pieces)
        group.sum(*gradients)
        return sums

    def _add(self, drawn: Sequence[Sequence[Hypothesis]], batch: Batch, model: EncoderDecoder, factor: float) -> None:
        """Adds `factor` times the gradient of sum over the batch of M R to every parameter's `grad`."""
        losses = self.losses(drawn, batch)                                       # D (B, K)
        K = losses.shape[1]
        advantages = (losses - losses.mean(dim=1, keepdim=True)) * K / (K - 1)  # D_k - mean of the others
        weights = advantages / K * batch.target_lengths[:, None]
        source = _real(batch.source, batch.source_lengths - 1)
        for part in self.parts(drawn):
            rows, places = map(list, zip(*part, strict=True))
            one = make_batch([source[row] for row in rows], [drawn[row][place].pieces for row, place in part],
                             batch.rows[rows].tolist())
            of_part = weights[rows, places].to(self._device)
            with autocast(self._training.precision, self._device):
                # The sum of w nll is - sum of w log p: its sign is turned by taking - w.
                loss = model(one.to(self._device), weights=-of_part)
            (loss.smoothed * factor).backward()

    def parts(self, drawn: Sequence[Sequence[Hypothesis]]) -> Iterator[list[tuple[int, int]]]:
        """(row, place) of every draw, those of like length together. Each part is one pass, of as many rows as a part
        of the batch has.
        """
        every = [(row, place) for row, found in enumerate(drawn) for place in range(len(found))]
        every.sort(key=lambda which: len(drawn[which[0]][which[1]].pieces))
        rows = -(-len(drawn) // self._training.accumulate)
        for start in range(0, len(every), rows):
            yield every[start : start + rows]

    def choose(self) -> tuple[EncoderDecoder, int]:
        """The decoder that an update draws from, and a number that names its run of draws: what torch's generator,
        which every update seeds, says to the leader.
        """
        end = int(torch.randint(len(self._ends), ())) if len(self._ends) > 1 else 0
        end, number = self._group.first((end, int(torch.randint(2**31 - 1, ()))))
        return self._ends[end], number

    def draw(self, batch: Batch, model: EncoderDecoder, number: int) -> list[list[Hypothesis]]:
        """K draws of the model for every row; which ones, `number` and the row's own number decide."""
        # As many sentences at once as a part of the batch has: the K logits of each, of one step, are still less than
        # those of all its places.
        search = SearchSettings(kind=SearchKind.SAMPLE, n_best=self._training.risk_draws, seed=number,
                                max_length_factor=self._max_length_factor,
                                batch_pieces=max(1, self._training.batch_pieces // self._training.accumulate))
        self._model.eval()
        source = _real(batch.source, batch.source_lengths - 1)
        found = translate_ids(ForSearch(model), source, search, self._device, numbers=batch.rows.tolist())
        self._model.train()
        return found

    def losses(self, drawn: Sequence[Sequence[Hypothesis]], batch: Batch) -> Tensor:
        """D of every draw, (B, K)."""
        references = self._target.decode(_real(batch.target_out, batch.target_lengths - 1))
        texts = self._target.decode([one.pieces for found in drawn for one in found])
        K = len(drawn[0])
        bleu = sentence_bleu(texts, [reference for reference in references for _ in range(K)], self._tokenize)
        return 1 - torch.tensor(bleu).view(-1, K) / 100

    def places(self, batch: Batch) -> int:
        return self._likelihood.places(batch)


def _real(ids: Tensor, lengths: Tensor) -> list[list[int]]:
    """Rows without padding: ids (B, S), lengths (B,)."""
    return [row[:length] for row, length in zip(ids.tolist(), lengths.tolist(), strict=True)]
