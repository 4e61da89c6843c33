"""What a target piece costs at least: operations and bytes, and the seconds that this machine cannot go below.

    python benchmarks/floor.py                       # the two networks of benchmarks/README.md
    python benchmarks/floor.py --threads 1 --only reference

Counts the products of matrices (two operations for a multiplication with its addition); the rest of the arithmetic is
left out, so the floor is one. Backwards every product costs two of its size. Bytes are those of the parameters: an
update goes through weights, gradients and both moments PASSES times; a step of search reads the weights of the decoder
once for all rows. Activations and logits are taken to stay in the caches.

    seconds of a piece >= max(operations / rate of a product, bytes / bandwidth)

Other benchmarks print the share of this floor that they reach.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from timing import fastest

from seq2seq.settings.model import CellKind, ContextKind, NetworkSettings, ReadoutKind, ScoreKind
from seq2seq.settings.reading import read_settings

GATES = {CellKind.RNN: 1, CellKind.GRU: 3, CellKind.LSTM: 4}
PASSES = 14  # Adam reads 4 and writes 3 arrays of the size of the parameters; clearing, clipping, forward, backward

REFERENCE: dict = {  # Multi30k English-German
    "model": {"embedding": 256, "hidden": 512}, "cell": {"kind": "gru"}, "context": {"kind": "attention"},
    "attention": {"score": "additive"},
}
GNMT: dict = {  # Wu et al. 2016, at the size of published benchmarks
    "model": {"embedding": 1024, "hidden": 1024, "encoder_layers": 4, "decoder_layers": 4, "residual": True},
    "cell": {"kind": "lstm"}, "context": {"kind": "attention"},
    "attention": {"score": "additive", "feed": "upper_layers"},
}


@dataclasses.dataclass(frozen=True)
class Lengths:
    """Mean pieces of a sentence, EOS counted, and the sentences of an update."""

    source: float
    target: float
    sentences: int


NETWORKS = {  # name: settings, pieces of the joint vocabulary, lengths
    "reference": (REFERENCE, 8000, Lengths(15.3, 15.8, 80)),
    "gnmt": (GNMT, 32000, Lengths(30.0, 30.0, 512)),
}


@dataclasses.dataclass(frozen=True)
class Count:
    """Multiplications with their additions, for one sentence; parameters."""

    encoder: float    # once for a sentence
    step: float       # of a target piece, without the output matrix
    output: float     # of a target piece
    parameters: int
    of_decoder: int   # parameters that a step of search reads

    def training(self, lengths: Lengths) -> float:
        """Operations of a target piece: forward once, backward twice."""
        return 2 * 3 * (self.encoder / lengths.target + self.step + self.output)

    def search(self, lengths: Lengths, hypotheses: int) -> float:
        """Operations of a target piece of the best translation, with so many hypotheses side by side."""
        return 2 * (self.encoder / lengths.target + hypotheses * (self.step + self.output))


def count(settings: NetworkSettings, vocabulary: int, lengths: Lengths) -> Count:
    """By the equations in seq2seq/models, for shape=n_to_m."""
    model, gates = settings.model, GATES[settings.cell.kind]
    E, H = model.embedding, model.hidden
    half, directions = (H // 2, 2) if model.bidirectional else (H, 1)
    attends, every_step = settings.context.kind is ContextKind.ATTENTION, settings.feed.context.value == "every_step"
    feed, score, heads = settings.attention.feed.value, settings.attention.score, settings.attention.heads
    deep = model.readout is ReadoutKind.BAHDANAU
    outputs = E * (2 if deep else 1)
    # Entries of the matrices that are met once for each source piece, sentence and target piece.
    inputs_of_layers = [E] + [H] * (model.encoder_layers - 1)
    of_source = sum(directions * gates * half * (inputs + half) for inputs in inputs_of_layers)
    of_sentence, of_target = 0, (H + H * attends + E * deep) * outputs
    for layer in range(model.decoder_layers):
        inputs = E * settings.feed.output if layer == 0 else H * (2 if attends and feed == "upper_layers" else 1)
        of_target += gates * H * (inputs + H + H * (layer == 0 and attends and feed == "input"))
    if attends:
        of_sentence += model.decoder_layers * H * H                                    # bridges
        of_source += H * H * ((score is not ScoreKind.DOT) + (heads > 1))              # keys, values
        of_target += H * H * (score in (ScoreKind.ADDITIVE, ScoreKind.SCALED))         # the query
    elif every_step:
        of_sentence += H * outputs                                                     # c, to the readout
        of_target += gates * H * H                                                     # and to the recurrence
    if settings.context.kind in (ContextKind.PROJECTED, ContextKind.POOLED):
        of_sentence += H * H
    scores_and_sum = 2 * lengths.source * H * attends
    tables = {"none": 3, "target": 2, "all": 1}[model.tie.value] * vocabulary * E
    return Count(encoder=lengths.source * of_source + of_sentence, step=of_target + scores_and_sum,
                 output=vocabulary * E, parameters=tables + of_source + of_sentence + of_target,
                 of_decoder=of_target + vocabulary * E)


@dataclasses.dataclass(frozen=True)
class Machine:
    name: str
    threads: int
    rate: float       # operations a second of a product of fp32 matrices
    rate_bf16: float  # the same in bf16
    bandwidth: float  # bytes a second, read and written

    def floor(self, operations: float, moved: float, bf16: bool = False) -> float:
        """Seconds."""
        return max(operations / (self.rate_bf16 if bf16 else self.rate), moved / self.bandwidth)

    def __str__(self) -> str:
        return (f"{self.name}, {self.threads} thread{'s' if self.threads > 1 else ''}, torch {torch.__version__}, "
                f"products at {self.rate / 1e9:,.0f} GFLOP/s in fp32, {self.rate_bf16 / 1e9:,.0f} in bf16, memory at "
                f"{self.bandwidth / 1e9:.1f} GB/s")


def measure(device: str = "cpu", small: bool = False) -> Machine:
    """The best of several trials each. `small` is quick and says nothing of the machine."""
    cuda = device == "cuda"
    rates = [rate_of_product(dtype, device, size=64 if small else None) for dtype in (torch.float32, torch.bfloat16)]
    table = torch.ones(1 << (16 if small else 30 if cuda else 26), device=device)  # far larger than the caches
    bandwidth = 2 * table.nbytes / fastest(lambda: table.add_(1), cuda=cuda)[0]
    return Machine(_name(cuda), torch.get_num_threads(), *rates, bandwidth)


def rate_of_product(dtype: torch.dtype, device: str = "cpu", times: int = 8,
                    clock: Callable[[], float] = time.perf_counter, size: int | None = None) -> float:
    """Operations a second of a product of size x size; None: one that is large enough."""
    # A CPU without bf16 is a hundred times slower in it: a small product tells that soon enough.
    size = size or (8192 if device == "cuda" else 2048 if dtype is torch.float32 else 512)
    one, other = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    return 2 * size**3 / fastest(lambda: one @ other, times=times, cuda=device == "cuda", clock=clock)[0]


def _name(cuda: bool) -> str:
    if cuda:
        return torch.cuda.get_device_name()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return "CPU"
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "CPU")


def settings_of(name: str) -> tuple[NetworkSettings, int, Lengths]:
    written, vocabulary, lengths = NETWORKS[name]
    return read_settings(NetworkSettings, written), vocabulary, lengths


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=sorted(NETWORKS))
    parser.add_argument("--threads", type=int)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    machine = measure(options.device)
    print(machine, "\n")
    print("| network | parameters | work | MFLOP a piece | KB a piece | us a piece | pieces a second | in bf16 |")
    print("|---|---|---|---|---|---|---|---|")
    for name in [options.only] if options.only else NETWORKS:
        settings, vocabulary, lengths = settings_of(name)
        found = count(settings, vocabulary, lengths)
        per_update = lengths.sentences * lengths.target
        rows = [("training", found.training(lengths), 4 * PASSES * found.parameters / per_update)]
        rows += [(f"{title}, {lengths.sentences} sentences", found.search(lengths, K),
                  4 * found.of_decoder / lengths.sentences) for title, K in (("greedy", 1), ("beam 5", 5))]
        for title, operations, moved in rows:
            least = machine.floor(operations, moved)
            print(f"| {name} | {found.parameters:,} | {title} | {operations / 1e6:.1f} | {moved / 1e3:.0f} | "
                  f"{1e6 * least:.1f} | {1 / least:,.0f} | {1 / machine.floor(operations, moved, bf16=True):,.0f} |")


if __name__ == "__main__":
    main()
