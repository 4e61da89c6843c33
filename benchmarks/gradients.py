"""Vanishing and exploding gradients, and what they cost: plain RNN, GRU and LSTM remember the first symbol.

    python benchmarks/gradients.py                       # tables on standard output
    python benchmarks/gradients.py --figure gradients.png
    python benchmarks/gradients.py --only gradients      # or: memory
    python benchmarks/gradients.py --cells lstm

A sequence of T symbols out of 8, drawn anew for every update; the answer, read from h_T alone (N to 1), is the
first of them. H = 64, 64 sequences an update.

gradients   the norm of dL/dh_t (and of dL/dm_t, an LSTM's memory) against the distance T - t from the loss, as a
            share of that at distance 0, for T = 100: before training and in its course
memory      share of 1,000 fresh sequences answered right after training, by T; chance is 12.5%
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from seq2seq.commands.malloc import keep_freed_memory
from seq2seq.models.cells import Cell
from seq2seq.settings.model import CellKind, Nonlinearity

SYMBOLS, HIDDEN, BATCH = 8, 64, 64
LONG = 100                               # T of the gradients
DISTANCES = (0, 1, 5, 10, 20, 50, 99)
STAGES = (0, 300, 1000, 3000)            # updates after which gradients are looked at
LENGTHS = (10, 20, 50, 100, 200)


@dataclasses.dataclass(frozen=True)
class Kind:
    """A cell and how its W starts."""

    name: str
    cell: CellKind
    learning_rate: float
    scale: float = 1.0         # W is multiplied by it at the start
    uniform: bool = False      # W uniform in +-1/sqrt(H), as libraries draw it, and not orthogonal
    nonlinearity: Nonlinearity = Nonlinearity.TANH
    open_gates: bool = False   # gates that keep for 1 to T steps at the start      Tallec & Ollivier 2018


KINDS = (
    Kind("rnn", CellKind.RNN, 1e-3),
    Kind("rnn, W uniform", CellKind.RNN, 1e-3, uniform=True),
    Kind("rnn, W times 2", CellKind.RNN, 1e-3, scale=2.0),
    Kind("rnn, relu, W = I", CellKind.RNN, 1e-3, nonlinearity=Nonlinearity.RELU),
    Kind("gru", CellKind.GRU, 3e-3),
    Kind("lstm", CellKind.LSTM, 3e-3),
    Kind("gru, open gates", CellKind.GRU, 3e-3, open_gates=True),
    Kind("lstm, open gates", CellKind.LSTM, 3e-3, open_gates=True),
)


class Remember(nn.Module):
    """x_1..x_T -> o = softmax(V h_T + b)."""

    def __init__(self, kind: Kind, length: int = LONG) -> None:
        super().__init__()
        self.cell = Cell(kind.cell, SYMBOLS, HIDDEN, nonlinearity=kind.nonlinearity)
        self.output = nn.Linear(HIDDEN, SYMBOLS)
        if kind.uniform:
            nn.init.uniform_(self.cell.W.data, -(HIDDEN**-0.5), HIDDEN**-0.5)
        self.cell.W.data.mul_(kind.scale)
        if kind.open_gates:
            keeps = torch.empty(HIDDEN).uniform_(1, length - 1).log()  # sigma(log k) = k / (k + 1)
            _, middle = self.cell.b.data.split(HIDDEN)[:2]  # the LSTM's forget gate, the GRU's update gate
            middle.copy_(keeps)
            if kind.cell is CellKind.LSTM:
                self.cell.b.data[:HIDDEN] = -keeps  # the input gate

    def forward(self, symbols: Tensor) -> Tensor:
        """(B, T) -> logits (B, SYMBOLS)."""
        x = F.one_hot(symbols, SYMBOLS).float()
        return self.output(self.cell.sequence(x, self.cell.zero_state(x, len(x)))[:, -1])

    def gradient_norms(self, symbols: Tensor) -> dict[str, list[float]]:
        """||dL/dh_t||, and ||dL/dm_t|| for an LSTM, at distance 0, 1, ..., T - 1 from the loss; mean over sequences."""
        x = F.one_hot(symbols, SYMBOLS).float()
        gates = F.linear(x, self.cell.U, self.cell.b).unbind(dim=1)
        state, states = self.cell.zero_state(x, len(x)), []
        for gate in gates:
            state = self.cell.equation_step(gate, state, (self.cell.W,))
            states.append(state)
        loss = F.cross_entropy(self.output(state[0]), symbols[:, 0], reduction="sum")
        norms = {}
        for name, parts in zip("hm", zip(*states, strict=True), strict=False):
            # The last memory reaches the loss through h_T alone, and every other state through the next one.
            gradients = torch.autograd.grad(loss, parts, retain_graph=True, allow_unused=True)
            norms[name] = [0.0 if g is None else float(g.norm(dim=-1).mean()) for g in reversed(gradients)]
        return norms


def draw(sequences: int, length: int, generator: torch.Generator) -> Tensor:
    return torch.randint(SYMBOLS, (sequences, length), generator=generator)


def train(kind: Kind, length: int, updates: int, seed: int, stages: tuple[int, ...] = ()
          ) -> tuple[float, dict[int, dict[str, list[float]]]]:
    """The accuracy reached, and the gradients' norms after each of `stages` updates."""
    torch.manual_seed(seed)
    generator, fresh = torch.Generator().manual_seed(seed), torch.Generator().manual_seed(seed + 1000)
    model, found = Remember(kind, length), {}
    optimizer = torch.optim.Adam(model.parameters(), lr=kind.learning_rate)
    for update in range(updates + 1):
        if update in stages:
            found[update] = model.gradient_norms(draw(BATCH, length, torch.Generator().manual_seed(seed + 2000)))
        if update == updates:
            break
        symbols = draw(BATCH, length, generator)
        loss = F.cross_entropy(model(symbols), symbols[:, 0])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    symbols = draw(1000, length, fresh)
    with torch.no_grad():
        return float((model(symbols).argmax(dim=-1) == symbols[:, 0]).float().mean()), found


