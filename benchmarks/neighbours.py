"""What nearest neighbours are worth to a model (neighbours.corpus=), before anything is translated: the perplexity of
the validation split by weight and temperature.

    python benchmarks/neighbours.py run=runs/m30k corpus=data/m30k
    python benchmarks/neighbours.py run=runs/m30k corpus=data/m30k count=256 probes=0 sentences=200 threads=2

The table is Markdown, on standard output; the first column is the model alone. The neighbours are looked up once for
all of it.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

WEIGHTS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
TEMPERATURES = (0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.12, 0.16)


def main() -> None:
    options = {"run": "", "corpus": "", "count": "64", "probes": "16", "sentences": "", "threads": "1"}
    for word in sys.argv[1:]:
        name, _, value = word.partition("=")
        if name not in options:
            sys.exit(f"{word}: there is no {name}=. There are {', '.join(f'{option}=' for option in options)}.")
        options[name] = value
    if not options["run"] or not options["corpus"]:
        sys.exit("Give a trained run and the corpus that is looked up: run=RUN corpus=CORPUS")
    import torch

    from seq2seq.batches import valid_batches
    from seq2seq.bundle import load_bundle
    from seq2seq.corpus import PackedCorpus
    from seq2seq.models.encoder_decoder import EncoderDecoder
    from seq2seq.neighbours import open_neighbours
    from seq2seq.settings.neighbours import NeighbourSettings
    from seq2seq.tokenizer import PAD

    torch.set_num_threads(int(options["threads"]))
    bundle = load_bundle(Path(options["run"]))
    assert isinstance(bundle.model, EncoderDecoder)
    count = int(options["count"])
    settings = NeighbourSettings(corpus=options["corpus"], count=count, probes=int(options["probes"]))
    (beside,) = open_neighbours(settings, [bundle], torch.device("cpu"))
    split = PackedCorpus.open(options["corpus"]).split("valid")
    own, distances, right = [], [], []
    with torch.inference_mode():
        for batch in valid_batches(split, 2000, first=int(options["sentences"]) if options["sentences"] else None):
            written = bundle.model.as_written(batch)
            real = written.target_out != PAD
            found = beside.cells.nearest(bundle.model.readouts(written)[real], count)
            own.append(bundle.model.log_probabilities(batch)[real])
            distances.append(found.distances)
            right.append(beside.pieces[found.places] == written.target_out[real][:, None])
    p, d, same = torch.cat(own).exp(), torch.cat(distances), torch.cat(right)
    print(f"{len(p)} target pieces, perplexity, {count} neighbours\n")
    print("| temperature | " + " | ".join(f"weight {weight:g}" for weight in WEIGHTS) + " |")
    print("|---" * (len(WEIGHTS) + 1) + "|")
    for temperature in TEMPERATURES:
        told = ((-d / (temperature * beside.spread)).softmax(1) * same).sum(1)
        row = [math.exp(-((1 - weight) * p + weight * told).log().mean()) for weight in WEIGHTS]
        print(f"| {temperature:g} | " + " | ".join(f"{value:.3f}" for value in row) + " |")


if __name__ == "__main__":
    main()
