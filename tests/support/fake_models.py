"""Tiny deterministic models for the tests of search: their tables say all there is to know."""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import torch
from torch import Tensor

from seq2seq.tokenization.tokenizer import BOS, EOS, PAD, UNK


class FakeMemory(NamedTuple):
    states: Tensor   # (B, S, 1)
    lengths: Tensor  # (B,)
    seed: Tensor     # (B,)  a number made of the real source pieces: which table a sentence uses

    @property
    def columns(self) -> None:
        return None

    def select(self, rows: Tensor) -> FakeMemory:
        return FakeMemory(*(part[rows] for part in self))


class FakeState(NamedTuple):
    steps: Tensor  # (B, K)  pieces so far
    sums: Tensor   # (B, K)  sum of all pieces so far: a trace of the whole history

    def select(self, rows: Tensor) -> FakeState:
        return FakeState(*(part.flatten()[rows] for part in self))


class TableModel:
    """p(y_t) depends on the sentence, y_{t-1}, t and the sum of the history, through one fixed random table."""

    reverse_target = False

    def __init__(self, vocabulary: int, seed: int = 0, sharpness: float = 1.0, attends: bool = True) -> None:
        self.vocabulary, self.attends = vocabulary, attends
        self.outputs = vocabulary
        generator = torch.Generator().manual_seed(seed)
        self.table = sharpness * torch.randn(7, 5, 6, vocabulary, vocabulary, generator=generator)
        self.looks = torch.rand(5, vocabulary, 50, generator=generator)
        self.steps = 0           # calls of step
        self.widths: list[int] = []  # sentences in each call

    def encode(self, source: Tensor, lengths: Tensor) -> FakeMemory:
        real = torch.arange(source.shape[1]) < lengths[:, None]
        places = torch.arange(1, source.shape[1] + 1)
        seed = (source * places * real).sum(1)
        return FakeMemory(source[..., None].float(), lengths, seed)

    def start(self, memory: FakeMemory) -> FakeState:
        return FakeState(*(torch.zeros(len(memory.lengths), 1, dtype=torch.long) for _ in range(2)))

    def step(self, previous: Tensor, state: FakeState, memory: FakeMemory) -> tuple[Tensor, FakeState, Tensor | None]:
        self.steps += 1
        self.widths.append(len(previous))
        assert previous.shape == state.sums.shape and len(previous) == len(memory.seed)
        sums = state.sums + previous
        seed = memory.seed[:, None].expand_as(previous)
        logits = self.table[seed % 7, state.steps % 5, sums % 6, previous].clone()
        attention = None
        if self.attends:
            length = memory.states.shape[1]
            real = torch.arange(length) < memory.lengths[:, None]
            looks = self.looks[state.steps % 5, previous, :length] * real[:, None]
            attention = looks / looks.sum(-1, keepdim=True)
        return logits, FakeState(state.steps + 1, sums), attention


class Found(NamedTuple):
    """What a search finds, worked out by hand."""

    pieces: list[int]
    score: float
    log_probability: float
    attention: Tensor  # (T, S)


def follow(model: TableModel, source: list[int], pieces: list[int], alpha: float = 1.0, beta: float = 0.0) -> Found:
    """Log-probability and score of one given translation, by stepping through it alone."""
    lengths = torch.tensor([len(source) + 1])
    memory = model.encode(torch.tensor([[*source, EOS]]), lengths)
    state, total, rows = model.start(memory), 0.0, []
    for previous, piece in zip([BOS, *pieces], [*pieces, EOS], strict=True):
        logits, state, attention = model.step(torch.tensor([[previous]]), state, memory)
        total += logits[0, 0].double().log_softmax(0)[piece].item()
        rows.append(torch.zeros(0) if attention is None else attention[0, 0])
    score = total / ((5 + len(pieces) + 1) / 6) ** alpha
    looks = torch.stack(rows)
    if beta:
        score += beta * sum(math.log(min(x, 1.0)) for x in looks.double().sum(0).tolist())
    return Found(pieces, score, total, looks[:-1])


def all_translations(model: TableModel, source: list[int], longest: int, shortest: int = 0, unknown: bool = False,
                     alpha: float = 1.0, beta: float = 0.0) -> list[Found]:
    """Every translation there is, best first."""
    free = [piece for piece in range(model.vocabulary) if piece not in (PAD, BOS, EOS) and (unknown or piece != UNK)]
    found = [follow(model, source, list(pieces), alpha, beta)
             for length in range(shortest, longest + 1) for pieces in itertools.product(free, repeat=length)]
    return sorted(found, key=lambda one: -one.score)
