"""Recurrent encoder-decoder translation: corpora in, scored and translating models out."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seq2seq.inference.predictor import Predictor
    from seq2seq.inference.translator import Translator

__all__ = ["Predictor", "Translator"]
__version__ = "0.1.0"


def __getattr__(name: str):
    # Looked up on first use: importing the package must not import torch.
    if name == "Translator":
        from seq2seq.inference.translator import Translator

        return Translator
    if name == "Predictor":
        from seq2seq.inference.predictor import Predictor

        return Predictor
    raise AttributeError(f"module 'seq2seq' has no attribute {name!r}")
