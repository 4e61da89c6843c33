"""Figures as PNG bytes: BLEU by source length, attention and confusions as maps. Strings and numbers in."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DOTS_PER_INCH = 120


def bleu_by_length(systems: Mapping[str, Sequence[float]], lengths: Sequence[str], counts: Sequence[int],
                   unit: str = "words") -> bytes:
    """A line for each system (name -> BLEU by length) above bars that count the sentences.

    `lengths` name the ranges of source lengths, in `unit`; all sequences go by them.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    for name, values in systems.items():
        upper.plot(range(len(lengths)), values, marker="o", label=name)
    upper.set_ylabel("BLEU")
    upper.set_ylim(bottom=0)
    upper.grid(axis="y", alpha=0.3)
    for text in upper.legend().get_texts():
        text.set_parse_math(False)
    lower.bar(range(len(lengths)), counts, color="0.7")
    lower.set_ylabel("sentences")
    lower.set_xlabel(f"{unit} of the source sentence")
    lower.set_xticks(range(len(lengths)), lengths)
    return _png(figure)


def attention_map(source: Sequence[str], target: Sequence[str], weights: Sequence[Sequence[float]]) -> bytes:
    """a_tj as a grey field: source pieces (S) from left to right, target pieces (T) downwards, weights (T, S)."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2 + 0.3 * len(source), 1.5 + 0.3 * len(target)), layout="constrained")
    axes = figure.subplots()
    axes.imshow(weights, cmap="Greys", vmin=0, vmax=1, aspect="equal")
    # A $ in a piece is a dollar sign, no formula.
    axes.set_xticks(range(len(source)), source, rotation=90, parse_math=False)
    axes.set_yticks(range(len(target)), target, parse_math=False)
    axes.xaxis.tick_top()
    return _png(figure)


def confusion_map(names: Sequence[str], counts: Sequence[Sequence[int]]) -> bytes:
    """Shares of each reference label (rows) that were given each label (columns); counts (labels, labels)."""
    import numpy as np
    from matplotlib.figure import Figure
    from sklearn.metrics import ConfusionMatrixDisplay

    table = np.asarray(counts, dtype=float)
    shares = 100 * table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    size = 2.5 + 0.45 * len(names)
    figure = Figure(figsize=(size + 1, size), layout="constrained")
    axes = figure.subplots()
    shown = ConfusionMatrixDisplay(shares, display_labels=list(names))
    shown.plot(ax=axes, cmap="Greys", values_format=".0f", xticks_rotation="vertical", im_kw={"vmin": 0, "vmax": 100})
    for text in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        text.set_parse_math(False)
    axes.set_xlabel("label")
    axes.set_ylabel("reference")
    axes.set_title("per cent of each reference label")
    return _png(figure)


def _png(figure: Figure) -> bytes:
    content = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")  # drawn as an empty box
        figure.savefig(content, format="png", dpi=DOTS_PER_INCH)
    return content.getvalue()
