"""Does each cell x context x feed learn to reverse sequences of length 5 to 10?

    python benchmarks/reverse.py                 # all, as a Markdown table (docs/reverse.md)
    python benchmarks/reverse.py --only gru      # those whose name holds the text

Sequences of 4 symbols, 64 drawn anew for every update, so nothing can be learnt by heart. Accuracy is the
share of 500 fresh sequences whose greedy output is right to the last symbol. Training stops early at 99%.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from seq2seq.commands.malloc import keep_freed_memory
from seq2seq.corpus.batch import Batch, make_batch
from seq2seq.models.build import build_model
from seq2seq.models.encoder_decoder import EncoderDecoder
from seq2seq.search.decode import translate_ids
from seq2seq.settings.model import CellKind, NetworkSettings
from seq2seq.settings.reading import read_settings
from seq2seq.settings.search import SearchKind, SearchSettings

SYMBOLS, FIRST = 4, 4  # ids 4..7
SHORTEST, LONGEST = 5, 10
BATCH = 64


def draw(pairs: int, generator: np.random.Generator) -> Batch:
    """Fresh pairs of a sequence and its reverse."""
    lengths = generator.integers(SHORTEST, LONGEST + 1, size=pairs)
    source = [generator.integers(FIRST, FIRST + SYMBOLS, size=n).tolist() for n in lengths]
    return make_batch(source, [ids[::-1] for ids in source], range(pairs))


def accuracy(model: EncoderDecoder, generator: np.random.Generator, pairs: int = 500) -> float:
    """Share of fresh sequences reversed without a mistake by greedy search."""
    batch = draw(pairs, generator)
    source = [row[: n - 1].tolist() for row, n in zip(batch.source, batch.source_lengths, strict=True)]
    found = translate_ids(model, source, SearchSettings(kind=SearchKind.GREEDY, batch_pieces=20_000), "cpu")
    return sum(best[0].pieces == ids[::-1] for best, ids in zip(found, source, strict=True)) / pairs


def train(settings: NetworkSettings, *, updates: int, seed: int = 1, learning_rate: float | None = None
          ) -> tuple[float, int]:
    """Trains one network; returns the accuracy reached and the updates it took."""
    if learning_rate is None:
        learning_rate = 3e-3 if settings.cell.kind is CellKind.RNN else 1e-2  # gates bear more
    torch.manual_seed(seed)
    generator, fresh = np.random.default_rng(seed), np.random.default_rng(seed + 1000)
    model = build_model(settings, FIRST + SYMBOLS, FIRST + SYMBOLS)
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, total_steps=updates, pct_start=0.1)
    reached = 0.0
    for update in range(1, updates + 1):
        model.train()
        batch = draw(BATCH, generator)
        loss = model(batch).smoothed / batch.pieces
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if update % 100 == 0:
            reached = accuracy(model.eval(), fresh)
            if reached >= 0.99:
                return reached, update
    return reached, updates


def combinations() -> list[tuple[str, dict]]:
    """Each cell x context x feed once, and with GRU each pooling, score and attention.feed."""
    rows = []
    contexts = [{"kind": "last"}, {"kind": "projected"}, {"kind": "pooled", "pooling": "max"}, {"kind": "attention"}]
    for cell, context, feed, output in itertools.product(
            ["rnn", "gru", "lstm"], contexts, ["initial_state", "every_step"], [True, False]):
        if context["kind"] != "attention" or feed == "every_step":
            rows.append((f"{cell} | {context['kind']} | {feed} | {output} |", {
                "cell": {"kind": cell}, "context": context, "feed": {"context": feed, "output": output}}))
    for pooling in ("mean", "attentive"):
        rows.append((f"gru | pooled ({pooling}) | every_step | True |",
                     {"context": {"kind": "pooled", "pooling": pooling}}))
    for score, feed in itertools.product(["additive", "dot", "general", "scaled"],
                                         ["readout", "upper_layers", "input"]):
        if (score, feed) != ("additive", "readout"):
            rows.append((f"gru | attention ({score}, {feed}) | every_step | True |", {
                "attention": {"score": score, "feed": feed}, "model": {"decoder_layers": 2}}))
    return rows


def settings_of(choice: dict, hidden: int) -> NetworkSettings:
    sizes = {"embedding": 32, "hidden": hidden, "decoder_layers": 1, "tie": "none",
             "dropout": {"embedding": 0.0, "layer": 0.0, "readout": 0.0}}
    return read_settings(NetworkSettings, choice | {"model": sizes | choice.get("model", {})})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="train the combinations whose name holds this text")
    parser.add_argument("--updates", type=int, default=2000)
    parser.add_argument("--hidden", type=int, default=64)
    parser.add_argument("--threads", type=int, default=1)
    choices = parser.parse_args()
    torch.set_num_threads(choices.threads)
    keep_freed_memory()
    print("| cell | context | feed.context | feed.output | accuracy | updates | seconds |")
    print("|---|---|---|---|---|---|---|")
    for name, choice in combinations():
        if choices.only in name:
            start = time.perf_counter()
            reached, updates = train(settings_of(choice, choices.hidden), updates=choices.updates)
            print(f"| {name} {reached:.1%} | {updates} | {time.perf_counter() - start:.0f} |", flush=True)


if __name__ == "__main__":
    main()
