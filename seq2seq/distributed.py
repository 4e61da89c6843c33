"""One run over several processes (torchrun): who does what, and what is summed over all.

Every process plans the same global batch and takes its own rows of it, so the number of
target pieces that the loss is divided by is known everywhere without asking.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import os
from collections.abc import Iterator
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

_PATIENCE = datetime.timedelta(hours=2)  # the others wait while one translates and saves


@dataclasses.dataclass(frozen=True)
class Team:
    """This process among `size`; with one process every method is a no-op."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @classmethod
    def from_environment(cls) -> Team:
        """What torchrun says (RANK, WORLD_SIZE, LOCAL_RANK); one process without it."""
        return cls(rank=int(os.environ.get("RANK", "0")), size=int(os.environ.get("WORLD_SIZE", "1")),
                   local_rank=int(os.environ.get("LOCAL_RANK", "0")))

    @property
    def leads(self) -> bool:
        """True for the one process that logs and writes."""
        return self.rank == 0

    @contextlib.contextmanager
    def meet(self, device: torch.device) -> Iterator[None]:
        """Joins the process group: gloo between CPUs, for the tensors of CUDA devices nccl."""
        if self.size == 1:
            yield
            return
        backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
        dist.init_process_group(backend, timeout=_PATIENCE)
        try:
            yield
        finally:
            dist.destroy_process_group()

    def wrap(self, model: nn.Module, has_unused_parameters: bool = False) -> nn.Module:
        """The module whose backward pass averages gradients over the team."""
        if self.size == 1:
            return model
        return nn.parallel.DistributedDataParallel(
            model, broadcast_buffers=False, gradient_as_bucket_view=True,
            find_unused_parameters=has_unused_parameters)

    def sum(self, *values: Tensor) -> None:
        """Sums the tensors over the team, in place."""
        if self.size > 1:
            for value in values:
                dist.all_reduce(value)

    def largest(self, *numbers: float) -> list[float]:
        """The largest of each number over the team."""
        if self.size == 1:
            return list(numbers)
        shared = torch.tensor(numbers, dtype=torch.float64)
        dist.all_reduce(shared, op=dist.ReduceOp.MAX)
        return shared.tolist()

    def gather(self, value: Any) -> list[Any]:
        """The objects of all, by rank. Pickled between our own processes only, never to a file."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        dist.all_gather_object(values, value)
        return values

    def first(self, value: Any) -> Any:
        """The leader's object, for all."""
        return self.gather(value)[0]
