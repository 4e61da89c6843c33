"""Training: the loop, and what one update, one log line and one validation are.

    theta_u = optimizer(theta_{u-1}, g),   g = (1 / M) sum over the batch of grad loss

M is the number of real target pieces of the whole batch, over all parts and processes: sums
are taken first and divided once. Every update seeds its random draws by (seed, update, rank),
so a run goes on from any update as if it had never stopped.
"""

from __future__ import annotations

import contextlib
import logging
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from seq2seq.bundle.bundle import save_bundle
from seq2seq.bundle.length_limits import trained_factor, with_factor
from seq2seq.corpus.batch import Batch
from seq2seq.corpus.packed import PackedCorpus
from seq2seq.corpus.stream import TrainingBatches
from seq2seq.distributed import ProcessGroup
from seq2seq.errors import CorpusError
from seq2seq.models.build import build_model
from seq2seq.models.encoder_decoder import EncoderDecoder
from seq2seq.settings.model import LABELS
from seq2seq.settings.training import TrainSettings
from seq2seq.tokenization.sampling import samplers
from seq2seq.training import report, run_folder
from seq2seq.training.averaging import WeightAverage
from seq2seq.training.batch_plan import batch_plan, fit_position
from seq2seq.training.checkpoint import checkpoints, load_checkpoint, place_of, save_checkpoint
from seq2seq.training.clock import Clock
from seq2seq.training.corpus_check import check_fits_shape, check_vocabularies
from seq2seq.training.divergence import FiniteWatch
from seq2seq.training.gradients import build_gradients
from seq2seq.training.interruption import Interruption
from seq2seq.training.judges import bleu_tokenizer, build_judge
from seq2seq.training.metrics import Meter, MetricsWriter
from seq2seq.training.minimum_risk import RiskGradients
from seq2seq.training.optimizer import build_optimizer
from seq2seq.training.progress import Display
from seq2seq.training.schedule import learning_rate, progress
from seq2seq.training.state import TrainState
from seq2seq.training.validation import Validator

log = logging.getLogger("seq2seq")


