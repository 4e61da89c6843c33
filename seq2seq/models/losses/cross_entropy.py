"""The output layer: o_t = softmax(V r_t + b), and its cross-entropy without a second (rows, V) table.

Smoothed target (Szegedy et al. 2016): q = (1 - e) onehot(y) + e / |V|.

    loss      = lse(z) - sum of q z        z the logits, lse = log sum exp; e / |V| of every z is e mean(z)
    dloss/dz  = softmax(z) - q

The gradient needs nothing from later layers but a scalar, so it is formed while a block of logits is at
hand, and the block is dropped: memory is one block, not the table. `reference_loss` is the plain formula.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from seq2seq.models.types import Loss
from seq2seq.tokenization.tokenizer import PAD

BLOCK_LOGITS = 4_000_000  # logits formed at once on a CPU (16 MB); a GPU takes BLOCK_LOGITS_CUDA
BLOCK_LOGITS_CUDA = 256_000_000


def output_loss(features: Tensor, weight: Tensor, bias: Tensor, target: Tensor, smoothing: float,
                ignore: int, counts: Tensor | None = None) -> Loss:
    """features r (R, E), weight (V, E), bias (V,), target y (R,); rows whose target is `ignore` count nothing.

    `counts` (R,): how much each of the others counts, any number; left out: 1.
    """
    dtype = product_dtype(features)
    given = (features, weight, bias, target, smoothing, ignore, counts, dtype)
    if not torch.is_grad_enabled():  # inside the Function it never is
        with torch.autocast(features.device.type, enabled=False):
            return Loss(*_forward(*given, wanted=False)[0])
    return Loss(*_OutputLoss.apply(*given))


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
                   ignore: int) -> Loss:
    """The same sums through the library's cross-entropy."""
    logits = F.linear(features, weight, bias).float()
    nll = F.cross_entropy(logits, target, reduction="sum", ignore_index=ignore).detach()
    return Loss(F.cross_entropy(logits, target, reduction="sum", label_smoothing=smoothing, ignore_index=ignore), nll)


class _OutputLoss(torch.autograd.Function):
    @staticmethod
    def forward(ctx, features, weight, bias, target, smoothing, ignore, counts, dtype):
        wanted = any(ctx.needs_input_grad[:3])
        with torch.autocast(features.device.type, enabled=False):
            sums, gradients = _forward(features, weight, bias, target, smoothing, ignore, counts, dtype, wanted)
        if wanted:
            ctx.save_for_backward(*gradients)
        ctx.mark_non_differentiable(sums[1])
        return sums

    @staticmethod
    def backward(ctx, smoothed_gradient, _):
        features, weight, bias = ctx.saved_tensors
        return (features * smoothed_gradient, weight * smoothed_gradient, bias * smoothed_gradient, *[None] * 5)


def _forward(features, weight, bias, target, smoothing, ignore, counts, dtype, wanted):
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
        at = y.clamp(min=0)[:, None]
        z = torch.addmm(bias.to(dtype), r, w.T).float()  # (rows, V)
        z_y = z.gather(1, at).squeeze(1)
        largest = z.amax(dim=-1)
        p = z.sub_(largest[:, None]).exp_()  # softmax times `total`, in the place of the logits
        total = p.sum(dim=-1)
        lse = largest + total.log()
        nll += ((lse - z_y) * real).sum()
        mean_z = features[block].float() @ mean_w + mean_b
        smoothed += ((lse - (1 - smoothing) * z_y - smoothing * mean_z) * real).sum()
        if wanted:
            # dloss/dz = (p - (1 - e) total onehot(y)) / total - e / V: rows are scaled in r, and the last term,
            # the same in every column, needs no table.
            p.scatter_add_(1, at, total[:, None] * (smoothing - 1))
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
