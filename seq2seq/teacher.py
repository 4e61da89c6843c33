"""Word-level distillation: at every place a teacher's opinion is learnt beside the true piece (Hinton et al. 2015,
arXiv:1503.02531; for translation Kim & Rush 2016, arXiv:1606.07947, section 3.1).

    q_t = p_teacher(. | y_<t, x)                      of several teachers the mean of their probabilities
    target_t = (1 - d) onehot(y_t) + d q_t            d = training.distillation; then smoothed, see models/output.py

y is the genuine translation, and the teacher has dropout off, so q never changes: it is computed once, before the first
update, into the run's folder. Of each q_t the K most probable pieces are kept (training.distillation_pieces), and their
probabilities scaled to the sum of 1: what a teacher trained with label smoothing gives to all others says nothing.

    RUN/teacher/pieces.npy    (P, K) int32      P: target pieces of the training split, EOS counted, pair by pair
    RUN/teacher/shares.npy    (P, K) float16    of pairs that training.max_pieces leaves out all 0
    RUN/teacher/about.json    whose they are, and the checksums of both
"""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch

from seq2seq.batches import Batch, make_batch, plan_batches
from seq2seq.bundle import Bundle
from seq2seq.corpus import PackedCorpus, Split
from seq2seq.corpus_files import checksum
from seq2seq.distributed import Team
from seq2seq.errors import BundleError, CorpusError, SettingError
from seq2seq.folders import whole_folder
from seq2seq.loading import open_bundles
from seq2seq.models.encoder_decoder import EncoderDecoder
from seq2seq.precision import autocast
from seq2seq.progress import Display
from seq2seq.search.top import top
from seq2seq.settings.runs import each
from seq2seq.settings.training import TrainSettings

TEACHER = "teacher"  # in the run's folder
PIECES, SHARES, ABOUT = "pieces.npy", "shares.npy", "about.json"
log = logging.getLogger("seq2seq")


class Opinion:
    """The table, memory-mapped."""

    def __init__(self, folder: Path, starts: np.ndarray, share: float) -> None:
        """`starts` (pairs + 1,): where each pair's places begin; `share`: d. Raises BundleError for a damaged table."""
        self._starts, self._share = starts, np.float32(share)
        try:
            self._pieces, self._shares = (np.load(folder / name, mmap_mode="r") for name in (PIECES, SHARES))
            told = json.loads((folder / ABOUT).read_text(encoding="utf-8"))["checksums"]
            whole = len(self._pieces) == len(self._shares) == starts[-1] and told == _checksums(folder)
        except (OSError, ValueError, KeyError, CorpusError):
            whole = False
        if not whole:
            raise BundleError(f"{folder} is damaged. Remove it, and the same command makes it anew.")

    def beside(self, batch: Batch) -> Batch:
        """The batch with what the teacher says of its places."""
        places, real = _places(batch, self._starts)
        shares = np.where(real[..., None], self._share * self._shares[places], np.float32(0))
        return batch._replace(soft_pieces=torch.from_numpy(self._pieces[places].astype(np.int64)),
                              soft_shares=torch.from_numpy(shares))


