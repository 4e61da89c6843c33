"""What becomes of a line: its candidates, and those of its parts as one."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from torch import Tensor


@dataclasses.dataclass(frozen=True)
class Candidate:
    """One translation of a sentence."""

    text: str
    pieces: list[str]         # y_1..y_T as text
    score: float              # what ranks them: search/penalties.py, reranking.py, with search.mbr expected BLEU
    log_probability: float    # natural logarithm, EOS counted
    attention: Tensor | None  # (T, N) over the source pieces; None for a line that was split, or found by rerank.search
    alignment: list[int] | None = None  # of each piece the source piece with the largest weight
    backward_score: float | None = None  # log P(X|Y) / |X| of the models of rerank.backward=
    forward_score: float | None = None   # log P(Y|X) / |Y| of those of rerank.forward= and rerank.second_decoder=
    cut: bool = False                    # search ended it at the length limit


@dataclasses.dataclass(frozen=True)
class Translation:
    """What became of one line."""

    source: str
    source_pieces: list[str]     # x_1..x_N as text, EOS last (and at the end of a part); empty for an empty line
    candidates: list[Candidate]  # best first; empty for an empty line

    @property
    def text(self) -> str:
        return self.candidates[0].text if self.candidates else ""

    @property
    def cut(self) -> bool:
        """Search ended it at the length limit (length_limits.py)."""
        return bool(self.candidates) and self.candidates[0].cut


def without_attention(candidate: Candidate, shift: int) -> Candidate:
    """The candidate of a part that begins `shift` source pieces behind the beginning of its line."""
    alignment = None if candidate.alignment is None else [place + shift for place in candidate.alignment]
    return dataclasses.replace(candidate, attention=None, alignment=alignment)


def joined(ranked: Sequence[Candidate]) -> Candidate:
    """The candidates of all parts as one. The parts know nothing of each other: their probabilities multiply."""
    aligned = [one.alignment for one in ranked if one.alignment is not None]
    complete = len(aligned) == len(ranked)
    return Candidate(
        text=" ".join(one.text for one in ranked if one.text), pieces=[piece for one in ranked for piece in one.pieces],
        score=sum(one.score for one in ranked), log_probability=sum(one.log_probability for one in ranked),
        attention=None, alignment=[place for part in aligned for place in part] if complete else None,
        cut=any(one.cut for one in ranked),
    )
