"""Trains a network on a packed corpus, or continues the run that is there.

    python train.py corpus=data/multi30k_en_de context=attention cell=gru run=runs/m30k
    python train.py --help
"""

from __future__ import annotations

import dataclasses
import logging
import os
import subprocess
import sys
from pathlib import Path

from seq2seq.commands.app import CONFIGURATION, command, typed
from seq2seq.commands.command_line import groups_of
from seq2seq.commands.malloc import keep_freed_memory
from seq2seq.commands.sweep import Measured, in_sweep, swept_name
from seq2seq.errors import UserError
from seq2seq.settings.training import TrainSettings
from seq2seq.settings.without_effect import without_effect
from seq2seq.training.run_name import run_name

EMBEDDED = "data/grammar"
log = logging.getLogger("seq2seq")


@command(config_name="train", kind=TrainSettings)
def main(settings: TrainSettings) -> Measured | None:
    keep_freed_memory()
    if not settings.run:
        settings = dataclasses.replace(settings, run=run_name(settings, swept_name()))
    from seq2seq.training.continuing import continued  # torch: not for --help

    settings = continued(settings, typed(), groups_of(CONFIGURATION, "train"))
    for line in without_effect(settings, typed()):
        log.warning("%s", line)
    if settings.training.probe:
        from seq2seq.training.dry_run import probe

        probe(settings)
        return None
    if settings.corpus == EMBEDDED and not Path(EMBEDDED).exists():
        prepare_embedded_corpus()
    from seq2seq.training.run import train

    state = train(settings)
    if in_sweep() and state.stop_reason(settings.training) is None:
        raise KeyboardInterrupt  # it was interrupted and saved: the runs after it do not begin
    measure = state.judged_by(settings.training.best_by)
    return None if state.best is None else Measured(settings.run, measure.value, state.best, measure.higher_is_better)


def prepare_embedded_corpus() -> None:
    """Runs `python -m data_prep`, which writes data/grammar with its default settings."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UserError(f"{EMBEDDED} is not there yet. Prepare it before several processes start: "
                        "python -m data_prep data=grammar")
    log.info("%s is not there yet: preparing the embedded corpus (python -m data_prep data=grammar)", EMBEDDED)
    path = os.pathsep.join(filter(None, [str(CONFIGURATION.parent), os.environ.get("PYTHONPATH")]))
    done = subprocess.run([sys.executable, "-m", "data_prep", "data=grammar"], check=False, stdout=sys.stderr,
                          env={**os.environ, "PYTHONPATH": path})
    if done.returncode:
        sys.exit(done.returncode)  # it has said why
