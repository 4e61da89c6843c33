"""The reference model with random weights, and sentences of one length: for measurements of speed, which needs no text.

`update` is what Run.update (seq2seq/training/training.py) does on one process, but for the watch and the meter.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import floor

from seq2seq.corpus.batch import Batch, make_batch
from seq2seq.device import autocast
from seq2seq.models.build import build_model
from seq2seq.models.encoder_decoder import EncoderDecoder
from seq2seq.settings.device import Precision
from seq2seq.settings.model import NetworkSettings
from seq2seq.settings.reading import read_settings
from seq2seq.settings.search import SearchSettings
from seq2seq.settings.training import OptimizerSettings
from seq2seq.tokenization.tokenizer import EOS
from seq2seq.training.optimizer import build_optimizer

LENGTHS = floor.NETWORKS["reference"][2]
PIECES = round(LENGTHS.sentences * LENGTHS.target)  # of an update, or of a search
SMOOTHING, CLIP = 0.1, 1.0


def settings(hidden: int = 512, score: str = "additive") -> NetworkSettings:
    """Of the reference model, but for these."""
    written = floor.REFERENCE | {"attention": {"score": score}, "model": floor.REFERENCE["model"] | {"hidden": hidden}}
    return read_settings(NetworkSettings, written)


def network(wanted: NetworkSettings, vocabulary: int, device: str = "cpu") -> EncoderDecoder:
    torch.manual_seed(1)
    model = build_model(wanted, vocabulary, vocabulary)
    assert isinstance(model, EncoderDecoder)
    return model.to(device)


def sentences(count: int, length: int, vocabulary: int) -> list[list[int]]:
    """Random pieces; `length` counts the EOS that is not among them."""
    drawn = np.random.default_rng(1).integers(EOS + 1, vocabulary, size=(count, max(1, length - 1)))
    return drawn.tolist()


def batch(count: int, source: int, target: int, vocabulary: int) -> Batch:
    """`count` pairs of `source` and `target` pieces, EOS counted."""
    return make_batch(sentences(count, source, vocabulary), sentences(count, target, vocabulary), range(count))


def search_settings(kind: str, target: int, pieces: int) -> SearchSettings:
    """A search that takes `target` steps whatever the weights; `pieces` of the sources at once."""
    return read_settings(SearchSettings, {"kind": kind, "min_length": target - 1, "max_length": target - 1,
                                          "batch_pieces": pieces})


def precision(machine: floor.Machine) -> Precision:
    """What precision=auto chooses."""
    return Precision.BF16 if machine.rate_bf16 >= 1.5 * machine.rate else Precision.FP32


class Trainer:
    """A network in training and its optimizer."""

    def __init__(self, model: EncoderDecoder, precision: Precision) -> None:
        self.model, self.device, self.precision = model.train(), model.output_weight.device, precision
        self.optimizer = build_optimizer(model, OptimizerSettings())

    def update(self, one: Batch, part: Callable[[str], contextlib.AbstractContextManager] = contextlib.nullcontext
               ) -> None:
        """`part` gives the context in which clipping and the optimizer run."""
        with autocast(self.precision, self.device):
            loss = self.model(one.to(self.device), SMOOTHING)
        (loss.smoothed / one.pieces).backward()
        with part("clipping"):
            nn.utils.clip_grad_norm_(self.model.parameters(), CLIP)
        with part("optimizer"):
            self.optimizer.step()
            self.optimizer.zero_grad()
