"""One change at a time: trains the recipe as it is and with each change, and scores all of them on validation.

    python benchmarks/ablation.py corpus=data/m30k_de_en training.max_epochs=10 --into runs/ablation --beside 2 \\
        --change cell.layer_norm=true --change "training.consistency=3 training.cutoff=0.05" > table.md

Every other word is a setting of train.py that all runs share; a change is one or more settings. Each run has one
thread (training.threads=1) and a log beside its folder. The same command goes on where it was stopped. The table is
Markdown, on standard output: the means over the seeds, p of the paired test against the same seed without the
change, the minutes of training. BLEU is of one validation set and a few seeds: differences of half a point say little.
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent


class Run(NamedTuple):
    change: str
    seed: int
    folder: Path

    def score(self) -> dict:
        """What evaluate.py has written of validation."""
        return json.loads((self.folder / "evaluation" / "valid.json").read_text("utf-8"))

    def minutes(self) -> float:
        *_, last = (self.folder / "metrics.jsonl").read_text("utf-8").splitlines()
        return json.loads(last)["seconds"] / 60


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("settings", nargs="+", help="of train.py, for all runs: corpus=FOLDER ...")
    parser.add_argument("--change", action="append", default=[], help="settings of one row of the table")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--into", type=Path, default=Path("runs/ablation"), help="folder of the runs")
    parser.add_argument("--beside", type=int, default=1, help="runs at the same time, one thread each")
    arguments = parser.parse_args()
    arguments.into.mkdir(parents=True, exist_ok=True)
    runs = [Run(change, seed, arguments.into / f"{named(change)}-{seed}")
            for change in ["", *arguments.change] for seed in arguments.seeds]
    with ThreadPoolExecutor(arguments.beside) as pool:
        for one in [pool.submit(train, run, arguments.settings) for run in runs]:
            one.result()
    for run in runs:
        score(run, [of for of in runs if of.seed == run.seed and not of.change])
    print(table(runs))


def named(change: str) -> str:
    """A folder's name of a change, which needs no quotes on a command line."""
    return re.sub(r"[^\w.-]+", "_", change.replace("=", "-")) or "none"


def train(run: Run, settings: list[str]) -> None:
    command(run, "train.py", *settings, *shlex.split(run.change), f"seed={run.seed}", "training.threads=1")
    print(f"trained {run.folder}: {run.minutes():.1f} minutes", file=sys.stderr)


def score(run: Run, plain: list[Run]) -> None:
    compare = [f"compare={plain[0].folder}"] if run.change else []
    command(run, "evaluate.py", "split=valid", "threads=1", *compare)


def command(run: Run, script: str, *words: str) -> None:
    """One of the commands of the project, its words to a log beside the run. Ends this one where it fails."""
    log = run.folder.with_suffix(run.folder.suffix + ".log")
    with log.open("a", encoding="utf-8") as out:
        done = subprocess.run([sys.executable, str(ROOT / script), f"run={run.folder}", *words], stdout=out, stderr=out,
                              check=False)
    if done.returncode:
        sys.exit(f"{script} of {run.folder} ended with {done.returncode}: {log}")


def table(runs: list[Run]) -> str:
    """A row for every change, the plain recipe first."""
    rows = ["| change | BLEU | difference | p | perplexity | minutes |", "|---|---|---|---|---|---|"]
    changes = list(dict.fromkeys(run.change for run in runs))
    plain = statistics.mean(run.score()["bleu"]["value"] for run in runs if not run.change)
    for change in changes:
        of = [run for run in runs if run.change == change]
        scores = [run.score() for run in of]
        bleu = statistics.mean(one["bleu"]["value"] for one in scores)
        each = ", ".join(f"{one['bleu']['value']:.2f}" for one in scores)
        spread = f" ({each})" if len(scores) > 1 else ""
        p = ", ".join(f"{one['comparison']['p_value']:.3f}" for one in scores if one.get("comparison"))
        rows.append(f"| {f'`{change}`' if change else 'none'} | {bleu:.2f}{spread} | "
                    f"{f'{bleu - plain:+.2f}' if change else ''} | {p} | "
                    f"{statistics.mean(one['perplexity'] for one in scores):.3f} | "
                    f"{statistics.mean(run.minutes() for run in of):.1f} |")
    return "\n".join([*rows, "", f"BLEU: {runs[0].score()['bleu']['signature']}, seeds "
                                 f"{', '.join(map(str, dict.fromkeys(run.seed for run in runs)))}"])


if __name__ == "__main__":
    main()
