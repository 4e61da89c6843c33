"""BPE-dropout (Provilkov et al. 2020, algorithm 1): byte-pair merges of which some are left out.

    begin with characters; repeat: of the merges that are possible now, leave out each with
    probability p, do the one of the best rank among the rest; until none is left

All words take their next merge at once.
"""

from __future__ import annotations

import itertools

import numpy as np

_NONE = -1  # behind the last piece of a word
_BLOCK = 1 << 14  # words in a table


class BpeDropout:
    def __init__(self, pieces: dict[str, int], scores: np.ndarray, alpha: float) -> None:
        self._pieces, self._text, self._alpha = pieces, {number: text for text, number in pieces.items()}, alpha
        self._base = len(scores) + 1
        merges = {}
        for text, number in pieces.items():
            for cut in range(1, len(text)):
                left, right = pieces.get(text[:cut]), pieces.get(text[cut:])
                if left is not None and right is not None:
                    merges[left * self._base + right] = number
        self._pairs = np.array(sorted(merges), dtype=np.int64)
        self._merged = np.array([merges[pair] for pair in sorted(merges)], dtype=np.int64)
        self._scores = scores

    def __call__(self, values: np.ndarray, lengths: np.ndarray,
                 generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        symbols, starts, sizes = self._characters(values, lengths)
        # Words of like length together, so that the tables hold few empty places.
        order = np.argsort(sizes, kind="stable")
        drawn, counts = np.empty(len(symbols), dtype=np.int64), np.zeros(len(lengths), dtype=np.int64)
        for first in range(0, len(order), _BLOCK):
            words = order[first : first + _BLOCK]
            columns = np.arange(int(sizes[words[-1]]))
            inside = columns < sizes[words, None]
            places = starts[words, None] + columns
            table = np.where(inside, symbols[np.where(inside, places, 0)], _NONE)
            rows = np.arange(len(table))
            while len(rows):
                rows = rows[self._merge_once(table, rows, generator)]
            real = table != _NONE
            drawn[places[real]] = table[real]  # merged words are shorter: the rest of their places stays unused
            counts[words] = real.sum(axis=1)
        within = np.arange(len(symbols)) - np.repeat(starts, sizes)
        return drawn[within < np.repeat(counts, sizes)], counts

    def _characters(self, values: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The ids of the characters of all words, where each word starts, how many it has.

        A piece with a character that is not in the vocabulary stays whole.
        """
        spelled = {number: self._spell(number) for number in np.unique(values).tolist()}
        parts = [spelled[number] for number in values.tolist()]
        pieces = np.fromiter(map(len, parts), dtype=np.int64, count=len(parts))
        sizes = np.add.reduceat(pieces, np.cumsum(lengths) - lengths)
        return np.fromiter(itertools.chain.from_iterable(parts), dtype=np.int64), np.cumsum(sizes) - sizes, sizes

    def _spell(self, number: int) -> list[int]:
        characters = [self._pieces.get(character) for character in self._text.get(number, "")]
        return [c for c in characters if c is not None] if characters and None not in characters else [number]

    def _merge_once(self, table: np.ndarray, rows: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Merges one pair in each of the rows; which of them found one."""
        symbols = table[rows]
        left, right = symbols[:, :-1], symbols[:, 1:]
        pairs = np.where(right == _NONE, _NONE, left * self._base + right)
        place = np.minimum(np.searchsorted(self._pairs, pairs), max(len(self._pairs) - 1, 0))
        possible = np.zeros(pairs.shape, dtype=bool)
        if len(self._pairs):
            possible = (self._pairs[place] == pairs) & (generator.random(pairs.shape) >= self._alpha)
        found: np.ndarray = np.asarray(possible.any(axis=1))
        if found.any():
            ranks = np.where(possible, self._scores[self._merged[place]], -np.inf)[found]
            at = ranks.argmax(axis=1)
            chosen = np.flatnonzero(found)
            merged = symbols[found]
            columns = np.arange(merged.shape[1])
            # Everything behind the pair moves one place to the left.
            source = np.minimum(columns + (columns > at[:, None]), merged.shape[1] - 1)
            moved = np.take_along_axis(merged, source, axis=1)
            moved[:, -1] = _NONE
            moved[np.arange(len(at)), at] = self._merged[place[chosen, at]]
            table[rows[found]] = moved
        return found
