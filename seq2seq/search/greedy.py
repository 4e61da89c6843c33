"""Search without looking ahead: one piece is chosen at every step and never taken back.

Greedy search takes y_t = argmax p(y | y_<t, x); sampling (sampling.py) draws y_t. Both are this loop
with another `choose`.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from seq2seq.search.backpointers import ROOT, Trace
from seq2seq.search.finished import Finished
from seq2seq.search.ngram_blocking import Repeats
from seq2seq.search.penalties import Coverage, Rules, restrict, without_coverage
from seq2seq.search.protocol import D, Hypothesis, M, Searchable, pieces_of
from seq2seq.search.top_k import top
from seq2seq.tokenization.tokenizer import BOS, EOS

# (log p (B, K, V) with -inf where a piece may not come, sentence numbers (B,), step) -> places (B, K) among them
Choose = Callable[[Tensor, Tensor, int], Tensor]


def most_probable(gains: Tensor, rows: Tensor, step: int) -> Tensor:
    """The argmax (B, K) of log p (B, K, V)."""
    return top(gains, 1)[1][..., 0]


@dataclasses.dataclass
class _Live:
    """The hypotheses of the sentences still at work."""

    rows: Tensor    # (B,)    which sentences
    pieces: Tensor  # (B, K)  y_t
    nodes: Tensor   # (B, K)  where y_t stands in the trace
    total: Tensor   # (B, K)  log p(y_1..y_t)
    ended: Tensor   # (B, K)  has had its EOS

    def select(self, keep: Tensor) -> _Live:
        return _Live(*(getattr(self, field.name)[keep] for field in dataclasses.fields(self)))


def choose_pieces(model: Searchable[M, D], source: Tensor, lengths: Tensor, limits: Sequence[int],
                  rules: Rules, choose: Choose, hypotheses: int = 1) -> list[list[Hypothesis]]:
    """`hypotheses` translations of each sentence, best score first.

    `source` (B, S) with EOS and PAD, `lengths` (B,), `limits` the most pieces for each sentence.
    """
    memory = model.encode(source, lengths)
    live = _begin(len(limits), hypotheses, source.device)
    state = model.start(memory).select(live.rows[:, None].expand(-1, hypotheses))
    coverage, repeats = Coverage(rules.coverage_penalty), Repeats(rules.no_repeat_ngram_size)
    trace, finished = Trace(rules.keep_attention), Finished(len(limits), hypotheses, source.device)
    last, step = torch.tensor(limits, device=source.device), 0
    while True:
        logits, state, attention = model.step(live.pieces, state, memory)
        gains, at_limit = logits.log_softmax(-1, dtype=torch.float32), last[live.rows] <= step
        restrict(gains, step, at_limit, rules)
        repeats.forbid(gains)
        written = choose(gains, live.rows, step).masked_fill(live.ended, EOS)
        gain = gains.gather(-1, written[..., None])[..., 0]
        live.total = live.total + gain.masked_fill(live.ended, 0)
        places = torch.arange(written.numel(), device=source.device).view(written.shape)
        pieces = pieces_of(memory.columns, written)
        live.pieces, live.nodes = pieces, trace.add(pieces, live.nodes, places, attention)
        coverage.add(attention)
        score = without_coverage(live.total, step + 1, rules.length_penalty)
        score = score + coverage.penalty(memory.lengths)
        ends = (pieces == EOS) & ~live.ended
        finished.add(live.rows, score.masked_fill(~ends, -math.inf), live.total, live.nodes)
        live.ended, step = live.ended | ends | at_limit[:, None], step + 1
        keep = (~live.ended.all(1)).nonzero()[:, 0]
        if not len(keep):
            return finished.hypotheses(trace, lengths)
        if worth_leaving(len(keep), len(live.rows)):
            live, memory, places, written = live.select(keep), memory.select(keep), places[keep], written[keep]
            state = state.select(places)
            coverage.select(keep)
        repeats.follow(places, written)


def worth_leaving(kept: int, sentences: int) -> bool:
    """Whether finished sentences should leave the batch now: moving the rest costs about a step."""
    return 4 * kept <= 3 * sentences


def _begin(sentences: int, hypotheses: int, device: torch.device) -> _Live:
    pieces = torch.full((sentences, hypotheses), BOS, device=device)
    return _Live(
        rows=torch.arange(sentences, device=device), pieces=pieces, nodes=torch.full_like(pieces, ROOT),
        total=torch.zeros(pieces.shape, device=device), ended=torch.zeros_like(pieces, dtype=torch.bool),
    )
