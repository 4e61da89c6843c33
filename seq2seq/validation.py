"""A validation: perplexity of the references and BLEU of real greedy translations.

BLEU (Papineni et al. 2002) compares detokenised text with the raw references, as a later
evaluation does; no score here is of pieces.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import torch

from seq2seq.batches import valid_batches
from seq2seq.corpus import Split
from seq2seq.distributed import Team
from seq2seq.metrics import perplexity
from seq2seq.models.encoder_decoder import EncoderDecoder
from seq2seq.precision import autocast
from seq2seq.settings.search import SearchSettings
from seq2seq.settings.training import Measure, Precision
from seq2seq.tokenizer import Tokenizer


@dataclasses.dataclass(frozen=True, kw_only=True)
class Validation:
    loss: float        # nats per target piece, of the references
    bleu: float        # 0..100; of the first `sentences`
    signature: str     # of sacreBLEU
    sentences: int
    samples: list[tuple[str, str, str]]  # (source, reference, translation)

    @property
    def perplexity(self) -> float:
        return perplexity(self.loss)

    def figures(self) -> dict[str, Any]:
        """For metrics.jsonl and bundle.json."""
        return {"loss": self.loss, "perplexity": self.perplexity, "bleu": self.bleu,
                "signature": self.signature, "sentences": self.sentences}

    def measure(self, kind: Measure) -> float:
        return self.bleu if kind is Measure.BLEU else self.perplexity


class Validator:
    """One validation split, read once; `run` may be called as often as wanted."""

    def __init__(self, split: Split, target: Tokenizer, *, search: SearchSettings, budget: int,
                 sentences: int | None, device: torch.device, precision: Precision, team: Team) -> None:
        self._target, self._search, self._team = target, search, team
        self._device, self._precision = device, precision
        self._batches = list(valid_batches(split, budget))[team.rank::team.size]
        rows = list(range(min(len(split), sentences or len(split))))
        self._sources, self._references = split.text(rows)
        # An empty list for `ids` of no rows is fine: more processes than sentences.
        self._rows = rows[team.rank::team.size]
        self._ids = [ids.tolist() for ids in split.ids(self._rows)[0]]

    def run(self, model: EncoderDecoder, samples: int = 3) -> Validation:
        """Leaves the model in training mode. Every process of the team must call it."""
        model.eval()
        with torch.inference_mode(), autocast(self._precision, self._device):
            loss = self._loss(model)
            hypotheses = self._translate(model)
        model.train()
        bleu, signature = _bleu(hypotheses, self._references)
        step = max(1, len(hypotheses) // samples)
        shown = list(zip(self._sources, self._references, hypotheses, strict=True))[::step][:samples]
        return Validation(loss=loss, bleu=bleu, signature=signature, sentences=len(hypotheses), samples=shown)

    def _loss(self, model: EncoderDecoder) -> float:
        nll = torch.zeros((), dtype=torch.float64, device=self._device)
        pieces = torch.tensor(sum(batch.pieces for batch in self._batches), dtype=torch.float64,
                              device=self._device)
        for batch in self._batches:
            nll += model(batch.to(self._device)).nll
        self._team.sum(nll, pieces)
        return (nll / pieces).item() if pieces.item() else math.nan

    def _translate(self, model: EncoderDecoder) -> list[str]:
        from seq2seq.search import translate_ids

        found = translate_ids(model, self._ids, self._search, self._device) if self._ids else []
        own = dict(zip(self._rows, self._target.decode([best[0].pieces for best in found]), strict=True))
        together: dict[int, str] = {}
        for part in self._team.gather(own):
            together.update(part)
        return [together[row] for row in sorted(together)]


def _bleu(hypotheses: list[str], references: list[str]) -> tuple[float, str]:
    from sacrebleu.metrics import BLEU

    metric = BLEU()
    return metric.corpus_score(hypotheses, [references]).score, str(metric.get_signature())
