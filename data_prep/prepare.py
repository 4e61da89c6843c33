"""From a source to a packed corpus, read from top to bottom.

    raw pairs -> clean -> drop duplicates -> learn the pieces -> encode -> pack

A corpus goes through by shards. What memory holds of it are the batches in work, 8 bytes a pair to
know duplicates by (58 while they are sorted), and the sample that the pieces are learnt from. The number
of processes changes nothing in the result.
"""

from __future__ import annotations

import functools
import logging
import os
import shutil
import time
from pathlib import Path

import numpy as np

from data_prep import filters, labels, manifest, overlap, packing, passes, report
from data_prep import ibm_model1 as lexicon
from data_prep import learn_tokenizer as tokenization
from data_prep.cleaning import Tally
from data_prep.labels import RawLabels
from data_prep.sources.base import Source
from data_prep.sources.build import build_source, cut_sizes
from data_prep.sources.cut import CutSource
from data_prep.text import Text
from data_prep.workers import Workers
from seq2seq.corpus.packed import JOINT, SEPARATE, SPLITS
from seq2seq.corpus.shortlist import SHORTLIST, Shortlist
from seq2seq.errors import CorpusError
from seq2seq.settings.labels import Labels
from seq2seq.settings.prepare import PrepareSettings, RatioFilter
from seq2seq.storage.atomic import remove_leftovers, whole_folder, writing
from seq2seq.text.languages import writes_zero_width_spaces
from seq2seq.tokenization.tokenizer import Tokenizer

NEAR = 1.5   # a median ratio of letters that counts as 1
SHARDS = 64  # of a split: the same for any number of processes, else they would change the packed files
log = logging.getLogger("seq2seq")


def prepare(settings: PrepareSettings, workers: Workers | None = None) -> Path:
    """Makes the packed corpus unless it is there already; returns its folder. Raises UserError.

    `workers`: who does the jobs; None: processes of this machine.
    """
    folder = Path(settings.corpus)
    with writing(folder):
        remove_leftovers(folder.parent, folder.name)
    old = manifest.existing(folder)
    source = build_source(settings.data, settings.seed)
    taken = settings.tokenizer.corpus
    given = None if taken is None else tokenization.of_corpus(taken, source.languages)
    origin = manifest.origin(source, settings, given)
    if old is not None:
        changed = manifest.changes(folder, old, origin)
        if not changed:
            log.info("%s is up to date: same input, same settings. Nothing to do.", folder)
            return folder
        log.info("%s will be replaced: %s changed.", folder, report.listed(changed))
    with whole_folder(folder) as part, workers or Workers(settings.num_proc or os.cpu_count() or 1) as doing:
        made = Preparation(source, settings, doing, part, given).run() | {"origin": origin}
        manifest.write(part, made)
    report.show(folder, made)
    return folder


