"""Subword regularisation: another segmentation of the same words, drawn anew every epoch.

    unigram   P(segmentation)^alpha over the whole lattice        Kudo 2018, section 3.3
    bpe       every merge is left out with probability alpha      Provilkov et al. 2020, algorithm 1

SentencePiece's own draws depend on the process that makes them, whatever the seed. These depend
on the generator alone, for a run must be repeatable; and they are made for all words of a chunk
at once. Pieces never cross the boundary of a word (a piece with the meta symbol in front begins
one), so a sentence is drawn word by word.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import sentencepiece
from sentencepiece import sentencepiece_model_pb2

from seq2seq.settings.training import SubwordSamplingSettings
from seq2seq.tokenization.bpe_dropout import BpeDropout
from seq2seq.tokenization.tokenizer import Tokenizer
from seq2seq.tokenization.unigram_sampling import UnigramSampling

META = "\u2581"  # stands for the space before a word


class Words(Protocol):
    def __call__(self, values: np.ndarray, lengths: np.ndarray,
                 generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Words as rows of pieces -> the same words in the pieces drawn."""


class SubwordSampler:
    """Draws segmentations for one tokenizer; the same generator state gives the same draws."""

    def __init__(self, tokenizer: Tokenizer, alpha: float) -> None:
        processor = sentencepiece.SentencePieceProcessor(model_proto=tokenizer.model)
        ids = range(len(tokenizer))
        fixed = [processor.is_control(i) or processor.is_unknown(i) or processor.is_byte(i)
                 or processor.is_unused(i) for i in ids]
        for i in _symbols(tokenizer):  # from its letters a tag would be one no more
            fixed[i] = True
        pieces = {processor.id_to_piece(i): i for i in ids if not fixed[i]}
        scores = np.array([processor.get_score(i) for i in ids])
        self._begins_word = np.array([fixed[i] or processor.id_to_piece(i).startswith(META) for i in ids])
        self._draw: Words = (BpeDropout(pieces, scores, alpha) if _is_bpe(pieces, scores)
                             else UnigramSampling(pieces, scores, alpha))

    def draw(self, sentences: Sequence[np.ndarray], generator: np.random.Generator) -> list[np.ndarray]:
        """Piece ids of the sentences in a segmentation drawn at random; rows may change in length."""
        lengths = np.fromiter(map(len, sentences), dtype=np.int64, count=len(sentences))
        values = np.concatenate([*sentences, np.zeros(0, dtype=np.int64)]).astype(np.int64)
        if not len(values):
            return list(sentences)
        begins = self._begins_word[values]
        sentence_starts = (np.cumsum(lengths) - lengths)[lengths > 0]
        begins[sentence_starts] = True
        word_starts = np.flatnonzero(begins)
        words = np.diff(word_starts, append=len(values))
        drawn, drawn_words = self._draw(values, words, generator)
        # A sentence is as long as its words together.
        of_sentence = np.repeat(np.arange(len(lengths)), lengths)[word_starts]
        totals = np.bincount(of_sentence, weights=drawn_words, minlength=len(lengths)).astype(np.int64)
        return np.split(drawn, np.cumsum(totals)[:-1])


def _symbols(tokenizer: Tokenizer) -> list[int]:
    """The pieces of `tokenizer.symbols`, which the processor does not tell from others."""
    pieces = sentencepiece_model_pb2.ModelProto.FromString(tokenizer.model).pieces  # type: ignore[attr-defined]
    return [number for number, piece in enumerate(pieces) if piece.type == piece.USER_DEFINED]


def _is_bpe(pieces: dict[str, int], scores: np.ndarray) -> bool:
    # SentencePiece writes the rank of a merge as its score, negative; unigram scores are log P.
    held = scores[list(pieces.values())]
    return bool(len(held)) and bool((held == np.round(held)).all())


def samplers(wanted: SubwordSamplingSettings,
             tokenizers: tuple[Tokenizer, Tokenizer]) -> tuple[SubwordSampler | None, SubwordSampler | None]:
    """Of the source and of the target side; None where nothing is drawn."""
    source, target = (SubwordSampler(tokenizer, alpha) if alpha > 0 else None
                      for tokenizer, alpha in zip(tokenizers, (wanted.source, wanted.target), strict=True))
    return source, target