def gradients(kinds: Sequence[Kind], updates: int) -> dict[str, dict[int, dict[str, list[float]]]]:
    """Prints the table; returns the norms of every kind."""
    print(f"| cell | norm of | updates | {' | '.join(f'T - t = {n}' for n in DISTANCES)} |")
    print("|---" * (3 + len(DISTANCES)) + "|")
    every = {}
    stages = tuple(stage for stage in STAGES if stage <= updates)
    for kind in kinds:
        _, every[kind.name] = train(kind, LONG, max(stages), seed=1, stages=stages)
        for stage, norms in every[kind.name].items():
            for name, values in norms.items():
                shares = " | ".join(f"{values[n] / max(values[0], 1e-30):.2g}" for n in DISTANCES)
                print(f"| {kind.name} | dL/d{name}_t | {stage:,} | {shares} |", flush=True)
    return every


def memory(kinds: Sequence[Kind], updates: int, seeds: int) -> None:
    """Prints the table."""
    print(f"| cell | {' | '.join(f'T = {length}' for length in LENGTHS)} |")
    print("|---" * (1 + len(LENGTHS)) + "|")
    for kind in kinds:
        cells = []
        for length in LENGTHS:
            reached = [100 * train(kind, length, updates, seed)[0] for seed in range(1, seeds + 1)]
            cells.append(" ".join(f"{accuracy:.1f}" for accuracy in reached))
        print(f"| {kind.name} | {' | '.join(cells)} |", flush=True)


def draw_figure(every: dict[str, dict[int, dict[str, list[float]]]], path: Path) -> None:
    """One field for each kind: the norms against the distance, a line for each stage."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 6), layout="constrained")
    fields = figure.subplots(2, -(-len(every) // 2), sharex=True, sharey=True, squeeze=False).flatten()
    for axes, (name, stages) in zip(fields, every.items(), strict=False):
        for place, (stage, norms) in enumerate(stages.items()):
            for part, style in (("h", "-"), ("m", ":")):
                if part in norms:
                    axes.plot([value / max(norms[part][0], 1e-30) for value in norms[part]], style, color=f"C{place}",
                              label=f"{stage:,} updates" if part == "h" else None)
        axes.set(title=name, yscale="log", ylim=(1e-12, 1e6))
        axes.grid(alpha=0.3)
    fields[0].legend(fontsize="small")
    figure.supxlabel("distance T - t from the loss")
    figure.supylabel("norm of dL/dh_t (dotted: dL/dm_t), share of that at distance 0")
    figure.savefig(path, dpi=90)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=["gradients", "memory"])
    parser.add_argument("--cells", default="", help="those whose name holds this text")
    parser.add_argument("--updates", type=int, default=3000)
    parser.add_argument("--seeds", type=int, default=3, help="of the table of memory")
    parser.add_argument("--figure", type=Path, help="PNG of the gradients")
    parser.add_argument("--threads", type=int, default=1)
    choices = parser.parse_args()
    torch.set_num_threads(choices.threads)
    keep_freed_memory()
    kinds = [kind for kind in KINDS if choices.cells in kind.name]
    if choices.only != "memory":
        every = gradients(kinds, choices.updates)
        if choices.figure is not None:
            draw_figure(every, choices.figure)
    if choices.only != "gradients":
        memory(kinds, choices.updates, choices.seeds)


if __name__ == "__main__":
    main()
