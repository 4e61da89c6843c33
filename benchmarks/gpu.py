"""How fast training and translation are on a GPU, and how near that is to what it allows, as markdown tables.

    python benchmarks/gpu.py corpus=data/m30k
    python benchmarks/gpu.py                            # the reference model on random pieces too
    python benchmarks/gpu.py device=cpu small=true      # toy sizes: tries the script itself, measures nothing

Training: the reference model (on `corpus`, or random pieces) and one of the size of GNMT (random pieces), sizes of
floor.py; an update is everything but the reading of batches. Every batch is met once before the clock runs, so neither
the choice of kernels nor the recording of graphs is in the figures. Target pieces a second, padding not counted; the
ratio to the first row; the share of the floor (floor.py) of the row's number format; the most memory that torch took.

Translation: the GNMT size with random weights, 512 sentences of 30 pieces at once into exactly 30; the fastest of
`times`.
"""

from __future__ import annotations

import gc
import itertools
import platform
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(ROOT / "benchmarks"))

import floor  # noqa: E402

from seq2seq.corpus.batch import Batch, make_batch  # noqa: E402
from seq2seq.corpus.packed import PackedCorpus  # noqa: E402
from seq2seq.corpus.stream import TrainingBatches  # noqa: E402
from seq2seq.cuda_graphs import cuda_recorder, rounded_up  # noqa: E402
from seq2seq.distributed import ProcessGroup  # noqa: E402
from seq2seq.errors import UserError  # noqa: E402
from seq2seq.inference.graphed_search import GraphedSearch  # noqa: E402
from seq2seq.models.build import build_model  # noqa: E402
from seq2seq.models.fast.search_model import ForSearch  # noqa: E402
from seq2seq.search.decode import translate_ids  # noqa: E402
from seq2seq.settings.reading import read_settings  # noqa: E402
from seq2seq.settings.search import SearchKind, SearchSettings  # noqa: E402
from seq2seq.settings.training import TrainSettings  # noqa: E402
from seq2seq.tokenization.tokenizer import EOS  # noqa: E402
from seq2seq.training.gradients import build_gradients  # noqa: E402
from seq2seq.training.graphed_gradients import WIDTHS  # noqa: E402
from seq2seq.training.optimizer import build_optimizer  # noqa: E402

OPTIONS = {"corpus": "", "device": "cuda", "small": "false", "updates": "60", "times": "3"}
BATCHES = 20          # of the corpus, different ones
BATCH_PIECES = 4000   # of the reference model
STEPWISE = {"feed": "input", "query": "current"}
TRAINING: dict[str, tuple[dict, dict]] = {  # way: training settings, attention settings
    "fp32, attention.feed=input (the baseline)": ({"precision": "fp32"}, STEPWISE),
    "fp32": ({"precision": "fp32"}, {}),
    "bf16": ({"precision": "bf16"}, {}),
    "bf16, graphs": ({"precision": "bf16", "graphs": True}, {}),
    "bf16, graphs, attention.feed=input": ({"precision": "bf16", "graphs": True}, STEPWISE),
}
SEARCH = {"fp32": (False, False), "bf16": (True, False), "bf16, graphs": (True, True)}  # way: bf16, graphs


def main() -> None:
    options = read_options(sys.argv[1:])
    device, small = torch.device(options["device"]), options["small"] == "true"
    if device.type == "cuda" and not torch.cuda.is_available():
        stop("device=cuda: torch finds no CUDA device. Run this where there is one; device=cpu small=true tries the "
             "script.")
    machine = floor.measure(device.type, small)
    print(f"{about(device)}\n\n{machine}\n")
    for name in floor.NETWORKS:
        train(name, options, device, machine)
    translate("gnmt", options, device, machine)


def read_options(words: Sequence[str]) -> dict[str, str]:
    options = dict(OPTIONS)
    for word in words:
        name, _, value = word.partition("=")
        if name not in OPTIONS:
            stop(f"{name} is not an option. The options are: {', '.join(OPTIONS)}.")
        options[name] = value
    if options["device"] not in ("cuda", "cpu"):
        stop(f"device={options['device']} is not one of: cuda, cpu.")
    return options


