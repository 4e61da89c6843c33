"""One run over several processes (torchrun): who does what, and what is summed over all.

Every process plans the same global batch and takes its own rows of it, so the number of
target pieces that the loss is divided by is known everywhere without asking.

A process that ends takes the whole run with it: the others lose their connection to it, say so in
one line and end, and the launcher ends or restarts them all. What is lost is the work since the
last checkpoint.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import gc
import importlib
import os
import re
from collections.abc import Iterator
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from seq2seq.errors import UserError

# gloo has no exception of its own: it says where in its source, then what its socket met.
_LOST = re.compile(r"gloo/.*(closed|reset|[Bb]roken pipe|[Tt]imed out|[Tt]imeout|aborted)", re.DOTALL)
_GOES_ON = "The same command goes on from the last checkpoint."
_PATIENCE = datetime.timedelta(hours=2)  # the others wait while one translates and saves


@dataclasses.dataclass(frozen=True)
class ProcessGroup:
    """This process among `size`; with one process every method is a no-op."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @classmethod
    def from_environment(cls) -> ProcessGroup:
        """What torchrun says (RANK, WORLD_SIZE, LOCAL_RANK); one process without it."""
        return cls(rank=int(os.environ.get("RANK", "0")), size=int(os.environ.get("WORLD_SIZE", "1")),
                   local_rank=int(os.environ.get("LOCAL_RANK", "0")))

    @property
    def is_main(self) -> bool:
        """True for the one process that logs and writes."""
        return self.rank == 0

    @contextlib.contextmanager
    def meet(self, device: torch.device, again: str = _GOES_ON) -> Iterator[None]:
        """Joins the process group: gloo between CPUs, for the tensors of CUDA devices nccl.

        What `wrap` gave must be out of reach when the block ends: it keeps the group, and the group its threads. One
        that lets go of a tensor while the interpreter ends aborts it (https://github.com/pytorch/pytorch/pull/179291).

        Raises UserError when the others are not there, or end before this one; `again` is its last sentence.
        """
        if self.size == 1:
            yield
            return
        _refuse_old_addresses()
        # Imported later (by DistributedDataParallel), its functions have this very group as their default argument
        # and keep it for good.
        importlib.import_module("torch.distributed.nn.functional")
        backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
        with self.told(again):
            dist.init_process_group(backend, timeout=_PATIENCE)
            yield
            gc.collect()
            # Not after an error: a closed connection ends the others, and with them the launcher ends this
            # process, which may not have said yet what went wrong. Its end closes the connection.
            dist.destroy_process_group()  # waits for the group's threads when nothing else holds it

    @contextlib.contextmanager
    def told(self, again: str) -> Iterator[None]:
        """Raises UserError for what torch raises when another process has ended."""
        try:
            yield
        except RuntimeError as error:
            if not isinstance(error, dist.DistError) and not _LOST.search(str(error)):
                raise
            raise UserError(
                "the connection to the other processes is lost: one of them has ended (it has said why, or the "
                f"launcher's report names it) or cannot be reached. {again}"
            ) from error

    def same(self, value: Any, what: str) -> None:
        """Raises UserError unless all processes have the same `value`; `what` names where it comes from."""
        values = self.gather(value)
        other = next((rank for rank, each in enumerate(values) if each != values[0]), None)
        if other is not None:
            raise UserError(f"{what} is not the same for all processes: rank 0 finds {values[0]}, rank {other} "
                            f"{values[other]}. It must lie on a disk that all of them share.")

    def wrap(self, model: nn.Module, has_unused_parameters: bool = False) -> nn.Module:
        """The module whose backward pass averages gradients over the process group."""
        if self.size == 1:
            return model
        return nn.parallel.DistributedDataParallel(
            model, gradient_as_bucket_view=True, find_unused_parameters=has_unused_parameters)

    def sum(self, *values: Tensor) -> None:
        """Sums the tensors over the process group, in place."""
        if self.size > 1:
            for value in values:
                dist.all_reduce(value)

    def largest(self, *numbers: float) -> list[float]:
        """The largest of each number over the process group."""
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

    def collect(self, value: Any) -> list[Any]:
        """The objects of all, by rank, for the leader; an empty list for the others."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size if self.is_main else []
        dist.gather_object(value, values if self.is_main else None)
        return values

    def first(self, value: Any) -> Any:
        """The leader's object, for all."""
        if self.size == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0)
        return box[0]


def _refuse_old_addresses() -> None:
    # torchrun keeps one store for all its restarts, and in it the addresses of processes that have ended:
    # those that start again wait for them in vain (https://github.com/pytorch/pytorch/issues/135712).
    restarts, one_store = (os.environ.get(f"TORCHELASTIC_{name}") for name in ("MAX_RESTARTS", "USE_AGENT_STORE"))
    if restarts not in (None, "0") and one_store == "True":
        raise UserError("torchrun --max-restarts needs a store of its own for every restart. Put "
                        "TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 into its environment, on every machine, and give "
                        "--rdzv-backend=c10d (or --standalone).")
