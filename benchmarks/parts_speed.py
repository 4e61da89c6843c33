"""Parts of the network that were made faster, each against its reference: the additive score, products of few rows,
products in eight bits.

    python benchmarks/parts_speed.py
    python benchmarks/parts_speed.py --threads 2

Both in turns; the shortest of each counts. Prints milliseconds and the ratio to the reference, the baseline.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from timing import fastest

from seq2seq.commands.malloc import keep_freed_memory
from seq2seq.models.fast.additive import additive_scores, powers_of, reference_scores, scores_from_powers
from seq2seq.models.fast.int8 import Int8Linear
from seq2seq.models.fast.products import linear

SENTENCES, STEPS, SOURCE, HIDDEN = 80, 16, 16, 512
BATCH, BEAM = 200, 5                               # of search
PRODUCTS = ((256, 8000), (512, 1536), (512, 512))  # inputs, outputs: output matrix, recurrence, query
ROWS = (5, 80, 400, 1000)                          # one sentence with a beam of 5, ...


def additive(times: int) -> None:
    queries = torch.randn(SENTENCES, STEPS, HIDDEN, requires_grad=True)
    keys, v = torch.randn(SENTENCES, SOURCE, HIDDEN, requires_grad=True), torch.randn(HIDDEN, requires_grad=True)
    weights = torch.randn(SENTENCES, STEPS, SOURCE)

    def forward(scores: Callable[..., Tensor]) -> None:
        with torch.no_grad():
            scores(queries, keys, v)

    def both(scores: Callable[..., Tensor]) -> None:
        (scores(queries, keys, v) * weights).sum().backward()

    for name, run in (("additive score", forward), ("additive score, forward and backward", both)):
        show(name, *fastest(lambda run=run: run(reference_scores), lambda run=run: run(additive_scores),
                            times=times))


@torch.inference_mode()
def of_search(times: int) -> None:
    """The score of a step of search, its keys' powers at hand; products of one sentence's hypotheses."""
    queries, keys, v = torch.randn(BATCH, BEAM, HIDDEN), torch.randn(BATCH, SOURCE, HIDDEN), torch.randn(HIDDEN)
    powers = powers_of(keys)
    assert powers is not None
    show(f"additive score in search, {BATCH} sentences x {BEAM} x {SOURCE} pieces", *fastest(
        lambda: reference_scores(queries, keys, v), lambda: scores_from_powers(queries, powers, v), times=times))
    much = torch.zeros(1 << 23)
    for inputs, outputs in PRODUCTS:
        x, weight, bias = torch.randn(BEAM, inputs), torch.randn(outputs, inputs), torch.randn(outputs)
        # Between two steps other work drives W out of the caches.
        cleared = fastest(lambda: much.add_(1), times=times)[0]
        found = fastest(lambda x=x, weight=weight, bias=bias: (much.add_(1), F.linear(x, weight, bias)),
                        lambda x=x, weight=weight, bias=bias: (much.add_(1), linear(x, weight, bias)), times=times)
        show(f"{BEAM} x {inputs} x {outputs}, out of the caches", *(seconds - cleared for seconds in found))


@torch.inference_mode()
def eight_bits(times: int) -> None:
    for inputs, outputs in PRODUCTS:
        weight, bias = torch.randn(outputs, inputs), torch.randn(outputs)
        product = Int8Linear(weight, bias)
        for rows in ROWS:
            x = torch.randn(rows, inputs)
            show(f"{rows} x {inputs} x {outputs} in eight bits", *fastest(
                lambda x=x, weight=weight, bias=bias: F.linear(x, weight, bias),
                lambda x=x, product=product: product(x), times=times))


def show(name: str, reference: float, fast: float) -> None:
    """A row; both in seconds."""
    print(f"| {name} | {1000 * reference:.2f} | {1000 * fast:.2f} | {reference / fast:.2f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--times", type=int, default=10)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    keep_freed_memory()
    print("| part | reference ms | ours ms | ratio |\n|---|---|---|---|")
    additive(options.times)
    of_search(options.times)
    eight_bits(options.times)


if __name__ == "__main__":
    main()
