"""Weighted choice by table: a pool repeats its members in proportion to their weight.

Drawing is then one index, pool[random bits], without arithmetic: the corpus has to come at tens of
thousands of sentences per second. Every pool has 2^BITS slots.
"""
from collections.abc import Callable, Sequence
from random import Random
from typing import TypeVar

Item = TypeVar("Item")
BITS = 11
SIZE = 1 << BITS


def zipf(count: int) -> list[float]:
    """1 / (rank + shift). The shift flattens the head, so that even the rarest word of a group
    occurs a hundred times in some ten thousand sentences and can be learnt."""
    shift = 2 + count / 5
    return [1 / (rank + shift) for rank in range(count)]


def pool(items: Sequence[Item], weights: Sequence[float]) -> list[Item]:
    """Slots by largest share; every item of positive weight gets at least one while there is room."""
    if not items:
        raise ValueError("a pool needs at least one item")
    total = sum(weights)
    slots: list[Item] = []
    for item, weight in zip(items, weights, strict=True):
        slots += [item] * max(1 if weight else 0, round(SIZE * weight / total))
    while len(slots) < SIZE:
        slots += slots[: SIZE - len(slots)]
    if len(slots) > SIZE:                      # rounding: thin the long runs evenly
        slots = [slots[i * len(slots) // SIZE] for i in range(SIZE)]
    return slots


def drawn(rng: Random, draw: Callable[[Random], Item]) -> list[Item]:
    """A pool of SIZE draws, for phrases too many to be listed."""
    return [draw(rng) for _ in range(SIZE)]
