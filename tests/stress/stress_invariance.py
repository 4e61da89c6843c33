"""Every network and every search, with sentences drawn at random: the long run of tests/models/test_invariance.py."""

from __future__ import annotations

import random

import torch
from invariance import EVERY, SEARCHES, check_logits_and_losses, check_translations, with_preferences
from networks import VOCABULARY

torch.set_num_threads(1)
ROUNDS = 3


def pairs(draw: random.Random) -> list[tuple[list[int], list[int]]]:
    def side() -> list[int]:
        return [draw.randrange(4, VOCABULARY) for _ in range(draw.randrange(10))]

    return [(side(), side()) for _ in range(draw.randrange(2, 9))]


def test_every_network_logits_and_losses() -> None:
    draw, compared = random.Random(1), 0
    for _, settings in EVERY:
        model = with_preferences(settings)
        for _ in range(ROUNDS):
            drawn = pairs(draw)
            order = draw.sample(range(len(drawn)), len(drawn))
            check_logits_and_losses(model, drawn, order, draw.randrange(len(drawn) + 1), draw.randrange(1, 20))
            compared += len(drawn)
    print(f"\ninvariance: {len(EVERY)} networks, {compared} pairs, alone, in three batches, with more padding")


def test_every_network_every_search() -> None:
    draw, compared = random.Random(2), 0
    for place, (_, settings) in enumerate(EVERY):
        for search in SEARCHES:
            sources = [source for source, _ in pairs(draw)]
            order = draw.sample(range(len(sources)), len(sources))
            compared += check_translations(settings, search, sources, order, draw.randrange(1, 60), place % 4 == 0)
    print(f"\ninvariance: {len(EVERY)} networks x {len(SEARCHES)} searches, {compared} translations compared, 0 differ")
