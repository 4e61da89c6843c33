"""Layer normalisation inside the recurrence and deep transition, held to their equations."""

import itertools

import pytest
import torch
from networks import build, network, random_batch

from seq2seq.models.cells import Cell
from seq2seq.models.deep_cell import DeepCell
from seq2seq.models.fast.int8 import Int8DeepCell
from seq2seq.settings.model import CellKind, Nonlinearity

H = 5
KINDS = [(CellKind.RNN, Nonlinearity.TANH), (CellKind.RNN, Nonlinearity.RELU), (CellKind.GRU, Nonlinearity.TANH),
         (CellKind.LSTM, Nonlinearity.TANH)]
FORMS = [form for form in itertools.product([True, False], [0, 2]) if any(form)]


def deep(kind, nonlinearity=Nonlinearity.TANH, layer_norm=True, transitions=2, inputs=3, dropout=0.0):
    torch.manual_seed(1)
    cell = DeepCell(kind, inputs, H, nonlinearity=nonlinearity, layer_norm=layer_norm, transitions=transitions,
                    dropout=dropout)
    for parameter in cell.parameters():  # gains and biases too: ones and zeros would hide a swapped one
        torch.nn.init.normal_(parameter, std=0.5)
    return cell.double()


def normed(x, norm):
    """LN(x) of one row from its definition (Ba et al. 2016, eq. 3 and 4), where `norm` is one."""
    if isinstance(norm, torch.nn.Identity):
        return x
    mean = sum(x) / len(x)
    variance = sum((x - mean) ** 2) / len(x)
    scaled = norm.weight * (x - mean) / (variance + 1e-5).sqrt()
    return scaled if norm.bias is None else scaled + norm.bias


def by_hand(cell, x, h, m):
    """One t of one row: x (X,), h and m (H,)."""
    further = [(part.b, part.W, part.d) for part in cell.transitions]
    transitions = [(normed(cell.U @ x + cell.b, cell.of_input), cell.W, cell.d), *further]
    for (u, W, d), norms in zip(transitions, cell.norms, strict=True):
        a = normed(W @ h, norms.of_state) + d
        if cell.kind is CellKind.RNN:
            f = torch.tanh if cell.nonlinearity is Nonlinearity.TANH else torch.relu
            h = f(u + a)
        elif cell.kind is CellKind.GRU:
            r, z = torch.sigmoid(u[:H] + a[:H]), torch.sigmoid(u[H : 2 * H] + a[H : 2 * H])
            n = torch.tanh(u[2 * H :] + r * a[2 * H :])
            h = (1 - z) * n + z * h
        else:
            i, f, g, o = (u + a).split(H)
            m = torch.sigmoid(f) * m + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(normed(m, norms.of_memory))
    return h, m


@pytest.mark.parametrize(("layer_norm", "transitions"), FORMS)
@pytest.mark.parametrize(("kind", "nonlinearity"), KINDS)
def test_sequence_and_step_are_the_equations(kind, nonlinearity, layer_norm, transitions):
    cell = deep(kind, nonlinearity, layer_norm, transitions)
    x, start = torch.randn(2, 4, 3).double(), cell.state_from(torch.randn(2, H).double())
    outputs, state = cell.sequence(x, start), start
    for row in range(2):
        h, m = start[0][row], start[-1][row]
        for t in range(4):
            h, m = by_hand(cell, x[row, t], h, m)
            torch.testing.assert_close(outputs[row, t], h)
    for t in range(4):
        state = cell.step(x[:, t], state)
        torch.testing.assert_close(state[0], outputs[:, t])
    if kind is CellKind.LSTM:
        torch.testing.assert_close(state[1][1], m)


@pytest.mark.parametrize(("kind", "nonlinearity"), KINDS)
def test_without_either_it_is_the_plain_cell(kind, nonlinearity):
    cell = deep(kind, nonlinearity, layer_norm=False, transitions=0)
    plain = Cell(kind, 3, H, nonlinearity=nonlinearity).double()
    plain.load_state_dict(cell.state_dict())
    x, start = torch.randn(2, 6, 3).double(), cell.zero_state(torch.zeros(1).double(), 2)
    torch.testing.assert_close(cell.sequence(x, start), plain.sequence(x, start))
    torch.testing.assert_close(cell.step(x[:, 0], start), plain.step(x[:, 0], start))


@pytest.mark.parametrize("kind", CellKind)
def test_an_input_that_is_the_same_at_every_step(kind):
    cell, x, c = deep(kind, inputs=7), torch.randn(2, 6, 3).double(), torch.randn(2, 4).double()
    start = cell.zero_state(x, 2)
    joined = torch.cat([x, c[:, None].expand(-1, 6, -1)], dim=-1)
    torch.testing.assert_close(cell.sequence(x, start, c), cell.sequence(joined, start))


