"""What n-best re-ranking costs, against a beam of five without it: the settings rerank.* (settings/reranking.py).

    python benchmarks/ranking_speed.py run=runs/m30k backward=runs/back forward=runs/leftwards
    python benchmarks/ranking_speed.py run=runs/m30k forward=runs/leftwards sentences=400 threads=1 times=3 beam_size=20
    python benchmarks/ranking_speed.py run=runs/both_ends second_decoder=true

Translates the first `sentences` of the test split of the run's corpus (corpus=FOLDER: of another): seconds of the
fastest of `times`, the ways in turns, loading not counted; their ratio to the first row; BLEU. With one thread the
seconds are the processor's own, so that other work on the machine counts for little.
"""

from __future__ import annotations

import functools
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(ROOT / "benchmarks"))

WAYS = [("backward",), ("forward",), ("forward", "backward"), ("forward", "search"), ("forward", "search", "backward"),
        ("second_decoder",), ("second_decoder", "search")]


def main() -> None:
    options = {"run": "", "corpus": "", "backward": "", "forward": "", "second_decoder": "", "sentences": "200",
               "threads": "1", "times": "2", "beam_size": "10"}
    for word in sys.argv[1:]:
        name, _, value = word.partition("=")
        if name not in options:
            sys.exit(f"{word}: there is no {name}=. There are {', '.join(f'{option}=' for option in options)}.")
        options[name] = value
    if not options["run"] or not any(options[name] for name in ("backward", "forward", "second_decoder")):
        sys.exit("Give a trained run, and what re-ranks: run=RUN backward=RUN forward=RUN second_decoder=true")
    import torch
    from timing import clock_for, fastest

    from seq2seq import Translator
    from seq2seq.commands.malloc import keep_freed_memory
    from seq2seq.corpus.packed import PackedCorpus
    from seq2seq.scoring import bleu
    from seq2seq.scoring_units import tokenizer_for

    torch.set_num_threads(int(options["threads"]))
    keep_freed_memory()
    given = {"backward": options["backward"], "forward": options["forward"],
             "second_decoder": options["second_decoder"] == "true", "search": True}
    wide = int(options["beam_size"])
    load = functools.partial(Translator.load, options["run"], "cpu")
    translators = {"beam 5": load(beam_size=5), f"beam {wide}": load(beam_size=wide)}
    for way in WAYS:
        if all(given[name] for name in way):
            rerank = {name: given[name] for name in way}
            translators[f"beam {wide}, {', '.join(way)}"] = load(beam_size=wide, rerank=rerank)
    corpus = PackedCorpus.open(options["corpus"] or translators["beam 5"].bundles[0].info["corpus"]["folder"])
    sources, references = (side[: int(options["sentences"])] for side in corpus.split("test").text())
    found: dict[str, list[str]] = {}

    def translate(name: str) -> None:
        found[name] = translators[name].translate(sources)

    seconds = fastest(*(functools.partial(translate, name) for name in translators), times=int(options["times"]),
                      clock=clock_for(cuda=False))
    print(f"{len(sources)} sentences, {options['threads']} threads\n")
    print("| search | seconds | ratio | BLEU |\n|---|---|---|---|")
    for name, taken in zip(translators, seconds, strict=True):
        score = bleu(found[name], references, 0, tokenizer_for(corpus.languages[1], references))
        print(f"| {name} | {taken:.1f} | {taken / seconds[0]:.1f} | {score.value:.2f} |")


if __name__ == "__main__":
    main()
