"""N to M, the translator's network: encoder and decoder joined by c.

    h_1..h_N = encoder(x_1..x_N)      c = context(h_1..h_N)      p(y_t | y_<t, x) = softmax(V r_t + b)

With single_input.py in the encoder's place it is 1 to N.

With a second decoder the network writes from both ends (Zhang et al. 2018, "Asynchronous Bidirectional Decoding for
Neural Machine Translation"; here the decoders do not see each other, as in Liu et al. 2016): encoder, context and
output matrix are of both, and what is trained is the mean

    (1/2) (-log p(y_1..y_M, EOS | x) - log p'(y_M..y_1, EOS | x))

`forward` is the training loss by teacher forcing; `encode`, `start` and `step` are what search needs.
"""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seq2seq.corpus.batch import Batch
from seq2seq.models.context import FixedContext
from seq2seq.models.decoder import Decoder
from seq2seq.models.dropout import Dropout
from seq2seq.models.embedding import Embed
from seq2seq.models.encoder import Encoder, reverse_by_length
from seq2seq.models.losses.cross_entropy import log_probabilities, output_loss, real_rows
from seq2seq.models.losses.r_drop import consistent_loss, twice
from seq2seq.models.single_input import OneInput
from seq2seq.models.types import Loss, Memory, State
from seq2seq.tokenization.tokenizer import PAD


