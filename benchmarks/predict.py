"""Time, memory and cost of corpora and machines that were not at hand, computed from named constants.

    python benchmarks/predict.py
    python benchmarks/predict.py price=2 memory=141e9 memory_rate=4.8e12        # an H200
    python benchmarks/predict.py reader=1.2e6                                   # what another reader would change

Prints the constants with where they come from, then a table for every step; docs/scaling.md explains them. Each can be
given anew as name=value. What is predicted was not run. Operations and parameters are counted by floor.py. An update
on n GPUs, of P target pieces on each, takes

    max(products, recurrent steps, host) + optimizer + all-reduce,     or batches + order, where that is longer

    products         P * operations of a piece / (share * share_here * peak)
    recurrent steps  3 * (source steps + target steps, of all layers) * step        forwards once, backwards twice
    host             host_update                                what starts the kernels
    optimizer        PASSES * 4 bytes * parameters / memory_rate
    all-reduce       2 (n - 1) / n * 4 bytes * parameters / (link, or network where n is more than one machine holds)
    batches          n P / reader                               for all n P pieces, by one thread of every process
    order            n P / pieces * order                   by the same thread, once an epoch
"""

from __future__ import annotations

import dataclasses
import math
import sys
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import floor
from constants import CONSTANTS, GIVEN

from data_prep.prepare import SHARDS
from seq2seq.models.output import BLOCK_LOGITS_CUDA
from seq2seq.settings.model import NetworkSettings, ScoreKind
from seq2seq.settings.search import SearchSettings

GPUS, CORES = (1, 8, 64), (2, 16, 128)
MACHINE = 8            # GPUs of one machine
OWN, CAST = 16, 2      # bytes a parameter: weight, gradient and two moments in fp32; the weight in bf16
IN_MEMORY = 24         # bytes a pair in every process: two lengths (int32), its number, the order (int64)
READER = ("batches", "order")  # what the thread that reads does
OFFSETS = 16           # bytes a pair: where its text and its pieces begin, on both sides


@dataclasses.dataclass(frozen=True)
class Corpus:
    name: str
    pairs: float
    epochs: float


@dataclasses.dataclass(frozen=True)
class Network:
    """The counts of floor.py for sentences of the assumed length."""

    name: str
    settings: NetworkSettings
    counted: floor.Count
    lengths: floor.Lengths

    @classmethod
    def of(cls, name: str, known: SimpleNamespace) -> Network:
        settings, _, lengths = floor.settings_of(name)
        lengths = floor.Lengths(known.pieces, known.pieces, lengths.sentences)
        return cls(name, settings, floor.count(settings, int(known.vocabulary), lengths), lengths)

    @property
    def steps(self) -> float:
        """Recurrent steps of a forward pass, one after the other."""
        model = self.settings.model
        return (self.lengths.source * model.encoder_layers * (2 if model.bidirectional else 1)
                + self.lengths.target * model.decoder_layers)

    @property
    def activations(self) -> float:
        """Bytes kept for the backward pass for each target piece, in bf16, counted by hand: gates, state, memory and
        input of every layer on both sides; tanh(q + k) of the additive score, and its gradient; embeddings, readout.
        """
        model, gates = self.settings.model, floor.GATES[self.settings.cell.kind]
        layers = (gates + 3) * model.hidden * (model.encoder_layers + model.decoder_layers)
        additive = 2 * self.lengths.source * model.hidden * (self.settings.attention.score is ScoreKind.ADDITIVE)
        return 2 * (layers + additive + 6 * model.embedding)

    @property
    def fixed(self) -> float:
        """Bytes on a GPU whatever the batch: parameters, and a block of logits (fp32, with its copies in bf16)."""
        return (OWN + CAST) * self.counted.parameters + 8 * BLOCK_LOGITS_CUDA


def share(known: SimpleNamespace) -> float:
    """Of the peak of an A100, by our count of operations; the mark counts the tokens of both sides."""
    settings, vocabulary, lengths = floor.settings_of("gnmt")
    return known.mark / 2 * floor.count(settings, vocabulary, lengths).training(lengths) / known.mark_peak


def pieces_of_one(gpus: int, known: SimpleNamespace) -> float:
    """Target pieces of an update on each GPU."""
    return min(known.pieces_of_gpu, known.largest_batch / max(gpus, 1))


def update(network: Network, corpus: Corpus, gpus: int, known: SimpleNamespace, reader: float) -> dict[str, float]:
    """Seconds of every part of an update; gpus=0: on the processor that was measured."""
    pieces = pieces_of_one(gpus, known)
    products, bytes_ = pieces * network.counted.training(network.lengths), 4 * network.counted.parameters
    everything = pieces * max(gpus, 1)
    found = {"batches": everything / reader,
             "order": everything / known.pieces * known.order}
    if not gpus:
        return found | {"products": products / known.cpu_training}
    wire = known.link if gpus <= MACHINE else known.network
    return found | {
        "products": products / (share(known) * known.share_here * known.peak),
        "recurrent steps": 3 * network.steps * known.step,
        "host": known.host_update,
        "optimizer": floor.PASSES * bytes_ / known.memory_rate,
        "all-reduce": 2 * (gpus - 1) / gpus * bytes_ / wire}


