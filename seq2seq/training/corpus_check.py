"""Does a corpus fit the shape, and the settings, that are to be trained on it?

    n_to_n     one target piece for every word of the source
    n_to_1     one target piece for a line
    one_to_n   one source piece for a line
"""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np

from seq2seq.corpus.packed import Split
from seq2seq.errors import CorpusError, SettingError
from seq2seq.settings.model import Shape, Tie
from seq2seq.settings.training import TrainSettings
from seq2seq.tokenization.tokenizer import META, UNK, Tokenizer

log = logging.getLogger("seq2seq")
_CURES = {Shape.N_TO_N: "data=tagging", Shape.N_TO_1: "data=classification", Shape.ONE_TO_N: "data=generation"}


def check_fits_shape(shape: Shape, split: Split, source: Tokenizer, place: Path) -> None:
    """Raises CorpusError with the first pair of a split that does not fit; `place` is the split's folder.

    Warns of labels of the training split that nothing can learn.
    """
    match shape:
        case Shape.N_TO_M:
            return
        case Shape.N_TO_N:
            if source.piece_id(META) == UNK:
                # Unknown words beside each other become one piece there, and no label could be told to be whose.
                raise CorpusError(f"{place.parent} has a source tokenizer of whole words, and shape=n_to_n reads words "
                                  "by what is in them. Prepare it with tokenizer.source.kind=char.")
            wanted, found = split.source_counts(np.asarray(source.word_starts)), split.target_lengths
            what, unit = "labels for {} words", "one label for every word"
        case Shape.N_TO_1:
            wanted, found = np.ones(len(split), dtype=np.int64), split.target_lengths
            what, unit = "labels", "one label for a line"
        case Shape.ONE_TO_N:
            wanted, found = np.ones(len(split), dtype=np.int64), split.source_lengths
            what, unit = "source pieces", "one source piece for a line"
    unfit = np.flatnonzero(wanted != found)
    if len(unfit):
        row = int(unfit[0])
        raise CorpusError(f"{place} does not fit shape={shape.value}: pair {row + 1} has {found[row]} "
                          f"{what.format(wanted[row])} ({len(unfit)} of {len(split)} pairs do not fit), and it needs "
                          f"{unit}. Prepare it with {_CURES[shape]}.")
    # data_prep refuses them in training; a corpus that was prepared before it did may hold some.
    if place.name == "train" and (lost := split.unknown(0 if shape is Shape.ONE_TO_N else 1)):
        log.warning("%s: %d labels have no piece, so they are not learnt. Prepare the corpus again with %s.", place,
                    lost, _CURES[shape])


def check_vocabularies(settings: TrainSettings, folder: Path) -> None:
    """Raises SettingError for model.tie=all, which needs one vocabulary; the corpus in `folder` has two."""
    if settings.model.tie is Tie.ALL:
        raise SettingError(f"model.tie=all needs one vocabulary for both sides, and {folder} has two. "
                           "Choose model.tie=target, or prepare the corpus with tokenizer.joint=true.")
