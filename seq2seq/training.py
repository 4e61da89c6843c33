"""Training: the loop, and what one update, one log line and one validation are.

    theta_u = optimizer(theta_{u-1}, g),   g = (1 / M) sum over the batch of grad loss

M is the number of real target pieces of the whole batch, over all parts and processes: sums
are taken first and divided once. Every update seeds its random draws by (seed, update, rank),
so a run goes on from any update as if it had never stopped.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from seq2seq import run_folder
from seq2seq.averaging import WeightAverage
from seq2seq.batches import Batch, TrainingBatches
from seq2seq.bundle import save_bundle
from seq2seq.checkpoint import load_checkpoint, save_checkpoint
from seq2seq.corpus import PackedCorpus
from seq2seq.distributed import Team
from seq2seq.errors import UserError
from seq2seq.finite import FiniteWatch
from seq2seq.interruption import Interruption
from seq2seq.metrics import Meter, MetricsWriter
from seq2seq.models.build import build_model
from seq2seq.optimizer import build_optimizer
from seq2seq.precision import autocast, only_deterministic_kernels, pick_device, resolve_precision
from seq2seq.progress import Display
from seq2seq.schedule import learning_rate, progress
from seq2seq.settings.model import Tie
from seq2seq.settings.training import Measure, Precision, TrainSettings
from seq2seq.state import TrainState
from seq2seq.subwords import SubwordSampler
from seq2seq.tokenizer import Tokenizer
from seq2seq.validation import Validation, Validator

log = logging.getLogger("seq2seq")


def train(settings: TrainSettings) -> TrainState:
    """Trains into the folder `settings.run`, or continues the run that is there. See run_folder.py.

    Raises UserError for whatever a person can put right; a signal ends it early but cleanly.
    """
    team = Team.from_environment()
    if not team.leads:
        log.setLevel(logging.ERROR)
    if settings.training.threads is not None:
        torch.set_num_threads(settings.training.threads)
    device = pick_device(settings.training.device, team.local_rank)
    if settings.training.deterministic:
        only_deterministic_kernels()
    corpus, folder = PackedCorpus.open(settings.corpus), Path(settings.run)
    with team.meet(device), run_folder.one_at_a_time(folder) if team.leads else contextlib.nullcontext():
        precision = team.first(_open_run(folder, settings, corpus, device) if team.leads else None)
        return Run(_with_precision(settings, precision), corpus, folder, team, device).go()


def _open_run(folder: Path, settings: TrainSettings, corpus: PackedCorpus, device: torch.device) -> Precision:
    """Starts the folder, or checks that it may be continued; the precision that the run has."""
    started = run_folder.is_started(folder)
    wanted = settings.training.precision
    if started and wanted is Precision.AUTO:
        precision = run_folder.recorded_precision(folder)
    else:
        precision = resolve_precision(wanted, device)
    settings = _with_precision(settings, precision)
    if started:
        run_folder.compare(folder, settings, corpus)
    run_folder.start_folder(folder, settings, corpus)
    return precision


def _with_precision(settings: TrainSettings, precision: Precision) -> TrainSettings:
    return dataclasses.replace(settings, training=dataclasses.replace(settings.training, precision=precision))


class Run:
    """The parts of a training run, built from its settings, and the record of its numbers."""

    def __init__(self, settings: TrainSettings, corpus: PackedCorpus, folder: Path, team: Team,
                 device: torch.device) -> None:
        self.settings, self.corpus, self.folder = settings, corpus, folder
        self.team, self.device = team, device
        self.training, self.tokenizers = settings.training, corpus.tokenizers()
        torch.manual_seed(settings.seed)
        self.model = build_model(settings, *map(len, self.tokenizers)).to(device)
        self.shared_model = team.wrap(self.model, has_unused_parameters=_has_unused(settings))
        self.optimizer = build_optimizer(self.model, settings.optimizer)
        self.average = WeightAverage(self.model, self.training.averaging, decay=self.training.ema_decay,
                                     last=self.training.average_last)
        self.batches = TrainingBatches(
            corpus.split("train"), budget=self.training.batch_pieces, max_pieces=self.training.max_pieces,
            seed=settings.seed, samplers=_samplers(settings, self.tokenizers))
        self.validator = Validator(
            corpus.split("valid"), self.tokenizers[1], search=settings.search, device=device, team=team,
            budget=max(1, self.training.batch_pieces // self.training.accumulate),
            sentences=self.training.valid_sentences, precision=self.training.precision)
        self.state, self.meter, self.watch = TrainState(), Meter(device), FiniteWatch(device)
        self.validation: dict[str, Any] | None = None  # figures of the last one, for last/

    def go(self) -> TrainState:
        """Trains from where the run stands until it is over or a signal comes."""
        self.resume()
        if (reason := self.state.stop_reason(self.training)) is not None:
            log.info("%s is finished: %s; %s. To train on, raise the limit.", self.folder, reason,
                     self.standing())
            return self.state
        self.introduce()
        with contextlib.ExitStack() as stack:
            self.display = stack.enter_context(Display(self.folder.name, shown=self.team.leads))
            self.interruption = stack.enter_context(Interruption())
            if self.team.leads:
                self.metrics = stack.enter_context(MetricsWriter(self.folder, self.state.updates))
            self.clock = Clock(self.state.seconds)
            self.loop()
        return self.state

    def loop(self) -> None:
        state, training, every = self.state, self.training, self.training.validate_every
        with contextlib.closing(self.batches.stream(state.position)) as batches:
            while (reason := state.stop_reason(training)) is None and not self.clock.interrupted:
                batch, position, epochs = next(batches)
                self.update(batch)
                ends_epoch = position.epoch > state.position.epoch
                state.advance(position, epochs, batch.pieces)
                self.clock.tell(state, self.team, self.interruption, training.checkpoint_minutes)
                if state.updates % training.log_every == 0:
                    self.log_line()
                if ends_epoch if every is None else state.updates % every == 0:
                    self.validate()
                    self.save()
                elif self.clock.save_due:
                    self.save()
        if reason is not None and state.validated != state.updates:
            self.validate()
        self.finish(reason)

    def update(self, batch: Batch) -> None:
        """One step of the optimizer on the global batch; this process computes its own rows of it."""
        state, training, team = self.state, self.training, self.team
        number, count, pieces = state.updates + 1, training.accumulate * team.size, batch.pieces
        rate = learning_rate(self.settings.optimizer, number, progress=self.progress(),
                             plateaus=state.plateaus)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        torch.manual_seed(_seed(self.settings.seed, number, team.rank))
        for step in range(training.accumulate):
            part, weight = batch.part(step * team.size + team.rank, count), 1.0
            if part is None:  # fewer rows than parts: the team waits for every gradient, so give it a zero
                part, weight = batch.part(0, len(batch.rows)), 0.0
            assert part is not None
            with self._gradients_stay(step + 1 < training.accumulate), _named_shortage(part):
                with autocast(training.precision, self.device):
                    loss = self.shared_model(part.to(self.device), training.label_smoothing,
                                             training.scheduled_sampling)
                # The team averages gradients: times its size that is their sum.
                (loss.smoothed * (weight * team.size / pieces)).backward()
            self.meter.add(loss.nll.detach() * weight, loss.smoothed.detach() * weight)
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), training.clip_norm or float("inf"))
        self.watch.see(number, batch.rows, loss.smoothed.detach(), norm)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.average.after_update(number)
        self.meter.count(batch, rate, norm)

    def log_line(self) -> None:
        """One kind=train line of the figures since the last one."""
        self.watch.check()
        state = self.state
        self.team.sum(self.meter.nll, self.meter.smoothed)
        figures = self.meter.read(state.training_seconds)
        self.meter.reset(state.training_seconds)
        if not self.team.leads:
            return
        self.metrics.write("train", state.updates, {
            "epoch": state.epochs, **figures, "seconds": state.seconds})
        log.info("update %d  epoch %.2f  loss %.3f  perplexity %.2f  lr %.2g  gradient %.2f  %d pieces/s  "
                 "padding %.1f%%", state.updates, state.epochs, figures["loss"], figures["perplexity"],
                 figures["learning_rate"], figures["gradient_norm"], figures["pieces_per_second"],
                 100 * figures["padding"])
        best = "" if state.best is None else f"  best {self.training.best_by.value} {state.best:.2f}"
        self.display.show(self.progress(), f"loss {figures['loss']:.3f}{best}  "
                          f"{figures['pieces_per_second']:.0f} pieces/s  padding {figures['padding']:.1%}")

    def validate(self) -> None:
        """Perplexity and BLEU with the averaged weights; the best so far becomes best/."""
        self.watch.check()
        with self.aside():
            self.average.before_validation()
            with self.average.applied():
                found = self.validator.run(self.model)
                kind = self.training.best_by
                better = self.state.judge(found.measure(kind), kind is Measure.BLEU, self.settings.optimizer)
                self.validation = found.figures()
                if better and self.team.leads:
                    self.save_bundle(run_folder.BEST)
        if self.team.leads:
            self.report(found, better)

    def report(self, found: Validation, better: bool) -> None:
        state = self.state
        self.metrics.write("valid", state.updates, {
            "epoch": state.epochs, **found.figures(), "best": better, "seconds": state.seconds})
        log.info("validation at update %d: BLEU %.2f  perplexity %.3f%s", state.updates, found.bleu,
                 found.perplexity, "  (best so far)" if better else "")
        for source, reference, translation in found.samples:
            log.info("  source      %s\n  reference   %s\n  translation %s", source, reference, translation)

    def save(self) -> None:
        """A checkpoint that this update's line of figures is not behind."""
        self.watch.check()
        self.team.sum(self.meter.nll, self.meter.smoothed)
        with self.aside():
            if self.team.leads:
                self.metrics.flush()
                save_checkpoint(self.folder / run_folder.CHECKPOINTS, self.state.updates, {
                    "state": self.state.written(), "meter": self.meter.state_dict(),
                    "model": self.model.state_dict(), "optimizer": self.optimizer.state_dict(),
                    "average": self.average.state_dict(), "validation": self.validation})
        if not self.team.leads:  # what was summed is counted by the leader from now on
            self.meter.clear_sums()
        self.clock.saved()

    def resume(self) -> None:
        """Takes up the newest checkpoint, if there is one."""
        content = load_checkpoint(self.folder / run_folder.CHECKPOINTS)
        if content is None:
            return
        self.state = TrainState.read(content["state"])
        self.model.load_state_dict(content["model"])
        self.optimizer.load_state_dict(content["optimizer"])
        self.average.load_state_dict(content["average"])
        self.meter.load_state_dict(content["meter"])
        if not self.team.leads:
            self.meter.clear_sums()
        self.validation = content["validation"]

    def finish(self, reason: str | None) -> None:
        """Saves, writes last/ and says why it is over; `reason` is None after a signal."""
        self.save()
        if not self.team.leads:
            return
        with self.average.applied():
            self.save_bundle(run_folder.LAST)
        self.display.show(self.progress())
        if reason is None:
            log.info("interrupted and saved: %s, %s. The same command continues.", self.folder,
                     self.standing())
        else:
            log.info("finished: %s; %s. The model is in %s.", reason, self.standing(),
                     self.folder / run_folder.BEST)

    def save_bundle(self, name: str) -> None:
        state = self.state
        save_bundle(self.folder / name, self.model, self.tokenizers, self.settings, {
            "languages": list(self.corpus.languages),
            "corpus": {"name": self.corpus.folder.name, "folder": str(self.corpus.folder),
                       "hash": self.corpus.hash},
            "updates": state.updates, "epochs": state.epochs, "target_pieces": state.pieces,
            "seconds": state.seconds, "validation": self.validation})

    def introduce(self) -> None:
        """What is about to be trained, in three lines."""
        training, batches = self.training, self.batches
        parameters = sum(parameter.numel() for parameter in self.model.parameters())
        log.info("%s: %s, context %s, %s parameters, %s on %s%s", self.folder,
                 self.settings.cell.kind.value, self.settings.context.kind.value, f"{parameters:,}",
                 training.precision.value, self.device.type,
                 f" x {self.team.size}" if self.team.size > 1 else "")
        log.info("%s: %s training pairs%s", self.corpus.folder, f"{len(batches.rows):,}",
                 f" ({batches.left_out:,} with a side of more than {training.max_pieces} pieces left out)"
                 if batches.left_out else "")
        if self.state.updates:
            log.info("continuing at %s", self.standing())

    def standing(self) -> str:
        state = self.state
        best = "" if state.best is None else (
            f", best {self.training.best_by.value} {state.best:.2f} at update {state.best_updates}")
        return f"update {state.updates}, {state.seconds / 60:.1f} minutes{best}"

    def progress(self) -> float:
        state = self.state
        return progress(self.training, updates=state.updates, epochs=state.epochs, seconds=state.seconds)

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """Time that is no training: it counts for max_minutes, not for the pieces per second."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        before = time.monotonic()
        yield
        self.state.aside_seconds += time.monotonic() - before
        self.state.seconds = self.clock.seconds()

    def _gradients_stay(self, stay: bool) -> contextlib.AbstractContextManager:
        # Only the last part's backward pass sums over the team.
        if stay and isinstance(self.shared_model, nn.parallel.DistributedDataParallel):
            return self.shared_model.no_sync()
        return contextlib.nullcontext()


class Clock:
    """Seconds of the loop over all resumes, and what the team agrees on after every update."""

    def __init__(self, before: float) -> None:
        self._start = time.monotonic() - before
        self._saved = time.monotonic()
        self.interrupted = self.save_due = False

    def seconds(self) -> float:
        return time.monotonic() - self._start

    def saved(self) -> None:
        self._saved = time.monotonic()

    def tell(self, state: TrainState, team: Team, interruption: Interruption,
             checkpoint_minutes: float) -> None:
        """One exchange: all processes see the same time, and stop and save at the same update."""
        due = time.monotonic() - self._saved >= 60 * checkpoint_minutes
        state.seconds, stop, save = team.largest(self.seconds(), float(interruption.wanted), float(due))
        self.interrupted, self.save_due = bool(stop), bool(save)


@contextlib.contextmanager
def _named_shortage(part: Batch) -> Iterator[None]:
    try:
        yield
    except torch.OutOfMemoryError:
        rows, source, target = len(part.rows), part.source.shape[1], part.target_in.shape[1]
        raise UserError(
            f"the device is out of memory for {rows} pairs of {source} source and {target} target pieces. "
            "Lower training.batch_pieces or training.max_pieces, or raise training.accumulate."
        ) from None


def _seed(seed: int, update: int, rank: int) -> int:
    low, high = np.random.SeedSequence([seed, update, rank]).generate_state(2)
    return int(low) | int(high) << 32


def _samplers(settings: TrainSettings,
              tokenizers: tuple[Tokenizer, Tokenizer]) -> tuple[SubwordSampler | None, SubwordSampler | None]:
    wanted = settings.training.subword_sampling
    source, target = (SubwordSampler(tokenizer, alpha) if alpha > 0 else None
                      for tokenizer, alpha in zip(tokenizers, (wanted.source, wanted.target), strict=True))
    return source, target


def _has_unused(settings: TrainSettings) -> bool:
    # Without feedback the target embeddings serve as the output matrix or not at all.
    return not settings.feed.output and settings.model.tie is Tie.NONE
