"""Which part of a network a profiled second belongs to.

Parts are named from outside: `name_part` wraps a method, and what runs inside belongs to the innermost named part.
Backwards, autograd runs a node for every operator that has to be taken back. Node and operator carry the same sequence
number; the node belongs to the part of its operator. The time of everything is its own time, without what it calls, so
the parts add up to the whole; the interpreter's time between two operators goes to the part around them. Products of
matrices are counted from the shapes of their operands, in a run of their own, for keeping shapes takes time.

On CUDA the time of an operator is that of its kernels.
"""

from __future__ import annotations

import contextlib
import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile, record_function

REST = "rest"
NODE = "autograd::engine::evaluate_function"
PRODUCTS = {  # operators and where their operands stand
    "aten::mm": (0, 1), "aten::mv": (0, 1), "aten::bmm": (0, 1), "aten::addmm": (1, 2), "aten::addmm_": (1, 2),
    "aten::baddbmm": (1, 2),
}


class Spent(NamedTuple):
    forward: float = 0.0   # seconds, or operations
    backward: float = 0.0

    @property
    def total(self) -> float:
        return self.forward + self.backward


class Operator(NamedTuple):
    name: str
    calls: int
    seconds: float  # its own


class Profile(NamedTuple):
    parts: dict[str, Spent]     # seconds
    operators: list[Operator]   # the most expensive first

    @property
    def seconds(self) -> float:
        return sum(spent.total for spent in self.parts.values())


def part(name: str) -> contextlib.AbstractContextManager:
    """What runs inside belongs to the part `name`."""
    return record_function(f"part: {name}")


def name_part(owner: Any, method: str, name: str) -> None:
    """Calls of `owner.method` belong to the part `name` from now on."""
    call = getattr(owner, method)

    def named(*arguments: Any, **options: Any) -> Any:
        with part(name):
            return call(*arguments, **options)

    setattr(owner, method, named)


def seconds_of_parts(work: Callable[[], object], times: int, cuda: bool = False) -> Profile:
    """The shortest of `times` profiled calls."""
    found = []
    for _ in range(times):
        events = _events(work, cuda)
        own = {id(event): 1e-6 * (event.self_device_time_total if cuda else event.self_cpu_time_total)
               for event in events}
        found.append(Profile(_by_part(events, lambda event, own=own: own[id(event)]), _operators(events, own)))
    return min(found, key=lambda one: one.seconds)


def operations_of_parts(work: Callable[[], object]) -> dict[str, Spent]:
    """Operations (two for a multiplication with its addition) of the products of each part."""
    return _by_part(_events(work, cuda=False, shapes=True), _operations)


def _events(work: Callable[[], object], cuda: bool, shapes: bool = False) -> list[Any]:
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if cuda else [])]
    with profile(activities=activities, record_shapes=shapes) as profiled:
        with part(REST):
            work()
        if cuda:
            torch.cuda.synchronize()
    # Kernels hang on the operators that launched them.
    return [event for event in profiled.events() if event.device_type == DeviceType.CPU]


def _by_part(events: list[Any], measure: Callable[[Any], float]) -> dict[str, Spent]:
    part_of_number: dict[int, str] = {}
    for event in sorted(events, key=lambda one: one.time_range.start):
        name, backward = _place(event, {})
        # Of several operators with one number the last is the one that made the node.
        if event.sequence_nr >= 0 and not backward:
            part_of_number[event.sequence_nr] = name
    sums: dict[tuple[str, bool], float] = defaultdict(float)
    for event in events:
        sums[_place(event, part_of_number)] += measure(event)
    return {name: Spent(sums[name, False], sums[name, True]) for name in dict.fromkeys(name for name, _ in sums)}


def _place(event: Any, part_of_number: dict[int, str]) -> tuple[str, bool]:
    """The part that the event belongs to, and whether it runs backwards."""
    for above in _with_parents(event):
        if above.name.startswith(NODE):
            return part_of_number.get(above.sequence_nr, REST), True
        if above.name.startswith("part: "):
            return above.name.removeprefix("part: "), False
    return REST, False


def _with_parents(event: Any) -> Iterable[Any]:
    while event is not None:
        yield event
        event = event.cpu_parent


def _operators(events: list[Any], own: dict[int, float]) -> list[Operator]:
    calls: dict[str, list[float]] = defaultdict(list)
    for event in events:
        if not event.name.startswith("part: "):
            calls[event.name].append(own[id(event)])
    return sorted((Operator(name, len(times), sum(times)) for name, times in calls.items()),
                  key=lambda one: -one.seconds)


def _operations(event: Any) -> float:
    if event.name not in PRODUCTS or any(above.name in PRODUCTS for above in _with_parents(event.cpu_parent)):
        return 0.0
    left, right = (event.input_shapes[place] for place in PRODUCTS[event.name])
    return 2.0 * math.prod(left) * (right[-1] if len(right) > 1 else 1)
