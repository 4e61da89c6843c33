"""How long a call takes: the shortest of several trials, for other work on the machine slows a trial and nothing speeds
it up. Calls that are compared go in turns, so that a slow minute meets them all.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch


def clock_for(cuda: bool) -> Callable[[], float]:
    """Where one thread does all the work, the processor's own time: waiting for a core is not in it."""
    return time.process_time if torch.get_num_threads() == 1 and not cuda else time.perf_counter


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
