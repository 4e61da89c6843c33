"""The additive score of every query with every key, v . tanh(q + k), without a tanh for every pair.

    tanh(q + k) = 1 - 2 y,   y = 1 / (1 + e^{2q} e^{2k})
    v . tanh(q + k) = sum_j v_j - 2 v . y

The powers are one for a query and one for a key; a pair costs a product and a reciprocal, which a CPU has several
times faster than tanh. With a the gradient of the score, tanh' = 4 y (1 - y) =: 4 D gives

    dq = 4 v * sum_s a_s D_s,   dk = 4 v * sum_t a_t D_t,   dv = sum a (1 - 2 y)

so that backwards too only D is formed for every pair.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

_REACH = 40.0    # e^{2q} and e^{2k} are finite, and their product at most infinite: y = 0, tanh = 1
_BLOCK = 400_000  # pairs' components formed at once in search: they stay in the cache


def additive_scores(queries: Tensor, keys: Tensor, v: Tensor) -> Tensor:
    """Queries (B, T, H), keys (B, S, H), v (H,) -> (B, T, S)."""
    if torch.is_autocast_enabled(queries.device.type) or not (_has_powers(queries) and _has_powers(keys)):
        return reference_scores(queries, keys, v)
    return _AdditiveScores.apply(queries, keys, v)


def powers_of(keys: Tensor) -> Tensor | None:
    """e^{2k} for `scores_from_powers`; None where `additive_scores` takes the tanh."""
    return (2 * keys).exp_() if _has_powers(keys) else None


def scores_from_powers(queries: Tensor, powers: Tensor, v: Tensor) -> Tensor:
    """`additive_scores` without gradients, the powers of the keys (B, S, H) formed before: search asks them often."""
    if not _has_powers(queries):
        return reference_scores(queries, powers.log() / 2, v)
    B, T, H = queries.shape
    S, of_queries, one = powers.shape[1], (2 * queries).exp_(), torch.ones((), dtype=queries.dtype)
    rows = max(1, _BLOCK // (T * S * H))
    y, scores = queries.new_empty(min(rows, B), T, S, H), queries.new_empty(B, T, S)
    for first in range(0, B, rows):
        q, k = of_queries[first : first + rows, :, None], powers[first : first + rows, None]
        part = torch.addcmul(one, q, k, out=y[: len(q)]).reciprocal_()
        torch.mv(part.view(-1, H), v, out=scores[first : first + rows].view(-1))
    return torch.sub(v.sum(), scores, alpha=2)


def _has_powers(x: Tensor) -> bool:
    """Whether e^{2x} is a finite number of full precision. (A GPU would have to be waited for, and has fast tanh.)"""
    if x.is_cuda or x.dtype is not torch.float32:
        return False
    least, largest = torch.aminmax(x.detach())
    return bool(max(-least, largest) <= _REACH)


def reference_scores(queries: Tensor, keys: Tensor, v: Tensor) -> Tensor:
    """The same by the equation."""
    return torch.tanh(queries[:, :, None] + keys[:, None]) @ v.to(queries.dtype)  # over (B, T, S, H)


class _AdditiveScores(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, queries: Tensor, keys: Tensor, v: Tensor) -> Tensor:
        one = torch.ones((), dtype=queries.dtype)
        y = torch.addcmul(one, (2 * queries).exp_()[:, :, None], (2 * keys).exp_()[:, None]).reciprocal_()
        ctx.save_for_backward(y, v)
        return v.sum() - 2 * (y @ v)

    @staticmethod
    def backward(ctx: Any, a: Tensor) -> tuple[Tensor, Tensor, Tensor]:  # type: ignore[override]
        y, v = ctx.saved_tensors
        B, T, S, H = y.shape
        D = torch.addcmul(y, y, y, value=-1)
        dq = torch.bmm(a.reshape(B * T, 1, S), D.view(B * T, S, H)).view(B, T, H)
        dk = D.mul_(a[..., None]).sum(dim=1)
        dv = a.sum() - 2 * (a.reshape(1, -1) @ y.view(-1, H)).view(H)
        return dq * (4 * v), dk * (4 * v), dv
