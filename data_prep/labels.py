"""Labels of a corpus: every one is a piece, or the corpus is refused with its name and where it stands.

Their tokenizer is learnt from all labels of the training split, not from a sample, with every character.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

from data_prep.filters import TabFound
from data_prep.sources.base import Source
from data_prep.sources.files import find
from data_prep.sources.tables import is_table
from data_prep.text import Text
from seq2seq.errors import CorpusError
from seq2seq.settings.labels import Labels
from seq2seq.settings.prepare import DataSettings, FilesData, HubData, TokenizerKind, TokenizerSettings
from seq2seq.tokenization.label_pieces import label_id, labels_of, written
from seq2seq.tokenization.tokenizer import EOS, UNK, Tokenizer

log = logging.getLogger("seq2seq")


@dataclasses.dataclass(frozen=True)
class RawLabels:
    """The raw lines of a corpus of labels, for saying where something stands."""

    source: Source  # with no split cut from another
    data: DataSettings
    labels: Labels

    @property
    def side(self) -> int:
        return int(self.labels.side == "target")

    def are_on(self, sides: tuple[int, ...]) -> bool:
        """Whether one side alone is meant, and it holds labels."""
        return self.labels is not Labels.NONE and sides == (self.side,)

    @contextlib.contextmanager
    def found_tabs(self, split: str) -> Iterator[None]:
        """Says in which file and line a tab stands that a job found."""
        try:
            yield
        except TabFound:
            where = self._first(split, lambda pair: next((side for side in (0, 1) if "\t" in pair[side]), None))
            raise CorpusError(f"{where} has a tab. Words and labels are separated by a space (U+0020): replace the "
                              "tabs, or the parts would be one word.") from None

    def lost(self, label: str, why: str) -> CorpusError:
        """What to say about a label of the training split that has no piece."""
        where = self.where(label, "train")
        return CorpusError(f"{where}: the label {label!r:.80} would be lost in training, for {why}.")

    def every(self, text: Text) -> Iterator[str]:
        """The labels of a split, in order."""
        for line in text.lines((self.side,)):
            yield from labels_of(line, self.labels.shape)

    def where(self, label: str, split: str) -> str:
        """The file and line where the label stands first."""
        return self._first(split, lambda pair: self.side if label in labels_of(pair[self.side], self.labels.shape)
                           else None)

    def _first(self, split: str, found: Callable[[tuple[str, str]], int | None]) -> str:
        """The name of the first line for which `found` gives the side."""
        split = split if split in self.source.splits() else "train"  # that it was cut from
        row = 0
        for shard in self.source.shards(split, 1):
            for batch in shard():
                for pair in zip(*batch, strict=True):
                    row += 1
                    if (side := found(pair)) is not None:
                        return self._name(split, side, row)
        return split

    def _name(self, split: str, side: int, row: int) -> str:
        match self.data:
            case FilesData():
                path = getattr(self.data, split)
                if not is_table(path):
                    return f"{find(path, (self.data.source, self.data.target)[side])} line {row}"
                return f"{path} {'line' if '.jsonl' in Path(path).suffixes else 'row'} {row}"
            case HubData():
                return f"{self.data.path} split {getattr(self.data, split)} row {row}"
            case _:
                return f"{self.data.name} split {split} pair {row}"


def learnt_from(raw: RawLabels, train: Text, settings: TokenizerSettings
                ) -> tuple[Callable[[], Iterator[str]], TokenizerSettings]:
    """The labels of the training split as SentencePiece learns them, and how. Raises CorpusError for too many."""
    names: set[str] = set()
    for label in raw.every(train):
        names.add(label)
        if len(names) > settings.vocabulary - (EOS + 1):
            raise raw.lost(label, f"there are more labels than pieces. Raise tokenizer.{raw.labels.side}.vocabulary="
                                  f"{settings.vocabulary}, or check that this side holds labels")
    return lambda: iter(sorted(map(written, names))), dataclasses.replace(
        settings, kind=TokenizerKind.WORD, coverage=1.0, byte_fallback=False, symbols=[])


def check_pieces(raw: RawLabels, split: str, text: Text, tokenizer: Tokenizer, taken: str | None) -> None:
    """Raises CorpusError for a label of the training split without a piece; warns of those of the other splits.

    `taken`: the corpus whose tokenizer it is.
    """
    unknown = [label for label in raw.every(text) if label_id(tokenizer, label) == UNK]
    if unknown and split == "train":
        raise raw.lost(unknown[0], "it is too long for a piece" if taken is None else
                       f"tokenizer.corpus={taken} does not have it. Leave that out")
    if unknown:
        log.warning("%s: the label %.80r is not in the training split (one of %d such labels of %s): no model can give "
                    "it, and it counts as wrong", raw.where(unknown[0], split), unknown[0], len(set(unknown)), split)
