"""Target pieces a second against the length of the sentences, their number and the hidden size: a table and a figure.

    python benchmarks/curves.py --threads 2 --figure docs/throughput.png
    python benchmarks/curves.py --only hidden --scores general

The reference model of floor.py with random weights, additive and general attention; what is not varied is as there.
Sentences of one length, EOS counted, on both sides. Where the length is varied their number is such that the pieces
stay those of 80 sentences of mean length, as a budget of pieces (training.batch_pieces, search.batch_pieces) has it.
Training is an update of the weights; translation, by greedy search and by a beam of 5, takes as many steps as the
source has pieces. Each is done `times` times or more after a first one that does not count, the fastest counts. The
share is that of the floor (floor.py) with the faster of two products, before and after: where other work comes and
goes, both feel it. With one thread seconds are those of the processor.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import floor
import synthetic
from timing import clock_for, fastest

from seq2seq.commands.malloc import keep_freed_memory
from seq2seq.models.fast.search_model import ForSearch
from seq2seq.search.decode import translate_ids
from seq2seq.settings.device import Precision

LENGTH, HIDDEN = round(synthetic.LENGTHS.target), 512
VARIED = {
    "length": (10, 20, 50, 100, 200),
    "sentences": (1, 5, 20, 80, 320),
    "hidden": (128, 256, 512, 1024),
}
AXES = {"length": "pieces of a sentence", "sentences": "sentences at once", "hidden": "hidden size H"}
MANY = 10  # trials of what takes a tenth of a second
WORK = {"training": 0, "greedy": 1, "beam": 5}  # and the hypotheses of each sentence


@dataclasses.dataclass(frozen=True)
class Point:
    """What is measured, and what came out."""

    varied: str
    value: int
    score: str
    length: int = LENGTH
    sentences: int = synthetic.LENGTHS.sentences
    hidden: int = HIDDEN
    vocabulary: int = floor.NETWORKS["reference"][1]
    speed: dict[str, float] = dataclasses.field(default_factory=dict)  # target pieces a second
    share: dict[str, float] = dataclasses.field(default_factory=dict)  # of the floor


def points(varied: list[str], scores: list[str], quick: bool) -> list[Point]:
    base = {"hidden": 32, "sentences": 4, "vocabulary": 500} if quick else {}
    found = []
    for name in varied:
        for score in scores:
            for value in VARIED[name][:2] if quick else VARIED[name]:
                own = {name: value}
                if name == "length" and not quick:
                    own["sentences"] = max(1, round(synthetic.PIECES / value))
                found.append(Point(name, value, score, **(base | own)))
    return found


def measure(point: Point, machine: floor.Machine, times: int, device: str) -> None:
    """Fills in the speeds and their shares of the floor."""
    settings = synthetic.settings(point.hidden, point.score)
    lengths = floor.Lengths(point.length, point.length, point.sentences)
    least = floor.count(settings, point.vocabulary, lengths)
    pieces, cuda = point.sentences * point.length, device == "cuda"
    clock = clock_for(cuda)
    bf16 = synthetic.precision(machine) is Precision.BF16
    for name, hypotheses in WORK.items():
        before = floor.rate_of_product(torch.float32, device, times=2, clock=clock)
        work = _training(point, machine, device) if name == "training" else _search(point, name, device)
        (first,) = fastest(work, times=1, cuda=cuda, clock=clock)
        trials = max(times, min(MANY, int(1 / first)))  # short ones vary more
        seconds = fastest(work, times=trials, cuda=cuda, clock=clock)[0] / pieces
        after = floor.rate_of_product(torch.float32, device, times=2, clock=clock)
        now = dataclasses.replace(machine, rate=max(before, after))
        needed = (now.floor(least.training(lengths), 4 * floor.PASSES * least.parameters / pieces, bf16)
                  if name == "training"
                  else now.floor(least.search(lengths, hypotheses), 4 * least.of_decoder / point.sentences))
        point.speed[name], point.share[name] = 1 / seconds, needed / seconds


def _training(point: Point, machine: floor.Machine, device: str) -> Callable[[], object]:
    model = synthetic.network(synthetic.settings(point.hidden, point.score), point.vocabulary, device)
    trainer = synthetic.Trainer(model, synthetic.precision(machine))
    one = synthetic.batch(point.sentences, point.length, point.length, point.vocabulary)
    return lambda: trainer.update(one)


def _search(point: Point, kind: str, device: str) -> Callable[[], object]:
    model = synthetic.network(synthetic.settings(point.hidden, point.score), point.vocabulary, device).eval()
    source = synthetic.sentences(point.sentences, point.length, point.vocabulary)
    search = synthetic.search_settings(kind, point.length, point.sentences * point.length)
    searchable = ForSearch(model)
    return lambda: translate_ids(searchable, source, search, device)


def row(point: Point) -> str:
    cells = [f"{point.speed[name]:,.0f} | {point.share[name]:.2f}" for name in WORK]
    sizes = f"{point.sentences} x {point.length}, H {point.hidden}"
    return f"| {' | '.join([point.varied, str(point.value), sizes, point.score, *cells])} |"


def draw_figure(found: list[Point], title: str, path: Path) -> None:
    """A field for each of what is varied; a line for each work and score."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, StrMethodFormatter

    names = list(dict.fromkeys(point.varied for point in found))
    figure = Figure(figsize=(4.5 * len(names), 4.5), layout="constrained")
    fields = figure.subplots(1, len(names), sharey=True, squeeze=False)[0]
    scores = list(dict.fromkeys(point.score for point in found))
    for axes, varied in zip(fields, names, strict=True):
        for place, name in enumerate(WORK):
            for score, style in zip(scores, ("-o", "--s"), strict=False):
                line = [point for point in found if (point.varied, point.score) == (varied, score)]
                axes.plot([point.value for point in line], [point.speed[name] for point in line], style,
                          color=f"C{place}", markersize=4, label=f"{'beam 5' if name == 'beam' else name}, {score}")
        axes.set(xscale="log", yscale="log", xlabel=AXES[varied])
        axes.set_xticks(values := sorted({point.value for point in found if point.varied == varied}), values)
        axes.minorticks_off()
        axes.grid(alpha=0.3)
    fields[0].yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    fields[0].yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    fields[0].set_ylabel("target pieces a second")
    fields[0].legend(fontsize="small")
    figure.suptitle(title, fontsize="small")
    figure.savefig(path, dpi=90)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=list(VARIED))
    parser.add_argument("--scores", default="additive,general", help="at most two kinds of attention")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--times", type=int, default=2)
    parser.add_argument("--figure", type=Path, help="PNG to draw")
    parser.add_argument("--quick", action="store_true", help="a small network and few points: to see that all runs")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    keep_freed_memory()
    machine = floor.measure(options.device)
    print(machine, "\n")
    print("| varied | value | sentences x pieces | attention | training, pieces/s | share of the floor | "
          "greedy | share | beam 5 | share |")
    print("|---" * 10 + "|")
    found = points([options.only] if options.only else list(VARIED), options.scores.split(","), options.quick)
    for point in found:
        measure(point, machine, options.times, options.device)
        print(row(point), flush=True)
    if options.figure is not None:
        draw_figure(found, f"{machine.name}, threads: {machine.threads}, torch {torch.__version__}", options.figure)


if __name__ == "__main__":
    main()
