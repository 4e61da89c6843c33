"""A dry probe before training: real updates on the largest batches, and nothing is written.

    peak memory       over updates on the longest pairs together, by either side, and on the fullest batch
    time of an epoch  = batches of an epoch * mean seconds of an update, over a few batches drawn at random

On a CPU the peak is that of the process (resident set), on CUDA that of the tensors on the device.
Validations and checkpoints are not in the time.
"""

from __future__ import annotations

import dataclasses
import os
import resource
import sys
import time
from pathlib import Path

import torch

from seq2seq.corpus.batch import Batch
from seq2seq.corpus.packed import PackedCorpus
from seq2seq.corpus.stream import CHUNK_PAIRS
from seq2seq.device import resolve_precision, with_precision
from seq2seq.settings.training import TrainingSettings, TrainSettings
from seq2seq.training.loop import Run
from seq2seq.training.run import begin

TIMED = 10  # updates


@dataclasses.dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a run would need. Of several processes the one that needs most."""

    shapes: list[tuple[int, int, int]]  # of the largest batches: pairs, source pieces, target pieces
    peak: float                         # bytes
    available: int                      # bytes of the machine or the device
    seconds: float                      # of an update
    pieces_per_second: float            # target pieces
    updates: float                      # in an epoch


def probe(settings: TrainSettings) -> Estimate:
    """Measures and prints; raises UserError where training would, also when the memory does not suffice."""
    group, device = begin(settings)
    corpus = PackedCorpus.open(settings.corpus)
    with group.meet(device):
        precision = group.first(resolve_precision(settings.training.precision, device))
        settings = with_precision(settings, precision)
        found = _measure(Run(settings, corpus, Path(settings.run), group, device))
    if group.is_main:
        print("\n".join(lines(found, settings.training, f"{precision.value} on {device.type}", group.size)))
    return found


def lines(found: Estimate, training: TrainingSettings, where: str, processes: int = 1) -> list[str]:
    """The estimate as a person reads it."""
    total, reason = _whole_run(found, training)
    shapes = ", ".join(" x ".join(map(str, shape)) for shape in found.shapes)
    each = f" in each of {processes} processes" if processes > 1 else ""
    epoch = found.updates * found.seconds
    return [
        f"largest batches (pairs x source x target pieces): {shapes}",
        f"peak memory: {found.peak / 2**20:,.0f} MiB{each}, {where}; there are {found.available / 2**20:,.0f} MiB",
        f"update: {found.seconds:.3f} s, {found.pieces_per_second:,.0f} target pieces a second",
        f"epoch: {found.updates:,.0f} updates, {_time(epoch)}",
        f"run: {_time(total)} ({reason}), validations and checkpoints not counted",
    ]


def _measure(run: Run) -> Estimate:
    batches, device = run.batches, run.device
    batches.check_not_empty()
    # A training run holds the chunk it is at and the next one, and writes events for TensorBoard.
    first, _ahead = batches.chunk(0, 0), batches.chunk(*divmod(1, batches.chunks))
    import torch.utils.tensorboard  # noqa: F401

    large = [*batches.largest(), max(first, key=_places), max(first, key=lambda batch: batch.target_out.shape[1])]
    for batch in large:
        run.update(batch)
    timed = first[:TIMED]
    if run.training.graphs:  # recorded before the clock runs, as nearly all of a run's are
        for batch in timed:
            run.update(batch)
    _wait(device)
    start = time.monotonic()
    for batch in timed:
        run.update(batch)
    _wait(device)
    run.watch.check()
    seconds, peak = run.group.largest((time.monotonic() - start) / len(timed), _peak(device))
    shapes = dict.fromkeys((len(each.rows), each.source.shape[1], each.target_out.shape[1]) for each in large)
    return Estimate(
        shapes=list(shapes), peak=peak, available=_available(device), seconds=seconds,
        pieces_per_second=sum(batch.pieces for batch in timed) / len(timed) / seconds,
        updates=len(first) * len(batches.rows) / min(len(batches.rows), CHUNK_PAIRS))


def _whole_run(found: Estimate, training: TrainingSettings) -> tuple[float, str]:
    """Seconds until the first of the limits, and that limit."""
    ends = []
    if training.max_updates is not None:
        ends.append((training.max_updates * found.seconds, f"training.max_updates={training.max_updates}"))
    if training.max_epochs is not None:
        ends.append((training.max_epochs * found.updates * found.seconds, f"training.max_epochs={training.max_epochs}"))
    if training.max_minutes is not None:
        ends.append((training.max_minutes * 60, f"training.max_minutes={training.max_minutes:g}"))
    return min(ends)


def _time(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} seconds"
    return f"{seconds / 60:.1f} minutes" if seconds < 3600 else f"{seconds / 3600:.1f} hours"


def _places(batch: Batch) -> int:
    return batch.source.numel() + batch.target_out.numel()


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _peak(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    # Kilobytes, but bytes on macOS: getrusage(2) of each.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _available(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
