"""Scores a trained model on a split of its corpus, or on two files of lines.

    python evaluate.py run=runs/m30k split=test
    python evaluate.py --help
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from seq2seq.commands.app import command
from seq2seq.commands.malloc import keep_freed_memory
from seq2seq.commands.sweep import Measured
from seq2seq.errors import SettingError
from seq2seq.settings.evaluate import EvaluateSettings
from seq2seq.settings.model import LABELS, Shape
from seq2seq.settings.scoring import Tokenize

if TYPE_CHECKING:
    import torch

    from seq2seq.bundle.bundle import Bundle

log = logging.getLogger("seq2seq")


@command(config_name="evaluate", kind=EvaluateSettings)
def main(settings: EvaluateSettings) -> Measured:
    keep_freed_memory()
    import torch  # not for --help

    from seq2seq.inference.loading import open_bundles

    for chatty in ("sacrebleu", "matplotlib"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    bundles, device = open_bundles(settings.run, settings.device)
    shape = bundles[0].settings.shape
    check_for_translations(settings, shape)
    score = score_labels if shape in LABELS else score_texts if shape is Shape.ONE_TO_N else score_translations
    return score(bundles, device, settings)


def check_for_translations(settings: EvaluateSettings, shape: Shape) -> None:
    """Raises SettingError where labels or generated texts are to be scored with what is for translations alone."""
    if shape is Shape.N_TO_M:
        return
    first, tokenize = settings.runs[0], settings.scoring.tokenize
    cures = {given: f"Leave {name}= out" for name, given in settings.rerank.given().items()}
    if settings.papers:
        cures["papers=true"] = "Choose papers=false"
    if tokenize is not Tokenize.AUTO:
        cures[f"scoring.tokenize={tokenize.value}"] = "Choose scoring.tokenize=auto"
    if len(settings.runs) > 1:
        cures[f"run=[{','.join(settings.runs)}], an ensemble,"] = f"Choose run={first}"
    for given, cure in cures.items():
        raise SettingError(f"{given} is for translations, and run={first} is of shape={shape.value}. {cure}.")


def score_translations(bundles: Sequence[Bundle], device: torch.device, settings: EvaluateSettings) -> Measured:
    """Shape n_to_m: BLEU and chrF2, by length, with attention to look at."""
    from seq2seq.evaluation import tables as showing
    from seq2seq.evaluation.files import open_files, read_stored, write_differences
    from seq2seq.evaluation.translations import compare_with, evaluate, read_pairs, units_of, write_evaluation
    from seq2seq.inference.loading import open_rerank_models
    from seq2seq.inference.translator import Translator

    rerank = open_rerank_models(settings.rerank, bundles, device)
    translator = Translator(bundles, settings.search, rerank=rerank, device=device,
                            precision=settings.precision, graphs=settings.graphs,
                            max_source_pieces=settings.max_source_pieces, tokenize=settings.scoring.tokenize)
    pairs = read_pairs(settings, bundles[0])
    units = units_of(pairs, settings, bundles[0])
    other = None if settings.compare is None else read_stored(settings.compare, pairs, settings.search)
    files = open_files(settings, bundles[0], pairs)
    log.info("translating %d sentences", len(pairs.sources))
    evaluation, translations = evaluate(translator, pairs, settings, units, files.name)
    comparison, other_by_length = (None, None) if other is None else compare_with(
        other, pairs, translations, settings.resamples, units)
    write_evaluation(files, evaluation, pairs, translations, comparison, settings.compare)
    if other is not None:
        write_differences(files, other, pairs, translations, units.tokenize)
    showing.translations(evaluation, comparison, settings.compare, other_by_length)
    if settings.plots:
        showing.draw_translations(files, evaluation, pairs, translator, settings, other_by_length)
    return Measured(evaluation.run, "bleu", evaluation.bleu.value, higher_is_better=True)


def score_labels(bundles: Sequence[Bundle], device: torch.device, settings: EvaluateSettings) -> Measured:
    """Shapes n_to_n and n_to_1: accuracy, each class, what is taken for what."""
    from seq2seq.evaluation import tables as showing
    from seq2seq.evaluation.files import open_files, read_stored
    from seq2seq.evaluation.labels import check_even, compare_labels, evaluate_labels, write_label_evaluation
    from seq2seq.evaluation.translations import read_pairs
    from seq2seq.inference.predictor import Predictor, check_plain_search

    check_plain_search(settings.precision, settings.graphs, bundles[0])
    predictor = Predictor(bundles, device=device, max_source_pieces=settings.max_source_pieces)
    pairs = read_pairs(settings, bundles[0])
    check_even(pairs, predictor.shape)
    other = None if settings.compare is None else read_stored(settings.compare, pairs, settings.search)
    files = open_files(settings, bundles[0], pairs)
    log.info("labelling %d lines", len(pairs.sources))
    evaluation, answers = evaluate_labels(predictor, pairs, settings, files.name)
    comparison = None if other is None else compare_labels(other, pairs, answers, predictor.shape, settings.resamples)
    write_label_evaluation(files, evaluation, pairs, answers, comparison, settings.compare)
    showing.labels(evaluation, comparison, settings.compare)
    if settings.plots:
        showing.draw_labels(files, evaluation)
    return Measured(evaluation.run, "accuracy", evaluation.accuracy, higher_is_better=True)


def score_texts(bundles: Sequence[Bundle], device: torch.device, settings: EvaluateSettings) -> Measured:
    """Shape one_to_n: perplexity of real texts for each input, and samples."""
    from seq2seq.evaluation import tables as showing
    from seq2seq.evaluation.files import open_files
    from seq2seq.evaluation.generation import evaluate_generation, write_generation_evaluation
    from seq2seq.evaluation.translations import read_pairs
    from seq2seq.inference.translator import Translator

    if settings.compare is not None:
        raise SettingError(f"compare={settings.compare} cannot go with shape=one_to_n: compare the perplexities of two "
                           "evaluations. Leave compare= out.")
    translator = Translator(bundles, settings.search, device=device, precision=settings.precision,
                            graphs=settings.graphs, max_source_pieces=settings.max_source_pieces)
    pairs = read_pairs(settings, bundles[0])
    files = open_files(settings, bundles[0], pairs)
    evaluation = evaluate_generation(translator, pairs, settings, files.name)
    write_generation_evaluation(files, evaluation, pairs)
    showing.texts(evaluation)
    return Measured(evaluation.run, "perplexity", evaluation.perplexity, higher_is_better=False)
