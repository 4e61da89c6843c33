"""The output layer: o_t = softmax(V r_t + b), and its cross-entropy without a second (rows, V) table.

Smoothed target (Szegedy et al. 2016): q = (1 - e) onehot(y) + e / |V|. With a teacher (teacher.py) a share s_k of it is
of other pieces y_k: q = (1 - e) ((1 - sum s_k) onehot(y) + sum s_k onehot(y_k)) + e / |V|.

    loss      = lse(z) - sum of q z        z the logits, lse = log sum exp; e / |V| of every z is e mean(z)
    dloss/dz  = softmax(z) - q

The gradient needs nothing from later layers but a scalar, so it is formed while a block of logits is at
hand, and the block is dropped: memory is one block, not the table. `reference_loss` is the plain formula.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from seq2seq.models.records import Loss
from seq2seq.tokenizer import PAD

BLOCK_LOGITS = 4_000_000  # logits formed at once on a CPU (16 MB); a GPU takes BLOCK_LOGITS_CUDA
BLOCK_LOGITS_CUDA = 256_000_000


class Soft(NamedTuple):
    """The part of the target that is not y: a teacher's."""

    pieces: Tensor  # (R, K)
    shares: Tensor  # (R, K) of them a row's sum is at most 1; y has the rest

    def rows(self, block: slice) -> Soft:
        return Soft(self.pieces[block], self.shares[block])


def output_loss(features: Tensor, weight: Tensor, bias: Tensor, target: Tensor, smoothing: float,
                ignore: int, counts: Tensor | None = None, soft: Soft | None = None) -> Loss:
    """features r (R, E), weight (V, E), bias (V,), target y (R,); rows whose target is `ignore` count nothing.

    `counts` (R,): how much each of the others counts, any number; left out: 1. nll is of y alone, `soft` or not.
    """
    dtype = product_dtype(features)
    given = (features, weight, bias, target, smoothing, ignore, counts, soft, dtype)
    if not torch.is_grad_enabled():  # inside the Function it never is
        with torch.autocast(features.device.type, enabled=False):
            return Loss(*_forward(*given, wanted=False)[0])
    return Loss(*_OutputLoss.apply(*given))


def answers(target: Tensor, soft: Soft | None) -> tuple[Tensor, Tensor]:
    """What shall be said, before smoothing: pieces (R, 1 + K), y first, and their shares, of which the sum is 1.

    target y (R,), none below 0.
    """
    first = target[:, None]
    if soft is None:
        return first, torch.ones_like(first, dtype=torch.float32)
    rest = 1 - soft.shares.sum(dim=1, keepdim=True)
    return torch.cat([first, soft.pieces], dim=1), torch.cat([rest, soft.shares], dim=1)


def log_probabilities(features: Tensor, weight: Tensor, bias: Tensor, target: Tensor) -> Tensor:
    """log softmax(V r + b)_y of each row: features r (R, E), weight (V, E), bias (V,), target y (R,) -> (R,)."""
    rows, found = block_rows(features, weight), []
    for r, y in zip(features.split(rows), target.split(rows), strict=True):
        z = F.linear(r, weight, bias).float()
        found.append(z.gather(1, y[:, None]).squeeze(1) - z.logsumexp(dim=-1))
    return torch.cat(found)


def product_dtype(features: Tensor) -> torch.dtype:
    """Of the products with the output matrix: that of autocast where it is on."""
    device = features.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else features.dtype


