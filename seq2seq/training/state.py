"""Every number of a training run that a resumed run takes up again, in one record.

The random numbers are not in it: each update draws from a generator seeded by (seed, update,
rank), so the position in the run is all there is to know.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from seq2seq.corpus.stream import Position
from seq2seq.settings.training import Measure, OptimizerSettings, TrainingSettings

NOTHING = 0.005  # a BLEU or chrF below it reads 0.00


@dataclasses.dataclass(kw_only=True)
class TrainState:
    updates: int = 0              # done
    position: Position = dataclasses.field(default_factory=Position)
    epochs: float = 0.0           # gone through, with the share of the one under way
    pieces: int = 0               # target pieces trained on
    seconds: float = 0.0          # of the whole loop, over all resumes
    aside_seconds: float = 0.0    # of them: validating and saving
    validated: int = 0            # update of the last validation
    best: float | None = None     # the best value of `measure`
    measure: str | None = None    # by its name in Measure; None, in older checkpoints: best_by
    best_updates: int = 0         # and the update it was reached at
    stale: int = 0                # validations since then
    plateau_stale: int = 0        # validations without improvement since the last plateau
    plateaus: int = 0             # schedule=plateau: how often the learning rate was lowered

    @property
    def training_seconds(self) -> float:
        return self.seconds - self.aside_seconds

    def advance(self, position: Position, epochs: float, pieces: int) -> None:
        """Takes in an update that was done: `position` is the batch that comes next."""
        self.updates += 1
        self.pieces += pieces
        self.position, self.epochs = position, epochs

    def restart_epoch(self) -> None:
        """The epoch under way starts from its beginning: its batches are not those that `position` counts."""
        self.position, self.epochs = Position(self.position.epoch), float(self.position.epoch)

    def judge(self, figures: Mapping[str, float], best_by: Measure, optimizer: OptimizerSettings) -> bool:
        """Takes in the figures of a validation; True when it is the best so far, or the first by another measure."""
        before, kind = self.judged_by(best_by), self._measure(figures, best_by)
        value = figures[kind.value]
        better = (self.best is None or kind is not before
                  or (value > self.best if kind.higher_is_better else value < self.best))
        self.validated, self.measure = self.updates, kind.value
        if better:
            self.best, self.best_updates, self.stale, self.plateau_stale = value, self.updates, 0, 0
            return True
        self.stale += 1
        self.plateau_stale += 1
        if self.plateau_stale > optimizer.plateau_patience:
            self.plateaus, self.plateau_stale = self.plateaus + 1, 0
        return False

    def stop_reason(self, limits: TrainingSettings) -> str | None:
        """Why the run is over, None while it is not."""
        if limits.max_updates is not None and self.updates >= limits.max_updates:
            return f"training.max_updates={limits.max_updates} reached"
        if limits.max_epochs is not None and self.position.epoch >= limits.max_epochs:
            return f"training.max_epochs={limits.max_epochs} reached"
        if limits.max_minutes is not None and self.seconds >= limits.max_minutes * 60:
            return f"training.max_minutes={limits.max_minutes:g} reached"
        if limits.patience is not None and self.stale >= limits.patience:
            measure = self.judged_by(limits.best_by).value
            return f"{self.stale} validations without a better {measure} (training.patience)"
        return None

    def judged_by(self, best_by: Measure) -> Measure:
        """What chose best/."""
        return Measure(self.measure or best_by)

    def _measure(self, figures: Mapping[str, float], best_by: Measure) -> Measure:
        """best_by, or the perplexity while BLEU (or chrF) has only been 0.

        One 0 is as good as the other: the first would stay best/, and the next would use up the patience.
        """
        if best_by not in (Measure.BLEU, Measure.CHRF) or figures[best_by.value] >= NOTHING:
            return best_by
        reached = self.best is not None and self.judged_by(best_by) is best_by and self.best >= NOTHING
        return best_by if reached else Measure.PERPLEXITY

    def written(self) -> dict:
        """Plain numbers, for a checkpoint."""
        return {**dataclasses.asdict(self), "position": list(self.position)}

    @classmethod
    def read(cls, written: dict) -> TrainState:
        return cls(**{**written, "position": Position(*written["position"])})
