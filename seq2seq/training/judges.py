"""What a validation scores beside the loss, by shape.

    n_to_m            BLEU and chrF2 of real translations, as text (scoring.py)
    n_to_n, n_to_1    accuracy: the share of labels that are right
    one_to_n          nothing: there is no one right answer; samples to read
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor

from seq2seq.corpus.length_batches import valid_batches
from seq2seq.corpus.packed import PackedCorpus, Split
from seq2seq.distributed import ProcessGroup
from seq2seq.models.build import Network
from seq2seq.models.labeller import Labeller, label_probabilities
from seq2seq.scoring import bleu, chrf
from seq2seq.scoring_units import checked_tokenizer
from seq2seq.settings.model import LABELS, Shape
from seq2seq.settings.search import SearchSettings
from seq2seq.settings.training import TrainSettings
from seq2seq.tokenization.label_pieces import label_names
from seq2seq.tokenization.tokenizer import PAD, Tokenizer

SAMPLES = 3
A = TypeVar("A")  # an answer


class Judgement(NamedTuple):
    figures: dict[str, Any]              # what metrics.jsonl holds of it
    samples: list[tuple[str, str, str]]  # (source, reference, answer)


Judge = Callable[[Network], Judgement]  # of a network in evaluation mode; every process must call it


def bleu_tokenizer(settings: TrainSettings, corpus: PackedCorpus) -> str | None:
    """What BLEU of the run counts, decided by the validation references; None: a shape without BLEU.

    Raises SettingError: see scoring_units.py.
    """
    if settings.shape is not Shape.N_TO_M:
        return None
    split = corpus.split("valid")
    _, references = split.text(_answered(split, settings.training.valid_sentences))
    return checked_tokenizer(corpus.languages[1], references, settings.scoring.tokenize, "valid")


def build_judge(shape: Shape, split: Split, tokenizers: tuple[Tokenizer, Tokenizer], *, search: SearchSettings,
                budget: int, sentences: int | None, device: torch.device, group: ProcessGroup,
                tokenize: str | None) -> Judge:
    """`sentences`: only so many, the first ones, are answered; `budget`: padded pieces at once, for labels.

    `tokenize`: of BLEU (scoring.py); None: texts get no score.
    """
    rows = _answered(split, sentences)
    if shape in LABELS:
        return AccuracyJudge(split, rows, tokenizers[1], budget, device, group)
    return TextJudge(split, rows, tokenizers[1], search, device, group, tokenize=tokenize)


def _answered(split: Split, sentences: int | None) -> range:
    return range(min(len(split), sentences or len(split)))


class TextJudge:
    """Writes a text for every source, by search, and compares it with the reference."""

    def __init__(self, split: Split, rows: range, target: Tokenizer, search: SearchSettings, device: torch.device,
                 group: ProcessGroup, *, tokenize: str | None) -> None:
        """`tokenize`: of BLEU; None: the texts get no score."""
        self._target, self._search, self._device, self._group, self._tokenize = target, search, device, group, tokenize
        self._sources, self._references = split.text(rows)
        # An empty list for `ids` of no rows is fine: more processes than sentences.
        self._rows = rows[group.rank::group.size]
        self._ids = [ids.tolist() for ids in split.ids(self._rows)[0]]

    def __call__(self, model: Network) -> Judgement:
        texts, cut = self._texts(model)
        samples = _some(list(zip(self._sources, self._references, texts, strict=True)))
        if self._tokenize is None:
            return Judgement({"cut": cut, "sentences": len(texts)}, samples)
        found, characters = bleu(texts, self._references, 0, self._tokenize), chrf(texts, self._references, 0)
        return Judgement({"bleu": found.value, "signature": found.signature, "chrf": characters.value,
                          "chrf_signature": characters.signature, "cut": cut, "sentences": len(texts)}, samples)

    def _texts(self, model: Network) -> tuple[list[str], int]:
        """The answers, and how many of them search ended at its length limit."""
        from seq2seq.search.decode import translate_ids

        # By their own numbers, so that search.kind=sample draws the same however many processes there are.
        found = translate_ids(model, self._ids, self._search, self._device,  # type: ignore[arg-type]
                              numbers=self._rows) if self._ids else []
        texts = self._target.decode([best[0].pieces for best in found])
        own = {row: (text, best[0].cut) for row, text, best in zip(self._rows, texts, found, strict=True)}
        answers = _gathered(self._group, own)
        return [text for text, _ in answers], sum(cut for _, cut in answers)


class AccuracyJudge:
    """Labels every source and counts those that are right."""

    def __init__(self, split: Split, rows: range, target: Tokenizer, budget: int, device: torch.device,
                 group: ProcessGroup) -> None:
        self._names, self._device, self._group = label_names(target), device, group
        self._sources, self._references = split.text(rows)
        self._batches = list(valid_batches(split, budget, labels=True, first=len(rows)))[group.rank::group.size]

    def __call__(self, model: Network) -> Judgement:
        assert isinstance(model, Labeller)
        right = torch.zeros((), dtype=torch.float64, device=self._device)
        total = torch.zeros_like(right)
        own: dict[int, str] = {}
        for batch in (each.to(self._device) for each in self._batches):
            logits, _ = model.logits(batch.source, batch.source_lengths)
            labels = label_probabilities(logits).argmax(dim=-1)
            right += ((labels == batch.target_out) & (batch.target_out != PAD)).sum()
            total += batch.target_lengths.sum()
            own |= self._written(batch.rows, labels, batch.target_lengths)
        self._group.sum(right, total)
        answers = _gathered(self._group, own)
        return Judgement({"accuracy": 100 * (right / total).item(), "labels": int(total.item()),
                          "sentences": len(answers)},
                         _some(list(zip(self._sources, self._references, answers, strict=True))))

    def _written(self, rows: Tensor, labels: Tensor, counts: Tensor) -> dict[int, str]:
        texts = (" ".join(self._names[label] for label in row[:count])
                 for row, count in zip(labels.tolist(), counts.tolist(), strict=True))
        return dict(zip(rows.tolist(), texts, strict=True))


def _some(answered: Sequence[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    return list(answered[:: max(1, len(answered) // SAMPLES)][:SAMPLES])


def _gathered(group: ProcessGroup, own: dict[int, A]) -> list[A]:
    together: dict[int, A] = {}
    for part in group.gather(own):
        together.update(part)
    return [together[row] for row in sorted(together)]