@pytest.mark.parametrize("kind", CellKind)
def test_all_transitions_drop_entries_of_their_own_matrix(kind):
    cell, x = deep(kind, dropout=0.5).train(), torch.randn(2, 6, 3).double()
    torch.manual_seed(7)
    dropped = cell.sequence(x, cell.zero_state(x, 2))
    torch.manual_seed(7)
    draws = cell.draws()
    for W in draws:
        assert 0.2 < (W == 0).double().mean() < 0.8
    matrices = [cell.W, *(part.W for part in cell.transitions)]
    for W, drawn in zip(matrices, draws, strict=True):
        W.data.copy_(drawn)
    torch.testing.assert_close(cell.eval().sequence(x, cell.zero_state(x, 2)), dropped)


@pytest.mark.parametrize("kind", CellKind)
def test_a_state_of_zeros_gives_no_gradient_out_of_hand(kind):
    """The norm of nearly nothing has a derivative of 1 / sqrt(1e-5): none of it may reach a parameter."""
    torch.manual_seed(0)
    cell = DeepCell(kind, 3, H, layer_norm=True, transitions=1)
    x = torch.randn(1, 1, 3)
    cell.sequence(x, cell.zero_state(x, 1)).sum().backward()
    assert max(parameter.grad.abs().max() for parameter in cell.parameters()) < 10


@pytest.mark.parametrize("kind", CellKind)
def test_a_step_in_eight_bits_is_nearly_the_same(kind):
    cell = build(network(cell=kind.value, cell_norm=True, transitions=1)).decoder.cells[0]
    x, start = torch.randn(6, 12), cell.state_from(torch.randn(6, 16).tanh())
    for rounded, exact in zip(Int8DeepCell(cell).step(x, start), cell.step(x, start), strict=True):
        assert 0 < (rounded - exact).abs().max() < 0.1


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_a_network_of_them_learns_in_fp32_and_bf16(cell):
    batch = random_batch()
    for dtype in (None, torch.bfloat16):
        model = build(network(cell=cell, cell_norm=True, transitions=1, dropout={"recurrent": 0.1})).train()
        optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
        losses = []
        for _ in range(30):
            with torch.autocast("cpu", dtype, enabled=dtype is not None):
                loss = model(batch, 0.0).smoothed
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        assert losses[-1] < 0.5 * losses[0]


def test_layer_norm_does_not_see_the_scale_of_the_matrices():
    """What it is for: LN(k W h) = LN(W h), so gates do not saturate as weights grow."""
    cell, x = deep(CellKind.GRU, transitions=0), torch.randn(2, 6, 3).double()
    before = cell.sequence(x, cell.zero_state(x, 2))
    cell.W.data.mul_(50)
    torch.testing.assert_close(cell.sequence(x, cell.zero_state(x, 2)), before, atol=1e-3, rtol=1e-3)
    plain = deep(CellKind.GRU, layer_norm=False, transitions=1)
    before = plain.sequence(x, plain.zero_state(x, 2))
    plain.W.data.mul_(50)
    assert not torch.allclose(plain.sequence(x, plain.zero_state(x, 2)), before, atol=1e-1)


@pytest.mark.parametrize("choice", [{"attention_feed": "readout"}, {"attention_feed": "upper_layers"},
                                    {"attention_feed": "input"}, {"context": "pooled"}])
@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_a_network_gives_the_same_step_by_step_and_alone(cell, choice):
    """In fp64: the norm of a small sum makes its last digits large ones."""
    model = build(network(cell=cell, cell_norm=True, transitions=1, decoder_layers=2, **choice)).double()
    batch = random_batch()
    memory = model.encode(batch.source, batch.source_lengths)
    features = model.decoder.sequence(model.embed_previous(batch.target_in), memory, batch.target_in.shape[1])
    state = model.start(memory)
    for t in range(batch.target_in.shape[1]):
        step, state, _ = model.decoder.step(model.embed_previous(batch.target_in[:, t : t + 1]), state, memory)
        torch.testing.assert_close(step[:, 0], features[:, t])
    for row, length in enumerate(batch.source_lengths.tolist()):
        alone = model.encode(batch.source[row : row + 1, :length], batch.source_lengths[row : row + 1])
        torch.testing.assert_close(alone.states[0], memory.states[row, :length])
        target = batch.target_in[row : row + 1]
        torch.testing.assert_close(model.decoder.sequence(model.embed_previous(target), alone, target.shape[1])[0],
                                   features[row])


def test_settings_choose_the_cell():
    decoder = build(network()).decoder
    assert type(decoder.cells[0]) is Cell
    for form in ({"cell_norm": True}, {"transitions": 1}):
        model = build(network(**form))
        assert type(model.decoder.cells[0]) is DeepCell
        assert type(model.encoder.layers[0].backward_cell) is DeepCell
