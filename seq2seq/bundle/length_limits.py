"""How long a translation may become before search ends it.

    limit = max_length_factor * S + max_length_extra          S source pieces, EOS counted

Where nobody sets the factor, it follows from the pairs that the model was trained on: SHARE of them stay below the
limit with ROOM to spare. It is never below that of ordinary translation, and the bundle keeps it.
"""

from __future__ import annotations

import dataclasses
import logging
import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from seq2seq.settings.model import LABELS
from seq2seq.settings.search import LEAST_FACTOR, MOST_FACTOR, SearchSettings
from seq2seq.settings.training import TrainSettings

if TYPE_CHECKING:
    from seq2seq.bundle.bundle import Bundle
    from seq2seq.corpus.packed import Split

SHARE, ROOM = 0.999, 1.25
log = logging.getLogger("seq2seq")


def factor_of(source_lengths: np.ndarray, target_lengths: np.ndarray) -> float:
    """The factor for pairs with so many pieces, EOS not counted, both (N,)."""
    if not len(source_lengths):
        return LEAST_FACTOR
    needed = (ROOM * target_lengths - SearchSettings().max_length_extra) / (source_lengths + 1)
    least = float(np.quantile(needed, SHARE, method="higher"))
    return min(max(LEAST_FACTOR, math.ceil(10 * least) / 10), MOST_FACTOR)


def trained_factor(settings: TrainSettings, train: Split) -> float:
    """The factor for the pairs of the training split that are trained on."""
    if settings.shape in LABELS:
        return LEAST_FACTOR
    source, target, longest = train.source_lengths, train.target_lengths, settings.training.max_pieces
    used = (source <= longest) & (target <= longest)
    return factor_of(source[used], target[used])


def with_limit(search: SearchSettings, bundles: Sequence[Bundle]) -> SearchSettings:
    """The settings with the factor of the models, the largest of several; what a person chose stays."""
    return with_factor(search, max(bundle.max_length_factor for bundle in bundles))


def with_factor(search: SearchSettings, factor: float) -> SearchSettings:
    """The settings with this factor, unless a person chose one."""
    return search if search.max_length_factor is not None else dataclasses.replace(search, max_length_factor=factor)


def limit_setting(search: SearchSettings) -> str:
    """The setting that decides the limit, as a person gives it."""
    if search.max_length is not None:
        return f"search.max_length={search.max_length}"
    return f"search.max_length_factor={search.max_length_factor or LEAST_FACTOR:g}"


def warn_of_cut(cut: Iterable[bool], name: str, search: SearchSettings, first: int = 1) -> int:
    """How many of the translations (True: search ended it at the limit) are cut; says so when there are any.

    `first`: the number of the first line in `name`.
    """
    rows = [first + row for row, one in enumerate(cut) if one]
    if rows:
        also = f" and {len(rows) - 1} more" if len(rows) > 1 else ""
        log.warning("%s line %d%s: the translation was cut at the length limit (%s). Unless it repeats itself "
                    "endlessly, raise that setting", name, rows[0], also, limit_setting(search))
    return len(rows)