def stop(line: str) -> None:
    print(line, file=sys.stderr)
    sys.exit(2)


def about(device: torch.device) -> str:
    versions = f"Python {platform.python_version()}, torch {torch.__version__}"
    if device.type == "cpu":
        return f"a CPU, {versions}: no measurement"
    card = torch.cuda.get_device_properties(device)
    return (f"{card.name}, {card.multi_processor_count} processors, compute capability {card.major}.{card.minor}, "
            f"{card.total_memory / 2**30:.0f} GiB; {versions}, CUDA {torch.version.cuda}, cuDNN "
            f"{torch.backends.cudnn.version()}; fp32 products: {torch.get_float32_matmul_precision()}")


def network(name: str, small: bool) -> tuple[dict[str, Any], int, floor.Lengths]:
    """Settings, pieces of the vocabulary, lengths."""
    settings, vocabulary, lengths = floor.NETWORKS[name]
    if not small:
        return settings, vocabulary, lengths
    return settings | {"model": settings["model"] | {"embedding": 16, "hidden": 16}}, 200, floor.Lengths(6, 6, 8)


def train(name: str, options: dict[str, str], device: torch.device, machine: floor.Machine) -> None:
    """The table of one network."""
    written, vocabulary, lengths = network(name, options["small"] == "true")
    corpus = PackedCorpus.open(options["corpus"]) if options["corpus"] and name == "reference" else None
    if corpus is not None:
        split, vocabulary = corpus.split("train"), max(map(len, corpus.tokenizers()))
        lengths = floor.Lengths(split.source_lengths.mean() + 1, split.target_lengths.mean() + 1,
                                round(BATCH_PIECES / (split.target_lengths.mean() + 1)))
    what = "random pieces" if corpus is None else str(corpus.folder)
    print(f"Training, {name}, {what}, about {lengths.sentences} sentences an update:\n")
    print("| | target pieces/s | ratio | share of the floor | peak MiB |\n|---|---|---|---|---|", flush=True)
    baseline = None
    for way, (training, attention) in TRAINING.items():
        settings = read_settings(TrainSettings, written | {
            "attention": written["attention"] | attention,
            "training": {"batch_pieces": budget(lengths) if corpus is None else BATCH_PIECES} | training})
        work = floor.count(settings, vocabulary, lengths)
        moved = 4 * floor.PASSES * work.parameters / (lengths.sentences * lengths.target)
        least = machine.floor(work.training(lengths), moved, bf16=training["precision"] == "bf16")

        def run(settings: TrainSettings = settings) -> float:
            batches = random_batches(vocabulary, lengths) if corpus is None else corpus_batches(corpus, settings)
            return updates(settings, vocabulary, batches, device, int(options["updates"]))

        rate = row(way, run, least, baseline, device, settings.training.graphs)
        baseline = baseline or rate
    print()


def budget(lengths: floor.Lengths) -> int:
    """That the rows of random batches, all of one length, are as many with graphs as without."""
    return lengths.sentences * rounded_up(round(max(lengths.source, lengths.target)), WIDTHS)


def random_batches(vocabulary: int, lengths: floor.Lengths) -> list[Batch]:
    draw = np.random.default_rng(1)
    return [make_batch(*(draw.integers(EOS + 1, vocabulary, (lengths.sentences, round(length) - 1))
                         for length in (lengths.source, lengths.target)), range(lengths.sentences)) for _ in range(2)]


def corpus_batches(corpus: PackedCorpus, settings: TrainSettings) -> list[Batch]:
    return TrainingBatches(corpus.split("train"), budget=BATCH_PIECES, max_pieces=settings.training.max_pieces, seed=1,
                           multiple=WIDTHS if settings.training.graphs else 1).chunk(0, 0)[:BATCHES]