def block_rows(features: Tensor, weight: Tensor) -> int:
    """How many rows of logits are formed at once."""
    return max(1, (BLOCK_LOGITS_CUDA if features.is_cuda else BLOCK_LOGITS) // len(weight))


def real_rows(target: Tensor, *others: Tensor) -> tuple[Tensor, ...]:
    """target (B, T), others (B, T, ...) -> of each the rows (R, ...) that are not PAD; on a GPU all.

    Padded rows leave before the output matrix. On a GPU their number would have to be waited for.
    """
    rows = tuple(part.flatten(0, 1) for part in (target, *others))
    if target.is_cuda:
        return rows
    real = (rows[0] != PAD).nonzero().squeeze(1)
    return tuple(part[real] for part in rows)


def reference_loss(features: Tensor, weight: Tensor, bias: Tensor, target: Tensor, smoothing: float,
                   ignore: int, soft: Soft | None = None) -> Loss:
    """The same sums through the library's cross-entropy."""
    logits = F.linear(features, weight, bias).float()
    nll = F.cross_entropy(logits, target, reduction="sum", ignore_index=ignore).detach()
    if soft is None:
        return Loss(F.cross_entropy(logits, target, reduction="sum", label_smoothing=smoothing, ignore_index=ignore),
                    nll)
    real = target != ignore
    pieces, shares = answers(target.clamp(min=0), soft)
    wanted = torch.zeros_like(logits).scatter_add_(1, pieces, shares)  # as probabilities of all pieces
    return Loss(F.cross_entropy(logits[real], wanted[real], reduction="sum", label_smoothing=smoothing), nll)


class _OutputLoss(torch.autograd.Function):
    @staticmethod
    def forward(ctx, features, weight, bias, target, smoothing, ignore, counts, soft, dtype):
        wanted = any(ctx.needs_input_grad[:3])
        with torch.autocast(features.device.type, enabled=False):
            sums, gradients = _forward(features, weight, bias, target, smoothing, ignore, counts, soft, dtype, wanted)
        if wanted:
            ctx.save_for_backward(*gradients)
        ctx.mark_non_differentiable(sums[1])
        return sums

    @staticmethod
    def backward(ctx, smoothed_gradient, _):
        features, weight, bias = ctx.saved_tensors
        return (features * smoothed_gradient, weight * smoothed_gradient, bias * smoothed_gradient, *[None] * 6)


def _forward(features, weight, bias, target, smoothing, ignore, counts, soft, dtype, wanted):
    """Sums (smoothed, nll) and, if wanted, the gradients of `smoothed` to features, weight and bias."""
    V = weight.shape[0]
    rows = block_rows(features, weight)
    w = weight.to(dtype)
    # mean z = mean(W) . r + mean(b): no pass over the logits.
    mean_w, mean_b = weight.float().mean(dim=0), bias.float().mean()
    gradients = [torch.empty_like(features), torch.zeros_like(weight), torch.zeros_like(bias)] if wanted else []
    smoothed = features.new_zeros((), dtype=torch.float32)
    nll = smoothed.clone()
    for start in range(0, features.shape[0], rows):
        block = slice(start, start + rows)
        r, y = features[block].to(dtype), target[block]
        real = (y != ignore).float() if counts is None else (y != ignore) * counts[block]
        at, shares = answers(y.clamp(min=0), None if soft is None else soft.rows(block))
        shares = shares * (1 - smoothing)
        z = torch.addmm(bias.to(dtype), r, w.T).float()  # (rows, V)
        z_at = z.gather(1, at)
        largest = z.amax(dim=-1)
        p = z.sub_(largest[:, None]).exp_()  # softmax times `total`, in the place of the logits
        total = p.sum(dim=-1)
        lse = largest + total.log()
        nll += ((lse - z_at[:, 0]) * real).sum()
        mean_z = features[block].float() @ mean_w + mean_b
        smoothed += ((lse - (shares * z_at).sum(1) - smoothing * mean_z) * real).sum()
        if wanted:
            # dloss/dz = (p - total times the shares) / total - e / V: rows are scaled in r, and the last term,
            # the same in every column, needs no table.
            p.scatter_add_(1, at, -total[:, None] * shares)
            scale, uniform = real / total, real * (smoothing / V)
            d, scaled = p.to(dtype), (r * scale[:, None]).to(dtype)
            gradients[0][block] = (d @ w) * scale[:, None] - uniform[:, None] * (mean_w * V)
            if dtype == weight.dtype:
                gradients[1].addmm_(d.T, scaled)
            else:
                gradients[1] += d.T @ scaled
            gradients[1] -= uniform @ r.float()
            gradients[2] += p.T @ scale - uniform.sum()
    return (smoothed, nll), gradients
