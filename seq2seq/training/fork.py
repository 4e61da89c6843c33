"""A run that begins where another one stands, with other settings: `fork=RUN_FOLDER`.

Weights, optimizer and average come from the newest checkpoint there, and updates, epochs and
minutes count on. The best validation is sought anew, for it may be measured in another way. The
position in the data is kept while the batches are the same (batch_plan.py); otherwise the epoch under way starts from
its beginning.
"""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path
from typing import Any

import torch
from torch import nn

from seq2seq.corpus.packed import PackedCorpus
from seq2seq.errors import BundleError, SettingError
from seq2seq.settings.reading import differences, write_settings
from seq2seq.settings.training import TrainSettings
from seq2seq.training import run_folder
from seq2seq.training.batch_plan import batch_plan, fit_position
from seq2seq.training.checkpoint import load_checkpoint
from seq2seq.training.metrics import Meter
from seq2seq.training.state import TrainState

# What the network computes. Of these some have no weights of their own, so that a fork with another value would fit.
_NETWORK, _DROPOUT = ("shape", "cell.", "context.", "attention.", "feed.", "model."), "model.dropout."
log = logging.getLogger("seq2seq")


def fork(settings: TrainSettings, corpus: PackedCorpus, model: nn.Module,
         optimizer: torch.optim.Optimizer) -> tuple[dict[str, Any], dict[str, Any]]:
    """A checkpoint for the new run, and what its run.json says of where it came from.

    Raises UserError when `settings.fork` is no run with a checkpoint, or its network does not fit.
    """
    assert settings.fork is not None
    parent = Path(settings.fork)
    if parent.resolve() == Path(settings.run).resolve():
        raise SettingError(f"fork={parent} is the folder of this run itself. Give the new run another: run=FOLDER.")
    for name in (run_folder.SETTINGS, run_folder.ABOUT):
        if not (parent / name).is_file():
            raise BundleError(f"fork={parent} is no run folder (no {name}). Give the folder of a run.")
    old, about = run_folder.recorded(parent), run_folder.read_about(parent)
    content = load_checkpoint(parent / run_folder.CHECKPOINTS)
    if content is None:
        raise BundleError(f"fork={parent} has no checkpoint to begin from. Give a run that has its checkpoints/.")
    same_corpus = about.get("corpus_hash") == corpus.hash
    if not same_corpus and about.get("tokenizers") != run_folder.hashes(corpus):
        raise SettingError(f"fork={parent} was trained with another tokenizer than that of {corpus.folder}: its "
                           "embeddings are of other pieces. Give the corpus it was trained on, or leave fork= out.")
    rows = [row for row in differences(write_settings(old), write_settings(settings)) if row[0] not in ("run", "fork")]
    other = [row for row in rows if row[0].startswith(_NETWORK) and not row[0].startswith(_DROPOUT)]
    _check_fit(parent, content["model"], model, other)
    then = content.get("plan", batch_plan(old, about.get("corpus_hash")))
    _begin_anew(content, optimizer, old.training.averaging is settings.training.averaging)
    content["plan"], state = batch_plan(settings, corpus.hash), TrainState.read(content["state"])
    fit_position(state, then, content["plan"], parent)
    content["state"] = state.written()
    updates = state.updates
    log.info("forked from %s at update %d: %s", parent, updates,
             ", ".join(run_folder.describe_difference(row) for row in rows) or "the same settings")
    if other:
        log.warning("fork=%s: %s: the weights fit, but were trained for another network. Unless that is meant, give "
                    "the old value.", parent, ", ".join(map(run_folder.describe_difference, other)))
    if over := state.stop_reason(settings.training):
        log.warning("%s before the first update: updates, epochs and minutes count on, and fork=%s stands at update "
                    "%d, epoch %.2f, %.1f minutes. To train further, give more than that.", over, parent, updates,
                    state.epochs, state.seconds / 60)
    return content, {"run": str(parent), "updates": updates, "changed": {key: [was, now] for key, was, now in rows}}


def _check_fit(parent: Path, held: dict[str, torch.Tensor], model: nn.Module,
               other: list[tuple[str, Any, Any]]) -> None:
    """`other`: (key, old, new) of the settings of the network that differ."""
    wanted = model.state_dict()
    for name in sorted(wanted.keys() | held.keys()):
        there, here = (list(weights[name].shape) if name in weights else "missing" for weights in (held, wanted))
        if there != here:
            words = " ".join(run_folder.describe_setting(key, old) for key, old, _ in other)
            cure = (f"Give the settings that it was trained with: {words}" if words else
                    f"Its {run_folder.SETTINGS} is not what it was trained with. Give another run.")
            raise SettingError(f"fork={parent}: the network does not fit: {name} is {there} there and {here} here. "
                               f"{cure}")


def _begin_anew(content: dict[str, Any], optimizer: torch.optim.Optimizer, same_average: bool) -> None:
    """Takes out of a checkpoint what belongs to the old run alone."""
    state = dataclasses.replace(TrainState.read(content["state"]), best=None, measure=None, best_updates=0, stale=0,
                                plateau_stale=0, validated=0)
    meter = Meter(torch.device("cpu"))
    meter.reset(state.training_seconds)
    content["state"], content["meter"], content["validation"] = state.written(), meter.state_dict(), None
    content["optimizer"]["param_groups"] = optimizer.state_dict()["param_groups"]  # learning rate, betas, decay
    if not same_average:
        content["average"] = None
