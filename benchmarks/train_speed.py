"""How fast the reference model trains, and how near that is to what the machine allows.

    python benchmarks/train_speed.py corpus=data/m30k
    python benchmarks/train_speed.py corpus=data/m30k only=general threads=1 updates=100 training.batch_pieces=4000
    python benchmarks/train_speed.py corpus=data/m30k device=cuda       # fp32; benchmarks/gpu.py has more ways

Starts train.py with each kind of attention (sizes of benchmarks/floor.py, dropout 0.3, label smoothing 0.1, about 80
sentences an update) and prints target pieces a second, padding not counted (the median of the lines of metrics.jsonl
without the first two), their share of the floor, and the peak of the machine's memory. What is none of its own
options goes to train.py.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(ROOT / "benchmarks"))

ROWS = {
    "additive": ["attention.score=additive"],
    "general": ["attention.score=general"],
    "additive, input feeding": ["attention.score=additive", "attention.feed=input", "attention.query=previous"],
    "general, input feeding": ["attention.score=general", "attention.feed=input", "attention.query=current"],
}
SIZES = ["model.embedding=256", "model.hidden=512", "model.tie=none", "model.dropout.embedding=0.3",
         "model.dropout.readout=0.3", "training.label_smoothing=0.1", "training.batch_pieces=1400"]
LOG_EVERY = 5  # updates


def main() -> None:
    options = {"corpus": "data/m30k", "only": "", "threads": "2", "updates": "60", "device": "cpu"}
    words = [word.partition("=") for word in sys.argv[1:]]
    options |= {name: value for name, _, value in words if name in options}
    others = [f"{name}={value}" for name, _, value in words if name not in options]
    import floor
    import torch

    from seq2seq.corpus.packed import PackedCorpus
    from seq2seq.settings.model import NetworkSettings
    from seq2seq.settings.reading import read_settings
    from seq2seq.training.metrics import read_metrics

    torch.set_num_threads(int(options["threads"]))
    machine, corpus = floor.measure(options["device"]), PackedCorpus.open(options["corpus"])
    print(machine, "\n")
    split = corpus.split("train")
    lengths = floor.Lengths(split.source_lengths.mean() + 1, split.target_lengths.mean() + 1, 80)
    print("| attention | pieces/s | share of the floor | peak MiB |\n|---|---|---|---|")
    for name, row in ROWS.items():
        if options["only"] not in name:
            continue
        with tempfile.TemporaryDirectory() as folder:
            run = Path(folder) / "run"
            command = [sys.executable, str(ROOT / "train.py"), f"corpus={options['corpus']}", f"run={run}", "seed=1",
                       "recipe=none",
                       f"training.threads={options['threads']}", f"training.device={options['device']}",
                       "training.precision=fp32", f"training.max_updates={options['updates']}",
                       "training.max_epochs=null", "training.valid_sentences=1", f"training.log_every={LOG_EVERY}",
                       *SIZES, *row, *others]
            process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
            _, status, usage = os.wait4(process.pid, 0)
            if status:
                sys.exit("this failed: " + " ".join(command))
            lines = read_metrics(run).train
        speed = statistics.median(line["pieces_per_second"] for line in lines[2:])
        settings = floor.REFERENCE | {"attention": _attention(row)}
        work = floor.count(read_settings(NetworkSettings, settings), len(corpus.tokenizers()[1]), lengths)
        share = speed * machine.floor(work.training(lengths), 0)
        print(f"| {name} | {speed:,.0f} | {share:.2f} | {usage.ru_maxrss / 1024:,.0f} |", flush=True)


def _attention(words: list[str]) -> dict[str, str]:
    return dict(word.removeprefix("attention.").split("=") for word in words)


if __name__ == "__main__":
    main()
