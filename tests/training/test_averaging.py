"""Averages of weights equal their definitions."""

import pytest
import torch
from torch import nn

from seq2seq.settings.training import Averaging
from seq2seq.training.averaging import WeightAverage


def test_ema_is_its_recurrence_and_gives_the_weights_back():
    model = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        model.weight.fill_(0.0)
    average, wanted = WeightAverage(model, Averaging.EMA, decay=0.5, last=1), 0.0
    for update in range(1, 6):
        with torch.no_grad():
            model.weight.fill_(float(update))
        average.after_update(update)
        decay = min(0.5, (1 + update) / (10 + update))
        wanted = decay * wanted + (1 - decay) * update
    with average.applied():
        assert model.weight.item() == pytest.approx(wanted)
    assert model.weight.item() == 5.0


def test_last_is_the_mean_of_the_last_validations():
    model = nn.Linear(1, 1, bias=False)
    average = WeightAverage(model, Averaging.LAST, decay=0.5, last=3)
    for value in range(1, 6):
        with torch.no_grad():
            model.weight.fill_(float(value))
        average.before_validation()
    with average.applied():
        assert model.weight.item() == pytest.approx((3 + 4 + 5) / 3)
    again = WeightAverage(model, Averaging.LAST, decay=0.5, last=3)
    again.load_state_dict(average.state_dict())
    with again.applied():
        assert model.weight.item() == pytest.approx(4.0)
