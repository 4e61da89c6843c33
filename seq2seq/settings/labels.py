"""Which side of a corpus holds labels, and what such a corpus cannot be prepared with."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from seq2seq.errors import SettingError
from seq2seq.settings.model import Shape

if TYPE_CHECKING:
    from seq2seq.settings.prepare import PrepareSettings


class Labels(enum.Enum):
    """Which side holds labels: each is one piece whatever its name is. For train.py shape=..."""

    NONE = "none"      # both sides are text                               n_to_m
    WORDS = "words"    # the target: a label for every word of the source  n_to_n
    LINES = "lines"    # the target: a label for every line                n_to_1
    INPUTS = "inputs"  # the source: a label for every line                one_to_n

    @property
    def shape(self) -> Shape:
        """What such a corpus is for."""
        return {Labels.NONE: Shape.N_TO_M, Labels.WORDS: Shape.N_TO_N, Labels.LINES: Shape.N_TO_1,
                Labels.INPUTS: Shape.ONE_TO_N}[self]

    @property
    def side(self) -> str | None:
        """The side that holds them: source, target, or neither."""
        return {Labels.NONE: None, Labels.INPUTS: "source"}.get(self, "target")


def check_labels(settings: PrepareSettings) -> None:
    """Raises SettingError for what would lose labels, or nearly all pairs that have one."""
    side, given = settings.labels.side, f"labels={settings.labels.value}"
    if side is None:
        return
    remove, duplicates, tokenizer = settings.overlap.remove, settings.cleaning.duplicates, settings.tokenizer
    if remove.value in (side, "either"):
        raise SettingError(f"overlap.remove={remove.value}: the {side} side holds labels ({given}), which all splits "
                           "have in common, so hardly a training pair would be left. Choose overlap.remove="
                           f"{'source' if side == 'target' else 'target'} or pair.")
    if duplicates.enabled and duplicates.by.value == side:
        raise SettingError(f"cleaning.duplicates.by={side}: the {side} side holds labels ({given}), so one pair for "
                           "each label would be left. Choose cleaning.duplicates.by=pair.")
    kind = tokenizer.of(getattr(tokenizer, side)).kind.value
    if tokenizer.corpus is None and (tokenizer.joint or kind != "word"):
        raise SettingError(f"{given} needs tokenizer.joint=false and tokenizer.{side}.kind=word: a label is one "
                           "piece.")
