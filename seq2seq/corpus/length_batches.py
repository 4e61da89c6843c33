"""Batches of pairs or sentences of like length, so that little is padding.

`cut` is the one rule: rows in a given order, a new batch wherever one more row would need more than `budget` padded
pieces. The functions around it say in which order, and what the length of a row is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from seq2seq.corpus.batch import Batch, make_batch
from seq2seq.corpus.packed import Split


def cut(order: np.ndarray, lengths: np.ndarray, budget: int) -> Iterator[np.ndarray]:
    """Row indices `order`, in batches of at most `budget` padded pieces; a longer row is a batch by itself.

    `lengths` are those of all rows, in pieces.
    """
    start, widest = 0, 0.0
    for position, length in enumerate(lengths[order].tolist()):
        widest = max(widest, length)
        if position > start and widest * (position - start + 1) > budget:
            yield order[start:position]
            start, widest = position, length
    if start < len(order):
        yield order[start:]


def shuffled_batches(source_lengths: np.ndarray, target_lengths: np.ndarray, budget: int,
                     generator: np.random.Generator) -> list[np.ndarray]:
    """Batches of pairs for training, in random order: at most `budget` padded pieces on either side.

    Index arrays into the given lengths (pieces with EOS).
    """
    # Random noise below one piece breaks ties, so that pairs of one length are grouped differently in every epoch.
    noise = generator.random(len(target_lengths))
    order = np.lexsort((source_lengths + noise, target_lengths))
    batches = list(cut(order, np.maximum(source_lengths, target_lengths), budget))
    return [batches[i] for i in generator.permutation(len(batches))]


def valid_batches(split: Split, budget: int, labels: bool = False, first: int | None = None) -> Iterator[Batch]:
    """Every pair of a split (or its `first` ones) once, in batches of like length; `rows` are their numbers there."""
    source, target = split.source_lengths + 1, split.target_lengths + 1
    order = np.lexsort((source[:first], target[:first]))
    for part in cut(order, np.maximum(source, target), budget):
        yield make_batch(*split.ids(part), part, labels)


def longest_first(lengths: Sequence[int], budget: int, least: float = 1) -> Iterator[list[int]]:
    """Rows of like length, longest first. A row counts as `least` pieces at least."""
    # Longest first: the first batch takes the most memory, so later ones fit into what is there.
    counted = np.maximum(np.asarray(lengths, dtype=float), least)
    order = np.argsort(-np.asarray(lengths, dtype=np.int64), kind="stable")
    yield from (rows.tolist() for rows in cut(order, counted, budget))


def pair_batches(source: Sequence[list[int]], target: Sequence[list[int]], budget: int,
                 labels: bool = False) -> Iterator[Batch]:
    """Pairs of like length together, longest first, at most `budget` padded pieces on the longer side."""
    longer = [max(len(one), len(other)) + 1 for one, other in zip(source, target, strict=True)]
    for rows in longest_first(longer, budget):
        yield make_batch([source[row] for row in rows], [target[row] for row in rows], rows, labels)
