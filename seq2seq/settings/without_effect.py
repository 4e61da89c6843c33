"""Settings that count only beside another: which of those that a person gave do nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from seq2seq.settings.model import ContextKind
from seq2seq.settings.training import Averaging, Schedule, TrainSettings

# The beginning of dotted keys, whether they count, and what they would need.
_NEEDS: tuple[tuple[str, Callable[[TrainSettings], bool], str], ...] = (
    ("attention.", lambda settings: settings.context.kind is ContextKind.ATTENTION, "context=attention"),
    ("optimizer.plateau_", lambda settings: settings.optimizer.schedule is Schedule.PLATEAU,
     "optimizer.schedule=plateau"),
    ("optimizer.final_share", lambda settings: settings.optimizer.schedule is Schedule.COSINE,
     "optimizer.schedule=cosine"),
    ("training.ema_decay", lambda settings: settings.training.averaging is Averaging.EMA, "training.averaging=ema"),
    ("training.average_last", lambda settings: settings.training.averaging is Averaging.LAST,
     "training.averaging=last"),
    ("training.risk_draws", lambda settings: settings.training.risk > 0, "training.risk=0.5"),
)


def without_effect(settings: TrainSettings, typed: Iterable[str]) -> Iterator[str]:
    """A line for each of the words `typed` (name=value) that changes nothing."""
    for word in typed:
        for beginning, counts, needed in _NEEDS:
            if word.lstrip("+").startswith(beginning) and not counts(settings):
                yield f"{word} has no effect without {needed}"
