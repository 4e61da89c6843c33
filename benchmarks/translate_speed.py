"""How fast a trained model translates the test split of its corpus, and how near that is to what the machine allows.

    python benchmarks/translate_speed.py run=runs/m30k
    python benchmarks/translate_speed.py run=runs/m30k threads=1 precision=int8 pieces=1000,3000 times=5

Prints, for greedy search and beam 5, each precision and each number of source pieces searched at once
(search.batch_pieces): target pieces (EOS counted) and sentences a second, tokenizers counted, loading not; the share of
the floor (floor.py, products in fp32); BLEU.
Ways go in turns, the fastest of `times` counts. Then the latency of one sentence after the other, and the seconds from
the start of translate.py to its first line. What is none of its own options is one of the search: shortlist=20.
"""

from __future__ import annotations

import functools
import itertools
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(ROOT / "benchmarks"))

SINGLE = 300  # sentences translated one by one


def main() -> None:
    options = {"run": "", "corpus": "", "threads": "2", "precision": "fp32,int8", "pieces": "1000,3000,10000",
               "times": "3"}
    import yaml

    words = [word.partition("=") for word in sys.argv[1:]]
    options |= {name: value for name, _, value in words if name in options}
    others = {name: yaml.safe_load(value) for name, _, value in words if name not in options}
    if not options["run"]:
        sys.exit("run= is missing. Give the folder of a trained run: run=runs/NAME")
    import floor
    import torch

    from seq2seq.commands.malloc import keep_freed_memory
    from seq2seq.corpus.packed import PackedCorpus
    from seq2seq.inference.loading import open_bundles
    from seq2seq.settings.device import Device

    torch.set_num_threads(int(options["threads"]))
    keep_freed_memory()
    machine = floor.measure()
    print(machine, "\n")
    (bundle,), _ = open_bundles(options["run"], Device.CPU)
    corpus = PackedCorpus.open(options["corpus"] or bundle.info["corpus"]["folder"])
    sources, references = corpus.split("test").text()
    batch(bundle, sources, references, machine, options, others)
    for precision in options["precision"].split(","):
        alone(bundle, sources, precision, others)
    cold(options["run"], sources[0])


def batch(bundle, sources: Sequence[str], references: Sequence[str], machine, options: dict, others: dict) -> None:
    """The table of throughput."""
    import floor
    from timing import fastest

    from seq2seq import Translator
    from seq2seq.scoring import bleu
    from seq2seq.scoring_units import tokenizer_for
    from seq2seq.settings.device import Precision
    from seq2seq.settings.reading import read_settings
    from seq2seq.settings.search import SearchSettings

    ways = list(itertools.product(("greedy", "beam"), options["precision"].split(","), options["pieces"].split(",")))
    searches = {way: read_settings(SearchSettings, {"kind": way[0], "batch_pieces": int(way[2]), **others})
                for way in ways}
    translators = {way: Translator([bundle], searches[way], precision=Precision(way[1])) for way in ways}
    found: dict = {}

    def translate(way: tuple[str, str, str]) -> None:
        found[way] = translators[way].translate_lines(sources)

    seconds = dict(zip(ways, fastest(*(functools.partial(translate, way) for way in ways),
                                     times=int(options["times"])), strict=True))
    print("| search | precision | source pieces at once | pieces/s | sentences/s | share of the floor | BLEU |")
    print("|---|---|---|---|---|---|---|")
    for way in ways:
        translations = found[way]
        pieces = sum(len(one.candidates[0].pieces) + 1 for one in translations)
        lengths = floor.Lengths(sum(len(one.source_pieces) for one in translations) / len(translations),
                                pieces / len(translations), len(translations))
        work = floor.count(bundle.settings, len(bundle.target_tokenizer), lengths)
        hypotheses = 1 if way[0] == "greedy" else searches[way].beam_size
        least = machine.floor(work.search(lengths, hypotheses), 0) * pieces
        score = bleu([one.text for one in translations], references, 0, tokenizer_for(bundle.languages[1], references))
        print(f"| {' | '.join(way)} | {pieces / seconds[way]:,.0f} | {len(sources) / seconds[way]:,.0f} | "
              f"{least / seconds[way]:.2f} | {score.value:.2f} |", flush=True)


def alone(bundle, sources: Sequence[str], precision: str, others: dict) -> None:
    """Latency of single sentences, beam 5, the model loaded."""
    from seq2seq import Translator
    from seq2seq.settings.device import Precision
    from seq2seq.settings.reading import read_settings
    from seq2seq.settings.search import SearchSettings

    translator = Translator([bundle], read_settings(SearchSettings, others), precision=Precision(precision))
    taken = []
    for source in sources[:SINGLE]:
        start = time.perf_counter()
        translator.translate([source])
        taken.append(1000 * (time.perf_counter() - start))
    cuts = statistics.quantiles(taken, n=100)
    print(f"\none sentence, beam 5, {precision}: median {cuts[49]:.1f} ms, 99th percentile {cuts[98]:.1f} ms")


def cold(run: str, source: str) -> None:
    """From the start of the command to its first line."""
    taken = []
    for _ in range(3):
        start = time.perf_counter()
        subprocess.run([sys.executable, str(ROOT / "translate.py"), f"run={run}"], input=source + "\n", text=True,
                       check=True, capture_output=True)
        taken.append(time.perf_counter() - start)
    print(f"translate.py, one line, from start to end: {min(taken):.1f} s (fastest of {len(taken)})")


if __name__ == "__main__":
    main()
