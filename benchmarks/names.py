"""Names of a given language, character by character (1 to N), against counting: perplexity, and how the samples sound.

    python benchmarks/names.py raw=DIR/all                  # DIR/all.label, DIR/all.text
    python benchmarks/names.py raw=DIR/all seeds=3 work=runs/names training.max_epochs=12

Prepares the corpus, trains a generator for each way to feed x (experiment=surnames; what is not raw=, seeds= or work=
goes to its train.py), and a classifier of names (shape=n_to_1) on the same training names. Prints

    perplexity   per character, the end of the name counted, on the names of the test split
    share        of names, one for every line of the test split, that the classifier gives to the language asked for:
                 drawn from each model, and the test names themselves

The baselines count 3-grams of characters, p(y_t | y_{t-2}, y_{t-1}), with interpolation by Witten & Bell (1991): for
each language by itself, and for each language resting on the 3-grams of all languages.
"""

from __future__ import annotations

import collections
import math
import random
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

FEEDS = [("initial_state", "true"), ("every_step", "true"), ("initial_state", "false"), ("every_step", "false")]
BEGIN, END = "\x02", "\x03"
LONGEST = 60  # characters of a sample
Names = Sequence[tuple[str, str]]  # (language, name)


class Counts:
    """Interpolated n-grams: p(y | h) = (c(h y) + n(h) p(y | shorter h)) / (c(h) + n(h)), n(h) the kinds of y seen."""

    def __init__(self, names: Sequence[str], below: Callable[[str, str], float], shortest: int = 0) -> None:
        """Histories of `shortest` to 2 characters; `below` is what the shortest one rests on."""
        self.after: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
        self.below, self.sizes = below, range(shortest, 3)
        for name in names:
            text = BEGIN * 2 + name + END
            for place in range(2, len(text)):
                for size in self.sizes:
                    self.after[text[place - size : place]][text[place]] += 1

    def probability(self, history: str, character: str) -> float:
        """`history`: two characters, BEGIN before the first."""
        value = self.below(history, character)
        for size in self.sizes:
            seen = self.after.get(history[2 - size :])
            if seen:
                total, kinds = seen.total(), len(seen)
                value = (seen[character] + kinds * value) / (total + kinds)
        return value


def by_counting(train: Names, vocabulary: set[str]) -> dict[str, dict[str, Counts]]:
    """Baseline -> language -> its counts."""
    def uniform(history: str, character: str) -> float:
        return 1 / (len(vocabulary) + 2)  # END, and whatever training has not seen

    of: dict[str, list[str]] = collections.defaultdict(list)
    for language, name in train:
        of[language].append(name)
    every = Counts([name for _, name in train], uniform)
    return {"3-grams of the language": {language: Counts(names, uniform) for language, names in of.items()},
            "3-grams of the language, resting on all":
                {language: Counts(names, every.probability, shortest=2) for language, names in of.items()}}


def perplexity(models: dict[str, Counts], test: Names) -> float:
    """Per character, END counted."""
    nll, count = 0.0, 0
    for language, name in test:
        text = BEGIN * 2 + name + END
        for place in range(2, len(text)):
            nll -= math.log(models[language].probability(text[place - 2 : place], text[place]))
            count += 1
    return math.exp(nll / count)


def sample(model: Counts, characters: Sequence[str], draw: random.Random) -> str:
    text = BEGIN * 2
    while len(text) < LONGEST:
        weights = [model.probability(text[-2:], character) for character in characters]
        character = draw.choices(characters, weights)[0]
        if character == END:
            break
        text += character
    return text[2:]


def command(*words: str) -> None:
    done = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)


def main() -> None:
    options = {"raw": "", "seeds": "3", "work": "runs/names"}
    words = [word.partition("=") for word in sys.argv[1:]]
    options |= {name: value for name, _, value in words if name in options}
    others = [f"{name}={value}" for name, _, value in words if name not in options]
    if not options["raw"]:
        sys.exit("raw= is missing. Give the prefix of two files, PREFIX.label and PREFIX.text: raw=PREFIX")
    work = Path(options["work"]).resolve()
    command("-m", "data_prep", "data=generation", f"data.train={Path(options['raw']).resolve()}",
            f"corpus={work / 'corpus'}")
    splits = export(work / "corpus", work / "raw")
    command("-m", "data_prep", "data=classification", "tokenizer.source.kind=char", f"corpus={work / 'classes'}",
            *(f"data.{split}={work / 'raw' / split}" for split in splits))
    command("train.py", "experiment=sst2", f"corpus={work / 'classes'}", f"run={work / 'classifier'}", "seed=1",
            "training.subword_sampling.source=0", "model.dropout.embedding=0.2", "model.dropout.word=0.05",
            "training.max_epochs=10", "training.threads=1")  # the same judge on every machine with like kernels

    from seq2seq import Predictor, Translator

    classifier, test = Predictor.load(work / "classifier"), splits["test"]

    def share(names: Sequence[str]) -> float:
        given = zip(classifier.predict(names), test, strict=True)
        return 100 * sum(found == language for found, (language, _) in given) / len(test)

    print("| model | seed | perplexity | share of the language asked for | samples |\n|---|---|---|---|---|")
    print(f"| the test names themselves | | | {share([name for _, name in test]):.1f} | |", flush=True)
    vocabulary = {character for _, name in splits["train"] for character in name}
    for title, models in by_counting(splits["train"], vocabulary).items():
        draw = random.Random(1)
        names = [sample(models[language], [*sorted(vocabulary), END], draw) for language, _ in test]
        row(title, "", perplexity(models, test), share(names), names)
    for context, output in FEEDS:
        for seed in range(1, int(options["seeds"]) + 1):
            run = work / f"{context}-{output}-{seed}"
            command("train.py", "experiment=surnames", f"corpus={work / 'corpus'}", f"run={run}", f"seed={seed}",
                    f"feed.context={context}", f"feed.output={output}", *others)
            names = Translator.load(run, kind="sample", seed=seed).translate([language for language, _ in test])
            row(f"feed.context={context} feed.output={output}", str(seed), generated(run), share(names), names)


def generated(run: Path) -> float:
    """Perplexity of the test names, by evaluate.py."""
    import json

    command("evaluate.py", f"run={run}")
    return json.loads((run / "evaluation" / "test.json").read_text(encoding="utf-8"))["perplexity"]


def export(corpus: Path, folder: Path) -> dict[str, list[tuple[str, str]]]:
    """The splits of the generator's corpus, also as files for the classifier's: it must know no test name."""
    from seq2seq.corpus.packed import SPLITS, PackedCorpus

    folder.mkdir(parents=True, exist_ok=True)
    found = {}
    for split in SPLITS:
        languages, names = PackedCorpus.open(corpus).split(split).text()
        found[split] = list(zip(languages, names, strict=True))
        for side, lines in (("label", languages), ("text", names)):
            (folder / f"{split}.{side}").write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return found


def row(title: str, seed: str, value: float, share: float, names: Sequence[str]) -> None:
    print(f"| {title} | {seed} | {value:.3f} | {share:.1f} | {', '.join(names[:4])} |", flush=True)


if __name__ == "__main__":
    main()
