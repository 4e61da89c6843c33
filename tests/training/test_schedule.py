"""The learning rate of an update, and how far a run is."""

import pytest

from seq2seq.settings.training import Measure, OptimizerSettings, Schedule, TrainingSettings
from seq2seq.training.schedule import learning_rate, progress
from seq2seq.training.state import TrainState


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
    better = [state.judge({"bleu": value}, Measure.BLEU, wish) for value in (1.0, 2.0, 1.5, 1.5, 1.5, 3.0)]
    assert better == [True, True, False, False, False, True]
    assert (state.plateaus, state.best, state.stale) == (1, 3.0, 0)


def judged(state: TrainState, *figures: tuple[float, float], best_by: Measure = Measure.BLEU) -> list[bool]:
    """What becomes of validations with (BLEU, perplexity)."""
    wish = OptimizerSettings(plateau_patience=1)
    return [state.judge({"bleu": score, "chrf": score, "perplexity": perplexity}, best_by, wish)
            for score, perplexity in figures]


@pytest.mark.parametrize("best_by", [Measure.BLEU, Measure.CHRF])
def test_while_bleu_is_0_the_perplexity_judges(best_by):
    state, limits = TrainState(updates=7), TrainingSettings(patience=2, best_by=best_by)
    assert judged(state, (0.0, 90.0), (0.0, 80.0), (0.004, 70.0), best_by=best_by) == [True, True, True]
    assert (state.best, state.measure, state.stale) == (70.0, "perplexity", 0)
    assert judged(state, (0.0, 71.0), (0.0, 70.0), best_by=best_by) == [False, False]
    assert state.stop_reason(limits) == "2 validations without a better perplexity (training.patience)"
    # The first BLEU that says something is the best so far, whatever the perplexity; a 0 after it is a bad one.
    assert judged(state, (0.02, 75.0), (0.01, 60.0), (0.0, 50.0), best_by=best_by) == [True, False, False]
    assert (state.best, state.measure) == (0.02, best_by.value)
    assert state.stop_reason(limits) == f"2 validations without a better {best_by.value} (training.patience)"


def test_a_perplexity_that_was_asked_for_judges_alone():
    state = TrainState()
    assert judged(state, (0.0, 9.0), (5.0, 8.0), (9.0, 8.5), best_by=Measure.PERPLEXITY) == [True, True, False]


def test_a_checkpoint_from_before_knows_its_best_bleu_only():
    written = TrainState(best=12.0, stale=1, updates=9).written()
    del written["measure"]
    state = TrainState.read(written)
    assert judged(state, (11.0, 5.0), (13.0, 6.0)) == [False, True] and state.best == 13.0
    written["best"] = 0.0
    state = TrainState.read(written)
    assert judged(state, (0.0, 5.0), (0.0, 6.0)) == [True, False] and state.measure == "perplexity"
