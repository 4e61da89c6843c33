"""The steps of search by CUDA graphs, one for each shape, of a model as search sees it (search/protocol.py).

    sentences B    filled up to 1, 2, 4, ... 128, then to multiples of 128: a batch grows smaller while it is searched
    source S       filled up to multiples of WIDTHS with what attention may not look at
    hypotheses K   as they are: 1 at the first step, then beam_size

A sentence does not depend on those beside it, so what the empty places say is left out and the rest is as it was, to
rounding. Encoding, once for a sentence, goes on without graphs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from seq2seq.cuda_graphs import GraphCache, Recorder, Recording, rounded_up
from seq2seq.models.encoder_decoder import EncoderDecoder
from seq2seq.models.fast.search_model import ForSearch
from seq2seq.models.types import Memory, State

WIDTHS = 16
SENTENCES = 128  # up to here powers of two, beyond multiples
GRAPHS = 64      # held at once: the one that was not used for the longest time leaves

Answer = tuple[Tensor, State, Tensor | None]  # logits, next state, attention


class _Step(NamedTuple):
    previous: Tensor  # where the graph reads, filled up
    state: State
    memory: Memory
    answer: Recording[Answer]


class GraphedSearch:
    """`model` in evaluation mode, without a shortlist."""

    def __init__(self, model: EncoderDecoder | ForSearch, recorder: Recorder) -> None:
        self._model, self._recorder = model, recorder
        self.reverse_target, self.outputs = model.reverse_target, model.outputs
        network = model.model if isinstance(model, ForSearch) else model
        self._held = GraphCache[_Step](network.parameters(), GRAPHS)
        self._filled: tuple[_Step, Memory] | None = None  # whose memory lies in which step's place

    def encode(self, source: Tensor, lengths: Tensor) -> Memory:
        return self._model.encode(source, lengths)

    def start(self, memory: Memory) -> State:
        return self._model.start(memory)

    def step(self, previous: Tensor, state: State, memory: Memory) -> Answer:
        """The logits and the state that it returns hold until the next step; attention is the caller's to keep."""
        (B, K), S = previous.shape, memory.mask.shape[1]
        shape = _sentences(B), K, rounded_up(S, WIDTHS)
        step = self._held.get(shape, lambda: self._record(previous, state, memory, shape[0], shape[2]))
        if self._filled is None or self._filled[0] is not step or self._filled[1] is not memory:
            _fill_memory(step.memory, memory)
            self._filled = step, memory
        for place, tensor in zip(_tensors(step.previous, step.state), _tensors(previous, state), strict=True):
            place[:B].copy_(tensor)
        step.answer.replay()
        logits, after, attention = step.answer.output
        seen = None if attention is None else attention[:B, :, :S].clone()  # search keeps it from step to step
        return logits[:B], _each(after, lambda part: part[:B]), seen

    def _record(self, previous: Tensor, state: State, memory: Memory, rows: int, width: int) -> _Step:
        assert memory.candidates is None  # translator.py has refused them: their number is another in every batch
        # What is made in inference mode could be written there alone.
        with torch.inference_mode(False), torch.no_grad():
            places = (previous.new_zeros(rows, *previous.shape[1:]),
                      _each(state, lambda part: part.new_zeros(rows, *part.shape[1:])),
                      _memory_places(memory, rows, width))
            return _Step(*places, self._recorder.record(lambda: self._model.step(*places)))


def _sentences(count: int) -> int:
    """What `count` sentences are filled up to."""
    return rounded_up(count, SENTENCES) if count > SENTENCES else 1 << (count - 1).bit_length()


def _memory_places(memory: Memory, rows: int, width: int) -> Memory:
    def room(name: str, part: Tensor) -> Tensor:
        inner = part.shape[1:] if name in ("final", "lengths", "context") else (width, *part.shape[2:])
        return part.new_zeros(rows, *inner)

    there = {name: part for name, part in memory._asdict().items() if part is not None}
    return memory._replace(**{name: room(name, part) for name, part in there.items()})  # type: ignore[arg-type]


def _fill_memory(places: Memory, memory: Memory) -> None:
    for place, part in zip(places, memory, strict=True):
        if isinstance(place, Tensor) and isinstance(part, Tensor):
            place.zero_()
            place[tuple(slice(size) for size in part.shape)].copy_(part)
    places.mask[:, 0] = True  # of empty rows too: a softmax over nothing is no number


def _each(state: State, work: Callable[[Tensor], Tensor]) -> State:
    layers = tuple(tuple(map(work, layer)) for layer in state.layers)
    return State(layers, None if state.fed is None else work(state.fed))


def _tensors(previous: Tensor, state: State) -> list[Tensor]:
    return [previous, *(part for layer in state.layers for part in layer), *([] if state.fed is None else [state.fed])]
