"""The watch over loss and gradient: what is no number, what has exploded, and where to go on from."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from tiny_corpus import make_corpus

from seq2seq.settings.reading import read_settings
from seq2seq.settings.training import TrainSettings
from seq2seq.training.checkpoint import load_checkpoint
from seq2seq.training.divergence import IN_A_ROW, DivergedError, FiniteWatch
from seq2seq.training.run import train

LIMIT = 2 * math.log(100)


def watch(at_once: bool = True) -> FiniteWatch:
    made = FiniteWatch(torch.device("cpu"), vocabulary=100, factor=2.0)
    made._at_once = at_once  # False: as on CUDA
    return made


def see(seen: FiniteWatch, update: int, loss: float, norm: float = 1.0) -> None:
    seen.see(update, torch.tensor([update * 10]), torch.tensor(loss), torch.tensor(norm))


@pytest.mark.parametrize("at_once", [True, False])
def test_ten_losses_in_a_row_above_the_limit_are_an_explosion(at_once):
    seen = watch(at_once)
    seen.saved(11, Path("checkpoints/11"))
    seen.saved(12, Path("checkpoints/12"))  # of the weights that the bad losses come from
    for update in range(1, 13):
        see(seen, update, 3.0)
    with pytest.raises(DivergedError, match=r"exploded: from update 13 on it is above 9.2 nats a piece \(training.max_l"
                                            r"oss_factor\) \(training lines 131\). The last good checkpoint is "
                                            "checkpoints/11. Lower optimizer.learning_rate"):
        for update in range(13, 13 + IN_A_ROW):
            assert update < 13 + IN_A_ROW
            see(seen, update, LIMIT + 0.01)
        seen.check()


def test_an_explosion_across_a_check_is_named_by_its_first_update():
    seen = watch(at_once=False)
    for update in range(1, 26):
        see(seen, update, LIMIT + 1 if update > 18 else 1.0)
    seen.check()
    for update in range(26, 29):
        see(seen, update, LIMIT + 1)
    with pytest.raises(DivergedError, match=r"from update 19 on .*\(training lines 191\). There is no checkpoint from"):
        seen.check()


def test_a_jump_that_heals_is_none():
    seen = watch()
    for update in range(1, 200):
        see(seen, update, LIMIT * 5 if update % IN_A_ROW else 1.0)
    seen.check()


def test_without_a_factor_only_what_is_no_number_stops():
    seen = FiniteWatch(torch.device("cpu"))
    for update in range(1, 50):
        see(seen, update, 1e9)
    seen.saved(49, Path("checkpoints/49"))
    for loss, norm in ((math.nan, 1.0), (1.0, math.inf)):
        with pytest.raises(DivergedError, match="update 50 is not finite .*last good checkpoint is checkpoints/49"):
            see(seen, 50, loss, norm)


def test_a_learning_rate_far_too_high_stops_the_run(tmp_path):
    corpus = make_corpus(tmp_path / "tiny", train=60, valid=6)
    settings = read_settings(TrainSettings, {
        "corpus": str(corpus), "run": str(tmp_path / "run"), "model": {"embedding": 8, "hidden": 8},
        "optimizer": {"learning_rate": 30.0, "warmup_updates": 12, "schedule": "constant"},
        "training": {"batch_pieces": 150, "max_updates": 300, "validate_every": 10, "threads": 1, "device": "cpu",
                     "precision": "fp32", "max_epochs": None}})
    with pytest.raises(DivergedError, match="the loss has exploded: from update"):
        train(settings)
    assert load_checkpoint(tmp_path / "run" / "checkpoints")["state"]["updates"] < 100
