"""From logits to labels: the most probable one at every place, never a special piece."""

from __future__ import annotations

from torch import Tensor

from seq2seq.tokenizer import EOS


def label_probabilities(logits: Tensor) -> Tensor:
    """logits (B, T, V) -> p over the labels alone, (B, T, V): 0 for PAD, UNK, BOS and EOS."""
    logits = logits.float()
    logits[..., : EOS + 1] = float("-inf")
    return logits.softmax(dim=-1)
