"""Runs that are stopped by a real signal in a process of their own, at updates of one's choice."""

from __future__ import annotations

import os
import random
import signal
from pathlib import Path

from faults import Ended, in_child

from seq2seq.errors import UserError
from seq2seq.settings.training import TrainSettings
from seq2seq.training.loop import Run
from seq2seq.training.run import train

# Arguments of outcomes.run_settings: as much as goes together, so that whatever is forgotten shows.
ALL_AT_ONCE = {
    "subword_sampling": {"source": 0.3, "target": 0.3}, "accumulate": 2, "averaging": "ema", "ema_decay": 0.9,
    "precision": "bf16", "scheduled_sampling": 0.3, "max_updates": 20, "validate_every": 3, "patience": 3,
    "optimizer": {"schedule": "plateau", "plateau_patience": 0}, "model": {"dropout": {"word": 0.1}},
}
VARIANTS = {
    "bpe": ALL_AT_ONCE,
    "unigram": {**ALL_AT_ONCE, "averaging": "last", "average_last": 2, "optimizer": {"schedule": "cosine"}},
    "epochs": {"max_updates": None, "max_epochs": 3, "validate_every": None, "checkpoint_minutes": 1e-6, "seed": 3,
               "best_by": "perplexity", "clip_norm": None, "consistency": 2.0,
               "risk": 0.3, "risk_draws": 2,
               "model": {"dropout": {"recurrent": 0.2, "variational": True}}},
}


def stopped(settings: TrainSettings, update: int, how: int) -> Ended:
    """Trains in a process of its own that gets the signal at the beginning of an update. Code 0: it had passed that."""
    real = Run.update

    def work() -> None:
        def stopping(self, batch):
            if self.state.updates + 1 == update:
                os.kill(os.getpid(), how)
            real(self, batch)

        Run.update = stopping
        if train(settings).stop_reason(settings.training) is None:
            raise UserError("stopped and saved")

    return in_child(work, Path(settings.run))


def interrupted_at_random(settings: TrainSettings, draw: random.Random, times: int, last: int) -> int:
    """Stops a run `times` times by any signal at random updates, then lets it end. Returns how often it was stopped."""
    done = 0
    for _ in range(times):
        how = draw.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
        ended = stopped(settings, draw.randint(1, last), how)
        assert ended.code in (0, 2, -9), ended.line
        done += ended.code != 0
    ended = stopped(settings, 0, signal.SIGKILL)
    assert ended.code == 0, ended.line
    return done