class Preparation:
    """One run: a source, its settings, and the folder that is being filled."""

    def __init__(self, source: Source, settings: PrepareSettings, workers: Workers, folder: Path,
                 given: tuple[Tokenizer, Tokenizer] | None = None) -> None:
        """`given`: the tokenizers of another corpus, in the place of new ones."""
        self.source, self.settings, self.workers, self.folder = source, settings, workers, folder
        self.given = given
        self.work = folder / "work"  # text between the passes
        self.labels = settings.labels
        self.raw = RawLabels(source, settings.data, settings.labels)

    def run(self) -> dict:
        """Fills the folder; returns the manifest but for its origin."""
        self.work.mkdir()
        if sizes := cut_sizes(self.settings.data, self.source):
            self.source = cut = CutSource(self.source, self.workers, SHARDS, sizes)
            cuts = report.listed([f"{size:,} pairs for {split}" for split, size in cut.sizes.items()])
            fewer = [f"{sizes[split]:,} for {split}" for split in sizes if cut.sizes[split] < sizes[split]]
            log.info("no split given for %s: cut from train, %s%s", " and ".join(cut.sizes), cuts,
                     f" (not {report.listed(fewer)}: at most a tenth of the text is taken for each)" if fewer else "")
        self.usual_ratio = usual_ratio(self.source, self.settings.cleaning.ratio)
        texts, held_out, tallies = {}, {}, {}
        for split in SPLITS[1:]:
            if split in self.source.splits():
                texts[split], held_out[split], tallies[split] = self.hold_out(split)
        texts["train"], found, tallies["train"] = self.clean(held_out)
        tokenizers = self.tokenizers(texts["train"]) if self.given is None else self.taken(*self.given)
        packed = {split: self.pack(split, texts[split], tokenizers) for split in SPLITS if split in texts}
        if self.settings.shortlist:
            self.shortlist(texts["train"], tokenizers)
        shutil.rmtree(self.work)
        return manifest.describe(self.source.languages, packed, tokenizers, tallies, overlap.summary(found, held_out))

    def hold_out(self, split: str) -> tuple[Text, overlap.Keys, dict[str, Tally]]:
        """Validation or test: its text as it is, the keys of its sentences, and what the filters saw."""
        jobs = [
            passes.HoldOutJob(shard, self.source.languages, self.work / f"{split}-{i}", self.settings.cleaning,
                              self.labels, self.usual_ratio)
            for i, shard in enumerate(self.source.shards(split, SHARDS))
        ]
        with self.raw.found_tabs(split):
            results = self.workers.run(passes.hold_out, jobs, f"reading {split}")
        text = Text([job.text for job in jobs], [np.ones(result.pairs, dtype=bool) for result in results])
        if not len(text):
            raise CorpusError(f"the {split} split is empty. Give one with at least one pair.")
        return text, overlap.join([result.keys for result in results]), merged([r.report for r in results])

    def clean(self, held_out: dict[str, overlap.Keys]) -> tuple[Text, dict[str, overlap.Found], dict[str, Tally]]:
        """Training: cleaned text without duplicates, what it shares with the other splits, the counts."""
        known = {split: {name: np.unique(keys) for name, keys in table.items()} for split, table in held_out.items()}
        jobs = [
            passes.CleanJob(shard, self.source.languages, self.work / f"train-{i}", self.settings.cleaning, known,
                            self.settings.overlap, self.labels, self.usual_ratio)
            for i, shard in enumerate(self.source.shards("train", SHARDS))
        ]
        with self.raw.found_tabs("train"):
            results = self.workers.run(passes.clean, jobs, "cleaning train")
        found = {split: overlap.Found.nothing() for split in known}
        for result in results:
            for split, part in result.found.items():
                found[split].add(part)
        tallies = merged([result.report for result in results])
        keep = [np.ones(len(result.keys), dtype=bool) for result in results]
        if self.settings.cleaning.duplicates.enabled:
            keep = passes.first_of_each([result.keys for result in results])
            tallies["duplicates"] = passes.tally_duplicates([job.text for job in jobs], keep)
        text = Text([job.text for job in jobs], keep)
        if not len(text):
            raise CorpusError(report.nothing_left(tallies))
        return text, found, tallies

    def tokenizers(self, train: Text) -> tuple[Tokenizer, Tokenizer]:
        """Learns the pieces from the training text and writes the models; one object for both sides when joint."""
        settings = self.settings.tokenizer
        sample = train.sample(settings.sample, self.settings.seed)
        models = []
        jobs = [(JOINT, (0, 1), settings)] if settings.joint else [
            (name, (side,), settings.of(own))
            for side, (name, own) in enumerate(zip(SEPARATE, (settings.source, settings.target), strict=True))]
        for name, sides, asked in jobs:
            start = time.monotonic()
            if self.raw.are_on(sides):
                learnt, wanted = labels.learnt_from(self.raw, train, asked)
                model = Tokenizer(tokenization.learn(learnt, wanted))
            else:
                wanted = asked
                separated = any(writes_zero_width_spaces(self.source.languages[side]) for side in sides)
                model = Tokenizer(tokenization.learn(functools.partial(sample.lines, sides), wanted, separated))
            log.info("learnt %s %s pieces from %s pairs in %.1f s", f"{len(model):,}", wanted.kind.value,
                     f"{len(sample):,}", time.monotonic() - start)
            if len(model) < wanted.vocabulary:
                log.info("the text has too few for %s pieces: %s has %s, as many as there are",
                         f"{wanted.vocabulary:,}", name, f"{len(model):,}")
            (self.folder / name).write_bytes(model.model)
            models.append(model)
        return models[0], models[-1]

    def taken(self, source: Tokenizer, target: Tokenizer) -> tuple[Tokenizer, Tokenizer]:
        """Writes the models of another corpus."""
        for name, model in [(JOINT, source)] if source is target else zip(SEPARATE, (source, target), strict=True):
            (self.folder / name).write_bytes(model.model)
        log.info("took the pieces of %s", self.settings.tokenizer.corpus)
        return source, target

    def shortlist(self, train: Text, tokenizers: tuple[Tokenizer, Tokenizer]) -> None:
        """Learns which target pieces a source piece may become, and writes them."""
        start, (source, target) = time.monotonic(), tokenizers
        sample = train.sample(lexicon.PAIRS, self.settings.seed)
        xs, ys = (tokenizer.encode(list(sample.lines((side,)))) for side, tokenizer in enumerate(tokenizers))
        table = lexicon.translations(xs, ys, len(source), len(target), self.settings.shortlist)
        if source is target:
            lexicon.to_itself(table)
        learnt = Shortlist(lexicon.frequent(ys, len(target), lexicon.FREQUENT), table)
        (self.folder / SHORTLIST).write_bytes(learnt.written())
        log.info("learnt %d likely translations of each piece in %.1f s", self.settings.shortlist,
                 time.monotonic() - start)

    def pack(self, split: str, text: Text, tokenizers: tuple[Tokenizer, Tokenizer]) -> list[passes.Encoded]:
        """Writes the Arrow folder of a split."""
        folder = self.folder / split
        folder.mkdir()
        count = len(text.files)
        models = (tokenizers[0].model, tokenizers[1].model)
        jobs = [
            passes.EncodeJob(file, keep, models, folder / packing.file_name(i, count), packing.schema(),
                             self.labels)
            for i, (file, keep) in enumerate(zip(text.files, text.keep, strict=True))
        ]
        encoded = self.workers.run(passes.encode, jobs, f"encoding {split}")
        if self.labels is not Labels.NONE and any(part.unknown[self.raw.side] for part in encoded):
            labels.check_pieces(self.raw, split, text, tokenizers[self.raw.side], self.settings.tokenizer.corpus)
        packing.describe(folder, split, count, manifest.digest(*(part.hash for part in encoded))[:16])
        return encoded


def usual_ratio(source: Source, settings: RatioFilter) -> float:
    """The median of letters of the source for each letter of the target, over some of the training pairs.

    1 where the median is near it, as it is for most pairs of languages.
    """
    if not settings.enabled:
        return 1.0
    ratios = []
    shards = source.shards("train", SHARDS)
    for shard in shards[:: max(1, len(shards) // 8)]:
        if batch := next(iter(shard()), None):
            a, b = map(filters.letters, batch)
            ratios.append((a + settings.slack) / (b + settings.slack))
    median = float(np.median(np.concatenate(ratios))) if ratios else 1.0
    if 1 / NEAR <= median <= NEAR:
        return 1.0
    log.info("a source side has %.2f times the letters of a target side: cleaning.ratio goes by that", median)
    return median


def merged(reports: list[dict[str, Tally]]) -> dict[str, Tally]:
    """The tallies of all shards as one."""
    total: dict[str, Tally] = {}
    for shard in reports:
        for name, tally in shard.items():
            total.setdefault(name, Tally()).add(tally)
    return total
