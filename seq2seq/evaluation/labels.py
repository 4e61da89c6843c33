"""An evaluation of labels (shapes n_to_n and n_to_1): accuracy, scores of each class, the confusion matrix.

    <name>.json           accuracy with its interval, classes, confusion, perplexity, speed
    <name>.tsv            source, reference, labels, side by side
    <name>-confusion.png  what is taken for what

Precision, recall and F1 are scikit-learn's. The interval resamples the lines with replacement (bootstrap);
the paired test exchanges the systems' answers line by line (permutation), for labels of one line depend on
each other.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from seq2seq.errors import UserError
from seq2seq.evaluation.files import Files, Pairs, Stored, write_record
from seq2seq.evaluation.translations import reference_loss
from seq2seq.inference.predictor import Predictor
from seq2seq.scoring import EXCHANGES, SEED
from seq2seq.scoring_units import in_one_form
from seq2seq.settings.evaluate import EvaluateSettings
from seq2seq.settings.model import Shape
from seq2seq.tokenization.label_pieces import labels_of
from seq2seq.tokenization.words import words

MISSING = "(none)"  # the label of a line that got none: its text is blank


class ClassScore(NamedTuple):
    """One label against all others; shares, 0..1."""

    precision: float
    recall: float
    f1: float
    labels: int  # in the references


class PairedTest(NamedTuple):
    accuracy: float
    baseline: float
    p_value: float  # of a difference at least as large if the systems were exchangeable

    @property
    def significant(self) -> bool:
        return self.p_value < 0.05


@dataclasses.dataclass(frozen=True, kw_only=True)
class LabelEvaluation:
    """What <name>.json holds."""

    run: str
    name: str
    origin: dict[str, str]
    languages: tuple[str, str]
    sentences: int
    labels: int
    accuracy: float                # per cent of the labels
    interval: tuple[float, float]  # 95 %
    macro_f1: float                # mean over the classes of the references
    perplexity: float              # of the references, per label
    classes: dict[str, ClassScore]
    names: list[str]               # of the rows and columns of `confusion`
    confusion: list[list[int]]     # [reference][label]: how often
    seconds: float
    device: str

    @property
    def sentences_per_second(self) -> float:
        return self.sentences / self.seconds


def check_even(pairs: Pairs, shape: Shape) -> None:
    """Raises UserError with the first line that has not a label for every word, or for itself."""
    for number, (source, reference) in enumerate(zip(pairs.sources, pairs.references, strict=True), 1):
        line, labels = f"{pairs.name} line {number}", len(labels_of(reference, shape))
        if shape is Shape.N_TO_1 and not labels:
            raise UserError(f"{line} has no label. Give one, or leave the line out.")
        if shape is not Shape.N_TO_N:
            continue
        if "\t" in source + reference:
            raise UserError(f"{line} has a tab. Words and labels are separated by a space (U+0020): replace the tabs.")
        if len(words(source)) != labels:
            raise UserError(f"{line} has {len(words(source))} words and {labels} labels. Give one label for every "
                            "word; words are separated by a space (U+0020).")


def evaluate_labels(predictor: Predictor, pairs: Pairs, settings: EvaluateSettings,
                    name: str) -> tuple[LabelEvaluation, list[str]]:
    """Labels the raw sources; returns the labels of every line with the scores. `name`: of the files."""
    started = time.perf_counter()
    answers = predictor.predict(pairs.sources)
    seconds = time.perf_counter() - started
    in_one_form(predictor.languages[1], pairs.references, pairs.name)
    wanted, given = _aligned(pairs, answers, predictor.shape)
    right = _right(wanted, given)
    y_true, y_pred = ([label for line in side for label in line] for side in (wanted, given))
    classes, macro, names, confusion = _scores(y_true, y_pred)
    evaluation = LabelEvaluation(
        run=settings.runs[0], name=name, origin=pairs.origin, languages=predictor.languages,
        sentences=len(pairs.sources), labels=len(y_true), accuracy=_accuracy(*right),
        interval=_interval(right, settings.resamples), macro_f1=macro,
        perplexity=reference_loss(predictor.bundles[0], predictor.device, pairs, settings).perplexity,
        classes=classes, names=names, confusion=confusion, seconds=seconds, device=str(predictor.device))
    return evaluation, answers


def write_label_evaluation(files: Files, evaluation: LabelEvaluation, pairs: Pairs, answers: list[str],
                           comparison: PairedTest | None, compare: str | None) -> None:
    """Writes both files, each whole. Raises UserError where the folder cannot be written."""
    record: dict[str, Any] = dataclasses.asdict(evaluation)
    record["classes"] = {name: score._asdict() for name, score in evaluation.classes.items()}
    record["sentences_per_second"] = evaluation.sentences_per_second
    if comparison is not None:
        record["comparison"] = {"run": compare, **comparison._asdict()}
    write_record(files, pairs, record, answers)


def compare_labels(stored: Stored, pairs: Pairs, answers: Sequence[str], shape: Shape, resamples: int) -> PairedTest:
    """Whether two systems differ in accuracy by more than exchanging their answers explains."""
    from scipy.stats import permutation_test

    counts = [_right(*_aligned(pairs, side, shape)) for side in (answers, stored.translations)]
    (ours, total), (theirs, _) = counts
    found = permutation_test(
        (ours, theirs), lambda one, other, axis: one.sum(axis=axis) - other.sum(axis=axis), vectorized=True,
        permutation_type="samples", n_resamples=resamples, batch=max(1, EXCHANGES // len(ours)),
        rng=np.random.default_rng(SEED))
    return PairedTest(_accuracy(ours, total), _accuracy(theirs, total), float(found.pvalue))


def _aligned(pairs: Pairs, answers: Sequence[str], shape: Shape) -> tuple[list[list[str]], list[list[str]]]:
    """The labels of every line, wanted and given, equally many in each, in one form (normalization.py)."""
    wanted, given = [], []
    for reference, answer in zip(pairs.references, answers, strict=True):
        labels, found = labels_of(reference, shape), labels_of(answer, shape)
        wanted.append(labels)
        given.append(found[: len(labels)] + [MISSING] * (len(labels) - len(found)))
    return wanted, given


def _right(wanted: list[list[str]], given: list[list[str]]) -> tuple[np.ndarray, np.ndarray]:
    """(lines,) labels of each line that are right, and (lines,) all labels of each line."""
    right = [sum(a == b for a, b in zip(*pair, strict=True)) for pair in zip(wanted, given, strict=True)]
    return np.array(right), np.array([len(line) for line in wanted])


def _accuracy(right: np.ndarray, total: np.ndarray) -> float:
    return 100 * float(right.sum() / max(total.sum(), 1))


def _interval(right: tuple[np.ndarray, np.ndarray], resamples: int) -> tuple[float, float]:
    draw, lines = np.random.default_rng(SEED), len(right[0])
    values = [_accuracy(right[0][rows], right[1][rows])
              for rows in (draw.integers(lines, size=lines) for _ in range(resamples))]
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def _scores(wanted: list[str], given: list[str]) -> tuple[dict[str, ClassScore], float, list[str], list[list[int]]]:
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    names = sorted({*wanted, *given})
    columns = precision_recall_fscore_support(wanted, given, labels=names, zero_division=0)
    classes = {name: ClassScore(float(precision), float(recall), float(f1), int(count))
               for name, precision, recall, f1, count in zip(names, *columns, strict=True)}
    there = [score.f1 for score in classes.values() if score.labels]
    matrix = confusion_matrix(wanted, given, labels=names)
    return classes, float(np.mean(there)), names, matrix.tolist()
