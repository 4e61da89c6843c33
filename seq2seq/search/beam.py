"""Beam search: the `beam_size` = K best partial translations side by side.

Every step extends each live hypothesis; the K best extensions without EOS live on, and an extension
by EOS that is among the K best of all is finished. A sentence is done when K hypotheses have
finished, or when no live one can still beat the worst that is kept:

    max_k log P(y_1..y_t of k) / lp(longest possible)  <=  worst kept score

(log P only falls, lp and the reward are largest for the longest, cp is at most 0). With K = 1 this is greedy search;
with K so large that nothing is cut off it is exact.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import torch
from torch import Tensor

from seq2seq.search.backpointers import ROOT, Trace
from seq2seq.search.finished import Finished
from seq2seq.search.greedy import worth_leaving
from seq2seq.search.ngram_blocking import Repeats
from seq2seq.search.penalties import Coverage, Rules, length_penalty, restrict, without_coverage
from seq2seq.search.protocol import D, Hypothesis, M, Searchable, pieces_of
from seq2seq.search.top_k import top
from seq2seq.tokenization.tokenizer import BOS, EOS


@dataclasses.dataclass
class _Live:
    """The partial translations of the sentences still at work."""

    rows: Tensor     # (B,)    which sentences
    last: Tensor     # (B,)    the last step that each may take
    ceiling: Tensor  # (B,)    lp(longest possible)
    pieces: Tensor   # (B, K)  y_t
    nodes: Tensor    # (B, K)  where y_t stands in the trace
    total: Tensor    # (B, K)  log p(y_1..y_t); -inf: an empty place

    def select(self, sentences: Tensor) -> _Live:
        return _Live(*(getattr(self, field.name).index_select(0, sentences) for field in dataclasses.fields(self)))


@dataclasses.dataclass
class _Candidates:
    """The 2K best extensions of each sentence, best first: K of them are without EOS if so many exist."""

    pieces: Tensor   # (B, C)
    parents: Tensor  # (B, C)  which of the flattened (B * K) hypotheses they extend
    total: Tensor    # (B, C)  log p(y_1..y_t)


def beam(model: Searchable[M, D], source: Tensor, lengths: Tensor, limits: Sequence[int], rules: Rules,
         beam_size: int, n_best: int = 1) -> list[list[Hypothesis]]:
    """The `n_best` best hypotheses found for each sentence, best first (fewer where fewer finished).

    `source` (B, S) with EOS and PAD, `lengths` (B,), `limits` the most pieces for each sentence.
    """
    memory = model.encode(source, lengths)
    state, live = model.start(memory), _begin(limits, rules, source.device)
    coverage, repeats = Coverage(rules.coverage_penalty), Repeats(rules.no_repeat_ngram_size)
    trace, finished = Trace(rules.keep_attention), Finished(len(limits), n_best, source.device)
    step = 0
    while True:
        logits, state, attention = model.step(live.pieces, state, memory)
        at_limit = live.last <= step
        gains = logits.log_softmax(-1, dtype=torch.float32)
        restrict(gains, step, at_limit, rules)
        repeats.forbid(gains)
        extended = _extend(gains, live.total, beam_size)
        among, extended.pieces = extended.pieces, pieces_of(memory.columns, extended.pieces)
        parents = live.nodes.flatten()[extended.parents]
        nodes = trace.add(extended.pieces, parents, extended.parents, attention)
        coverage.add(attention)
        coverage.follow(extended.parents)

        ends = extended.pieces == EOS
        score = without_coverage(extended.total, step + 1, rules.length_penalty)
        score = score + coverage.penalty(memory.lengths)
        _offer(finished, live.rows, score, ends, extended.total, nodes, beam_size)

        total, places = extended.total.masked_fill(ends, -math.inf).topk(min(beam_size, ends.shape[1]))
        done = at_limit | (finished.counts[live.rows] >= beam_size)
        done |= total[:, 0] / live.ceiling <= finished.worst(live.rows)
        live = dataclasses.replace(live, pieces=extended.pieces.gather(1, places), nodes=nodes.gather(1, places),
                                   total=total.masked_fill(done[:, None], -math.inf))
        followed, written, step = extended.parents.gather(1, places), among.gather(1, places), step + 1
        coverage.choose(places)

        keep = (~done).nonzero()[:, 0]
        if not len(keep):
            return finished.hypotheses(trace, lengths)
        if worth_leaving(len(keep), len(done)):
            live, memory, followed, written = live.select(keep), memory.select(keep), followed[keep], written[keep]
            coverage.select(keep)
        state = state.select(followed)
        repeats.follow(followed, written)


def _begin(limits: Sequence[int], rules: Rules, device: torch.device) -> _Live:
    last = torch.tensor(limits, device=device)
    pieces = torch.full((len(limits), 1), BOS, device=device)
    return _Live(
        rows=torch.arange(len(limits), device=device), last=last,
        ceiling=length_penalty(last + 1, rules.length_penalty), pieces=pieces,
        nodes=torch.full_like(pieces, ROOT), total=torch.zeros(pieces.shape, device=device))


def _extend(gains: Tensor, total: Tensor, beam_size: int) -> _Candidates:
    """The best extensions, by log p (B, K, V) of the next piece, of hypotheses with log-probabilities `total` (B, K).

    Its pieces are places among the V.
    """
    # Of one hypothesis at most beam_size pieces and EOS can be among the chosen.
    width = min(beam_size + 1, gains.shape[-1])
    values, pieces = top(gains, width)                              # (B, K, width)
    totals = (values + total[..., None]).flatten(1)                 # (B, K * width)
    best, places = totals.topk(min(2 * beam_size, totals.shape[1]))
    first = total.shape[1] * torch.arange(len(total), device=total.device)[:, None]
    return _Candidates(pieces.flatten(1).gather(1, places), first + places // width, best)


def _offer(finished: Finished, rows: Tensor, score: Tensor, ends: Tensor, total: Tensor, nodes: Tensor,
           beam_size: int) -> None:
    there = (ends & (total > -math.inf))[:, :beam_size]  # EOS must be among the K best
    # Asking a GPU would make it wait; elsewhere most steps end nothing.
    if there.is_cuda or there.any():
        score = score[:, :beam_size].masked_fill(~there, -math.inf)
        finished.add(rows, score, total[:, :beam_size], nodes[:, :beam_size])
