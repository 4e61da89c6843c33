"""What search asks of a model, and what it gives back.

Letters: B sentences, K hypotheses of each, S source pieces, T target pieces, V vocabulary.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol, TypeVar

from torch import Tensor


class Memory(Protocol):
    """The encoded source sentences: one entry for a sentence, however many hypotheses it has."""

    @property
    def lengths(self) -> Tensor: ...  # (B,) source pieces, EOS counted

    @property
    def columns(self) -> Tensor | None:
        """(B, L) the pieces that the logits are of, the special ones in their own places; None: all V, in order."""
        ...

    def select(self: M, rows: Tensor) -> M:
        """Keeps the sentences `rows` (B',)."""
        ...


class State(Protocol):
    """The decoder's state s_t of (B, K) hypotheses."""

    def select(self: D, rows: Tensor) -> D:
        """The (B', K') states that `rows` (B', K') finds among the flattened (B * K) ones."""
        ...


M = TypeVar("M", bound=Memory)
D = TypeVar("D", bound=State)


class Searchable(Protocol[M, D]):
    """A model that can be asked for the next piece."""

    @property
    def reverse_target(self) -> bool:
        """The next piece is the one to the left: it writes y_M..y_1."""
        ...

    @property
    def outputs(self) -> int:
        """Logits that a step makes for one hypothesis, at least (V, or the candidates that all sentences have); of
        several models all of theirs."""
        ...

    def encode(self, source: Tensor, lengths: Tensor) -> M:
        """`source` (B, S) ids that end in EOS, PAD behind; `lengths` (B,), EOS counted."""
        ...

    def start(self, memory: M) -> D:
        """s_0 of one hypothesis for every sentence: (B, 1)."""
        ...

    def step(self, previous: Tensor, state: D, memory: M) -> tuple[Tensor, D, Tensor | None]:
        """From the last pieces (B, K): logits (B, K, V or L), s_t and the attention (B, K, S) or None.

        The logits are the caller's to overwrite.
        """
        ...


def pieces_of(columns: Tensor | None, places: Tensor) -> Tensor:
    """The pieces that the places (B, C) of logits are of."""
    return places if columns is None else columns.gather(1, places)


class Hypothesis(NamedTuple):
    """A finished translation."""

    pieces: list[int]         # y_1..y_T in reading order, without BOS and EOS
    score: float              # what hypotheses are ranked by: log_probability under penalties.py
    log_probability: float    # log p(y_1..y_T, EOS | x), natural logarithm, the model's own
    attention: Tensor | None  # (T, N) a_tj over the N source pieces (EOS counted), where asked for
    cut: bool = False         # search ended it at its length limit
