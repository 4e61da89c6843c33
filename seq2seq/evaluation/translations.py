"""An evaluation: a set of raw sentence pairs, their translations, and what these are worth.

How it is stored: evaluation/files.py.
"""

from __future__ import annotations

import dataclasses
import hashlib
import time
from pathlib import Path
from typing import Any, NamedTuple

import torch

from seq2seq.bundle.bundle import Bundle
from seq2seq.bundle.length_limits import limit_setting
from seq2seq.corpus.length_batches import pair_batches
from seq2seq.corpus.packed import PackedCorpus
from seq2seq.errors import CorpusError, UserError
from seq2seq.evaluation.files import Files, Pairs, Stored, write_record
from seq2seq.inference.long_lines import parts_of_words
from seq2seq.inference.translator import Translator
from seq2seq.scoring import (
    Bucket,
    Comparison,
    Score,
    Units,
    bleu,
    bleu_by_length,
    bleu_of_papers,
    chrf,
    compare,
    length_ratio,
    perplexity,
)
from seq2seq.scoring_units import asked_or_trained, check_moses, checked_tokenizer, length_unit
from seq2seq.settings.evaluate import EvaluateSettings
from seq2seq.settings.model import LABELS, Shape
from seq2seq.settings.reading import write_settings
from seq2seq.settings.reranking import RerankSettings
from seq2seq.settings.runs import as_list
from seq2seq.text.lines import read_lines
from seq2seq.tokenization.label_pieces import encode_source, encode_target


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What <name>.json holds."""

    run: str                       # the first of `runs`
    runs: list[str]                # several are an ensemble
    rerank: dict[str, Any] | None  # settings.rerank, models as lists; None: nothing was re-ranked
    name: str
    origin: dict[str, str]
    languages: tuple[str, str]
    sentences: int
    bleu: Score
    chrf: Score
    bleu_of_papers: Score | None  # settings.papers
    length_ratio: float       # of the translations to the references, in tokens of BLEU
    cut: int                  # translations that search ended at its length limit
    max_length: str           # the setting that decides the limit
    perplexity: float | None  # of the references, per target piece; None for an ensemble
    by_length: list[Bucket]
    tokenize: str      # of BLEU
    seconds: float     # of the translation, search and tokenizers, without loading
    device: str
    search: dict[str, Any]

    @property
    def sentences_per_second(self) -> float:
        return self.sentences / self.seconds


def read_pairs(settings: EvaluateSettings, bundle: Bundle) -> Pairs:
    """The split or the two files to evaluate on. Raises CorpusError or UserError."""
    if settings.source is not None and settings.reference is not None:
        lines = [list(read_lines(path)) for path in (settings.source, settings.reference)]
        digest = hashlib.sha256("\0".join("\n".join(side) for side in lines).encode()).hexdigest()
        origin = {"source": settings.source, "reference": settings.reference, "hash": digest}
        pairs = Pairs(Path(settings.source).name, origin, *lines)
        if len(pairs.sources) != len(pairs.references):
            raise UserError(f"source={settings.source} has {len(pairs.sources)} lines and "
                            f"reference={settings.reference} has {len(pairs.references)}: line n of one must "
                            "be the translation of line n of the other.")
    else:
        corpus = _corpus(settings, bundle)
        sources, references = corpus.split(settings.split).text()
        pairs = Pairs(settings.split, {"corpus": str(corpus.folder), "hash": corpus.hash}, sources, references)
    if not pairs.sources:
        raise CorpusError(f"{next(iter(pairs.origin.values()))} has no sentences to evaluate ({pairs.name}).")
    return pairs


def _corpus(settings: EvaluateSettings, bundle: Bundle) -> PackedCorpus:
    folder = settings.corpus or bundle.info.get("corpus", {}).get("folder") or bundle.settings.corpus
    if settings.corpus is None and not Path(folder).exists():
        raise CorpusError(f"{folder}, the corpus that {settings.runs[0]} was trained on, is not here. Give its place, "
                          "corpus=FOLDER, or two files, source=FILE reference=FILE.")
    corpus = PackedCorpus.open(folder)
    if corpus.languages != bundle.languages:
        raise CorpusError(f"corpus={folder} is {'-'.join(corpus.languages)}, and {settings.runs[0]} translates "
                          f"{' to '.join(bundle.languages)}. Give another corpus.")
    return corpus


def units_of(pairs: Pairs, settings: EvaluateSettings, bundle: Bundle) -> Units:
    """What scores of these sentences count. Raises SettingError where the references cannot be scored so."""
    source, target = bundle.languages
    asked = asked_or_trained(settings.scoring.tokenize, bundle.settings.scoring.tokenize)
    tokenize = checked_tokenizer(target, pairs.references, asked, pairs.name)
    if settings.papers:
        check_moses(target, pairs.references, pairs.name)
    return Units(tokenize, length_unit(source, pairs.sources))


def evaluate(translator: Translator, pairs: Pairs, settings: EvaluateSettings,
             units: Units, name: str) -> tuple[Evaluation, list[str]]:
    """Translates the raw sources and scores the text; returns the translations with it. `name`: of the files."""
    started = time.perf_counter()
    found = translator.translate_lines(pairs.sources, name=pairs.name)
    translations = [one.text for one in found]
    seconds = time.perf_counter() - started
    evaluation = Evaluation(
        run=settings.runs[0], runs=settings.runs, rerank=_written(settings.rerank), name=name, origin=pairs.origin,
        languages=translator.languages, sentences=len(pairs.sources),
        bleu=bleu(translations, pairs.references, settings.resamples, units.tokenize),
        chrf=chrf(translations, pairs.references, settings.resamples),
        bleu_of_papers=(bleu_of_papers(translations, pairs.references, translator.languages[1], settings.resamples)
                        if settings.papers else None),
        length_ratio=length_ratio(translations, pairs.references, units.tokenize),
        cut=sum(one.cut for one in found), max_length=limit_setting(translator.search),
        perplexity=(None if len(settings.runs) > 1
                    else reference_loss(translator.bundles[0], translator.device, pairs, settings).perplexity),
        by_length=bleu_by_length(pairs.sources, translations, pairs.references, units),
        tokenize=units.tokenize, seconds=seconds, device=str(translator.device), search=write_settings(settings.search),
    )
    return evaluation, translations


def _written(rerank: RerankSettings) -> dict[str, Any] | None:
    if not rerank.active:
        return None
    written: dict[str, Any] = write_settings(rerank)
    return written | {"backward": as_list(rerank.backward), "forward": as_list(rerank.forward)}


class ReferenceLoss(NamedTuple):
    """-log p of references, by teacher forcing, summed over their target pieces."""

    nll: float   # natural logarithm
    pieces: int  # EOS counted; labels have none

    @property
    def perplexity(self) -> float:
        return perplexity(self.nll / self.pieces)


@torch.inference_mode()
def reference_loss(bundle: Bundle, device: torch.device, pairs: Pairs, settings: EvaluateSettings) -> ReferenceLoss:
    """What the references cost the model."""
    source, target = _encoded(bundle, pairs, settings.max_source_pieces)
    nll, pieces = 0.0, 0
    for batch in pair_batches(source, target, settings.batch_pieces, bundle.settings.shape in LABELS):
        nll += bundle.model(batch.to(device)).nll.item()
        pieces += batch.pieces
    return ReferenceLoss(nll, pieces)


def _encoded(bundle: Bundle, pairs: Pairs, limit: int) -> tuple[list[list[int]], list[list[int]]]:
    """Both sides as piece ids, the sources cut as they are for an answer: for tags in parts of whole words."""
    shape = bundle.settings.shape
    source = encode_source(bundle.source_tokenizer, pairs.sources, shape)
    target = encode_target(bundle.target_tokenizer, pairs.references, shape)
    if shape is not Shape.N_TO_N:
        return [ids[:limit] for ids in source], target
    sources, targets = [], []
    for ids, labels in zip(source, target, strict=True):
        first = 0
        for cut in parts_of_words(bundle.source_tokenizer.pieces(ids), limit):
            sources.append([ids[place] for place in cut])
            last = first + sum(bundle.source_tokenizer.word_starts[piece] for piece in sources[-1])
            targets.append(labels[first:last])
            first = last
    return sources, targets


def write_evaluation(files: Files, evaluation: Evaluation, pairs: Pairs, translations: list[str],
                     comparison: Comparison | None, compare: str | None) -> None:
    """Writes both files, each whole. Raises UserError where the folder cannot be written."""
    record = dataclasses.asdict(evaluation) | {"sentences_per_second": evaluation.sentences_per_second}
    if comparison is not None:
        record["comparison"] = {"run": compare, **dataclasses.asdict(comparison)}
    write_record(files, pairs, record, translations)


def compare_with(stored: Stored, pairs: Pairs, translations: list[str],
                 resamples: int, units: Units) -> tuple[Comparison, list[Bucket]]:
    """The paired test against a stored evaluation, and the other's BLEU by length."""
    found = compare(translations, stored.translations, pairs.references, resamples, units.tokenize)
    return found, bleu_by_length(pairs.sources, stored.translations, pairs.references, units)
