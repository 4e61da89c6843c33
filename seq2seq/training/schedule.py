"""The learning rate of an update.

    warm-up        r_u = r u / w                                       for u <= w
    inverse_sqrt   r_u = r sqrt(w / u)                                 Vaswani et al. 2017, eq. 3
    cosine         r_u = r (f + (1 - f) (1 + cos(pi p)) / 2)           Loshchilov & Hutter 2017, eq. 5
    plateau        r_u = r k^n after n plateaus of the validation
    constant       r_u = r

r learning_rate, u update from 1, w warmup_updates, f final_share, k plateau_factor,
p share of the run after the warm-up that is done.
"""

from __future__ import annotations

import math

from seq2seq.settings.training import OptimizerSettings, Schedule, TrainingSettings


def learning_rate(settings: OptimizerSettings, update: int, *, progress: float, plateaus: int) -> float:
    """r_u of `update` (from 1). `progress`: share of the whole run done before it, in [0, 1]."""
    warmup = settings.warmup_updates
    peak = settings.learning_rate
    if update <= warmup:
        return peak * update / warmup
    match settings.schedule:
        case Schedule.INVERSE_SQRT:
            return peak * math.sqrt(max(warmup, 1) / update)
        case Schedule.COSINE:
            done = _share_after_warmup(update, warmup, progress)
            low = settings.final_share
            return peak * (low + (1 - low) * (1 + math.cos(math.pi * done)) / 2)
        case Schedule.PLATEAU:
            return peak * settings.plateau_factor**plateaus
        case Schedule.CONSTANT:
            return peak


def progress(limits: TrainingSettings, *, updates: int, epochs: float, seconds: float) -> float:
    """The share of the run that is done, in [0, 1], by the limit that will end it first."""
    shares = []
    if limits.max_updates is not None:
        shares.append(updates / limits.max_updates)
    if limits.max_epochs is not None:
        shares.append(epochs / limits.max_epochs)
    if limits.max_minutes is not None:
        shares.append(seconds / 60 / limits.max_minutes)
    return min(1.0, max(shares))


def _share_after_warmup(update: int, warmup: int, progress: float) -> float:
    # The share that the warm-up took follows from the pace so far: progress / updates done.
    start = progress * warmup / max(update - 1, 1)
    return (progress - start) / (1 - start) if start < 1 else 1.0