def seconds_of_update(parts: dict[str, float]) -> tuple[float, float]:
    """By the network, and with the reader."""
    beside = max(parts.get(name, 0) for name in ("products", "recurrent steps", "host"))
    own = beside + parts.get("optimizer", 0) + parts.get("all-reduce", 0)
    return own, max(own, sum(parts[name] for name in READER))


def bottlenecks(parts: dict[str, float]) -> str:
    """The first, and where that is the reader's the first of the network."""
    own, both = seconds_of_update(parts)
    slowest = longest({name: value for name, value in parts.items() if name not in READER})
    return f"{longest({name: parts[name] for name in READER})}, then {slowest}" if both > own else slowest


def longest(parts: dict[str, float]) -> str:
    return max(parts, key=lambda name: parts[name])


def training(networks: list[Network], corpora: list[Corpus], known: SimpleNamespace) -> None:
    """As the program stands, and as the network alone would go."""
    print("\n| network | corpus, epochs | on | pieces/s | time | GPU-hours | USD | first bottleneck | "
          "network alone, pieces/s | time | GPU-hours | USD | with subword sampling, pieces/s |")
    print("|---" * 13 + "|")
    for network in networks:
        for corpus in corpora:
            for gpus in (0, *GPUS):
                parts = update(network, corpus, gpus, known, known.reader)
                sampled = update(network, corpus, gpus, known, known.reader_sampling)
                pieces = max(gpus, 1) * pieces_of_one(gpus, known)
                alone, both = seconds_of_update(parts)
                updates = corpus.pairs * corpus.epochs * known.pieces / pieces
                print(f"| {network.name} | {corpus.name}, {corpus.epochs:g} | {on(gpus)} | {pieces / both:,.0f} | "
                      f"{costs(updates * both, gpus, known)} | {bottlenecks(parts)} | {pieces / alone:,.0f} | "
                      f"{costs(updates * alone, gpus, known)} | {pieces / seconds_of_update(sampled)[1]:,.0f} |")


def parts_of_updates(networks: list[Network], corpora: list[Corpus], known: SimpleNamespace) -> None:
    names = ("products", "recurrent steps", "host", "optimizer", "all-reduce", *READER)
    print(f"\n| network | corpus | on | {', ms | '.join(names)}, ms |")
    print("|---" * (3 + len(names)) + "|")
    for network in networks:
        for corpus in corpora:
            for gpus in GPUS:
                parts = update(network, corpus, gpus, known, known.reader)
                cells = " | ".join(f"{1000 * parts[name]:.1f}" for name in names)
                print(f"| {network.name} | {corpus.name} | {on(gpus)} | {cells} |")


def memory(networks: list[Network], known: SimpleNamespace) -> None:
    print("\n| network | parameters | training, MFLOP a piece | a GPU: fixed, GB | KB a target piece | "
          "target pieces that fit | gradients, MB |")
    print("|---" * 7 + "|")
    for network in networks:
        count, fits = network.counted, (known.usable * known.memory - network.fixed) / network.activations
        print(f"| {network.name} | {count.parameters:,} | {count.training(network.lengths) / 1e6:.1f} | "
              f"{network.fixed / 1e9:.1f} | {network.activations / 1e3:.0f} | {fits:,.0f} | "
              f"{4 * count.parameters / 1e6:.0f} |")


def preparation(corpora: list[Corpus], known: SimpleNamespace) -> None:
    print("\n| corpus | cores | passes over the text | duplicates | by one process | all | memory, GB | disk, GB | "
          "first bottleneck |")
    print("|---" * 9 + "|")
    for corpus in corpora:
        packed = corpus.pairs * (known.text + 8 * (known.pieces - 1) + OFFSETS)
        for cores in CORES:
            # One process hashes the raw text at the start and sums the packed files at the end.
            alone = (packed + corpus.pairs * known.text) / known.disk
            parts = {"passes over the text": (corpus.pairs * known.pieces / known.prepare_pieces
                                              / (known.prepare * min(cores, SHARDS))),
                     "duplicates": corpus.pairs * known.duplicates, "by one process": alone}
            used = cores * known.worker + corpus.pairs * known.duplicates_memory
            disk = packed + corpus.pairs * known.text
            cells = " | ".join(map(span, (*parts.values(), sum(parts.values()))))
            print(f"| {corpus.name} | {cores} | {cells} | {used / 1e9:.1f} | {disk / 1e9:.1f} | "
                  f"{longest(parts)} |")
    print("\n| corpus | packed, GB | a training process holds, GB | 8 of them, GB | its check at the start |")
    print("|---" * 5 + "|")
    for corpus in corpora:
        packed = corpus.pairs * (known.text + 8 * (known.pieces - 1) + OFFSETS)
        held = IN_MEMORY * corpus.pairs
        print(f"| {corpus.name} | {packed / 1e9:.1f} | {held / 1e9:.2f} | {MACHINE * held / 1e9:.1f} | "
              f"{span(packed / known.disk)} |")


