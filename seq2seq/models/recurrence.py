"""The recurrences over all T steps from their inputs' gates U x_t + b, with their gradients by hand.

The library's fused call takes x_t and forms U x_t itself. Where a part of x_t is the same at every step (a
fixed context fed at every step), its product is needed once for a sentence, not T times
(benchmarks/recurrence_speed.py). The gradients of all steps' gates lie in one table D (T, B, gates * H), and

    dL/dW = sum_t D_t^T h_{t-1}      is one product over the T * B rows.

Letters as in cells.py; a the sum before a nonlinearity, d* the gradient of * (Werbos 1990). Backwards,
for t = T..1, with dh_t = dL/dh_t (from above) + what came back from step t + 1:

    rnn   da = f'(a) dh_t;                                                 dh_{t-1} = W^T da
    gru   dn = (1 - z) dh_t,  dz = (h_{t-1} - n) dh_t,  da_n = (1 - n^2) dn,  dr = (W_n h_{t-1} + d_n) da_n
          dh_{t-1} = z dh_t + W^T [da_r; da_z; r da_n]
    lstm  dm_t += o (1 - tanh(m_t)^2) dh_t,  di = g dm_t,  df = m_{t-1} dm_t,  dg = i dm_t,  do = tanh(m_t) dh_t
          dm_{t-1} = f dm_t,  dh_{t-1} = W^T [da_i; da_f; da_g; da_o]

cells.py has the steps as equations; tests hold both equal, and equal to the library's fused call.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from seq2seq.settings.model import CellKind, Nonlinearity

_sigmoid_backward = torch.ops.aten.sigmoid_backward.grad_input
_tanh_backward = torch.ops.aten.tanh_backward.grad_input


def recurrence(kind: CellKind, nonlinearity: Nonlinearity, x: Tensor, state: tuple[Tensor, ...], W: Tensor,
               d: Tensor) -> Tensor:
    """x = U x_t + b for all t (T, B, gates * H), state (h_0,) or (h_0, m_0) (B, H) -> h_1..h_T (T, B, H)."""
    match kind:
        case CellKind.GRU:
            return _GRU.apply(x, state[0], W, d)
        case CellKind.LSTM:
            return _LSTM.apply(x + d, *state, W)
        case CellKind.RNN:
            return _RNN.apply(x + d, state[0], W, nonlinearity is Nonlinearity.TANH)


def _states(x: Tensor, h: Tensor) -> Tensor:
    """Room for h_0..h_T (T + 1, B, H), h_0 in its place."""
    states = x.new_empty(x.shape[0] + 1, *h.shape)
    states[0] = h
    return states


def _recurrent_gradient(gates: Tensor, states: Tensor) -> Tensor:
    """dL/dW = sum_t D_t^T h_{t-1}, from D (T, B, gates * H) and h_0..h_T (T + 1, B, H)."""
    return gates.flatten(0, 1).T @ states[:-1].flatten(0, 1)


class _RNN(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, h: Tensor, W: Tensor, tanh: bool) -> Tensor:
        states = _states(x, h)
        for t in range(x.shape[0]):
            a = torch.addmm(x[t], states[t], W.T)
            states[t + 1] = a.tanh_() if tanh else a.relu_()
        ctx.tanh = tanh
        ctx.save_for_backward(states, W)
        return states[1:]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        states, W = ctx.saved_tensors
        D = torch.empty_like(states[1:])
        back = torch.zeros_like(states[0])
        for t in reversed(range(len(D))):
            h, dh = states[t + 1], back.add_(gradient[t])
            if ctx.tanh:
                _tanh_backward(dh, h, grad_input=D[t])
            else:
                torch.mul(dh, h > 0, out=D[t])
            back = D[t] @ W
        return D, back, _recurrent_gradient(D, states), None


class _GRU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, h: Tensor, W: Tensor, d: Tensor) -> Tensor:
        H = h.shape[-1]
        states, kept = _states(x, h), []
        for t in range(x.shape[0]):
            a = torch.addmm(d, states[t], W.T)                    # W h_{t-1} + d
            r_z = (x[t, :, : 2 * H] + a[:, : 2 * H]).sigmoid_()
            r, z = r_z.chunk(2, dim=-1)
            a_n = a[:, 2 * H :]
            n = torch.addcmul(x[t, :, 2 * H :], r, a_n).tanh_()
            torch.lerp(n, states[t], z, out=states[t + 1])        # (1 - z) n + z h_{t-1}
            kept.append((r_z, a_n, n))
        ctx.kept = kept
        ctx.save_for_backward(states, W)
        return states[1:]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        states, W = ctx.saved_tensors
        T, B, H = gradient.shape
        of_x, D = states.new_empty(T, B, 3 * H), states.new_empty(T, B, 3 * H)  # they differ in n alone
        back = torch.zeros_like(states[0])
        for t in reversed(range(T)):
            r_z, a_n, n = ctx.kept[t]
            r, z = r_z.chunk(2, dim=-1)
            dh, (dr, dz, dn) = back.add_(gradient[t]), of_x[t].chunk(3, dim=-1)
            kept = dh * z
            _tanh_backward(dh - kept, n, grad_input=dn)
            torch.mul(dn, a_n, out=dr)
            torch.mul(dh, states[t] - n, out=dz)
            both = of_x[t, :, : 2 * H]
            D[t, :, : 2 * H] = _sigmoid_backward(both, r_z, grad_input=both)
            torch.mul(dn, r, out=D[t, :, 2 * H :])
            back = torch.addmm(kept, D[t], W)
        return of_x, back, _recurrent_gradient(D, states), D.sum(dim=(0, 1))


class _LSTM(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, h: Tensor, m: Tensor, W: Tensor) -> Tensor:
        H = h.shape[-1]
        states, kept = _states(x, h), []
        for t in range(x.shape[0]):
            a = torch.addmm(x[t], states[t], W.T)
            a[:, : 2 * H].sigmoid_()
            a[:, 2 * H : 3 * H].tanh_()
            a[:, 3 * H :].sigmoid_()
            i, f, g, o = a.chunk(4, dim=-1)
            before, m = m, torch.addcmul(f * m, i, g)
            tanh_m = m.tanh()
            torch.mul(o, tanh_m, out=states[t + 1])
            kept.append((a, before, tanh_m))
        ctx.kept = kept
        ctx.save_for_backward(states, W)
        return states[1:]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        states, W = ctx.saved_tensors
        T, B, H = gradient.shape
        D = states.new_empty(T, B, 4 * H)
        back, dm = torch.zeros_like(states[0]), torch.zeros_like(states[0])
        for t in reversed(range(T)):
            a, before, tanh_m = ctx.kept[t]
            i, f, g, o = a.chunk(4, dim=-1)
            dh, (di, df, dg, do) = back.add_(gradient[t]), D[t].chunk(4, dim=-1)
            dm.add_(torch.ops.aten.tanh_backward(dh * o, tanh_m))
            torch.mul(dm, g, out=di)
            torch.mul(dm, before, out=df)
            torch.mul(dm, i, out=dg)
            torch.mul(dh, tanh_m, out=do)
            both = D[t, :, : 2 * H]
            _sigmoid_backward(both, a[:, : 2 * H], grad_input=both)
            _tanh_backward(dg, g, grad_input=dg)
            _sigmoid_backward(do, o, grad_input=do)
            dm.mul_(f)
            back = D[t] @ W
        return D, back, dm, _recurrent_gradient(D, states)
