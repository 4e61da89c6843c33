"""Consistency: every row of a batch is read twice, under two draws of dropout, and both shall say the same.

With p and q the two distributions of a place:

    R-Drop   loss = (loss_p + loss_q) / 2 + a (KL(p || q) + KL(q || p)) / 4     Liang et al. 2021, (2) to (4), over two
    SimCut   loss = loss_p + a KL(p || q),  q from a row with whole words cut   Gao et al. 2022

loss_p is the smoothed cross-entropy of output.py, a teacher's part of the target with it; with a = 0 R-Drop is its
mean over two draws. SimCut's cut words are embeddings set to zero on both sides, another draw for every row; the
gradient goes through p and q.

As in output.py the gradient to the logits z of p and x of q is formed while a block of them is at hand. With
d = log p - log q, and t the smoothed target:

    R-Drop   dz = (p - t) / 2 + a (p (d - KL(p || q)) + p - q) / 4,    dx likewise with p and q in each other's place
    SimCut   dz = p - t + a p (d - KL(p || q)),                        dx = a (q - p)

`reference_loss` is the plain formula.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from seq2seq.batches import Batch
from seq2seq.models.output import Soft, answers, block_rows, product_dtype
from seq2seq.models.records import Loss


def twice(batch: Batch) -> Batch:
    """Every row, and behind them every row again."""
    return Batch(*(torch.cat([tensor, tensor]) for tensor in batch))


def consistent_loss(features: Tensor, weight: Tensor, bias: Tensor, target: Tensor, smoothing: float, ignore: int,
                    strength: float, cut: bool = False, soft: Soft | None = None) -> Loss:
    """features (2R, E): row i of the first half and row i of the second are the same place. target (2R,), soft (2R, K)
    likewise.

    `strength` is a; `cut` says that the second half was read with words cut (SimCut). The sums are over R rows, as if
    each had come once; rows whose target is `ignore` count nothing.
    """
    smoothed, nll = _ConsistentLoss.apply(features, weight, bias, target, smoothing, ignore, strength, cut, soft,
                                          product_dtype(features))
    return Loss(smoothed, nll)


def reference_loss(features: Tensor, weight: Tensor, bias: Tensor, target: Tensor, smoothing: float, ignore: int,
                   strength: float, cut: bool = False, soft: Soft | None = None) -> Loss:
    """The same sums, their gradient by autograd."""
    target = target.chunk(2)[0]
    p, q = (part.log_softmax(dim=-1) for part in F.linear(features, weight, bias).float().chunk(2))
    real = (target != ignore).float()
    answer = p if cut else (p + q) / 2
    pieces, shares = answers(target.clamp(min=0), None if soft is None else soft.rows(slice(len(target))))
    told = answer.gather(1, pieces)
    nll = -told[:, 0]
    smoothed = -(1 - smoothing) * (shares * told).sum(dim=1) - smoothing * answer.mean(dim=-1)
    if cut:
        apart = strength * (p.exp() * (p - q)).sum(dim=-1)                   # KL(p || q)
    else:
        apart = strength / 4 * ((p.exp() - q.exp()) * (p - q)).sum(dim=-1)  # KL(p || q) + KL(q || p)
    return Loss(((smoothed + apart) * real).sum(), (nll * real).sum().detach())


class _ConsistentLoss(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, weight: Tensor, bias: Tensor, target: Tensor, smoothing: float,
                ignore: int, strength: float, cut: bool, soft: Soft | None,
                dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        first, second = features.chunk(2)
        target = target.chunk(2)[0]
        soft = None if soft is None else soft.rows(slice(len(target)))
        smoothed = features.new_zeros((), dtype=torch.float32)
        nll = smoothed.clone()
        gradients = [torch.empty_like(features), torch.zeros_like(weight), torch.zeros_like(bias)]
        of_first, of_second = gradients[0].chunk(2)
        rows = max(1, block_rows(features, weight) // 2)
        with torch.autocast(features.device.type, enabled=False):
            w, b = weight.to(dtype), bias.to(dtype)
            for block in (slice(start, start + rows) for start in range(0, len(target), rows)):
                r = [half[block].to(dtype) for half in (first, second)]
                p, q = (F.linear(part, w, b).float().log_softmax(dim=-1) for part in r)
                real = (target[block] != ignore).float()
                answered = answers(target[block].clamp(min=0), None if soft is None else soft.rows(block))
                sums, tables = _of_logits(p, q, answered, real, smoothing, strength, cut)
                smoothed += sums[0]
                nll += sums[1]
                for part, table, into in zip(r, tables, (of_first, of_second), strict=True):
                    d = table.to(dtype)
                    into[block] = d @ w
                    gradients[1] += d.T @ part
                    gradients[2] += table.sum(dim=0)
        ctx.save_for_backward(*gradients)
        ctx.mark_non_differentiable(nll)
        return smoothed, nll

    @staticmethod
    def backward(ctx: Any, smoothed: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        return *(gradient * smoothed for gradient in ctx.saved_tensors), *[None] * 7


def _of_logits(log_p: Tensor, log_q: Tensor, answered: tuple[Tensor, Tensor], real: Tensor, smoothing: float,
               strength: float, cut: bool) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Tables (R, V), what output.answers says, real (R,) -> the sums (smoothed, nll), and dz, dx, both (R, V).

    The table log_p is overwritten.
    """
    V, share = log_p.shape[-1], 1.0 if cut else 0.5  # share: of loss_p
    at, shares = answered
    mean, told = log_p.mean(dim=-1) * share, log_p.gather(1, at) * share
    if not cut:
        mean += log_q.mean(dim=-1) * share
        told += log_q.gather(1, at) * share
    nll = -told[:, 0]
    smoothed = (smoothing - 1) * (shares * told).sum(dim=1) - smoothing * mean
    p, q = log_p.exp(), log_q.exp()
    d = log_p.sub_(log_q)  # in its place
    forth = torch.linalg.vecdot(p, d)  # KL(p || q)
    if cut:
        apart = strength * forth
        dz = (d + (1 / strength - forth[:, None])).mul_(p).mul_(strength)
        dx = (q - p).mul_(strength)
        taught: tuple[Tensor, ...] = (dz,)
    else:
        a, back = strength / 4, -torch.linalg.vecdot(q, d)  # KL(q || p)
        apart = a * (forth + back)
        dz = (d + (1 + 0.5 / a - forth[:, None])).mul_(p).sub_(q).mul_(a)
        dx = d.neg_().add_(1 + 0.5 / a - back[:, None]).mul_(q).sub_(p).mul_(a)
        taught = (dz, dx)
    for table in taught:  # minus t
        table.sub_(smoothing / V * share)
        table.scatter_add_(1, at, shares * ((smoothing - 1) * share))
    for table in (dz, dx):
        table.mul_(real[:, None])
    return (((smoothed + apart) * real).sum(), (nll * real).sum()), (dz, dx)
