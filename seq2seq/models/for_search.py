"""An EncoderDecoder as search sees it (search/contract.py), made faster: eight bits, and few logits.

    precision=int8       the decoder's products in integers (int8.py)
    search.shortlist=k   logits of a sentence's candidates alone (seq2seq/shortlist.py)

Without either the EncoderDecoder itself is what search takes: the reference.
"""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor

from seq2seq.models.encoder_decoder import EncoderDecoder
from seq2seq.models.int8 import Int8Linear, decoder_in_int8
from seq2seq.models.records import Candidates, Memory, State
from seq2seq.shortlist import Shortlist
from seq2seq.tokenizer import PAD


class ForSearch:
    """`model` in evaluation mode; it is left as it is."""

    def __init__(self, model: EncoderDecoder, *, int8: bool = False, shortlist: Shortlist | None = None,
                 best: int = 0) -> None:
        """With a shortlist `best` translations of every source piece are among the candidates."""
        self.model, self.shortlist, self.best = model, shortlist, best
        self.decoder = decoder_in_int8(model.decoder) if int8 else model.decoder
        self.output = Int8Linear(model.output_weight, model.output_bias) if int8 and shortlist is None else None

    def encode(self, source: Tensor, lengths: Tensor) -> Memory:
        memory = self.model.encode(source, lengths)
        return memory if self.shortlist is None else memory._replace(candidates=self._candidates(source))

    def start(self, memory: Memory) -> State:
        return self.model.start(memory)

    def step(self, previous: Tensor, state: State, memory: Memory) -> tuple[Tensor, State, Tensor | None]:
        features, state, weights = self.decoder.step(self.model.embed_previous(previous), state, memory)
        if memory.candidates is not None:
            return memory.candidates.logits(features), state, weights
        if self.output is not None:
            return self.output(features), state, weights
        return F.linear(features, self.model.output_weight, self.model.output_bias), state, weights

    def _candidates(self, source: Tensor) -> Candidates:
        assert self.shortlist is not None
        pieces = self.shortlist.candidates(source, self.best, len(self.model.output_weight))
        bias = self.model.output_bias[pieces]
        bias[:, PAD + 1 :].masked_fill_(pieces[:, PAD + 1 :] == PAD, -math.inf)  # behind a sentence's last candidate
        return Candidates(pieces, self.model.output_weight[pieces], bias)
