"""What decides which pairs a batch holds and in which order the batches come.

A position in the data (batches.Position) means something under the plan that it was counted in, and under no other: a
run that finds another plan starts the epoch under way from its beginning.
"""

from __future__ import annotations

import logging
from typing import Any

from seq2seq.corpus.stream import CHUNK_PAIRS
from seq2seq.settings.training import TrainSettings
from seq2seq.training.graphed_gradients import WIDTHS
from seq2seq.training.state import TrainState

log = logging.getLogger("seq2seq")


def batch_plan(settings: TrainSettings, corpus_hash: str | None) -> dict[str, Any]:
    """Plain values, for a checkpoint. The number of processes is not among them: all plan the same batches."""
    training = settings.training
    return {
        "corpus": corpus_hash, "seed": settings.seed, "batch_pieces": training.batch_pieces,
        "max_pieces": training.max_pieces,
        "subword_sampling": [training.subword_sampling.source, training.subword_sampling.target],
        "multiple": WIDTHS if training.graphs else 1, "chunk_pairs": CHUNK_PAIRS}


def fit_position(state: TrainState, then: dict[str, Any], now: dict[str, Any], origin: object) -> None:
    """Starts the epoch under way from its beginning unless the plan is still the one of `origin`, and says so."""
    changed = ", ".join(f"{name}={value} (was {then.get(name)})" for name, value in now.items()
                        if value != then.get(name))
    if changed:
        state.restart_epoch()
        log.warning("epoch %d starts from its beginning, for its batches are no longer those of %s: %s",
                    state.position.epoch + 1, origin, changed)