class EncoderDecoder(nn.Module):
    """Ids in, logits or loss out. Sharing one embedding table between its uses ties them."""

    def __init__(self, *, encoder: Encoder | OneInput, decoder: Decoder, context: FixedContext | None,
                 source_embedding: nn.Embedding, target_embedding: nn.Embedding, tied_output: bool,
                 embedding_dropout: float, readout_dropout: float, word_dropout: float, variational: bool,
                 reverse_source: bool, reverse_target: bool, reverse_decoder: Decoder | None = None) -> None:
        super().__init__()
        self.encoder, self.decoder, self.context = encoder, decoder, context
        self.source_embedding, self.target_embedding = source_embedding, target_embedding
        self.output_bias = nn.Parameter(torch.zeros(target_embedding.num_embeddings))
        self.output_weight = (target_embedding.weight if tied_output
                              else nn.Parameter(torch.empty_like(target_embedding.weight)))
        if not tied_output:
            nn.init.xavier_uniform_(self.output_weight)
        self.embed = Embed(embedding_dropout, word_dropout, variational)
        self.readout_dropout = Dropout(readout_dropout, variational)
        self.reverse_source, self.reverse_target = reverse_source, reverse_target
        self.reverse_decoder = reverse_decoder

    def forward(self, batch: Batch, label_smoothing: float = 0.0, scheduled_sampling: float = 0.0,
                consistency: float = 0.0, weights: Tensor | None = None) -> Loss:
        """The summed loss of a batch over its real target pieces; in training with a second decoder the mean of both.

        `consistency` is the strength of R-Drop (losses/r_drop.py); `weights` (B,) says how much each row counts, does
        not go with it, and is for the first decoder alone.
        """
        if consistency > 0:
            batch = twice(batch)
        memory = self.encode(batch.source, batch.source_lengths)
        loss = self._loss(batch, memory, label_smoothing, scheduled_sampling, consistency, weights)
        if self.reverse_decoder is None or not self.training or weights is not None:
            return loss
        other = self.right_to_left_view()
        again = other._loss(batch, other._read_by_decoder(memory), label_smoothing, scheduled_sampling, consistency,
                            None)
        return Loss((loss.smoothed + again.smoothed) / 2, (loss.nll + again.nll) / 2)

    def right_to_left_view(self) -> EncoderDecoder:
        """The network that the second decoder makes of what both have in common: it writes y_M..y_1. The weights are
        these, not copies of them."""
        assert self.reverse_decoder is not None
        other = copy.copy(self)
        # A module's parts are entries of a table, which a shallow copy would share.
        other._modules = {**self._modules, "decoder": self.reverse_decoder, "reverse_decoder": None}
        other.reverse_target = True
        return other

    def _loss(self, batch: Batch, memory: Memory, label_smoothing: float, scheduled_sampling: float,
              consistency: float, weights: Tensor | None) -> Loss:
        """Of what the decoder makes of the memory, each row of the batch as often as it is there."""
        batch = self.as_written(batch)
        target_in = batch.target_in
        if scheduled_sampling > 0:
            target_in = self._mix_in_own(target_in, memory, scheduled_sampling)
        features = self._features(target_in, memory)
        if self.readout_dropout.variational:  # while a row's steps are still together
            features = self.readout_dropout(features)
        counts = [] if weights is None else [weights[:, None].expand_as(batch.target_out)]
        target, features, *counts = real_rows(batch.target_out, features, *counts)
        if not self.readout_dropout.variational:
            features = self.readout_dropout(features)
        output = (features, self.output_weight, self.output_bias, target, label_smoothing, PAD)
        if consistency > 0:
            return consistent_loss(*output, consistency)
        return output_loss(*output, *counts)

    def logits(self, batch: Batch) -> Tensor:
        """Teacher forcing: the logits of y_1..y_T, (B, T, V), in reading order."""
        return self.as_read(self._output(self.readouts(self.as_written(batch))), batch.target_lengths)

    def readouts(self, batch: Batch) -> Tensor:
        """Teacher forcing of a batch as it is written: the readout vectors r_1..r_T, (B, T, E)."""
        return self._features(batch.target_in, self.encode(batch.source, batch.source_lengths))

    def log_probabilities(self, batch: Batch) -> Tensor:
        """Teacher forcing: log p(y_t | y_<t, x) of y_1..y_M, EOS of each row, natural logarithm, (B, T), in the order
        in which they are written; 0 behind EOS.

        A source that several rows have, as the candidates of one sentence do, is encoded once.
        """
        batch = self.as_written(batch)
        source, rows = batch.source.unique(dim=0, return_inverse=True)
        memory = self.encode(source, (source != PAD).sum(1)).select(rows)
        features = self._features(batch.target_in, memory)
        logs = log_probabilities(self.readout_dropout(features).flatten(0, 1), self.output_weight, self.output_bias,
                                 batch.target_out.flatten()).view_as(batch.target_out)
        return logs.masked_fill(batch.target_out == PAD, 0)

    def as_written(self, batch: Batch) -> Batch:
        """With the target in the order that the decoder writes it: with reverse_target y_M..y_1, then EOS as always."""
        if not self.reverse_target:
            return batch
        lengths = batch.target_lengths.to(batch.target_in.device) - 1
        # BOS stays in front: what follows it are the M pieces.
        pieces = reverse_by_length(batch.target_in[:, 1:], lengths)
        return batch._replace(target_in=torch.cat([batch.target_in[:, :1], pieces], dim=1),
                              target_out=reverse_by_length(batch.target_out, lengths))

    def as_read(self, steps: Tensor, lengths: Tensor) -> Tensor:
        """What belongs to the steps of writing (B, T, X), in reading order; `lengths` (B,) with EOS."""
        return reverse_by_length(steps, lengths.to(steps.device) - 1) if self.reverse_target else steps

    def encode(self, source: Tensor, lengths: Tensor) -> Memory:
        """Source ids (B, S), EOS last and PAD behind, lengths (B,) -> the sentences' memory."""
        lengths = lengths.to(source.device)
        if self.reverse_source:  # x_{N-1}..x_1, EOS stays last
            source = reverse_by_length(source, lengths - 1)
        states, final = self.encoder(self.embed(self.source_embedding, source), lengths)
        if self.reverse_source:  # back in reading order, so that attention weights name source positions
            states = reverse_by_length(states, lengths - 1)
        mask = torch.arange(source.shape[1], device=source.device) < lengths[:, None]
        context = None if self.context is None else self.context(states, final, mask)
        return self._read_by_decoder(Memory(states, final, mask, lengths, context, keys=None, values=None))

    def _read_by_decoder(self, memory: Memory) -> Memory:
        """With what this decoder's attention, if it has one, compares with and sums up."""
        if self.decoder.attention is None:
            return memory
        keys, values = self.decoder.attention.keys_and_values(memory.states)
        return memory._replace(keys=keys, values=values)

    @property
    def outputs(self) -> int:
        """V of the target side."""
        return len(self.output_bias)

    def start(self, memory: Memory) -> State:
        """The decoder's state before the first piece, one hypothesis for each sentence."""
        return self.decoder.start(memory)

    def step(self, previous: Tensor, state: State, memory: Memory) -> tuple[Tensor, State, Tensor | None]:
        """Previous pieces (B, K) -> logits (B, K, V), next state, attention weights (B, K, S) or None."""
        features, state, weights = self.decoder.step(self.embed_previous(previous), state, memory)
        return self._output(features), state, weights

    def embed_previous(self, previous: Tensor) -> Tensor | None:
        """y_{t-1} as the decoder takes it: ids (B, T) -> (B, T, E), None where outputs are not fed back."""
        return self.embed(self.target_embedding, previous) if self.decoder.output_fed else None

    def _features(self, target_in: Tensor, memory: Memory) -> Tensor:
        return self.decoder.sequence(self.embed_previous(target_in), memory, target_in.shape[1])

    def _output(self, features: Tensor) -> Tensor:
        return F.linear(self.readout_dropout(features), self.output_weight, self.output_bias)

    @torch.no_grad()
    def _mix_in_own(self, target_in: Tensor, memory: Memory, share: float) -> Tensor:
        """Scheduled sampling in two parallel passes (Mihaylova & Martins 2019): the first pass, with the true
        prefix, gives each position's own best piece, which then stands in for a share of the true ones.
        """
        own = self._output(self._features(target_in, memory)).argmax(dim=-1)[:, :-1]  # of y_1..y_{T-1}
        use = torch.rand(own.shape, device=own.device) < share
        later = target_in[:, 1:]
        mixed = torch.where(use & (later != PAD), own, later)
        return torch.cat([target_in[:, :1], mixed], dim=1)
