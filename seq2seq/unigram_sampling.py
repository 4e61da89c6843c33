"""Draws from P(x)^alpha over all segmentations x of a word (Kudo 2018, forward filtering, backward sampling).

    F(0) = 1,   F(e) = sum over pieces w that end at e of F(e - |w|) P(w)^alpha
    going back from the end: the last piece is w with probability F(e - |w|) P(w)^alpha / F(e)

The lattice of a word is built when the word is first seen. The way back is gone for all words
at once: one array operation takes every word one piece further.
"""

from __future__ import annotations

import math

import numpy as np


class UnigramSampling:
    def __init__(self, pieces: dict[str, int], scores: np.ndarray, alpha: float) -> None:
        self._pieces, self._text = pieces, {number: text for text, number in pieces.items()}
        self._longest = max(map(len, pieces), default=1)
        self._weights = alpha * scores  # log P(w)^alpha
        self._words: dict[bytes, int] = {}  # the ids of a word -> the node at its end
        # Nodes are the places of all words, one behind the other; edges are sorted by the node they end at.
        self._first_edge: list[int] = []    # per node
        self._is_start: list[bool] = []     # per node
        self._from: list[int] = []          # per edge: the node it begins at
        self._piece: list[int] = []         # per edge
        self._up_to: list[float] = []       # per edge: node + probability of this edge and those before it
        self._tables: tuple[np.ndarray, ...] = ()

    def __call__(self, values: np.ndarray, lengths: np.ndarray,
                 generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        node = self._ends(values, lengths)
        first, is_start, begin, piece, up_to = self._arrays()
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

    def _ends(self, values: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        # Python sees each different word once.
        last = np.cumsum(lengths)
        keys = [values[stop - length : stop].tobytes() for stop, length in
                zip(last.tolist(), lengths.tolist(), strict=True)]
        for key in dict.fromkeys(keys):
            if key not in self._words:
                self._words[key] = self._add(np.frombuffer(key, dtype=values.dtype).tolist())
                self._tables = ()
        return np.fromiter(map(self._words.__getitem__, keys), dtype=np.int64, count=len(keys))

    def _add(self, ids: list[int]) -> int:
        """Builds the lattice of a word; the node at its end."""
        symbols: list[str | int] = []  # characters; an id that has no text of its own stays whole
        for number in ids:
            symbols.extend(self._text.get(number, [number]))
        base, forward = len(self._first_edge), [0.0]
        self._first_edge.append(len(self._from))
        self._is_start.append(True)
        for end in range(1, len(symbols) + 1):
            edges = [(start, number, forward[start] + self._weights[number])
                     for start, number in self._edges(symbols, end) if forward[start] > -math.inf]
            forward.append(_log_sum([weight for _, _, weight in edges]))
            self._first_edge.append(len(self._from))
            self._is_start.append(False)
            total = 0.0
            for start, number, weight in edges:
                total += math.exp(weight - forward[end])
                self._from.append(base + start)
                self._piece.append(number)
                self._up_to.append(base + end + total)
        return base + len(symbols)

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

    def _arrays(self) -> tuple[np.ndarray, ...]:
        if not self._tables:
            self._tables = (np.array([*self._first_edge, len(self._from)]), np.array(self._is_start),
                            np.array(self._from), np.array(self._piece), np.array(self._up_to))
        return self._tables


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
