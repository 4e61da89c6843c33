"""How long a call takes: the shortest of several trials, for other work on the machine slows a trial and nothing speeds
it up. Calls that are compared go in turns, so that a slow minute meets them all.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch


def fastest(*calls: Callable[[], object], times: int = 8, cuda: bool = False,
            clock: Callable[[], float] = time.perf_counter) -> list[float]:
    """Seconds of the fastest trial of each call; with `cuda` until the device is done."""
    best = [float("inf")] * len(calls)
    for _ in range(times):
        for place, call in enumerate(calls):
            start = clock()
            call()
            if cuda:
                torch.cuda.synchronize()
            best[place] = min(best[place], clock() - start)
    return best
