"""Scores a trained model on a split of its corpus, or on two files of sentences.

    python evaluate.py run=runs/m30k split=test
    python evaluate.py --help
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from seq2seq.command import command
from seq2seq.settings.evaluate import EvaluateSettings

if TYPE_CHECKING:
    from seq2seq.evaluation import Evaluation, Pairs
    from seq2seq.scoring import Bucket, Comparison
    from seq2seq.translation import Translator

MAP_WORDS = 30  # heat maps of longer sentences fit no page
log = logging.getLogger("seq2seq")


@command(config_name="evaluate", kind=EvaluateSettings)
def main(settings: EvaluateSettings) -> None:
    import torch  # not for --help

    from seq2seq.evaluation import compare_with, evaluate, make_folder, read_pairs, read_stored, write_evaluation
    from seq2seq.translation import Translator

    for chatty in ("sacrebleu", "matplotlib"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    run = settings.run or ""
    translator = Translator.open(run, settings.search, settings.device, settings.max_source_pieces)
    pairs = read_pairs(settings, translator.bundles[0])
    other = None if settings.compare is None else read_stored(settings.compare, pairs)
    make_folder(run)
    log.info("translating %d sentences", len(pairs.sources))
    evaluation, translations = evaluate(translator, pairs, settings)
    comparison, other_by_length = (None, None) if other is None else compare_with(
        other, pairs, translations, settings.resamples)
    write_evaluation(evaluation, pairs, translations, comparison)
    show(evaluation, comparison, settings.compare, other_by_length)
    if settings.plots:
        draw(evaluation, pairs, translator, settings, other_by_length)


def show(evaluation: Evaluation, comparison: Comparison | None, compare: str | None,
         other: Sequence[Bucket] | None) -> None:
    """Prints the scores and the table of BLEU by length to standard output."""
    from rich.console import Console
    from rich.table import Table

    origin = " ".join(f"{key}={value}" for key, value in evaluation.origin.items() if key != "hash")
    print(f"{evaluation.run} on {evaluation.name} ({origin}): {evaluation.sentences} sentences, "
          f"{' to '.join(evaluation.languages)}")
    print(evaluation.bleu, evaluation.chrf, f"perplexity {evaluation.perplexity:.3f} per target piece", sep="\n")
    print(f"{evaluation.sentences_per_second:.1f} sentences per second ({evaluation.search['kind']} search "
          f"on {evaluation.device})")
    table = Table("words of source", "sentences", "BLEU", title="BLEU by source length")
    if other is not None:
        table.add_column(f"BLEU of {compare}")
        table.add_column("difference")
    for place, bucket in enumerate(evaluation.by_length):
        more = [] if other is None else [f"{other[place].bleu:.2f}", f"{bucket.bleu - other[place].bleu:+.2f}"]
        table.add_row(bucket.name, str(bucket.sentences), f"{bucket.bleu:.2f}", *more)
    for column in table.columns:
        column.justify = "right"
    Console().print(table)
    if comparison is not None:
        verdict = "significant" if comparison.significant else "not significant"
        print(f"BLEU {comparison.value:.2f} against {comparison.baseline:.2f} of {compare}: p = "
              f"{comparison.p_value:.4f} (paired bootstrap), {verdict} at 0.05")


def draw(evaluation: Evaluation, pairs: Pairs, translator: Translator, settings: EvaluateSettings,
         other: Sequence[Bucket] | None) -> None:
    """Writes <name>-length.png and, with attention, <name>-attention-<line>.png beside the scores."""
    from seq2seq.evaluation import evaluation_folder
    from seq2seq.folders import whole_file
    from seq2seq.plots import attention_map, bleu_by_length

    folder = evaluation_folder(evaluation.run)
    systems = {evaluation.run: [bucket.bleu for bucket in evaluation.by_length]}
    if other is not None:
        systems[str(settings.compare)] = [bucket.bleu for bucket in other]
    names, counts = zip(*((bucket.name, bucket.sentences) for bucket in evaluation.by_length), strict=True)
    whole_file(folder / f"{evaluation.name}-length.png", bleu_by_length(systems, names, counts))
    fitting = [row for row, source in enumerate(pairs.sources) if 1 <= len(source.split()) <= MAP_WORDS]
    for place in range(min(settings.heat_maps, len(fitting))):
        row = fitting[place * len(fitting) // settings.heat_maps]
        (shown,) = translator.translate_lines([pairs.sources[row]], attention=True)
        best = shown.candidates[0] if shown.candidates else None
        if best is not None and best.attention is not None and 1 <= len(best.pieces) <= 4 * MAP_WORDS:
            image = attention_map(shown.source_pieces, best.pieces, best.attention.tolist())
            whole_file(folder / f"{evaluation.name}-attention-{row + 1}.png", image)
    log.info("scores, translations and figures are in %s", folder)


if __name__ == "__main__":
    main()