class Teacher:
    """The models that `settings.teacher` names, and what they have to say about a training split."""

    def __init__(self, settings: TrainSettings, corpus: PackedCorpus, split: Split, device: torch.device,
                 team: Team, now: bool) -> None:
        """`now`: opens the models at once, so that a run which is yet to begin is refused before anything is written.

        Raises BundleError for a folder that is no run, SettingError for a teacher that does not fit.
        """
        self._settings, self._corpus, self._split, self._device, self._team = settings, corpus, split, device, team
        self._folder = Path(settings.run) / TEACHER
        self._about = {"teacher": each(settings.teacher), "corpus_hash": corpus.hash,
                       "pieces": settings.training.distillation_pieces}
        self._starts = np.concatenate([[0], np.cumsum(split.target_lengths.astype(np.int64) + 1)])
        self._bundles: list[Bundle] = []
        if now and not self._is_there():
            self._bundles = _opened(settings, corpus)

    def ask(self, rows: np.ndarray) -> Opinion:
        """About the pairs `rows`, unless that was done before; one process asks for all. The models are let go of."""
        if self._team.leads and not self._is_there():
            self._write(rows)
        self._team.first(None)  # the others wait for it
        return Opinion(self._folder, self._starts, self._settings.training.distillation)

    def _write(self, rows: np.ndarray) -> None:
        bundles, self._bundles = self._bundles or _opened(self._settings, self._corpus), []
        training, split, models = self._settings.training, self._split, [bundle.model for bundle in bundles]
        shape = (int(self._starts[-1]), min(training.distillation_pieces, len(bundles[0].target_tokenizer)))
        log.info("teacher: %s on %s pairs", ", ".join(each(self._settings.teacher)), f"{len(rows):,}")
        plan = plan_batches(split.source_lengths[rows] + 1, split.target_lengths[rows] + 1, training.batch_pieces,
                            np.random.default_rng(0))
        with whole_folder(self._folder) as part, Display(TEACHER, shown=True) as display:
            pieces, shares = _empty(part / PIECES, np.int32, shape), _empty(part / SHARES, np.float16, shape)
            for number, chosen in enumerate(plan):
                batch = make_batch(*split.ids(rows[chosen]), rows[chosen])
                places, real = _places(batch, self._starts)
                best, of_best = self._answers(models, batch, shape[1])
                pieces[places[real]], shares[places[real]] = best[real], of_best[real]
                display.show((number + 1) / len(plan))
            pieces.flush()
            shares.flush()
            about = self._about | {"checksums": _checksums(part)}
            (part / ABOUT).write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    def _is_there(self) -> bool:
        try:
            about: Any = json.loads((self._folder / ABOUT).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        return isinstance(about, dict) and self._about.items() <= about.items()

    @torch.inference_mode()
    def _answers(self, models: list[Any], batch: Batch, best: int) -> tuple[np.ndarray, np.ndarray]:
        """The most probable pieces of each place, and their probabilities scaled to a sum of 1, both (B, T, best)."""
        there, mean = batch.to(self._device), torch.zeros(())
        for model in models:
            assert isinstance(model, EncoderDecoder)
            with autocast(self._settings.training.precision, self._device):
                logits = model.logits(there)
            mean = mean.to(self._device) + logits.float().softmax(dim=-1)
        shares, pieces = top(mean, best)
        return pieces.cpu().numpy(), (shares / shares.sum(dim=-1, keepdim=True)).cpu().numpy()


def _places(batch: Batch, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where in the table each place of target_out is, (B, T), and which of them are no padding."""
    steps, lengths = np.arange(batch.target_out.shape[1]), batch.target_lengths.numpy()[:, None]
    real = steps < lengths
    return np.where(real, starts[batch.rows.numpy()][:, None] + steps, 0), real


def _opened(settings: TrainSettings, corpus: PackedCorpus) -> list[Bundle]:
    for folder in each(settings.teacher):
        if Path(folder).resolve() == Path(settings.run).resolve():
            raise SettingError(f"teacher={folder} is the folder of this run itself. Give that of another: "
                               "teacher=FOLDER.")
    bundles, _ = open_bundles(settings.teacher, settings.training.device, "teacher")
    first, turned = bundles[0], settings.model.reverse_target
    wanted = (corpus.languages, settings.shape, [tokenizer.hash for tokenizer in corpus.tokenizers()])
    found = (first.languages, first.settings.shape, [first.source_tokenizer.hash, first.target_tokenizer.hash])
    if found != wanted:
        raise SettingError(f"teacher={first.folder} has another tokenizer, other languages or another shape than this "
                           f"run on {corpus.folder}: what it says is of other pieces. Give a run that was trained on "
                           "this corpus, or one with its tokenizer (data_prep tokenizer.corpus=FOLDER).")
    if first.settings.model.reverse_target is not turned:
        raise SettingError(f"teacher={first.folder} was trained with model.reverse_target="
                           f"{str(not turned).lower()}: it knows what comes behind a piece where this run knows what "
                           "comes before. Give one that writes in the same direction.")
    return bundles


def _checksums(folder: Path) -> dict[str, str]:
    return {name: checksum(folder / name) for name in (PIECES, SHARES)}


def _empty(path: Path, kind: type, shape: tuple[int, int]) -> np.memmap:
    """A mapped array of zeros. Its room is set aside first: on a full disk a write through a map ends the process."""
    table = np.lib.format.open_memmap(path, mode="w+", dtype=kind, shape=shape)
    with open(path, "r+b") as file:
        os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return table
