"""The finished hypotheses of a batch: the best few of every sentence, and how many there were."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from seq2seq.errors import UserError
from seq2seq.search.backpointers import ROOT, Trace
from seq2seq.search.protocol import Hypothesis


class Finished:
    """The `n_best` best finished hypotheses of each of B sentences, best first."""

    def __init__(self, sentences: int, n_best: int, device: torch.device) -> None:
        self.scores = torch.full((sentences, n_best), -math.inf, device=device)
        self.totals = torch.zeros((sentences, n_best), device=device)  # log-probabilities
        self.leaves = torch.full((sentences, n_best), ROOT, device=device)
        self.counts = torch.zeros(sentences, dtype=torch.long, device=device)

    def add(self, rows: Tensor, scores: Tensor, totals: Tensor, leaves: Tensor) -> None:
        """Offers C hypotheses of each of the sentences `rows` (B',), all (B', C); a score of -inf is none."""
        self.counts[rows] += (scores > -math.inf).sum(1)
        all_scores = torch.cat([self.scores[rows], scores], dim=1)
        best = all_scores.argsort(dim=1, descending=True, stable=True)[:, : self.scores.shape[1]]
        self.scores[rows] = all_scores.gather(1, best)
        self.totals[rows] = torch.cat([self.totals[rows], totals], dim=1).gather(1, best)
        self.leaves[rows] = torch.cat([self.leaves[rows], leaves], dim=1).gather(1, best)

    def worst(self, rows: Tensor) -> Tensor:
        """(B',) the last kept score of the sentences `rows`; -inf while there is room."""
        return self.scores[rows, -1]

    def hypotheses(self, trace: Trace, lengths: Tensor) -> list[list[Hypothesis]]:
        """By sentence, best first; `lengths` (B,) source pieces. Raises UserError when one has none."""
        scores = self.scores.cpu()
        there = scores > -math.inf
        if not there[:, 0].all():
            raise UserError(
                "the model gives no finite probability to any translation: its weights are damaged or its "
                "training diverged. Translate with another checkpoint."
            )
        paths = iter(trace.read(self.leaves[there.to(self.leaves.device)]))
        totals = self.totals.tolist()
        result: list[list[Hypothesis]] = []
        for row, length in enumerate(lengths.tolist()):
            result.append([])
            for place in range(int(there[row].sum())):
                pieces, attention = next(paths)
                attention = None if attention is None else attention[:, :length]
                score = float(scores[row, place])
                result[-1].append(Hypothesis(pieces, score, totals[row][place], attention))
        return result
