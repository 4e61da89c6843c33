"""R-Drop: every row of a batch is read twice, under two draws of dropout, and both readings are to agree.

With p and q the two distributions of one position (Liang et al. 2021, equations 2 to 4, divided by two):

    loss = (loss_p + loss_q) / 2 + a (KL(p || q) + KL(q || p)) / 4

loss_p is the smoothed cross-entropy of cross_entropy.py. With a = 0 the loss is its mean over two draws.

As in cross_entropy.py the gradient to the logits z of p and x of q is formed while a block of them is at hand. With
d = log p - log q, and t the smoothed target:

    dz = (p - t) / 2 + a (p (d - KL(p || q)) + p - q) / 4,    dx likewise with p and q exchanged

`reference_loss` is the plain formula.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from seq2seq.corpus.batch import Batch
from seq2seq.models.losses.cross_entropy import block_rows, product_dtype
from seq2seq.models.types import Loss


def twice(batch: Batch) -> Batch:
    """Every row, and behind them every row again."""
    return Batch(*(torch.cat([tensor, tensor]) for tensor in batch))


def consistent_loss(features: Tensor, weight: Tensor, bias: Tensor, target: Tensor, smoothing: float, ignore: int,
                    strength: float) -> Loss:
    """features (2R, E): row i of the first half and row i of the second are the same position. target (2R,) likewise.

    `strength` is a. The sums are over R rows, as if each had come once; rows whose target is `ignore` count nothing.
    """
    smoothed, nll = _ConsistentLoss.apply(features, weight, bias, target, smoothing, ignore, strength,
                                          product_dtype(features))
    return Loss(smoothed, nll)


def reference_loss(features: Tensor, weight: Tensor, bias: Tensor, target: Tensor, smoothing: float, ignore: int,
                   strength: float) -> Loss:
    """The same sums, their gradient by autograd."""
    target = target.chunk(2)[0]
    p, q = (part.log_softmax(dim=-1) for part in F.linear(features, weight, bias).float().chunk(2))
    real = (target != ignore).float()
    answer = (p + q) / 2
    nll = -answer.gather(1, target.clamp(min=0)[:, None])[:, 0]
    smoothed = (1 - smoothing) * nll - smoothing * answer.mean(dim=-1)
    apart = strength / 4 * ((p.exp() - q.exp()) * (p - q)).sum(dim=-1)  # KL(p || q) + KL(q || p)
    return Loss(((smoothed + apart) * real).sum(), (nll * real).sum().detach())


class _ConsistentLoss(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, weight: Tensor, bias: Tensor, target: Tensor, smoothing: float,
                ignore: int, strength: float, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        first, second = features.chunk(2)
        target = target.chunk(2)[0]
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
                y = target[block]
                sums, tables = _of_logits(p, q, y.clamp(min=0)[:, None], (y != ignore).float(), smoothing, strength)
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
        return *(gradient * smoothed for gradient in ctx.saved_tensors), *[None] * 5


def _of_logits(log_p: Tensor, log_q: Tensor, y: Tensor, real: Tensor, smoothing: float,
               strength: float) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Tables (R, V), target y (R, 1), real (R,) -> the sums (smoothed, nll), and dz, dx, both (R, V).

    The table log_p is overwritten.
    """
    V = log_p.shape[-1]
    mean = (log_p.mean(dim=-1) + log_q.mean(dim=-1)) / 2
    nll = -(log_p.gather(1, y) + log_q.gather(1, y))[:, 0] / 2
    smoothed = (1 - smoothing) * nll - smoothing * mean
    p, q = log_p.exp(), log_q.exp()
    d = log_p.sub_(log_q)  # in its memory
    forth, back = torch.linalg.vecdot(p, d), -torch.linalg.vecdot(q, d)  # KL(p || q), KL(q || p)
    a = strength / 4
    dz = (d + (1 + 0.5 / a - forth[:, None])).mul_(p).sub_(q).mul_(a)
    dx = d.neg_().add_(1 + 0.5 / a - back[:, None]).mul_(q).sub_(p).mul_(a)
    for table in (dz, dx):
        table.sub_(smoothing / V / 2)  # minus t / 2
        table.scatter_add_(1, y, torch.full_like(y, (smoothing - 1) / 2, dtype=torch.float32))
        table.mul_(real[:, None])
    return (((smoothed + a * (forth + back)) * real).sum(), (nll * real).sum()), (dz, dx)
