"""How training scales over processes of one machine, and what to expect of more of them.

    python benchmarks/scaling_processes.py
    python benchmarks/scaling_processes.py processes=1,2,4,8 updates=200 corpus=data/m30k experiment=multi30k

Trains the same network on the same batches with 1, 2 and 4 processes, each on one thread, and prints target
pieces a second (the median of the lines of metrics.jsonl without the first two). What is not processes=,
updates=, gigabits= or latency= goes to train.py. The prediction for more takes

    seconds of an update by N = compute / N + 2 (N - 1) / N * gradients / bandwidth + 2 (N - 1) * latency

compute: the update of one process as measured here, divided without loss; gradients: 4 bytes a parameter, in a ring
all-reduce that hides behind no computation; bandwidth: gigabits= (10) per second of every machine's link; latency=
(0.00005) seconds of one message.
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

LOG_EVERY = 5  # updates
PREDICTED = (8, 16, 32, 64)


def main() -> None:
    options = {"processes": "1,2,4", "updates": "100", "gigabits": "10", "latency": "0.00005", "corpus": "data/grammar"}
    words = [word.partition("=") for word in sys.argv[1:]]
    options |= {name: value for name, _, value in words if name in options}
    others = [f"{name}={value}" for name, _, value in words if name not in options]
    if not Path(options["corpus"]).exists():
        sys.exit(f"{options['corpus']} is not there. Make it first: python -m data_prep corpus={options['corpus']}")
    alone, parameters = 0.0, 0
    for count in map(int, options["processes"].split(",")):
        speed, seconds, parameters = measure(count, options["corpus"], int(options["updates"]), others)
        alone = alone or seconds * count  # the first is meant to be 1
        print(f"{count} process{'es' if count > 1 else ' '}: {speed:8,.0f} target pieces a second, {seconds:.3f} s an "
              f"update, {alone / seconds:.2f} times as fast as one", flush=True)
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {parameters:,} parameters: "
          f"{4 * parameters / 1e6:.1f} MB of gradients an update")
    for count in PREDICTED:
        seconds = predicted(count, alone, 4 * parameters, float(options["gigabits"]), float(options["latency"]))
        print(f"{count} processes, predicted: {seconds:.3f} s an update, {alone / seconds:.1f} times as fast as one")


def measure(processes: int, corpus: str, updates: int, others: list[str]) -> tuple[float, float, int]:
    """Target pieces a second, seconds of an update, parameters."""
    from seq2seq.bundle.bundle import load_bundle
    from seq2seq.training.metrics import read_metrics

    launcher = [] if processes == 1 else [
        "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        subprocess.run(
            [sys.executable, *launcher, str(ROOT / "train.py"), f"corpus={corpus}", f"run={run}", "recipe=none",
             "training.threads=1", "training.device=cpu", f"training.max_updates={updates}", "training.max_epochs=null",
             "training.valid_sentences=1", f"training.validate_every={updates}", f"training.log_every={LOG_EVERY}",
             *others], check=True, stderr=subprocess.DEVNULL)
        lines = read_metrics(run).train
        bundle = load_bundle(run)
    speed = statistics.median(line["pieces_per_second"] for line in lines[2:])
    pieces = bundle.info["target_pieces"] / bundle.info["updates"]
    return speed, pieces / speed, sum(weight.numel() for weight in bundle.model.parameters())


def predicted(processes: int, alone: float, gradients: int, gigabits: float, latency: float) -> float:
    """Seconds of an update."""
    share = (processes - 1) / processes
    return alone / processes + 2 * share * gradients / (gigabits * 1e9 / 8) + 2 * (processes - 1) * latency


if __name__ == "__main__":
    main()
