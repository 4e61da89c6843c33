"""Nearest neighbours beside the model (Khandelwal et al. 2021, "Nearest Neighbor Machine Translation",
arXiv:2010.00710).

A packed corpus is read once by teacher forcing. Every place t of every training pair becomes a key, the readout vector
r_t from which the model would say y_t (models/readout.py), and its value is the y_t that stood there. In search

    p_knn(y) = sum over the k nearest keys j of q, their value y:  exp(-d_j / (T v)) / sum of all
    p(y)     = (1 - lambda) p_model(y) + lambda p_knn(y)

q the readout vector at hand, d_j the squared distance (nearest.py), v the mean squared distance of the keys from their
mean, so that T means the same for every model. Nothing is trained. With the text that the model was trained on it
remembers whole what the weights remember in part; with other text of the same pieces, a translation memory, it says
what that says.

    FOLDER/neighbours/HASH/keys.safetensors    keys (P, E) fp16 by cells, pieces (P,), starts (C + 1,), centroids (C, E)
    FOLDER/neighbours/HASH/about.json          of which weights and corpus, v, the checksum

FOLDER is the model's bundle, HASH says which corpus: written at first use, made anew when the weights are others.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seq2seq.batches import make_batch, plan_batches
from seq2seq.bundle import WEIGHTS, Bundle
from seq2seq.corpus import PackedCorpus, Split
from seq2seq.corpus_files import checksum
from seq2seq.errors import BundleError, CorpusError, SettingError, UserError
from seq2seq.folders import whole_folder, writable_folder
from seq2seq.models.encoder_decoder import EncoderDecoder
from seq2seq.nearest import Cells, into_cells
from seq2seq.progress import Display
from seq2seq.settings.model import LABELS
from seq2seq.settings.neighbours import NeighbourSettings
from seq2seq.tokenizer import PAD

NEIGHBOURS = "neighbours"  # in the bundle's folder
KEYS, ABOUT = "keys.safetensors", "about.json"
READ_AT_ONCE = 4000        # padded pieces of teacher forcing
log = logging.getLogger("seq2seq")


class Neighbours:
    """What one model would say again. Its answers go with the logits of that model alone."""

    def __init__(self, cells: Cells, pieces: Tensor, spread: float, settings: NeighbourSettings) -> None:
        """`pieces` (P,): the value of each key; `spread`: v."""
        self.cells, self.pieces, self.spread = cells, pieces, spread
        self._count, self._weight, self._scale = (min(settings.count, len(pieces)), settings.weight,
                                                  settings.temperature * spread)

    def beside(self, logits: Tensor, features: Tensor) -> Tensor:
        """Logits (..., V), which are overwritten, and the readout vectors (..., E) that they are of -> logits of p.

        All but those of the neighbours' pieces stay as they are, for logits may be off by log(1 - lambda):
        log(e^z + lambda / (1 - lambda) p_knn sum e^z).
        """
        shares, values = self._shares(features)
        z, odds = logits.flatten(0, -2), self._weight / (1 - self._weight)
        told = ((values[:, :, None] == values[:, None]) * shares[:, None]).sum(-1)  # p_knn of each neighbour's piece
        more = (odds * told).log() + z.logsumexp(-1, keepdim=True)
        return z.scatter_(1, values, torch.logaddexp(z.gather(1, values), more)).view_as(logits)

    def beside_one(self, logs: Tensor, features: Tensor, target: Tensor) -> Tensor:
        """log p of one piece: the model's own (...,), readout vectors (..., E), the piece (...,)."""
        shares, values = self._shares(features)
        p = (shares * (values == target.reshape(-1, 1))).sum(1).view_as(logs)
        return (logs.exp() * (1 - self._weight) + self._weight * p).log()

    def _shares(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """exp(-d / (T v)) / sum, and the pieces, of the k neighbours: both (Q, k)."""
        found = self.cells.nearest(features.flatten(0, -2).float(), self._count)
        return (-found.distances / self._scale).softmax(-1), self.pieces[found.places]


def open_neighbours(settings: NeighbourSettings, bundles: Sequence[Bundle], device: torch.device) -> list[Neighbours]:
    """Those of every model, made where they are not there yet; none where no corpus is named.

    Raises CorpusError or BundleError for what is damaged, SettingError for a corpus that does not fit, UserError where
    the folder cannot be written.
    """
    if settings.corpus is None:
        return []
    corpus = PackedCorpus.open(settings.corpus)
    return [_open(settings, corpus, bundle, device) for bundle in bundles]


def _open(settings: NeighbourSettings, corpus: PackedCorpus, bundle: Bundle, device: torch.device) -> Neighbours:
    _refuse_stranger(corpus, bundle)
    # A manifest may be a stranger's: its own hash could be the name of any place.
    folder = bundle.folder / NEIGHBOURS / hashlib.sha256(corpus.hash.encode()).hexdigest()[:16]
    wanted = {"weights": bundle.info["sha256"][WEIGHTS], "corpus_hash": corpus.hash}
    about = _read_about(folder)
    if about is None or not wanted.items() <= about.items():
        _write(folder, wanted, bundle, corpus, device)
        about = _read_about(folder)
    try:
        assert about is not None  # it was written
        spread, whole = float(about["spread"]), about["checksum"] == checksum(folder / KEYS)
    except (KeyError, TypeError, ValueError, CorpusError):
        spread, whole = 0.0, False
    if not whole:
        raise BundleError(f"{folder} is damaged. Remove it, and the same command makes it anew.")
    from safetensors.torch import load_file

    tensors = load_file(folder / KEYS)
    cells = Cells(tensors["keys"].to(device).float(), tensors["starts"], tensors["centroids"].to(device),
                  settings.probes)
    return Neighbours(cells, tensors["pieces"].to(device, torch.int64), spread, settings)


def _refuse_stranger(corpus: PackedCorpus, bundle: Bundle) -> None:
    if bundle.settings.shape in LABELS:
        raise SettingError(f"neighbours.corpus={corpus.folder}: {bundle.folder} is of "
                           f"shape={bundle.settings.shape.value}, which gives labels and no text. Leave it out.")
    hashes = [tokenizer.hash for tokenizer in corpus.tokenizers()]
    if (corpus.languages, hashes) != (bundle.languages, [bundle.source_tokenizer.hash, bundle.target_tokenizer.hash]):
        raise SettingError(f"neighbours.corpus={corpus.folder} has other pieces or languages than {bundle.folder}. "
                           "Give the corpus that it was trained on, or one with its tokenizer (data_prep "
                           "tokenizer.corpus=FOLDER).")


def _read_about(folder: Path) -> dict[str, Any] | None:
    try:
        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return about if isinstance(about, dict) else None


def _write(folder: Path, wanted: dict[str, str], bundle: Bundle, corpus: PackedCorpus, device: torch.device) -> None:
    from safetensors.torch import save_file

    assert isinstance(bundle.model, EncoderDecoder)
    split = corpus.split("train")
    if not len(split):
        raise CorpusError(f"neighbours.corpus={corpus.folder} has no training pairs to look up. Give another.")
    places = int(split.target_lengths.sum()) + len(split)
    _refuse_too_many(places, bundle.settings.model.embedding, corpus)
    try:
        writable_folder(folder.parent)
    except UserError as error:
        raise UserError(f"{error} What neighbours.corpus= reads is kept with the model: copy the model to where it can "
                        "be written, and give that folder.") from None
    log.info("neighbours: reading %s pairs, %s target pieces", f"{len(split):,}", f"{places:,}")
    with whole_folder(folder) as part:
        keys, pieces = read_keys(bundle.model, split, device)
        order, starts, centroids = into_cells(keys)
        spread = (keys - keys.mean(0)).square().sum(1).mean().item()
        save_file({"keys": keys[order].half(), "pieces": pieces[order].int(), "starts": starts,
                   "centroids": centroids.contiguous()}, part / KEYS)
        about = wanted | {"spread": spread, "checksum": checksum(part / KEYS)}
        (part / ABOUT).write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")


@torch.no_grad()
def read_keys(model: EncoderDecoder, split: Split, device: torch.device) -> tuple[Tensor, Tensor]:
    """Keys (P, E) and their values (P,) of all places of a split, on the CPU."""
    plan = plan_batches(split.source_lengths + 1, split.target_lengths + 1, READ_AT_ONCE, np.random.default_rng(0))
    keys, pieces = [], []
    with Display(NEIGHBOURS, shown=True) as display:
        for number, rows in enumerate(plan):
            batch = model.as_written(make_batch(*split.ids(rows), rows).to(device))
            real = batch.target_out != PAD
            keys.append(model.readouts(batch)[real].float().cpu())
            pieces.append(batch.target_out[real].cpu())
            display.show((number + 1) / len(plan))
    return torch.cat(keys), torch.cat(pieces)


def _refuse_too_many(places: int, width: int, corpus: PackedCorpus) -> None:
    """All keys lie in memory, while they are made three times."""
    need, there = 3 * places * width * 4, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if need > there:
        raise SettingError(f"neighbours.corpus={corpus.folder} has {places:,} target pieces, which take "
                           f"{math.ceil(need / 2**30)} GiB of memory to look up; this machine has {there // 2**30}. "
                           "Prepare a smaller corpus with the same tokenizer (data_prep tokenizer.corpus=FOLDER).")
