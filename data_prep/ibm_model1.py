"""Which target pieces a source piece may become: word translation probabilities, learnt without any alignment.

IBM Model 1 (Brown et al. 1993) without the empty word. With x a source piece, y a target piece, and sums over the
pieces of one pair of sentences, a few rounds of

    p(a link from y_i to x_j) = p(y_i | x_j) / sum_j' p(y_i | x_j')
    p(y | x) = expected links of x and y in all pairs / expected links of x
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from seq2seq.corpus.shortlist import NONE

ROUNDS = 5
LINKS = 8_000_000   # of (x_j, y_i), about: some 500 MB, 35,000 pairs of sentences of 15 pieces
PAIRS = 50_000      # of sentences, drawn at random
FREQUENT = 100      # target pieces that any source piece may become


def translations(source: Sequence[Sequence[int]], target: Sequence[Sequence[int]], source_vocabulary: int,
                 target_vocabulary: int, best: int) -> np.ndarray:
    """(source_vocabulary, best) int32: the most probable target pieces of every source piece, NONE behind them.

    Learns from all pairs, or from every n-th where they have more than LINKS.
    """
    sizes = np.asarray([(len(xs), len(ys)) for xs, ys in zip(source, target, strict=True)], dtype=np.int64)
    sizes = sizes.reshape(-1, 2)
    every = max(1, -(-int((sizes[:, 0] * sizes[:, 1]).sum()) // LINKS))
    of_code = np.int32 if source_vocabulary * target_vocabulary < 2**31 else np.int64  # small: there are many
    xs, ys = (np.concatenate([np.zeros(0, dtype=of_code), *(np.asarray(line, dtype=of_code) for line in side[::every])])
              for side in (source, target))
    of_link, codes = _links(sizes[::every], xs)
    codes *= target_vocabulary
    codes += ys[of_link]
    codes, kind = np.unique(codes, return_inverse=True)
    kind = kind.astype(np.int32)
    x_of_kind = codes // target_vocabulary
    p = np.ones(len(codes))
    for _ in range(ROUNDS):
        share = p[kind]
        share /= np.bincount(of_link, share, minlength=len(ys))[of_link]
        expected = np.bincount(kind, share, minlength=len(codes))
        p = expected / np.bincount(x_of_kind, expected, minlength=source_vocabulary)[x_of_kind]
    return _best(x_of_kind, codes % target_vocabulary, p, source_vocabulary, best)


def frequent(target: Sequence[Sequence[int]], target_vocabulary: int, best: int) -> np.ndarray:
    """(at most `best`,) int32: the target pieces that occur most often, those first."""
    counts = np.bincount(np.concatenate([np.zeros(0, dtype=np.int64), *map(np.asarray, target)]).astype(np.int64),
                         minlength=target_vocabulary)
    order = np.argsort(-counts, kind="stable")[:best]
    return order[counts[order] > 0].astype(np.int32)


def to_itself(table: np.ndarray) -> None:
    """With one vocabulary for both sides: a piece without translations may stay what it is, like a name."""
    unknown = np.flatnonzero(table[:, 0] == NONE)
    table[unknown, 0] = unknown


def _links(sizes: np.ndarray, xs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For every link of y_i with an x_j of its pair: the place of y_i among all, and the piece x_j."""
    sentence = np.repeat(np.arange(len(sizes)), sizes[:, 1])                # of every y
    wide = sizes[sentence, 0]                                               # x beside every y
    of_link = np.repeat(np.arange(len(sentence), dtype=np.int32), wide)
    starts = (np.cumsum(sizes[:, 0]) - sizes[:, 0])[sentence]               # of the sentence in xs, of every y
    place = np.arange(len(of_link), dtype=np.int32)
    place += np.repeat((starts - (np.cumsum(wide) - wide)).astype(np.int32), wide)
    return of_link, xs[place]


def _best(x: np.ndarray, y: np.ndarray, p: np.ndarray, source_vocabulary: int, best: int) -> np.ndarray:
    order = np.lexsort((y, -p, x))
    counts = np.bincount(x, minlength=source_vocabulary)
    rank = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    table = np.full((source_vocabulary, best), NONE, dtype=np.int32)
    kept = rank < best
    table[x[order[kept]], rank[kept]] = y[order[kept]]
    return table
