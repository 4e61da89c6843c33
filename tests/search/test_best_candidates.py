"""The best candidates by several features, without computing each of them for all (reranking.best)."""

from __future__ import annotations

import functools

import pytest
import torch

from seq2seq.inference.reranking import Feature, best


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("number", [1, 2, 3])
def test_the_best_are_found_without_all_features(number: int, count: int) -> None:
    """As if every feature were computed for every candidate; the first of equals comes first; a sentence may have few
    candidates."""
    random = torch.Generator().manual_seed(number)
    weights, work, whole = [1.0, 0.3, 2.0][:number], 0, 0
    for _ in range(50):
        rows = [[(torch.randint(-40, 1, (), generator=random) / 10).item() for _ in range(candidates)]
                for candidates in (0, 1, 3, 12, 20)]
        said = [[[(torch.randint(-9, 1, (), generator=random) / 10).item() for _ in some] for some in rows]
                for _ in weights]
        asked: list[list[tuple[int, int]]] = [[] for _ in weights]

        def values(number: int, places: list[tuple[int, int]], said=said, asked=asked) -> list[float]:
            asked[number] += places
            return [said[number][row][place] for row, place in places]

        found = best(rows, count, [Feature(weight, functools.partial(values, number))
                                   for number, weight in enumerate(weights)])
        for row, some in enumerate(rows):
            sums = list(some)
            for weight, values in zip(weights, said, strict=True):
                sums = [total + weight * value for total, value in zip(sums, values[row], strict=True)]
            places = sorted(range(len(some)), key=lambda place: -sums[place])[:count]
            assert found[row] == [(place, [values[row][place] for values in said]) for place in places]
        assert all(len(places) == len(set(places)) for places in asked)
        work, whole = work + sum(map(len, asked)), whole + number * sum(map(len, rows))
    assert work < {1: 0.6, 2: 0.7, 5: 0.9}[count] * whole
