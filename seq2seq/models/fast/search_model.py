"""An EncoderDecoder as search sees it (search/protocol.py), made faster.

    one_layer_step.py    fewer products in a step, where the decoder is of that kind
    precision=bf16       a copy of the model in bf16; the softmax of attention and the logits that are handed on in fp32
    precision=int8       the decoder's products in integers (int8.py)
    search.shortlist=k   logits of a sentence's candidates alone (seq2seq/corpus/shortlist.py)

The EncoderDecoder itself can be searched too: it is the reference, and what validation takes.
"""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor

from seq2seq.corpus.shortlist import NONE, Shortlist
from seq2seq.models.encoder_decoder import EncoderDecoder
from seq2seq.models.fast.int8 import Int8Linear, decoder_in_int8
from seq2seq.models.fast.one_layer_step import OneLayerStep
from seq2seq.models.fast.products import linear
from seq2seq.models.types import Candidates, Memory, State
from seq2seq.tokenization.tokenizer import EOS, PAD


class ForSearch:
    """`model` in evaluation mode; it is left as it is."""

    def __init__(self, model: EncoderDecoder, *, int8: bool = False, bf16: bool = False,
                 shortlist: Shortlist | None = None, best: int = 0) -> None:
        """With a shortlist `best` translations of every source piece are among the candidates."""
        self.shortlist: Tensor | None = None
        if bf16:
            model = copy.deepcopy(model).to(torch.bfloat16)
        self.model, device = model, model.output_weight.device
        self.reverse_target, self.outputs = model.reverse_target, model.outputs
        if shortlist is not None:
            self.shortlist = torch.from_numpy(shortlist.translations[:, :best]).to(device, torch.int64)
            common = common_candidates(torch.from_numpy(shortlist.frequent).to(device, torch.int64))
            self.outputs = len(common)
            self.common = (common, model.output_weight.detach()[common], model.output_bias.detach()[common])
        self.steps = OneLayerStep(model, int8=int8) if OneLayerStep.fits(model.decoder) else None
        self.decoder = decoder_in_int8(model.decoder) if int8 and self.steps is None else model.decoder
        self.output = Int8Linear(model.output_weight, model.output_bias) if int8 and shortlist is None else None

    def encode(self, source: Tensor, lengths: Tensor) -> Memory:
        memory = self.model.encode(source, lengths)
        if self.steps is not None:
            memory = self.steps.prepared(memory)
        if self.shortlist is not None:
            memory = memory._replace(candidates=self._candidates(source, self.shortlist))
        return memory

    def start(self, memory: Memory) -> State:
        return self.model.start(memory) if self.steps is None else self.steps.start(memory)

    def step(self, previous: Tensor, state: State, memory: Memory) -> tuple[Tensor, State, Tensor | None]:
        weights: Tensor | None
        if self.steps is not None:
            features, state, weights = self.steps.step(previous, state, memory)
        else:
            features, state, weights = self.decoder.step(self.model.embed_previous(previous), state, memory)
        return self._logits(features, memory).float(), state, weights

    def _logits(self, features: Tensor, memory: Memory) -> Tensor:
        if memory.candidates is not None:
            return memory.candidates.logits(features)
        if self.output is not None:
            return self.output(features)
        return linear(features, self.model.output_weight, self.model.output_bias)

    def _candidates(self, source: Tensor, translations: Tensor) -> Candidates:
        common, weight, bias = self.common
        own = own_candidates(source, common, translations, len(self.model.output_weight))
        own_bias = self.model.output_bias[own].masked_fill_(own == PAD, -math.inf)  # behind a sentence's last candidate
        pieces = torch.cat([common.expand(len(own), -1), own], dim=1)
        own_weight = self.model.output_weight[own].transpose(1, 2).contiguous()
        return Candidates(common, weight, bias, pieces, own_weight, own_bias)


def common_candidates(frequent: Tensor) -> Tensor:
    """`frequent` (F',) target pieces -> (F,) the candidates of every sentence: the special ones, then these."""
    special = torch.arange(EOS + 1, device=frequent.device)
    return torch.cat([special, frequent[frequent > EOS].sort().values])


def own_candidates(source: Tensor, common: Tensor, translations: Tensor, vocabulary: int) -> Tensor:
    """Source ids (B, S), PAD behind -> (B, L) target pieces in order, each once, none of the common ones; PAD behind.

    `translations` (V, k) are candidates of those sentences that have the source piece.
    """
    found = translations[source]                                       # (B, S, k)
    found = found.masked_fill((source == PAD)[:, :, None], NONE).flatten(1)
    wanted = torch.zeros(len(source), vocabulary + 1, dtype=torch.bool, device=source.device)
    wanted.scatter_(1, found.masked_fill(found == NONE, vocabulary), True)
    wanted[:, common] = False
    wanted = wanted[:, :vocabulary]
    counts = wanted.sum(dim=1)
    row, piece = wanted.nonzero(as_tuple=True)
    place = torch.arange(len(row), device=source.device) - (counts.cumsum(0) - counts)[row]
    table = torch.full((len(source), int(counts.max())), PAD, device=source.device)
    table[row, place] = piece
    return table
