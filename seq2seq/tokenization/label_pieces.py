"""The sides of a pair as piece ids, for every shape: text by segmentation, labels by name.

    n_to_m     text     -> text
    n_to_n     words    -> a label for every word
    n_to_1     text     -> one label
    one_to_n   a label  -> text

A label is one piece of its tokenizer whatever its name is. Characters that SentencePiece would not leave in a piece
(white space, the "<" of its own <unk> and <s>) are written in it as U+241B, their code in hexadecimal, and ";".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from seq2seq.settings.model import LABELS, Shape
from seq2seq.text.normalization import CONTROLS
from seq2seq.tokenization.tokenizer import META, UNK, Tokenizer
from seq2seq.tokenization.words import plain_labels, readable

_ESCAPE = "\u241b"
_BOUNDARY = "\u2585"  # SentencePiece skips lines with it
_UNSAFE = re.compile(rf"[\s{CONTROLS}<{META}{_BOUNDARY}{_ESCAPE}]")
_WRITTEN = re.compile(f"{_ESCAPE}([0-9A-F]{{1,4}});")


def encode_source(tokenizer: Tokenizer, lines: Sequence[str], shape: Shape) -> list[list[int]]:
    """Piece ids of every line of a source side. Of shape n_to_n as many pieces begin a word as the line has words."""
    if shape is Shape.ONE_TO_N:
        return encode_labels(tokenizer, lines, shape)
    return tokenizer.encode([readable(line) for line in lines] if shape is Shape.N_TO_N else lines)


def encode_target(tokenizer: Tokenizer, lines: Sequence[str], shape: Shape) -> list[list[int]]:
    """Piece ids of every line of a target side."""
    return encode_labels(tokenizer, lines, shape) if shape in LABELS else tokenizer.encode(lines)


def encode_labels(tokenizer: Tokenizer, lines: Iterable[str], shape: Shape) -> list[list[int]]:
    """One id for every label; UNK for one that the tokenizer does not have."""
    known: dict[str, int] = {}

    def number(label: str) -> int:
        if label not in known:
            known[label] = label_id(tokenizer, label)
        return known[label]

    return [[number(label) for label in labels_of(line, shape)] for line in lines]


def labels_of(line: str, shape: Shape) -> list[str]:
    """The labels in a line of the labelled side, in one form: see plain_labels."""
    return plain_labels(line, of_words=shape is Shape.N_TO_N)


def label_id(tokenizer: Tokenizer, label: str) -> int:
    found = tokenizer.piece_id(META + written(label))
    # A tokenizer learnt before labels were escaped has the name as it is.
    return tokenizer.piece_id(META + label) if found == UNK else found


def label_names(tokenizer: Tokenizer) -> list[str]:
    """(V,) the label that every piece stands for; the special pieces have their own names."""
    return [_WRITTEN.sub(_character, re.sub(rf"[\r\n{META}]", " ", piece.removeprefix(META)))
            for piece in tokenizer.pieces(range(len(tokenizer)))]


def written(label: str) -> str:
    """The label as SentencePiece learns it: no white space, no name of its own."""
    return _UNSAFE.sub(lambda found: f"{_ESCAPE}{ord(found[0]):X};", label)


def _character(code: re.Match[str]) -> str:
    # Nothing but what `written` writes: a stranger's bundle may hold anything, and an answer is one line.
    character = chr(int(code[1], 16))
    return character if _UNSAFE.fullmatch(character) and character != "\n" else code[0]
