"""Words out of pieces, for N to N: what a word is made of, and the word as a whole.

    f_1..f_S, b_1..b_S   states of a forward and a backward cell over all pieces of a line
    x_w = [f at the last piece of w; b at its first piece; e(w)]          Bohnet et al. 2018
    e(w) = row hash(pieces of w) of a table                               Svenstrup et al. 2017, one hash

With tokenizer.kind=char the pieces are characters, and a word never seen is read by its spelling. The
table needs no list of words: those that fall on one row share it, and a row that training never
touched is 0, as it is for a word dropped in training.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seq2seq.models.dropout import Dropout
from seq2seq.models.encoder import Encoder

_PRIME = 2**31 - 1  # products of two numbers below it fit into 64 bits


class Places(NamedTuple):
    """Where the words of B lines of S pieces are."""

    first: Tensor    # (B, S)  True at the first piece of a word
    last: Tensor     # (B, S)  True at the last one
    real: Tensor     # (B, S)  True on the pieces of words: neither EOS nor padding
    lengths: Tensor  # (B,)    words


class Words(nn.Module):
    """Pieces in, words out, padded in the same way."""

    def __init__(self, *, reader: Encoder, word_starts: Sequence[bool], rows: int, embedding: int,
                 dropout: float, word_dropout: float, variational: bool) -> None:
        """`reader` runs over the pieces; `word_starts` (V,) is True for pieces that begin a word."""
        super().__init__()
        self.reader, self.table = reader, nn.Embedding(rows, embedding)
        nn.init.zeros_(self.table.weight)
        self.dropout, self.word_dropout = Dropout(dropout, variational), word_dropout
        # It is the tokenizer's, and no weight.
        self.register_buffer("starts", torch.tensor(word_starts), persistent=False)

    def forward(self, x: Tensor, ids: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Embedded pieces (B, S, E), ids (B, S), EOS last, lengths (B,) -> words (B, W, X), how many there are (B,)."""
        places = self.places(ids, lengths)
        states, _ = self.reader(x, lengths)
        half = states.shape[-1] // 2 if self.reader.bidirectional else states.shape[-1]
        read = _gathered(states[..., :half], places.last, places.lengths)
        if self.reader.bidirectional:
            read = torch.cat([read, _gathered(states[..., half:], places.first, places.lengths)], dim=-1)
        whole = self.dropout(self.table(self.hashes(ids, places)))
        if self.training and self.word_dropout > 0:
            keep = torch.rand(whole.shape[:2], device=whole.device) >= self.word_dropout
            whole = whole * keep[..., None]
        return torch.cat([read, whole], dim=-1), places.lengths

    def places(self, ids: Tensor, lengths: Tensor) -> Places:
        """Of ids (B, S), EOS last and PAD behind, lengths (B,)."""
        real = torch.arange(ids.shape[1], device=ids.device) < lengths[:, None] - 1
        # A part of a line may begin inside a word: what is left of that is a word too.
        begins = F.pad(self.starts[ids][:, 1:], (1, 0), value=True)  # type: ignore[index]
        first = begins & real
        behind = torch.cat([first[:, 1:] | ~real[:, 1:], torch.ones_like(first[:, :1])], dim=1)
        return Places(first, real & behind, real, first.sum(dim=1))

    def hashes(self, ids: Tensor, places: Places) -> Tensor:
        """The row of every word (B, W): a polynomial in its pieces, modulo a prime, modulo the rows."""
        B, S = ids.shape
        word = places.first.cumsum(dim=1) - 1                       # (B, S)
        place = torch.arange(S, device=ids.device).expand(B, S)
        start = torch.where(places.first, place, 0).cummax(dim=1).values
        powers = torch.tensor(_powers(S), device=ids.device)
        terms = (ids + 1) * 2_654_435_761 % _PRIME * powers[place - start] % _PRIME * places.real
        sums = terms.new_zeros(B, int(places.lengths.max())).scatter_add(1, word.clamp(min=0), terms)
        return sums % _PRIME % self.table.num_embeddings


@functools.cache
def _powers(count: int) -> list[int]:
    powers = [1]
    while len(powers) < count:
        powers.append(powers[-1] * 1_000_003 % _PRIME)
    return powers


def _gathered(states: Tensor, where: Tensor, lengths: Tensor) -> Tensor:
    """states (B, S, X) at the True places of `where` (B, S), moved to the front: (B, W, X)."""
    # A stable sort brings the True places first and keeps their order.
    order = where.logical_not().to(torch.uint8).argsort(dim=1, stable=True)[:, : int(lengths.max())]
    return states.gather(1, order[:, :, None].expand(-1, -1, states.shape[-1]))
