"""A decoder's recurrence over all steps with a constant context: `Cell.sequence` against the library's fused call.

    python benchmarks/recurrence_speed.py                # 93 sentences x 16 steps, E 256, H 512, one thread
    python benchmarks/recurrence_speed.py --threads 2

Forward and backward pass together, in turns; the shortest of each counts. Prints processor milliseconds
and the ratio to the library's call on the input [y_t; c], the baseline.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from timing import fastest

from seq2seq.memory import keep_freed_memory
from seq2seq.models.cells import Cell
from seq2seq.settings.model import CellKind


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("rows", 93), ("steps", 16), ("embedding", 256), ("hidden", 512), ("threads", 1),
                        ("times", 10)):
        parser.add_argument(f"--{name}", type=int, default=value)
    sizes = parser.parse_args()
    torch.set_num_threads(sizes.threads)
    keep_freed_memory()
    y = torch.randn(sizes.rows, sizes.steps, sizes.embedding, requires_grad=True)
    c = torch.randn(sizes.rows, sizes.hidden, requires_grad=True)
    print("| cell | library ms | ours ms | ratio |\n|---|---|---|---|")
    for kind in CellKind:
        cell = Cell(kind, sizes.embedding + sizes.hidden, sizes.hidden)
        state = cell.zero_state(y, sizes.rows)
        library, ours = fastest(*(lambda run=run, state=state: run(y, state, c).sum().backward()
                                  for run in (cell.library_sequence, cell.sequence)),
                                times=sizes.times, clock=time.process_time)
        print(f"| {kind.value} | {1000 * library:.0f} | {1000 * ours:.0f} | {library / ours:.2f} |", flush=True)


if __name__ == "__main__":
    main()