def search(network: Network, sentences: float, hypotheses: int, gpus: int, known: SimpleNamespace
           ) -> dict[str, float]:
    """Seconds of a sentence; on the processor that was measured where gpus is 0."""
    operations = known.pieces * network.counted.search(network.lengths, hypotheses)
    text = 1 / known.into_pieces + 1 / known.and_back
    if not gpus:
        return {"products": operations / known.cpu_search, "text": text}
    host = known.longest * known.pieces * known.host_step / sentences
    return {"products": operations / (known.search_share * known.search_peak) / gpus, "host": host / gpus,
            "text": text / gpus}


def translation(networks: list[Network], corpora: list[Corpus], known: SimpleNamespace) -> None:
    print("\n| network | search | on | sentences/s | "
          + " | ".join(f"{corpus.name} | GPU-hours | USD" for corpus in corpora) + " | first bottleneck |")
    print("|---" * (5 + 3 * len(corpora)) + "|")
    for network in networks:
        for name, hypotheses in (("greedy", 1), ("beam 5", 5)):
            for gpus in (0, *GPUS):
                parts = search(network, known.search_sentences, hypotheses, gpus, known)
                # A device works while the processor goes on to its next operator: the longer of the two counts.
                taken = max(parts["products"], parts.get("host", 0)) + parts["text"]
                cells = [costs(corpus.pairs * taken, gpus, known) for corpus in corpora]
                print(f"| {network.name} | {name} | {on(gpus)} | {1 / taken:,.0f} | {' | '.join(cells)} | "
                      f"{longest(parts)} |")


def validation(networks: list[Network], known: SimpleNamespace) -> None:
    print("\n| network | on | a validation | first bottleneck |\n|---|---|---|---|")
    size = SearchSettings().batch_pieces / known.pieces  # sentences of a batch: nobody sets it for a validation
    for network in networks:
        for gpus in (0, *GPUS):
            own = math.ceil(known.valid_pairs / max(gpus, 1))
            parts = search(network, min(own, size), 1, min(gpus, 1), known)
            print(f"| {network.name} | {on(gpus)} | {span(own * max(parts.values()) + known.bleu)} | "
                  f"{longest(parts) if own * max(parts.values()) > known.bleu else 'BLEU'} |")


def costs(seconds: float, gpus: int, known: SimpleNamespace) -> str:
    """Three cells: time, GPU-hours, money."""
    hours = gpus * seconds / 3600
    return f"{span(seconds)} | {hours:,.1f} | {hours * known.price:,.0f}" if gpus else f"{span(seconds)} | |"


def on(gpus: int) -> str:
    return f"{gpus} GPU{'s' if gpus > 1 else ''}" if gpus else "2 cores, fp32"


def span(seconds: float) -> str:
    for size, name in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:,.1f} {name}"
    return f"{seconds:.1f} s"


def main() -> None:
    given = dict(word.split("=", 1) for word in sys.argv[1:] if "=" in word)
    if unknown := [word for word in sys.argv[1:] if word.partition("=")[0] not in CONSTANTS or "=" not in word]:
        sys.exit(f"no such constant: {' '.join(unknown)}. There are: {', '.join(CONSTANTS)}")
    known = SimpleNamespace(**{name: float(given.get(name, one.value)) for name, one in CONSTANTS.items()})
    print("| constant | value | | what |\n|---|---|---|---|")
    for name, one in CONSTANTS.items():
        print(f"| {name} | {getattr(known, name):.6g} | {GIVEN if name in given else one.origin} | {one.meaning} |")
    print(f"| | {share(known):.3f} | computed | share of an A100's peak at the mark, by our count of operations |")
    corpora = [Corpus("WMT14 en-de", known.wmt_pairs, known.wmt_epochs),
               Corpus("300 million", known.large_pairs, known.large_epochs)]
    networks = [Network.of(name, known) for name in floor.NETWORKS]
    memory(networks, known)
    preparation(corpora, known)
    parts_of_updates(networks, corpora, known)
    training(networks, corpora, known)
    validation(networks, known)
    translation(networks, corpora, known)


if __name__ == "__main__":
    main()
