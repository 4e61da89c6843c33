"""A validation: perplexity of the references, and what the shape's judge says (judges.py)."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import torch

from seq2seq.corpus.length_batches import valid_batches
from seq2seq.corpus.packed import Split
from seq2seq.device import autocast
from seq2seq.distributed import ProcessGroup
from seq2seq.models.build import Network
from seq2seq.scoring import perplexity
from seq2seq.settings.device import Precision
from seq2seq.training.judges import Judge


@dataclasses.dataclass(frozen=True, kw_only=True)
class Validation:
    loss: float                          # nats per target piece, of the references
    score: dict[str, Any]                # bleu and chrf (0..100) with signatures, or accuracy (0..100), or nothing
    samples: list[tuple[str, str, str]]  # (source, reference, answer)

    @property
    def perplexity(self) -> float:
        return perplexity(self.loss)

    def figures(self) -> dict[str, Any]:
        """For metrics.jsonl and bundle.json."""
        return {"loss": self.loss, "perplexity": self.perplexity, **self.score}


class Validator:
    """One validation split, read once; `run` may be called as often as wanted."""

    def __init__(self, split: Split, judge: Judge, *, budget: int, labels: bool, device: torch.device,
                 precision: Precision, group: ProcessGroup) -> None:
        self._judge, self._group, self._device, self._precision = judge, group, device, precision
        self._batches = list(valid_batches(split, budget, labels))[group.rank::group.size]

    def run(self, model: Network) -> Validation:
        """Leaves the model in training mode. Every process of the process group must call it."""
        model.eval()
        with torch.inference_mode(), autocast(self._precision, self._device):
            loss = self._loss(model)
            score, samples = self._judge(model)
        model.train()
        return Validation(loss=loss, score=score, samples=samples)

    def _loss(self, model: Network) -> float:
        nll = torch.zeros((), dtype=torch.float64, device=self._device)
        pieces = torch.tensor(sum(batch.pieces for batch in self._batches), dtype=torch.float64,
                              device=self._device)
        for batch in self._batches:
            nll += model(batch.to(self._device)).nll
        self._group.sum(nll, pieces)
        return (nll / pieces).item() if pieces.item() else math.nan
