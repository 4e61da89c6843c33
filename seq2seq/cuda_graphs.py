"""CUDA graphs: work on the device, recorded once for every shape and replayed with other numbers in the same places.

A recurrence is made of many small kernels, and starting them one by one takes longer than they do. A graph starts all
of them at once. The price of it:

    shapes are those of the recording     so they are rounded up to few
    inputs lie where they lay then        so they are copied there first
    outputs are overwritten               by the next replay: read them or copy them before
    what Python decided stays decided     so numbers that change must be tensors, and nothing may ask the device

Recorded as https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs has it: first run a few times on a side
stream, then captured there. All recordings of one recorder share their memory, so the next replay is that of any of
them. What is read at the same time needs recorders of its own.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from typing import Generic, Protocol, TypeVar

import torch
from torch import Tensor

from seq2seq.errors import SettingError

WARM_UP = 3  # runs before the recording: libraries choose their kernels and take their workspaces in these

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Recording(Generic[T]):
    """Work that can be done again."""

    replay: Callable[[], None]
    output: T  # what the work returned: tensors that every replay writes anew


class Recorder(Protocol):
    """What can record. The tests have another one, for machines without CUDA (tests/support/tape.py)."""

    def record(self, work: Callable[[], T]) -> Recording[T]:
        """Runs `work` a few times. Its tensors must be on the device, or made in `work`, and stay where they are."""
        ...


class CudaRecorder:
    """Records on one CUDA device."""

    def __init__(self, device: torch.device) -> None:
        self._device, self._stream = device, torch.cuda.Stream(device)
        self._pool = torch.cuda.graph_pool_handle()

    def record(self, work: Callable[[], T]) -> Recording[T]:
        """Raises RuntimeError when `work` waits for the device or does something else that no graph can hold."""
        now = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(now)
        with torch.cuda.stream(self._stream):
            for _ in range(WARM_UP):
                work()
        now.wait_stream(self._stream)
        graph = torch.cuda.CUDAGraph()
        # The same stream: workspaces, and autograd's places for gradients, belong to the stream they were made on.
        with torch.cuda.graph(graph, pool=self._pool, stream=self._stream):
            output = work()
        return Recording(graph.replay, output)


def cuda_recorder(device: torch.device, setting: str) -> Recorder:
    """Raises SettingError on another device; `setting` is the one that asks for graphs."""
    if device.type != "cuda":
        raise SettingError(f"{setting}=true records CUDA graphs, and this is {device.type}. Choose {setting}=false, or "
                           "a machine with a CUDA device.")
    return CudaRecorder(device)


def own_draws(device: torch.device) -> contextlib.AbstractContextManager[None]:
    """Random draws inside change none of those outside: a shape that is recorded now draws as one that was before."""
    return torch.random.fork_rng(devices=[device] if device.type == "cuda" else [])


class GraphCache(Generic[T]):
    """What was made for the shapes that came last, at most `limit` of them."""

    def __init__(self, weights: Iterable[Tensor], limit: int) -> None:
        """`weights` are what recordings read where it lies: when one has moved, all that is held is forgotten."""
        self._weights, self._limit = list(weights), limit
        self._places: list[int] = []
        self._entries: OrderedDict[Hashable, T] = OrderedDict()

    def get(self, shape: Hashable, make: Callable[[], T]) -> T:
        """What is held for `shape`, or what `make` makes."""
        # The library may lay the weights of a recurrence together anew, for itself: a graph would read the old ones.
        places = [weight.data_ptr() for weight in self._weights]
        if places != self._places:
            self._entries.clear()
            self._places = places
        if shape not in self._entries:
            self._entries[shape] = make()
            if len(self._entries) > self._limit:
                self._entries.popitem(last=False)
        self._entries.move_to_end(shape)
        return self._entries[shape]


def rounded_up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple
