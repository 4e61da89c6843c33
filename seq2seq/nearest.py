"""The nearest of many vectors, by squared Euclidean distance.

    d(q, k_j) = |q|^2 - 2 q.k_j + |k_j|^2

`all_of` asks every key: the reference, and what a GPU takes. `Cells` is an inverted file (Sivic & Zisserman 2003; for
vectors Jegou et al. 2011, section IV): the keys lie in the cells of k-means, sorted by them, and a query is compared
with those in the cells whose centroids are nearest to it. All queries that look into a cell do so in one product, so
what is read is the cell, once, and not a copy of it for each.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

ONE_CELL = 1 << 14   # up to so many keys cells save nothing
LEARNT_FROM = 100_000  # keys that the centroids are learnt from
AT_ONCE = 1 << 26    # distances held at once


class Found(NamedTuple):
    """Of Q queries: the nearest first."""

    distances: Tensor  # (Q, n) squared; infinite where fewer were looked at
    places: Tensor     # (Q, n) among the keys


def all_of(queries: Tensor, keys: Tensor, squares: Tensor, count: int) -> Found:
    """The `count` nearest (all, if there are fewer) of keys (P, E) to queries (Q, E); `squares` (P,) are |k_j|^2."""
    parts = [torch.addmm(squares, part, keys.T, alpha=-2).topk(min(count, len(keys)), largest=False)
             for part in queries.split(max(1, AT_ONCE // len(keys)))]
    values, places = (torch.cat(some) for some in zip(*parts, strict=True))
    return Found(_whole(values, queries), places)


class Cells:
    """Keys (P, E) in order of their cells: those of cell c are from starts[c] (C + 1,) to starts[c + 1], none empty."""

    def __init__(self, keys: Tensor, starts: Tensor, centroids: Tensor, probes: int) -> None:
        """`centroids` (C, E); `probes`: cells that a query looks into, 0 for all."""
        self._keys, self._starts, self._centroids, self._probes = keys, starts.tolist(), centroids, probes
        self._squares, self._centroid_squares = keys.square().sum(1), centroids.square().sum(1)

    def nearest(self, queries: Tensor, count: int) -> Found:
        """The `count` nearest of those looked at."""
        everywhere = not self._probes or self._probes >= len(self._centroids)
        if everywhere or queries.is_cuda:  # there one large product is faster than many small ones
            return all_of(queries, self._keys, self._squares, count)
        near = all_of(queries, self._centroids, self._centroid_squares, self._probes).places  # (Q, probes)
        values = queries.new_full((near.numel(), count), math.inf)
        places = near.new_zeros(near.numel(), count)
        cells, looks = near.flatten().sort(stable=True)  # every look into a cell, those of one cell together
        present, looking = cells.unique_consecutive(return_counts=True)
        for cell, some in zip(present.tolist(), looks.split(looking.tolist()), strict=True):
            first, last = self._starts[cell], self._starts[cell + 1]
            here = torch.addmm(self._squares[first:last], queries[some // self._probes], self._keys[first:last].T,
                               alpha=-2)
            best = here.topk(min(count, last - first), largest=False, sorted=False)
            values[some, : best.values.shape[1]] = best.values
            places[some, : best.values.shape[1]] = best.indices + first
        values, places = values.view(len(queries), -1), places.view(len(queries), -1)
        best = values.topk(count, largest=False)
        return Found(_whole(best.values, queries), places.gather(1, best.indices))


def into_cells(keys: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Keys (P, E) -> in which order they lie (P,), starts (C + 1,), centroids (C, E); C is 2 sqrt(P) or less.

    The same keys give the same cells.
    """
    if len(keys) <= ONE_CELL:
        return torch.arange(len(keys)), torch.tensor([0, len(keys)]), keys.mean(0, keepdim=True)
    from sklearn.cluster import MiniBatchKMeans  # slow to import

    drawn = np.random.default_rng(0).permutation(len(keys))[:LEARNT_FROM]
    means = MiniBatchKMeans(2 * math.isqrt(len(keys)), batch_size=10_000, n_init=1, max_iter=5, random_state=0,
                            compute_labels=False)
    centroids = torch.from_numpy(means.fit(keys[torch.from_numpy(drawn)].numpy()).cluster_centers_).to(keys.dtype)
    cells = all_of(keys, centroids, centroids.square().sum(1), 1).places[:, 0]
    counts = cells.bincount(minlength=len(centroids))
    starts = torch.cat([torch.zeros(1, dtype=torch.int64), counts[counts > 0].cumsum(0)])
    return cells.argsort(stable=True), starts, centroids[counts > 0]


def _whole(values: Tensor, queries: Tensor) -> Tensor:
    """With |q|^2, which changes nothing in the order; rounding leaves none below 0."""
    return (values + queries.square().sum(1, keepdim=True)).clamp_(min=0)