class Run:
    """The parts of a training run, built from its settings, and the record of its numbers."""

    def __init__(self, settings: TrainSettings, corpus: PackedCorpus, folder: Path, group: ProcessGroup,
                 device: torch.device) -> None:
        self.settings, self.corpus, self.folder = settings, corpus, folder
        self.group, self.device, self.plan = group, device, batch_plan(settings, corpus.hash)
        self.training, self.tokenizers = settings.training, corpus.tokenizers()
        torch.manual_seed(settings.seed)
        source, target = self.tokenizers
        if source is not target:
            check_vocabularies(settings, corpus.folder)
        self.model = build_model(settings, len(source), len(target), source.word_starts).to(device)
        self.gradients = build_gradients(self.model, settings, group, device)
        self.tokenize = bleu_tokenizer(settings, corpus)
        self.max_length_factor = trained_factor(settings, corpus.split("train"))
        if self.training.risk > 0:
            assert isinstance(self.model, EncoderDecoder) and self.tokenize is not None  # TrainSettings sees to it
            self.gradients = RiskGradients(self.gradients, self.model, self.training, target, group, device,
                                           self.tokenize, self.max_length_factor)
        self.optimizer = build_optimizer(self.model, settings.optimizer)
        self.average = WeightAverage(self.model, self.training.averaging, decay=self.training.ema_decay,
                                     last=self.training.average_last)
        labels, train, valid = settings.shape in LABELS, corpus.split("train"), corpus.split("valid")
        for name, split in (("train", train), ("valid", valid)):
            check_fits_shape(settings.shape, split, source, corpus.folder / name)
        self.batches = TrainingBatches(
            train, budget=self.training.batch_pieces, max_pieces=self.training.max_pieces, seed=settings.seed,
            samplers=samplers(self.training.subword_sampling, self.tokenizers), labels=labels,
            multiple=self.plan["multiple"])
        budget = max(1, self.training.batch_pieces // self.training.accumulate)
        search = with_factor(settings.search, self.max_length_factor)
        judge = build_judge(settings.shape, valid, self.tokenizers, search=search, budget=budget,
                            sentences=self.training.valid_sentences, device=device, group=group, tokenize=self.tokenize)
        self.validator = Validator(valid, judge, budget=budget, labels=labels, device=device,
                                   precision=self.training.precision, group=group)
        self.state, self.meter, self.watch = TrainState(), Meter(device), FiniteWatch(
            device, len(self.tokenizers[1]), self.training.max_loss_factor)
        self.validation: dict[str, Any] | None = None  # figures of the last one, for last/
        self.start: dict[str, Any] | None = None       # a forked run begins with it

    def go(self) -> TrainState:
        """Trains from where the run stands until it is over or a signal comes."""
        self.resume()
        if (reason := self.state.stop_reason(self.training)) is not None and self.is_complete():
            log.info("%s is finished: %s; %s. To train on, raise the limit.", self.folder, reason,
                     self.standing())
            return self.state
        self.introduce()
        with contextlib.ExitStack() as stack:
            self.display = stack.enter_context(Display(self.folder.name, shown=self.group.is_main))
            self.interruption = stack.enter_context(Interruption())
            if self.group.is_main:
                self.metrics = stack.enter_context(
                    MetricsWriter(self.folder, self.state.updates, self.state.validated))
            self.clock = Clock(self.state, self.device, self.training.checkpoint_minutes, self.group)
            if self.start is not None:
                self.start = None
                self.save()  # from now on the run it was forked from may go on, or go
            self.loop()
        return self.state

    def is_complete(self) -> bool:
        """True when a run that is over has been judged and has its last/: else it was killed while it ended."""
        whole = run_folder.is_complete(self.folder, self.state.updates) if self.group.is_main else None
        return self.state.validated == self.state.updates and self.group.first(whole)

    def loop(self) -> None:
        state, training, every = self.state, self.training, self.training.validate_every
        with contextlib.closing(self.batches.stream(state.position)) as batches:
            while (reason := state.stop_reason(training)) is None and not self.clock.interrupted:
                try:
                    batch, position, epochs = next(batches)
                except CorpusError:
                    if self.group.size == 1:  # the others do not know of it, and saving takes all
                        self.save()  # what was trained on until now was read before the change
                    raise
                self.update(batch)
                ends_epoch = position.epoch > state.position.epoch
                state.advance(position, epochs, batch.pieces)
                self.clock.tell(self.interruption)
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
        state, training, group = self.state, self.training, self.group
        number = state.updates + 1
        rate = learning_rate(self.settings.optimizer, number, progress=self.progress(),
                             plateaus=state.plateaus)
        for parameters in self.optimizer.param_groups:
            parameters["lr"] = rate
        torch.manual_seed(_seed(self.settings.seed, number, group.rank))
        loss = self.gradients(batch)
        self.meter.add(loss)
        group.sum(loss.nll)
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), training.clip_norm or float("inf"))
        self.watch.see(number, batch.rows, loss.nll / batch.pieces, norm)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.average.after_update(number)
        self.meter.count(batch, self.gradients.places(batch), rate, norm)

    def log_line(self) -> None:
        """One kind=train line of the figures since the last one."""
        self.watch.check()
        state = self.state
        self.group.sum(self.meter.nll, self.meter.smoothed)
        figures = self.meter.read(state.training_seconds)
        self.meter.reset(state.training_seconds)
        if not self.group.is_main:
            return
        self.metrics.write("train", state.updates, {
            "epoch": state.epochs, **figures, "seconds": state.seconds})
        report.updates(state, figures)
        measure = state.judged_by(self.training.best_by)
        self.display.show(self.progress(), report.beside_the_bar(state, figures, measure))

    def validate(self) -> None:
        """The scores of the averaged weights; the best so far becomes best/."""
        self.watch.check()
        with self.clock.aside():
            self.average.before_validation()
            with self.average.applied():
                found = self.validator.run(self.model)
                before = self.state.judged_by(self.training.best_by)
                better = self.state.judge(found.figures(), self.training.best_by, self.settings.optimizer)
                self.validation = found.figures()
                if better and self.group.is_main:
                    self.save_bundle(run_folder.BEST)
        if self.group.is_main:
            state = self.state
            self.metrics.write("valid", state.updates, {
                "epoch": state.epochs, **found.figures(), "best": better, "seconds": state.seconds})
            report.validation(state, found, better)
            report.measure(before, state.judged_by(self.training.best_by))

    def save(self) -> None:
        """A checkpoint that this update's line of figures is not behind."""
        self.watch.check()
        self.group.sum(self.meter.nll, self.meter.smoothed)
        with self.clock.aside():
            if self.group.is_main:
                self.metrics.flush()
                save_checkpoint(self.folder / run_folder.CHECKPOINTS, self.state.updates, {
                    "processes": self.group.size, "plan": self.plan, "state": self.state.written(),
                    "meter": self.meter.state_dict(), "model": self.model.state_dict(),
                    "optimizer": self.optimizer.state_dict(), "average": self.average.state_dict(),
                    "validation": self.validation})
        if not self.group.is_main:  # what was summed is counted by the leader from now on
            self.meter.clear_sums()
        self.watch.saved(self.state.updates, place_of(self.folder / run_folder.CHECKPOINTS, self.state.updates))
        self.clock.saved()

    def resume(self) -> None:
        """Takes up the newest checkpoint, or what the run was forked from, if there is one."""
        folder = self.folder / run_folder.CHECKPOINTS
        content = load_checkpoint(folder) or self.start
        self.group.same(0 if content is None else content["state"]["updates"], f"the newest checkpoint in {folder}")
        if content is None:
            return
        self.state = TrainState.read(content["state"])
        fit_position(self.state, content.get("plan", self.plan), self.plan, self.folder)
        self.model.load_state_dict(content["model"])
        self.optimizer.load_state_dict(content["optimizer"])
        self.average.load_state_dict(content["average"])
        self.meter.load_state_dict(content["meter"])
        if not self.group.is_main:
            self.meter.clear_sums()
        self.validation = content["validation"]
        for place in reversed(checkpoints(folder)):
            if int(place.name) <= self.state.updates:  # a newer one is damaged
                self.watch.saved(int(place.name), place)
        report.processes(self.group.size, content.get("processes", self.group.size))

    def finish(self, reason: str | None) -> None:
        """Saves, writes last/ and says why it is over; `reason` is None after a signal."""
        self.save()
        if not self.group.is_main:
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
            "seconds": state.seconds, "validation": self.validation, "tokenize": self.tokenize,
            "max_length_factor": self.max_length_factor},
            self.corpus.shortlist())

    def introduce(self) -> None:
        """What is about to be trained, in three lines."""
        training, batches = self.training, self.batches
        parameters = sum(parameter.numel() for parameter in self.model.parameters())
        log.info("%s: %s, %s, context %s, %s parameters, %s on %s%s", self.folder, self.settings.shape.value,
                 self.settings.cell.kind.value, self.settings.context.kind.value, f"{parameters:,}",
                 training.precision.value, self.device.type,
                 f" x {self.group.size}" if self.group.size > 1 else "")
        log.info("%s: %s training pairs%s", self.corpus.folder, f"{len(batches.rows):,}",
                 f" ({batches.left_out:,} with a side of more than {training.max_pieces} pieces left out)"
                 if batches.left_out else "")
        if self.state.updates:
            log.info("continuing at %s", self.standing())

    def standing(self) -> str:
        return report.standing(self.state, self.state.judged_by(self.training.best_by))

    def progress(self) -> float:
        state = self.state
        return progress(self.training, updates=state.updates, epochs=state.epochs, seconds=state.seconds)


def _seed(seed: int, update: int, rank: int) -> int:
    low, high = np.random.SeedSequence([seed, update, rank]).generate_state(2)
    return int(low) | int(high) << 32
