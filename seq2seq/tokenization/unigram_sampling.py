"""Draws from P(x)^alpha over all segmentations x of a word (Kudo 2018, forward filtering, backward sampling).

    F(0) = 1,   F(e) = sum over pieces w that end at e of F(e - |w|) P(w)^alpha
    going back from the end: the last piece is w with probability F(e - |w|) P(w)^alpha / F(e)

A lattice is built when its word is first seen, and the words seen last are kept. Without spaces a "word" is a whole
sentence that hardly comes again, so what is kept has a limit. The way back is gone for all words at once: one array
operation takes every word one piece further.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

HELD_BYTES = 256 << 20  # of the lattices that are kept from call to call
_OVERHEAD = 512         # bytes that a lattice takes besides its numbers


class _Lattice(NamedTuple):
    """A word of n characters has the nodes 0..n; edges are sorted by the node they end at."""

    counts: np.ndarray  # (n + 1,)  edges that end at each node
    begin: np.ndarray   # (edges,)  the node each begins at
    piece: np.ndarray   # (edges,)
    up_to: np.ndarray   # (edges,)  probability of this edge and those before it that end at the same node

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(part.nbytes for part in self) + _OVERHEAD


class UnigramSampling:
    def __init__(self, pieces: dict[str, int], scores: np.ndarray, alpha: float) -> None:
        self._pieces, self._text = pieces, {number: text for text, number in pieces.items()}
        self._longest = max(map(len, pieces), default=1)
        self._weights: list[float] = (alpha * scores).tolist()  # log P(w)^alpha
        self._words: dict[bytes, _Lattice] = {}  # by the ids of the word; the one used last is last
        self.held_bytes = 0

    def __call__(self, values: np.ndarray, lengths: np.ndarray,
                 generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        last = np.cumsum(lengths)
        keys = [values[stop - length : stop].tobytes() for stop, length in
                zip(last.tolist(), lengths.tolist(), strict=True)]
        different = {key: number for number, key in enumerate(dict.fromkeys(keys))}
        # Python sees each different word once.
        lattices = [self._lattice(key, values.dtype) for key in different]
        ends, is_start, first, begin, piece, up_to = _joined(lattices)
        node = ends[np.fromiter(map(different.__getitem__, keys), dtype=np.int64, count=len(keys))]
        word, steps, found = np.arange(len(lengths)), [], []
        while len(word):
            edge = np.searchsorted(up_to, node + generator.random(len(node)), side="right")
            edge = np.clip(edge, first[node], first[node + 1] - 1)  # against rounding in the last sum
            steps.append(word)
            found.append(piece[edge])
            node = begin[edge]
            on = ~is_start[node]
            word, node = word[on], node[on]
        return _in_reading_order(steps, found, len(lengths))

    def _lattice(self, key: bytes, kind: np.dtype) -> _Lattice:
        """Of the word with these ids, which may push out those that were not used for the longest time."""
        lattice = self._words.pop(key, None)
        if lattice is None:
            lattice = self._build(np.frombuffer(key, dtype=kind).tolist())
            self.held_bytes += lattice.size
        self._words[key] = lattice
        while self.held_bytes > HELD_BYTES:
            self.held_bytes -= self._words.pop(next(iter(self._words))).size
        return lattice

    def _build(self, ids: list[int]) -> _Lattice:
        symbols: list[str | int] = []  # characters; an id that has no text of its own stays whole
        for number in ids:
            symbols.extend(self._text.get(number, [number]))
        forward, counts = [0.0], [0]
        begin: list[int] = []
        piece: list[int] = []
        up_to: list[float] = []
        for end in range(1, len(symbols) + 1):
            edges = [(start, number, forward[start] + self._weights[number])
                     for start, number in self._edges(symbols, end) if forward[start] > -math.inf]
            forward.append(_log_sum([weight for _, _, weight in edges]))
            counts.append(len(edges))
            total = 0.0
            for start, number, weight in edges:
                total += math.exp(weight - forward[end])
                begin.append(start)
                piece.append(number)
                up_to.append(total)
        return _Lattice(np.array(counts, dtype=np.int32), np.array(begin, dtype=np.int32),
                        np.array(piece, dtype=np.int32), np.array(up_to, dtype=np.float64))

    def _edges(self, symbols: list[str | int], end: int) -> list[tuple[int, int]]:
        """(start, piece) of every piece that ends at `end`."""
        last = symbols[end - 1]
        if isinstance(last, int):
            return [(end - 1, last)]
        edges, text = [], ""
        for start in range(end - 1, max(-1, end - 1 - self._longest), -1):
            symbol = symbols[start]
            if isinstance(symbol, int):
                break
            text = symbol + text
            if text in self._pieces:
                edges.append((start, self._pieces[text]))
        return edges


def _joined(lattices: list[_Lattice]) -> tuple[np.ndarray, ...]:
    """The lattices one after the other, their nodes and edges numbered through.

    (words,) the node at the end of each; of every node whether a word starts there, (nodes,), and its first edge,
    (nodes + 1,); of every edge the node it begins at, its piece, and node + probability up to it, (edges,).
    """
    nodes, edges = (np.array([len(part) for part in parts], dtype=np.int64) for parts in
                    ([each.counts for each in lattices], [each.begin for each in lattices]))
    base = np.cumsum(nodes) - nodes
    is_start = np.zeros(int(nodes.sum()), dtype=bool)
    is_start[base] = True
    counts = _together(each.counts for each in lattices)
    begin = _together(each.begin for each in lattices) + np.repeat(base, edges)
    up_to = _together(each.up_to for each in lattices) + np.repeat(np.arange(len(counts)), counts)
    first = np.concatenate([[0], np.cumsum(counts)])
    return base + nodes - 1, is_start, first, begin, _together(each.piece for each in lattices), up_to


def _together(parts: Iterable[np.ndarray]) -> np.ndarray:
    return np.concatenate(list(parts))


def _in_reading_order(steps: list[np.ndarray], found: list[np.ndarray],
                      words: int) -> tuple[np.ndarray, np.ndarray]:
    """Pieces were found from the end of each word: step k of a word is its k-th from the back."""
    lengths = np.bincount(np.concatenate(steps), minlength=words)
    ends = np.cumsum(lengths)
    result = np.empty(int(lengths.sum()), dtype=np.int64)
    for back, (word, piece) in enumerate(zip(steps, found, strict=True)):
        result[ends[word] - 1 - back] = piece
    return result, lengths


def _log_sum(logs: list[float]) -> float:
    if not logs:
        return -math.inf  # no piece ends here
    highest = max(logs)
    return highest + math.log(sum(math.exp(log - highest) for log in logs))
