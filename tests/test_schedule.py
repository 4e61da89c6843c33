"""The learning rate of an update, and how far a run is."""

import pytest

from seq2seq.schedule import learning_rate, progress
from seq2seq.settings.training import OptimizerSettings, Schedule, TrainingSettings
from seq2seq.state import TrainState


@pytest.mark.parametrize(("schedule", "update", "wanted"), [
    (Schedule.INVERSE_SQRT, 50, 0.5), (Schedule.INVERSE_SQRT, 100, 1.0), (Schedule.INVERSE_SQRT, 400, 0.5),
    (Schedule.CONSTANT, 1, 0.01), (Schedule.CONSTANT, 5000, 1.0), (Schedule.PLATEAU, 5000, 0.25),
    (Schedule.COSINE, 100, 1.0), (Schedule.COSINE, 101, 1.0), (Schedule.COSINE, 551, 0.55),
    (Schedule.COSINE, 1001, 0.1),
])
def test_the_learning_rate(schedule, update, wanted):
    wish = OptimizerSettings(learning_rate=1.0, schedule=schedule, warmup_updates=100, final_share=0.1)
    rate = learning_rate(wish, update, progress=(update - 1) / 1000, plateaus=2)
    assert rate == pytest.approx(wanted, abs=1e-6)


def test_a_schedule_without_warmup_starts_at_the_top():
    for schedule in Schedule:
        wish = OptimizerSettings(learning_rate=1.0, schedule=schedule, warmup_updates=0)
        assert learning_rate(wish, 1, progress=0.0, plateaus=0) == pytest.approx(1.0)


def test_the_limit_that_ends_the_run_first_tells_how_far_it_is():
    limits = TrainingSettings(max_updates=100, max_epochs=4, max_minutes=10.0)
    assert progress(limits, updates=50, epochs=1.0, seconds=60.0) == 0.5
    assert progress(limits, updates=50, epochs=3.0, seconds=60.0) == 0.75
    assert progress(limits, updates=50, epochs=1.0, seconds=540.0) == 0.9
    assert progress(limits, updates=500, epochs=1.0, seconds=0.0) == 1.0


def test_plateaus_lower_the_learning_rate_after_patience():
    state, wish = TrainState(), OptimizerSettings(plateau_patience=1)
    better = [state.judge(value, True, wish) for value in (1.0, 2.0, 1.5, 1.5, 1.5, 3.0)]
    assert better == [True, True, False, False, False, True]
    assert (state.plateaus, state.best, state.stale) == (1, 3.0, 0)
