"""The nearest vectors: the formula against distances one by one, and cells against all keys."""

from __future__ import annotations

import pytest
import torch

from seq2seq import nearest
from seq2seq.nearest import Cells, all_of, into_cells


def some(rows: int, width: int = 5, seed: int = 0) -> torch.Tensor:
    return torch.randn(rows, width, generator=torch.Generator().manual_seed(seed))


def groups(count: int, each: int) -> torch.Tensor:
    """Groups of keys that lie far from each other."""
    centres = 10 * torch.eye(count, 5)
    return torch.cat([centre + some(each, seed=number) for number, centre in enumerate(centres)])


@pytest.mark.parametrize("at_once", [1, 30, 1 << 26])
def test_all_keys_by_the_formula(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearest, "AT_ONCE", at_once)
    keys, queries = some(12), some(7, seed=1)
    found = all_of(queries, keys, keys.square().sum(1), 4)
    by_hand = (queries[:, None] - keys[None]).square().sum(-1).sort(dim=1)
    assert torch.equal(found.places, by_hand.indices[:, :4])
    assert torch.allclose(found.distances, by_hand.values[:, :4], atol=1e-4)
    assert all_of(queries, keys, keys.square().sum(1), 50).places.shape == (7, 12)


def test_a_key_is_its_own_nearest_at_no_distance() -> None:
    keys = 1000 + some(20)  # |q|^2 and |k|^2 are large, what they leave is not below 0
    found = all_of(keys, keys, keys.square().sum(1), 1)
    assert (found.distances >= 0).all() and found.distances.max() < 2


def test_cells_find_what_all_keys_would(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearest, "ONE_CELL", 10)
    keys = groups(4, 30)[torch.randperm(120, generator=torch.Generator().manual_seed(3))]
    order, starts, centroids = into_cells(keys)
    keys = keys[order]
    queries = groups(4, 3) + 0.1
    exact = all_of(queries, keys, keys.square().sum(1), 6)
    for probes in (0, len(centroids), len(centroids) - 1, 12):  # all; then cell by cell
        found = Cells(keys, starts, centroids, probes).nearest(queries, 6)
        assert torch.equal(found.places, exact.places)
        assert torch.allclose(found.distances, exact.distances, atol=1e-3)
        for row in range(len(queries)):  # whatever is beside a query
            alone = Cells(keys, starts, centroids, probes).nearest(queries[row : row + 1], 6)
            assert torch.equal(alone.places[0], found.places[row])


def test_fewer_keys_than_asked_for_lie_infinitely_far() -> None:
    keys, starts = torch.cat([some(3), 50 + some(9)]), torch.tensor([0, 3, 12])
    found = Cells(keys, starts, torch.stack([keys[:3].mean(0), keys[3:].mean(0)]), 1).nearest(some(2, seed=4), 5)
    assert found.distances.isfinite().sum(1).tolist() == [3, 3]
    assert found.places[:, :3].max() < 3
    assert Cells(keys, starts, keys[:2], 0).nearest(some(2), 5).distances.isfinite().all()


def test_every_key_lies_in_the_cell_of_its_nearest_centroid(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = some(400)
    assert into_cells(keys)[1].tolist() == [0, 400]  # few keys: one cell
    monkeypatch.setattr(nearest, "ONE_CELL", 10)
    monkeypatch.setattr(nearest, "LEARNT_FROM", 200)
    order, starts, centroids = into_cells(keys)
    assert sorted(order.tolist()) == list(range(400))
    sizes = starts.diff()
    assert starts[0] == 0 and starts[-1] == 400 and (sizes > 0).all() and 1 < len(sizes) == len(centroids) <= 40
    cells = torch.arange(len(sizes)).repeat_interleave(sizes)
    assert torch.equal(torch.cdist(keys[order], centroids).argmin(1), cells)
    again = into_cells(keys)
    assert all(torch.equal(one, other) for one, other in zip(again, (order, starts, centroids), strict=True))
