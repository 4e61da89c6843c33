"""Consistency: every row of a batch is read twice, under two draws of dropout, and both shall say the same.

With p and q the two distributions of a place:

    R-Drop   loss = (loss_p + loss_q) / 2 + a (KL(p || q) + KL(q || p)) / 4     Liang et al. 2021, (2) to (4), over two
    SimCut   loss = loss_p + a KL(p || q),  q from a row with whole words cut   Gao et al. 2022

loss_p is the smoothed cross-entropy of output.py; with a = 0 R-Drop is its mean over two draws. SimCut's cut words
are embeddings set to zero on both sides, another draw for every row; the gradient goes through p and q.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from seq2seq.batches import Batch
from seq2seq.models.output import block_rows
from seq2seq.models.records import Loss


def twice(batch: Batch) -> Batch:
    """Every row, and behind them every row again."""
    return Batch(*(torch.cat([tensor, tensor]) for tensor in batch))


def consistent_loss(features: Tensor, weight: Tensor, bias: Tensor, target: Tensor, smoothing: float, ignore: int,
                    strength: float, cut: bool = False) -> Loss:
    """features (2R, E): row i of the first half and row i of the second are the same place. target (2R,) likewise.

    `strength` is a; `cut` says that the second half was read with words cut (SimCut). The sums are over R rows, as if
    each had come once; rows whose target is `ignore` count nothing.
    """
    (first, second), target = features.chunk(2), target.chunk(2)[0]
    rows = max(1, block_rows(features, weight) // 2)
    smoothed = features.new_zeros((), dtype=torch.float32)
    nll = smoothed.clone()
    for block in (slice(start, start + rows) for start in range(0, len(target), rows)):
        # The backward pass forms a block's logits again: memory is one block, not the table.
        parts = checkpoint(_block, first[block], second[block], weight, bias, target[block], smoothing, ignore,
                           strength, cut, use_reentrant=False, preserve_rng_state=False)
        smoothed, nll = smoothed + parts[0], nll + parts[1].detach()
    return Loss(smoothed, nll)


def _block(first: Tensor, second: Tensor, weight: Tensor, bias: Tensor, target: Tensor, smoothing: float, ignore: int,
           strength: float, cut: bool) -> tuple[Tensor, Tensor]:
    """Sums (smoothed, nll) over a block: two (R, E) to two tables (R, V)."""
    p, q = (F.linear(part, weight, bias).float().log_softmax(dim=-1) for part in (first, second))
    real = (target != ignore).float()
    answer = p if cut else (p + q) / 2
    nll = -answer.gather(1, target.clamp(min=0)[:, None]).squeeze(1)
    smoothed = (1 - smoothing) * nll - smoothing * answer.mean(dim=-1)
    if cut:
        apart = strength * (p.exp() * (p - q)).sum(dim=-1)                   # KL(p || q)
    else:
        apart = strength / 4 * ((p.exp() - q.exp()) * (p - q)).sum(dim=-1)  # KL(p || q) + KL(q || p)
    return ((smoothed + apart) * real).sum(), (nll * real).sum()
