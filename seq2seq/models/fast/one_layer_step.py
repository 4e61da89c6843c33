"""The step of an attentive decoder of one layer, for search: the same numbers by fewer products.

What depends on y_{t-1} alone is looked up, what depends on s_t alone is one product, and the values are multiplied by
the readout's W_c once for a sentence instead of their mean at every step (with heads: each by its part of W_c):

    [u_y; e_y]        = [U; W_y] y + [b; b_r]          a table over all pieces y, made once
    [a_t; q_t; p_t]   = [W; W_q; W_s] s_t + [d; b_q; 0]
    s_t               = f(u_{y_{t-1}}, a_{t-1})
    r_t               = readout(p_t + e_{y_{t-1}} + sum_j a_tj W_c h_j)

a_t is a part of the state. decoder.py has the reference, and steps of every other decoder; a test holds both equal.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from seq2seq.models.cells import Cell, step_from_gates
from seq2seq.models.decoder import Decoder
from seq2seq.models.encoder_decoder import EncoderDecoder
from seq2seq.models.fast.additive import powers_of
from seq2seq.models.fast.int8 import Int8Linear
from seq2seq.models.fast.products import linear
from seq2seq.models.types import Memory, State
from seq2seq.settings.model import ReadoutKind, ScoreKind

TABLE_BYTES = 1 << 26  # of [u_y; e_y]; a larger vocabulary multiplies y at every step


class OneLayerStep:
    """Made of a model in evaluation mode, which it leaves as it is."""

    @staticmethod
    def fits(decoder: Decoder) -> bool:
        """Whether the equations above are those of this decoder."""
        return (decoder.attention is not None and not decoder.stepwise and decoder.output_fed
                and len(decoder.cells) == 1 and type(decoder.cells[0]) is Cell
                and isinstance(decoder.norms[0], nn.Identity))

    @torch.inference_mode()
    def __init__(self, model: EncoderDecoder, *, int8: bool) -> None:
        decoder = model.decoder
        assert self.fits(decoder) and decoder.attention is not None
        self.model, self.attention, self.readout = model, decoder.attention, decoder.readout
        cell, readout = decoder.cell(0), decoder.readout.linear
        self.kind, self.nonlinearity = cell.kind, cell.nonlinearity
        deep = decoder.readout.kind is ReadoutKind.BAHDANAU
        W_s, self.W_c, *W_y = readout.weight.split([cell.hidden, cell.hidden] + [cell.U.shape[1]] * deep, dim=1)
        asks = self.attention.query if isinstance(self.attention.query, nn.Linear) else None  # None: s_t itself asks
        W_q = cell.W[:0] if asks is None else asks.weight
        self.sizes = [len(cell.W), len(W_q), len(W_s)]

        # Where the readout does not see y there is no e_y, and b_r stands beside p_t.
        of_output = torch.cat([cell.U, *W_y])
        bias = torch.cat([cell.b, readout.bias])[: len(of_output)]
        self.of_piece: Callable[[Tensor], Tensor] = partial(linear, weight=of_output, bias=bias)
        vocabulary = len(model.target_embedding.weight)
        self.table = (self.of_piece(model.embed(model.target_embedding, torch.arange(vocabulary, device=bias.device)))
                      if vocabulary * bias.nbytes <= TABLE_BYTES else None)

        of_state = torch.cat([cell.W, W_q, W_s])
        b_q = cell.d.new_zeros(len(W_q)) if asks is None or asks.bias is None else asks.bias
        bias = torch.cat([cell.d, b_q, cell.d.new_zeros(len(W_s)) if deep else readout.bias])
        self.of_state: Callable[[Tensor], Tensor] = (
            Int8Linear(of_state, bias) if int8 else partial(linear, weight=of_state, bias=bias))

    def prepared(self, memory: Memory) -> Memory:
        """The memory of encode() with what the steps need of it: values W_c h_j (B, S, heads, O), powers of keys."""
        assert memory.values is not None and memory.keys is not None
        parts = self.attention.split(memory.values)                        # (B, heads, S, d)
        of_heads = self.W_c.unflatten(1, (self.attention.heads, -1)).permute(1, 2, 0)
        powers = powers_of(memory.keys) if self.attention.score is ScoreKind.ADDITIVE else None
        return memory._replace(values=(parts @ of_heads).transpose(1, 2).contiguous(), powers=powers)

    def start(self, memory: Memory) -> State:
        """s_0 and a_0 of one hypothesis for each sentence."""
        (layer,), fed = self.model.start(memory)
        ahead = self.of_state(layer[0])[..., : self.sizes[0]]
        return State(((*layer, ahead),), fed)

    def step(self, previous: Tensor, state: State, memory: Memory) -> tuple[Tensor, State, Tensor]:
        """Previous pieces (B, K) -> r (B, K, E), the next state, attention (B, K, S)."""
        assert memory.keys is not None and memory.values is not None
        rows = previous.shape
        *parts, ahead = (part.flatten(0, 1) for part in state.layers[0])
        of_piece = self.of_previous(previous.flatten())
        after = step_from_gates(self.kind, self.nonlinearity, of_piece[:, : self.sizes[0]], ahead, tuple(parts))
        s = after[0]
        ahead, query, total = self.of_state(s).split(self.sizes, dim=-1)
        queries = (query if self.sizes[1] else s).unflatten(0, rows)
        weights = self.attention.weights(queries, memory.keys, memory.mask, memory.powers)   # (B, heads, K, S)
        of_values = weights.to(memory.values.dtype).permute(0, 2, 3, 1).flatten(2)            # (B, K, S * heads)
        context = torch.bmm(of_values, memory.values.flatten(1, 2))
        if of_piece.shape[1] > self.sizes[0]:
            total = total + of_piece[:, self.sizes[0] :]
        features = self.readout.bend(context.add_(total.unflatten(0, rows)))
        following = tuple(part.unflatten(0, rows) for part in (*after, ahead))
        mean = weights[:, 0] if self.attention.heads == 1 else weights.mean(1)
        return features, State((following,), state.fed), mean

    def of_previous(self, previous: Tensor) -> Tensor:
        """Pieces (R,) -> [u_y; e_y] (R, ...)."""
        if self.table is not None:
            return self.table.index_select(0, previous)
        return self.of_piece(self.model.embed(self.model.target_embedding, previous))
