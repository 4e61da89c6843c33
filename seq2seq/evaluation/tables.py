"""What evaluate.py shows of its scores: tables on standard output, figures in the folder of the scores."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from seq2seq.evaluation.files import Files, Pairs
from seq2seq.evaluation.generation import GenerationEvaluation
from seq2seq.evaluation.labels import LabelEvaluation, PairedTest
from seq2seq.evaluation.plots import attention_map, bleu_by_length, confusion_map
from seq2seq.evaluation.translations import Evaluation
from seq2seq.inference.translator import Translator
from seq2seq.scoring import Bucket, Comparison, length
from seq2seq.settings.evaluate import EvaluateSettings

MAP_WORDS = 30    # heat maps of longer sentences fit no page
CONFUSIONS = 10   # pairs of labels in the table of what is taken for what
WIDTH = 120       # columns of a table that no terminal reads
log = logging.getLogger("seq2seq")


def translations(evaluation: Evaluation, comparison: Comparison | None, compare: str | None,
         other: Sequence[Bucket] | None) -> None:
    """Prints the scores and the table of BLEU by length to standard output."""
    others = evaluation.runs[1:]
    together = f", together with {', '.join(others)}" if others else ""
    _head(evaluation, f"{evaluation.sentences} sentences{together}{_reranked(evaluation)}")
    print(evaluation.bleu)
    if evaluation.bleu_of_papers is not None:
        print(f"{evaluation.bleu_of_papers}  lower-cased, tokens of Moses")
    print(evaluation.chrf)
    cut = f"; {evaluation.cut} cut at {evaluation.max_length}" if evaluation.cut else ""
    print(f"length {evaluation.length_ratio:.3f} of the references' (in tokens of BLEU){cut}")
    if evaluation.perplexity is not None:
        print(f"perplexity {evaluation.perplexity:.3f} per target piece")
    print(f"{evaluation.sentences_per_second:.1f} sentences per second ({evaluation.search['kind']} search "
          f"on {evaluation.device})")
    table = Table(f"{evaluation.by_length[0].unit} of source", "sentences", "BLEU", title="BLEU by source length")
    if other is not None:
        table.add_column(f"BLEU of {compare}")
        table.add_column("difference")
    for place, bucket in enumerate(evaluation.by_length):
        more = [] if other is None else [f"{other[place].bleu:.2f}", f"{bucket.bleu - other[place].bleu:+.2f}"]
        table.add_row(bucket.name, str(bucket.sentences), f"{bucket.bleu:.2f}", *more)
    _print(table)
    if comparison is not None:
        verdict = "significant" if comparison.significant else "not significant"
        print(f"BLEU {comparison.value:.2f} against {comparison.baseline:.2f} of {compare}: p = "
              f"{comparison.p_value:.4f} (paired approximate randomisation), {verdict} at 0.05")


def _reranked(evaluation: Evaluation) -> str:
    """By which models, as words."""
    rerank = evaluation.rerank
    if rerank is None:
        return ""
    alone = len(evaluation.runs) == 1 and not rerank["forward"]
    second = "its second decoder" if alone else "their second decoders"
    forward = [*[second] * rerank["second_decoder"], *rerank["forward"]]
    also = " (searching too)" if rerank["search"] else ""
    backward = [f"the backward model{'s' * (len(rerank['backward']) > 1)} {', '.join(rerank['backward'])}"]
    models = [f"{', '.join(forward)}{also}"] * bool(forward) + backward * bool(rerank["backward"])
    return f", re-ranked by {' and '.join(models)}"


def draw_translations(files: Files, evaluation: Evaluation, pairs: Pairs, translator: Translator,
                      settings: EvaluateSettings, other: Sequence[Bucket] | None) -> None:
    """Writes <name>-length.png and, with attention, <name>-attention-<line>.png alongside the scores."""
    systems = {evaluation.run: [bucket.bleu for bucket in evaluation.by_length]}
    if other is not None:
        systems[str(settings.compare)] = [bucket.bleu for bucket in other]
    unit = evaluation.by_length[0].unit
    names, counts = zip(*((bucket.name, bucket.sentences) for bucket in evaluation.by_length), strict=True)
    files.write("-length.png", bleu_by_length(systems, names, counts, unit))
    fitting = [row for row, source in enumerate(pairs.sources) if 1 <= length(source, unit) <= MAP_WORDS]
    for place in range(min(settings.heat_maps, len(fitting))):
        row = fitting[place * len(fitting) // settings.heat_maps]
        (shown,) = translator.translate_lines([pairs.sources[row]], attention=True)
        best = shown.candidates[0] if shown.candidates else None
        if best is not None and best.attention is not None and 1 <= len(best.pieces) <= 4 * MAP_WORDS:
            image = attention_map(shown.source_pieces, best.pieces, best.attention.tolist())
            files.write(f"-attention-{row + 1}.png", image)
    log.info("scores, translations and figures are in %s", files.folder)


def labels(evaluation: LabelEvaluation, comparison: PairedTest | None, compare: str | None) -> None:
    """Prints accuracy, the scores of every class, and the labels that are confused most."""
    _head(evaluation, f"{evaluation.sentences} lines, {evaluation.labels} labels")
    low, high = evaluation.interval
    print(f"accuracy {evaluation.accuracy:.2f} [{low:.1f}, {high:.1f}], macro F1 {100 * evaluation.macro_f1:.2f}, "
          f"perplexity {evaluation.perplexity:.3f} per label")
    print(f"{evaluation.sentences_per_second:.1f} lines per second (on {evaluation.device})")
    table = Table("label", "in references", "precision", "recall", "F1", title="scores of each class")
    for name, score in evaluation.classes.items():
        table.add_row(name, str(score.labels), *(f"{100 * share:.2f}" for share in score[:3]))
    _print(table)
    wrong = [(count, evaluation.names[i], evaluation.names[j]) for i, row in enumerate(evaluation.confusion)
             for j, count in enumerate(row) if i != j and count]
    table = Table("reference", "taken for", "times", title="most frequent confusions")
    for count, reference, label in sorted(wrong, reverse=True)[:CONFUSIONS]:
        table.add_row(reference, label, str(count))
    _print(table)
    if comparison is not None:
        verdict = "significant" if comparison.significant else "not significant"
        print(f"accuracy {comparison.accuracy:.2f} against {comparison.baseline:.2f} of {compare}: p = "
              f"{comparison.p_value:.4f} (paired permutation of lines), {verdict} at 0.05")


def draw_labels(files: Files, evaluation: LabelEvaluation) -> None:
    """Writes <name>-confusion.png alongside the scores."""
    files.write("-confusion.png", confusion_map(evaluation.names, evaluation.confusion))
    log.info("scores, labels and the figure are in %s", files.folder)


def texts(evaluation: GenerationEvaluation) -> None:
    """Prints the perplexity of real texts and samples, for every input."""
    _head(evaluation, f"{evaluation.texts} texts, {evaluation.pieces} pieces")
    print(f"perplexity {evaluation.perplexity:.3f} per target piece")
    table = Table("input", "texts", "perplexity", "samples")
    for one in evaluation.inputs:
        table.add_row(one.input, str(one.texts), f"{one.perplexity:.3f}", ", ".join(one.samples))
    table.columns[1].justify = table.columns[2].justify = "right"
    _console().print(table)


def _head(evaluation: Evaluation | LabelEvaluation | GenerationEvaluation, what: str) -> None:
    origin = " ".join(f"{key}={value}" for key, value in evaluation.origin.items() if key != "hash")
    print(f"{evaluation.run} on {evaluation.name} ({origin}): {what}, {' to '.join(evaluation.languages)}")


def _print(table: Table) -> None:
    for column in table.columns:
        column.justify = "right"
    _console().print(table)


def _console() -> Console:
    return Console(width=None if Console().is_terminal else WIDTH)
