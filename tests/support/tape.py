"""A stand-in for CUDA graphs: a tape of the operations on tensors, which a replay does again without Python.

Like a graph it reads inputs where they lay, writes outputs where they lay, keeps every number that Python decided,
draws dropout anew from torch's generator, and refuses to ask the device for a number.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from seq2seq.cuda_graphs import Recording
from seq2seq.models import attention, encoder_decoder
from seq2seq.models.fast import one_layer_step
from seq2seq.models.fast.additive import reference_scores

T = TypeVar("T")
# Their answer, or its shape, lies on the device: a capture ends with an error there.
WAITING = {"_local_scalar_dense", "nonzero", "masked_select", "is_nonzero", "equal", "unique_dim", "_unique2"}


class Tape(TorchDispatchMode):
    """One recording."""

    def __init__(self) -> None:
        super().__init__()
        self.done: list[tuple[Any, tuple, dict, list[Tensor | None]]] = []  # operation, what it took, what to write

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        if name in WAITING:
            raise RuntimeError(f"operation not permitted when stream is capturing: {name}")
        taken = places(args), places(kwargs or {})  # before: a transpose_ turns the tensor that it is given
        read = {tensor.untyped_storage().data_ptr() for tensor in tensors(taken)}
        result = func(*args, **(kwargs or {}))
        # Neither what was changed in place nor a view: that has its new values anyway.
        made = [None if tensor.untyped_storage().data_ptr() in read else tensor for tensor in tensors(places(result))]
        self.done.append((func, *taken, made))
        return result

    @torch.no_grad()
    def replay(self) -> None:
        for func, args, kwargs, made in self.done:
            given = places(args) if func.overloadpacket.__name__.endswith("_") else args
            for place, tensor in zip(made, tensors(func(*given, **kwargs)), strict=True):
                if place is not None:
                    place.copy_(tensor)


def places(tree: Any) -> Any:
    """The same memory in the same shapes, whatever becomes of the tensors."""
    if isinstance(tree, Tensor):
        return tree.detach()
    if isinstance(tree, dict):
        return {key: places(value) for key, value in tree.items()}
    return type(tree)(places(part) for part in tree) if isinstance(tree, (list, tuple)) else tree


def tensors(tree: Any) -> list[Tensor]:
    if isinstance(tree, Tensor):
        return [tree]
    parts = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, (list, tuple)) else ()
    return [tensor for part in parts for tensor in tensors(part)]


class TapeRecorder:
    """Records on the CPU."""

    def __init__(self) -> None:
        self.recorded = 0
        self._outputs: list[Tensor] = []

    def record(self, work: Callable[[], T]) -> Recording[T]:
        work()
        tape = Tape()
        with tape:
            output = work()
        self.recorded += 1
        self._outputs += [tensor.detach() for tensor in tensors(output)]

        def replay() -> None:
            for tensor in self._outputs:  # all recordings share their memory
                tensor.fill_(-1)
            tape.replay()

        return Recording(replay, output)


def as_on_cuda(monkeypatch) -> None:
    """The model takes the ways that it takes on a GPU, where they differ from those of a CPU that waits for itself."""
    monkeypatch.setattr(encoder_decoder, "real_rows",
                        lambda *tables: tuple(table.flatten(0, 1) for table in tables))
    monkeypatch.setattr(attention, "additive_scores", reference_scores)
    monkeypatch.setattr(one_layer_step, "powers_of", lambda keys: None)
    monkeypatch.setattr(torch.backends.mkldnn, "enabled", False)
