"""SentencePiece behind three words: encode, decode, pieces. (Sampled segmentations: sampling.py.)

Kudo & Richardson 2018. The special pieces have the same ids in every model of ours.
They are control symbols: no text can produce them.
"""

from __future__ import annotations

import functools
import hashlib
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import sentencepiece

from seq2seq.errors import BundleError, check_is_list
from seq2seq.text.normalization import unicode

PAD, UNK, BOS, EOS = 0, 1, 2, 3
META = "\u2581"  # stands for the space before a word


class Tokenizer:
    """One SentencePiece model: text to piece ids (without BOS and EOS) and back."""

    def __init__(self, model: bytes, *, name: str = "tokenizer") -> None:
        self.model = model
        try:
            self._processor = sentencepiece.SentencePieceProcessor(model_proto=model)
        except RuntimeError:  # what SentencePiece raises for a model it cannot read
            raise BundleError(f"{name} is not a SentencePiece model, or it is damaged.") from None
        if [self._processor.pad_id(), self._processor.unk_id(), self._processor.bos_id(),
                self._processor.eos_id()] != [PAD, UNK, BOS, EOS]:
            raise BundleError(f"{name} has other special pieces than PAD=0 UNK=1 BOS=2 EOS=3; it was not made here.")
        try:
            self._pieces: list[str] = self._processor.id_to_piece(list(range(len(self))))
        except UnicodeDecodeError:
            raise BundleError(f"{name} is damaged: a piece of it is not UTF-8.") from None

    @classmethod
    def load(cls, path: Path) -> Tokenizer:
        try:
            return cls(path.read_bytes(), name=str(path))
        except OSError as error:
            raise BundleError(f"{path} cannot be read: {error.strerror}.") from None

    def __len__(self) -> int:
        """V, the number of pieces."""
        return self._processor.get_piece_size()

    @functools.cached_property
    def word_starts(self) -> list[bool]:
        """(V,) True for the pieces that begin a word: those with the space before it in front."""
        return [piece.startswith(META) for piece in self._pieces]

    @functools.cached_property
    def _composed(self) -> bool:
        """Whether the pieces were learnt from composed text (cleaning.unicode)."""
        return unicodedata.is_normalized("NFC", "\n".join(self._pieces))

    @property
    def hash(self) -> str:
        """SHA-256 of the model file."""
        return hashlib.sha256(self.model).hexdigest()

    def encode(self, lines: Sequence[str], threads: int = 1) -> list[list[int]]:
        """Piece ids of every line, the best segmentation."""
        check_is_list(lines)
        return self._processor.encode(self._given(lines), num_threads=threads)

    def surfaces(self, line: str) -> list[str]:
        """What each piece of a line was in it, with the spaces before it: characters that no piece has as well."""
        (there,) = self._given([line])
        return [piece.surface for piece in self._processor.encode(there, return_type="proto").pieces]

    def _given(self, lines: Sequence[str]) -> list[str]:
        # The rules of a model cannot name NUL, which data preparation removes with the other controls, and compose
        # neither Hangul nor letters that are composed by half, as Vietnamese often is.
        there = [line.replace("\0", "") for line in lines]
        return unicode(there) if self._composed else there

    def decode(self, ids: Sequence[Sequence[int]]) -> list[str]:
        """Text of every list of ids; special pieces give nothing, UNK gives its mark."""
        # Unknown words of kind=word with byte_fallback hold the meta symbol in bytes.
        return [text.replace(META, " ").removeprefix(" ") if META in text else text
                for text in self._processor.decode([list(map(int, row)) for row in ids])]

    def piece_id(self, piece: str) -> int:
        """Of a piece as text; UNK when there is none."""
        return self._processor.piece_to_id(piece)

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """The pieces as text, for showing alignments."""
        return [self._pieces[i] for i in ids]
