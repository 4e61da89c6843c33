"""A training run from its settings: the process group, the folder and its lock, a new beginning, a fork or a resume."""

from __future__ import annotations

import contextlib
import logging
from pathlib import Path

import torch

from seq2seq.corpus.packed import PackedCorpus
from seq2seq.device import only_deterministic_kernels, pick_device, resolve_precision, with_precision
from seq2seq.distributed import ProcessGroup
from seq2seq.settings.device import Precision
from seq2seq.settings.training import TrainSettings
from seq2seq.training import run_folder
from seq2seq.training.fork import fork
from seq2seq.training.loop import Run
from seq2seq.training.state import TrainState

log = logging.getLogger("seq2seq")


def train(settings: TrainSettings) -> TrainState:
    """Trains into the folder `settings.run`, or continues the run that is there. See run_folder.py.

    Raises UserError for whatever a person can put right; a signal ends it early but cleanly.
    """
    group, device = begin(settings)
    corpus, folder = PackedCorpus.open(settings.corpus), Path(settings.run)
    if group.is_main:
        run_folder.check_is_run(folder)
    with group.meet(device), run_folder.one_at_a_time(folder) if group.is_main else contextlib.nullcontext():
        return _train(settings, corpus, folder, group, device)


def _train(settings: TrainSettings, corpus: PackedCorpus, folder: Path, group: ProcessGroup,
           device: torch.device) -> TrainState:
    """Begins or continues. A function of its own: no Run may outlive the process group."""
    settings = with_precision(settings, group.first(_precision(folder, settings, device) if group.is_main else None))
    under_way = group.first(run_folder.is_under_way(folder) if group.is_main else None)
    if group.is_main and under_way:
        run_folder.compare(folder, settings, corpus)
    run = Run(settings, corpus, folder, group, device)  # it may refuse settings: nothing is written before
    origin = None
    if settings.fork is not None and not under_way:
        run.start, origin = fork(settings, corpus, run.model, run.optimizer)
    elif settings.training.risk > 0 and not under_way:
        log.warning("training.risk=%g of an untrained model: it learns little from its own draws, and takes ten "
                    "times as long. Train without it first, and give that run: fork=RUN.", settings.training.risk)
    if group.is_main:
        run_folder.write_settings_of(folder, settings, corpus, origin)
    return run.go()


def begin(settings: TrainSettings) -> tuple[ProcessGroup, torch.device]:
    """This process's place in the process group and its device, with threads, kernels and log as they shall be."""
    group = ProcessGroup.from_environment()
    if not group.is_main:
        log.setLevel(logging.ERROR)
    if settings.training.threads is not None:
        torch.set_num_threads(settings.training.threads)
    if settings.training.deterministic:
        only_deterministic_kernels()
    return group, pick_device(settings.training.device, group.local_rank)


def _precision(folder: Path, settings: TrainSettings, device: torch.device) -> Precision:
    """FP32 or BF16; a run that goes on keeps what `auto` came to when it began."""
    wanted = settings.training.precision
    if wanted is Precision.AUTO and run_folder.is_under_way(folder):
        return run_folder.recorded_precision(folder)
    return resolve_precision(wanted, device)
