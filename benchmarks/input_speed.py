"""What one thread of a processor does beside the network: batches, their order, duplicates, text into pieces and back.

    python benchmarks/input_speed.py
    python benchmarks/input_speed.py pairs=200000 corpus=data/m30k largest=50000000

Without corpus= prepares `pairs` (100,000) of the embedded grammar twice, with unigram and with BPE pieces, in a folder
that is gone afterwards. Prints

- target pieces a second that TrainingBatches.chunk brings into batches, without and with subword sampling. One thread
  of every process does this for the batches of all processes, so the speed of training cannot be above it;
- seconds to draw the order of a corpus, once an epoch, by its pairs;
- seconds and bytes that finding duplicates takes, by pairs;
- sentences a second that the tokenizers turn into pieces and back.

All in seconds of processor time.
"""

from __future__ import annotations

import functools
import subprocess
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from timing import fastest

from data_prep.passes import first_of_each
from data_prep.prepare import SHARDS
from seq2seq.corpus.packed import PackedCorpus
from seq2seq.corpus.stream import TrainingBatches
from seq2seq.tokenization.sampling import SubwordSampler

ROOT = Path(__file__).resolve().parent.parent
SAMPLING = 0.1    # alpha of the unigram sampling, probability of the BPE-dropout
BUDGET = 4000     # training.batch_pieces
SENTENCES = 20_000


def main() -> None:
    options = {"corpus": "", "pairs": "100000", "largest": "20000000"} | {
        name: value for name, _, value in (word.partition("=") for word in sys.argv[1:])}
    print("| corpus | pairs | mean pieces | bytes a pair | batches, target pieces/s | with subword sampling | "
          "sentences/s into pieces | and back |")
    print("|---" * 8 + "|")
    with tempfile.TemporaryDirectory() as folder:
        named = [(options["corpus"], Path(options["corpus"]))] if options["corpus"] else [
            (f"grammar, {kind}", prepared(Path(folder) / kind, kind, options["pairs"])) for kind in ("unigram", "bpe")]
        for name, place in named:
            print(row(name, PackedCorpus.open(place)), flush=True)
    largest = int(options["largest"])
    print("\n| pairs | order of an epoch, s | duplicates, s | bytes a pair at their peak |")
    print("|---" * 4 + "|")
    for pairs in (largest // 100, largest // 10, largest):
        order, duplicates, peak = by_pairs(pairs)
        print(f"| {pairs:,} | {order:.3f} | {duplicates:.2f} | {peak:.0f} |", flush=True)


def prepared(folder: Path, kind: str, pairs: str) -> Path:
    subprocess.run([sys.executable, "-m", "data_prep", f"data.train={pairs}", f"corpus={folder}", "num_proc=1",
                    f"tokenizer.kind={kind}"], cwd=ROOT, check=True, capture_output=True)
    return folder


def row(name: str, corpus: PackedCorpus) -> str:
    """A row of the first table."""
    split, tokenizers = corpus.split("train"), corpus.tokenizers()
    written = sum(size for file, size in corpus.manifest["files"].items() if file.startswith("train/"))
    samplers = (SubwordSampler(tokenizers[0], SAMPLING), SubwordSampler(tokenizers[1], SAMPLING))
    speeds = [pieces_per_second(TrainingBatches(split, budget=BUDGET, max_pieces=200, seed=1, samplers=both))
              for both in ((None, None), samplers)]
    lines = split.text(range(min(SENTENCES, len(split))))[1]
    ids = tokenizers[1].encode(lines)
    encode, decode = fastest(lambda: tokenizers[1].encode(lines), lambda: tokenizers[1].decode(ids), times=3,
                             clock=time.process_time)
    return (f"| {name} | {len(split):,} | {split.source_lengths.mean():.1f}, {split.target_lengths.mean():.1f} | "
            f"{written / len(split):.0f} | {speeds[0]:,.0f} | {speeds[1]:,.0f} | {len(lines) / encode:,.0f} | "
            f"{len(lines) / decode:,.0f} |")


def pieces_per_second(batches: TrainingBatches) -> float:
    """Of a second chunk: by then most words have been seen."""
    batches.chunk(0, 0)
    start = time.process_time()
    drawn = batches.chunk(1, 0)
    return sum(batch.pieces for batch in drawn) / (time.process_time() - start)


def by_pairs(pairs: int) -> tuple[float, float, float]:
    """Seconds for the order of an epoch, seconds for the duplicates, bytes of these a pair."""
    generator = np.random.default_rng(1)
    (order,) = fastest(functools.partial(generator.permutation, np.arange(pairs)), times=2, clock=time.process_time)
    tracemalloc.start()  # what numpy asks for is counted
    keys = [generator.integers(2**63, size=pairs // SHARDS, dtype=np.uint64) for _ in range(SHARDS)]
    (duplicates,) = fastest(functools.partial(first_of_each, keys), times=1, clock=time.process_time)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return order, duplicates, peak / pairs


if __name__ == "__main__":
    main()
