"""What a run says about itself in the log."""

from __future__ import annotations

import logging
from typing import Any

from seq2seq.settings.training import Measure
from seq2seq.training.state import TrainState
from seq2seq.training.validation import Validation

log = logging.getLogger("seq2seq")


def updates(state: TrainState, figures: dict[str, Any]) -> None:
    """The figures since the last such line."""
    log.info("update %d  epoch %.2f  loss %.3f  perplexity %.2f  lr %.2g  gradient %.2f  %d pieces/s  padding %.1f%%",
             state.updates, state.epochs, figures["loss"], figures["perplexity"], figures["learning_rate"],
             figures["gradient_norm"], figures["pieces_per_second"], 100 * figures["padding"])


def beside_the_bar(state: TrainState, figures: dict[str, Any], measure: Measure) -> str:
    best = "" if state.best is None else f"  best {measure.value} {state.best:.2f}"
    return (f"loss {figures['loss']:.3f}{best}  {figures['pieces_per_second']:.0f} pieces/s  "
            f"padding {figures['padding']:.1%}")


def validation(state: TrainState, found: Validation, better: bool) -> None:
    """The scores, and a few answers to read."""
    scores = "".join(f"{name} {found.score[key]:.2f}  " for key, name in (("bleu", "BLEU"), ("chrf", "chrF2"),
                                                                       ("accuracy", "accuracy")) if key in found.score)
    log.info("validation at update %d: %sperplexity %.3f%s", state.updates, scores, found.perplexity,
             "  (best so far)" if better else "")
    if cut := found.score.get("cut"):
        log.warning("validation: %d of %d texts were cut at the length limit (search.max_length_factor)", cut,
                    found.score["sentences"])
    for source, reference, answer in found.samples:
        log.info("  source     %s\n  reference  %s\n  output     %s", source, reference, answer)


def measure(before: Measure, now: Measure) -> None:
    """Says that another measure chooses best/, when it does."""
    if now is before:
        return
    if now is Measure.PERPLEXITY:
        log.warning("validation %s is 0.00: until it is not, the perplexity chooses best/ and counts for "
                    "training.patience", before.value)
    else:
        log.info("validation %s is above 0: from here on it chooses best/", now.value)


def processes(now: int, before: int) -> None:
    """Says that a run goes on with another number of processes, when it does."""
    if now != before:
        log.info("%d process%s now, %d before: the same batches, but other draws of dropout and another rounding; this "
                 "run is not bit for bit the one it would have been", now, "" if now == 1 else "es", before)


def standing(state: TrainState, measure: Measure) -> str:
    best = "" if state.best is None else f", best {measure.value} {state.best:.2f} at update {state.best_updates}"
    return f"update {state.updates}, {state.seconds / 60:.1f} minutes{best}"