def updates(settings: TrainSettings, vocabulary: int, batches: list[Batch], device: torch.device, count: int) -> float:
    """Target pieces a second over `count` updates."""
    torch.manual_seed(1)
    model = build_model(settings, vocabulary, vocabulary).to(device).train()
    gradients = build_gradients(model, settings, ProcessGroup(), device)
    optimizer = build_optimizer(model, settings.optimizer)

    def update(number: int, batch: Batch) -> None:
        torch.manual_seed(number)
        gradients(batch)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    for number, batch in enumerate(batches):
        update(number, batch)
    taken = list(itertools.islice(itertools.cycle(batches), count))
    return sum(batch.pieces for batch in taken) / timed(lambda: [update(*each) for each in enumerate(taken)], device)


def translate(name: str, options: dict[str, str], device: torch.device, machine: floor.Machine) -> None:
    """The table of greedy search and beam 5."""
    written, vocabulary, lengths = network(name, options["small"] == "true")
    settings, pieces = read_settings(TrainSettings, written), round(lengths.target)
    print(f"Translation, {name}, random weights, {lengths.sentences} sentences of {pieces} pieces at once:\n")
    print("| | target pieces/s | ratio | share of the floor | peak MiB |\n|---|---|---|---|---|", flush=True)
    work = floor.count(settings, vocabulary, lengths)
    sources = random_batches(vocabulary, lengths)[0].source[:, :-1].tolist()
    for kind, title, hypotheses in ((SearchKind.GREEDY, "greedy", 1), (SearchKind.BEAM, "beam 5", 5)):
        search = SearchSettings(kind=kind, min_length=pieces, max_length=pieces, batch_pieces=10**9)
        baseline = None
        for way, (bf16, graphs) in SEARCH.items():
            moved = (2 if bf16 else 4) * work.of_decoder / lengths.sentences
            least = machine.floor(work.search(lengths, hypotheses), moved, bf16=bf16)

            def run(search: SearchSettings = search, bf16: bool = bf16, graphs: bool = graphs) -> float:
                torch.manual_seed(1)
                model: Any = ForSearch(build_model(settings, vocabulary, vocabulary).to(device).eval(), bf16=bf16)
                if graphs:
                    model = GraphedSearch(model, cuda_recorder(device, "graphs"))
                return searches(model, sources, search, device, int(options["times"]))

            rate = row(f"{title}, {way}", run, least, baseline, device, graphs)
            baseline = baseline or rate
    print()


def searches(model: Any, sources: list[list[int]], search: SearchSettings, device: torch.device, times: int) -> float:
    """Target pieces of the best translations (EOS counted) a second, of the fastest of `times`."""
    found = translate_ids(model, sources, search, device)  # kernels are chosen, graphs recorded
    seconds = min(timed(lambda: translate_ids(model, sources, search, device), device) for _ in range(times))
    return sum(len(one[0].pieces) + 1 for one in found) / seconds


def row(way: str, run: Callable[[], float], least: float, baseline: float | None, device: torch.device,
        graphs: bool) -> float | None:
    """Prints one; returns pieces a second. `least`: seconds of a piece."""
    cuda = device.type == "cuda"
    if graphs and not cuda:
        print(f"| {way} | needs CUDA | | | |")
        return None
    gc.collect()
    if cuda:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    try:
        rate = run()
    except (UserError, RuntimeError) as error:  # the device's too: the other rows are to come
        print(f"| {way} | {str(error).splitlines()[0]} | | | |", flush=True)
        return None
    peak = f"{torch.cuda.max_memory_reserved(device) / 2**20:,.0f}" if cuda else ""
    print(f"| {way} | {rate:,.0f} | {rate / (baseline or rate):.2f} | {rate * least:.2f} | {peak} |", flush=True)
    return rate


def timed(work: Callable[[], Any], device: torch.device) -> float:
    """Seconds. The device is waited for at both ends and nowhere else."""
    wait(device)
    start = time.perf_counter()
    work()
    wait(device)
    return time.perf_counter() - start


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


if __name__ == "__main__":
    main()
