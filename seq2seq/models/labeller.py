"""N to N and N to 1: the encoder alone, and softmax over labels of what it found.

    n_to_n   o_t = softmax(V h_t + b)   for every word t                     words.py makes words of pieces
    n_to_1   o   = softmax(V c + b),    c = h_N, g(h_N) or g(h_1..h_N)       context.py

`forward` is the loss, `logits` what a prediction needs.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seq2seq.corpus.batch import Batch
from seq2seq.models.context import FixedContext
from seq2seq.models.dropout import Dropout
from seq2seq.models.embedding import Embed
from seq2seq.models.encoder import Encoder
from seq2seq.models.losses.cross_entropy import output_loss, real_rows
from seq2seq.models.losses.r_drop import consistent_loss, twice
from seq2seq.models.types import Loss
from seq2seq.models.word_encoder import Words
from seq2seq.tokenization.tokenizer import EOS, PAD


class Labeller(nn.Module):
    """Ids in, logits or loss out. `words` and `context` are all in which the two shapes differ."""

    def __init__(self, *, encoder: Encoder, words: Words | None, context: FixedContext | None,
                 source_embedding: nn.Embedding, labels: int, features: int, embedding_dropout: float,
                 readout_dropout: float, word_dropout: float, variational: bool) -> None:
        """`labels` is V, the size of the target vocabulary, `features` that of c. Without `context` every h_t, which
        is as wide, is answered for.
        """
        super().__init__()
        self.encoder, self.words, self.context = encoder, words, context
        self.source_embedding, self.output = source_embedding, nn.Linear(features, labels)
        self.embed = Embed(embedding_dropout, 0.0 if words else word_dropout, variational)
        self.readout_dropout = Dropout(readout_dropout, variational)

    def forward(self, batch: Batch, label_smoothing: float = 0.0, scheduled_sampling: float = 0.0,
                consistency: float = 0.0) -> Loss:
        """The summed loss of a batch over its labels. Nothing is fed back: `scheduled_sampling` is 0."""
        if consistency > 0:
            batch = twice(batch)
        features, _ = self._features(batch.source, batch.source_lengths)
        target, features = real_rows(batch.target_out, features)
        output = (features, self.output.weight, self.output.bias, target, label_smoothing, PAD)
        return consistent_loss(*output, consistency) if consistency > 0 else output_loss(*output)

    def logits(self, source: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Source ids (B, S), EOS last and PAD behind, lengths (B,) -> logits (B, T, V), numbers of labels (B,)."""
        features, counts = self._features(source, lengths)
        return F.linear(features, self.output.weight, self.output.bias), counts

    def _features(self, source: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """What the labels are read from, (B, T, H), and how many there are, (B,)."""
        lengths = lengths.to(source.device)
        x = self.embed(self.source_embedding, source)
        if self.words is not None:
            x, lengths = self.words(x, source, lengths)
        states, final = self.encoder(x, lengths)
        if self.context is None:
            return self.readout_dropout(states), lengths
        mask = torch.arange(states.shape[1], device=source.device) < lengths[:, None]
        return self.readout_dropout(self.context(states, final, mask))[:, None], torch.ones_like(lengths)


def label_probabilities(logits: Tensor) -> Tensor:
    """logits (B, T, V) -> p over the labels alone, (B, T, V): 0 for PAD, UNK, BOS and EOS."""
    logits = logits.float()
    logits[..., : EOS + 1] = float("-inf")
    return logits.softmax(dim=-1)
