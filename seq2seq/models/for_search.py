"""An EncoderDecoder as search sees it (search/contract.py), made faster: fewer bits, and few logits.

    precision=bf16       a copy of the model in bf16; the softmax of attention and the logits that are handed on in fp32
    precision=int8       the decoder's products in integers (int8.py)
    search.shortlist=k   logits of a sentence's candidates alone (seq2seq/shortlist.py)

Without either the EncoderDecoder itself is what search takes: the reference.
"""

from __future__ import annotations

import copy
import math

import torch
import torch.nn.functional as F
from torch import Tensor

from seq2seq.models.encoder_decoder import EncoderDecoder
from seq2seq.models.int8 import Int8Linear, decoder_in_int8
from seq2seq.models.records import Candidates, Memory, State
from seq2seq.shortlist import NONE, Shortlist
from seq2seq.tokenizer import EOS, PAD


class ForSearch:
    """`model` in evaluation mode; it is left as it is."""

    def __init__(self, model: EncoderDecoder, *, int8: bool = False, bf16: bool = False,
                 shortlist: Shortlist | None = None, best: int = 0) -> None:
        """With a shortlist `best` translations of every source piece are among the candidates."""
        self.shortlist: tuple[Tensor, Tensor] | None = None
        if bf16:
            model = copy.deepcopy(model).to(torch.bfloat16)
        self.model, device = model, model.output_weight.device
        if shortlist is not None:
            self.shortlist = (torch.from_numpy(shortlist.frequent).to(device, torch.int64),
                              torch.from_numpy(shortlist.translations[:, :best]).to(device, torch.int64))
        self.decoder = decoder_in_int8(model.decoder) if int8 else model.decoder
        self.output = Int8Linear(model.output_weight, model.output_bias) if int8 and shortlist is None else None

    def encode(self, source: Tensor, lengths: Tensor) -> Memory:
        memory = self.model.encode(source, lengths)
        return memory if self.shortlist is None else memory._replace(candidates=self._candidates(source))

    def start(self, memory: Memory) -> State:
        return self.model.start(memory)

    def step(self, previous: Tensor, state: State, memory: Memory) -> tuple[Tensor, State, Tensor | None]:
        features, state, weights = self.decoder.step(self.model.embed_previous(previous), state, memory)
        return self._logits(features, memory).float(), state, weights

    def _logits(self, features: Tensor, memory: Memory) -> Tensor:
        if memory.candidates is not None:
            return memory.candidates.logits(features)
        if self.output is not None:
            return self.output(features)
        return F.linear(features, self.model.output_weight, self.model.output_bias)

    def _candidates(self, source: Tensor) -> Candidates:
        assert self.shortlist is not None
        pieces = candidates(source, *self.shortlist, len(self.model.output_weight))
        bias = self.model.output_bias[pieces]
        bias[:, PAD + 1 :].masked_fill_(pieces[:, PAD + 1 :] == PAD, -math.inf)  # behind a sentence's last candidate
        return Candidates(pieces, self.model.output_weight[pieces], bias)


def candidates(source: Tensor, frequent: Tensor, translations: Tensor, vocabulary: int) -> Tensor:
    """Source ids (B, S), PAD behind -> (B, L) target pieces in order, each once, the special ones first; PAD behind.

    `frequent` (F,) are candidates of every sentence, `translations` (V, k) of those with the source piece.
    """
    found = translations[source]                                       # (B, S, k)
    found = found.masked_fill((source == PAD)[:, :, None], NONE).flatten(1)
    wanted = torch.zeros(len(source), vocabulary + 1, dtype=torch.bool, device=source.device)
    wanted.scatter_(1, found.masked_fill(found == NONE, vocabulary), True)
    wanted[:, frequent] = True
    wanted[:, : EOS + 1] = True
    wanted = wanted[:, :vocabulary]
    counts = wanted.sum(dim=1)
    row, piece = wanted.nonzero(as_tuple=True)
    place = torch.arange(len(row), device=source.device) - (counts.cumsum(0) - counts)[row]
    table = torch.full((len(source), int(counts.max())), PAD, device=source.device)
    table[row, place] = piece
    return table
