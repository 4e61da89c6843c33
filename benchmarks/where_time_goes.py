"""Where the time of a training step and of a decoder step goes, part by part.

    python benchmarks/where_time_goes.py --threads 2
    python benchmarks/where_time_goes.py --only search --precision int8 --shortlist 20
    python benchmarks/where_time_goes.py --only search --sentences 1 --hidden 64     # what a step costs beside products

The reference model of floor.py with random weights, on sentences of its mean length: an update of the weights, and a
search whose figures are divided by its steps. A part has the time of the operators that run inside it, forwards, and
of the nodes by which autograd takes these back: see attribution.py. The loss forms its gradients forwards
(models/losses/cross_entropy.py), so its backward pass is next to nothing. Profiling costs time, more where operators
are small: the head of each table tells a step without and with it; shares are of the step with it. GFLOP are those of
the products; their rate is compared with that of one large product in the format that the step runs in. `rest` of an
update is padding masks, the bridge, sums of gradients. Shortlists are drawn at random: in a learnt one more pieces
are the same."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import floor
import synthetic
from attribution import REST, Profile, Spent, name_part, operations_of_parts, part, seconds_of_parts
from timing import fastest

import seq2seq.models.encoder_decoder
from seq2seq.commands.malloc import keep_freed_memory
from seq2seq.corpus.shortlist import Shortlist
from seq2seq.models.encoder_decoder import EncoderDecoder
from seq2seq.models.fast import one_layer_step
from seq2seq.models.fast.search_model import ForSearch
from seq2seq.search.decode import translate_ids
from seq2seq.settings.device import Precision

SOURCE, TARGET = round(synthetic.LENGTHS.source), round(synthetic.LENGTHS.target)  # pieces, EOS counted
VOCABULARY = floor.NETWORKS["reference"][1]
FREQUENT = 100  # pieces that every shortlist of data_prep holds


def training_step(options: argparse.Namespace, machine: floor.Machine) -> None:
    """The table of an update."""
    precision = synthetic.precision(machine)
    trainer = synthetic.Trainer(_network(options), precision)
    model, one = trainer.model, synthetic.batch(options.sentences, SOURCE, TARGET, options.vocabulary)
    name_part(model.embed, "forward", "embedding")
    name_part(model.encoder, "forward", "encoder recurrence")
    for cell in model.decoder.cells:
        name_part(cell, "sequence", "decoder recurrence")
    _name_attention_and_readout(model.decoder)
    name_part(seq2seq.models.encoder_decoder, "output_loss", "output layer and loss")

    def work() -> None:
        trainer.update(one, part)

    found, alone = _measured(work, options)
    title = f"An update of {options.sentences} sentences of {SOURCE} and {TARGET} pieces in {precision.value}"
    show(title, found, operations_of_parts(work), alone, 1, _rate(machine, options, precision is Precision.BF16))


def search_step(options: argparse.Namespace, machine: floor.Machine) -> None:
    """The table of a step of the decoder."""
    model = _network(options).eval()
    search = synthetic.search_settings(options.kind, TARGET, options.sentences * SOURCE)
    source = synthetic.sentences(options.sentences, SOURCE, options.vocabulary)

    def searching(int8: bool) -> Callable[[], object]:
        """Another copy of the decoder for each."""
        searchable = ForSearch(model, int8=int8, shortlist=_shortlist(options), best=options.shortlist)
        _name_parts_of_search(searchable, "candidates" if options.shortlist else "output layer")
        return lambda: translate_ids(searchable, source, search, options.device)

    int8 = options.precision == "int8"
    found, alone = _measured(searching(int8), options)
    # Products in eight bits have the shapes of those in fp32.
    operations = operations_of_parts(searching(int8=False))
    width = "" if options.kind == "greedy" else f", beam {search.beam_size}"
    title = (f"A step of {options.kind} search{width}, {options.sentences} sentences of {SOURCE} pieces, "
             f"{options.precision}" + (f", shortlist {options.shortlist}" if options.shortlist else ""))
    show(title, found, operations, alone, TARGET, _rate(machine, options), whole="search bookkeeping")


def _name_parts_of_search(searchable: ForSearch, output: str) -> None:
    name_part(searchable, "encode", "encoder, once for all steps")
    name_part(searchable, "start", "encoder, once for all steps")
    name_part(searchable, "step", output)  # what no part inside it has
    steps = searchable.steps
    assert steps is not None  # the reference model's decoder has one layer
    name_part(steps, "step", "decoder, between its parts")
    name_part(steps, "of_state", "products of the state")
    name_part(steps, "of_previous", "embedding, by a table")
    name_part(one_layer_step, "step_from_gates", "recurrence, without its product")
    name_part(steps.attention, "weights", "attention")
    name_part(steps.readout, "bend", "readout, without its product")


def _name_attention_and_readout(decoder: torch.nn.Module) -> None:
    name_part(decoder.attention, "keys_and_values", "attention")
    name_part(decoder.attention, "forward", "attention")
    name_part(decoder.readout, "forward", "readout")


def _network(options: argparse.Namespace) -> EncoderDecoder:
    settings = synthetic.settings(options.hidden, options.score)
    return synthetic.network(settings, options.vocabulary, options.device)


def _shortlist(options: argparse.Namespace) -> Shortlist | None:
    if not options.shortlist:
        return None
    drawn = np.random.default_rng(1).integers(options.vocabulary, size=(options.vocabulary, options.shortlist))
    return Shortlist(np.arange(4, 4 + FREQUENT, dtype=np.int32), drawn.astype(np.int32))


def _rate(machine: floor.Machine, options: argparse.Namespace, bf16: bool = False) -> float:
    """Of a product: the faster of before and after what was profiled."""
    after = floor.rate_of_product(torch.bfloat16 if bf16 else torch.float32, options.device)
    return max(after, machine.rate_bf16 if bf16 else machine.rate)


def _measured(work: Callable[[], object], options: argparse.Namespace) -> tuple[Profile, float]:
    """The profile, and the seconds without it; the first call warms up."""
    cuda = options.device == "cuda"
    work()
    (alone,) = fastest(work, times=options.times, cuda=cuda)
    return seconds_of_parts(work, options.times, cuda), alone


def show(title: str, found: Profile, operations: dict[str, Spent], alone: float, steps: int, rate: float,
         whole: str = REST) -> None:
    """A table of milliseconds and operations a step, and the operators; `whole` is the name of the rest."""
    backwards = any(spent.backward for spent in found.parts.values())
    print(f"\n{title}: {1000 * alone / steps:.2f} ms, with the profiler {1000 * found.seconds / steps:.2f} ms\n")
    columns = ["part", "ms", *(["forward", "backward"] if backwards else []), "share", "GFLOP", "GFLOP/s",
               "of a product's rate"]
    print(f"| {' | '.join(columns)} |")
    print("|---" * len(columns) + "|")
    rows: list[tuple[str, Spent, Spent]] = [
        (whole if name == REST else name, spent, operations.get(name, Spent())) for name, spent in found.parts.items()]
    rows.sort(key=lambda row: -row[1].total)
    rows.append(("all", _sum(found.parts.values()), _sum(operations.values())))
    for name, spent, work in rows:
        cells = [spent.total, spent.forward, spent.backward] if backwards else [spent.total]
        reached = work.total / spent.total
        products = (f"{1e-9 * work.total / steps:.3f} | {1e-9 * reached:.1f} | {reached / rate:.2f}"
                    if work.total else " | | ")
        print(f"| {name} | {' | '.join(f'{1000 * cell / steps:.2f}' for cell in cells)} | "
              f"{100 * spent.total / found.seconds:.1f} % | {products} |")
    print("\n| operator | calls | ms | share |\n|---|---|---|---|")
    for name, calls, seconds in found.operators[:10]:
        print(f"| {name} | {calls / steps:.0f} | {1000 * seconds / steps:.2f} | "
              f"{100 * seconds / found.seconds:.1f} % |")


def _sum(parts: Iterable[Spent]) -> Spent:
    return Spent(*map(sum, zip(*parts, strict=True)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=["training", "search"])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--score", choices=["additive", "dot", "general"], default="additive", help="of the attention")
    parser.add_argument("--hidden", type=int, default=512)
    parser.add_argument("--sentences", type=int, default=synthetic.LENGTHS.sentences)
    parser.add_argument("--kind", choices=["beam", "greedy"], default="beam", help="of the search")
    parser.add_argument("--precision", choices=["fp32", "int8"], default="fp32", help="of the search")
    parser.add_argument("--shortlist", type=int, default=0, help="of the search: translations of each source piece")
    parser.add_argument("--times", type=int, default=5, help="the fastest of so many")
    parser.add_argument("--quick", action="store_true", help="a small network, once: only to see that all runs")
    options = parser.parse_args()
    options.vocabulary = VOCABULARY
    if options.quick:
        options.hidden, options.sentences, options.times, options.vocabulary = 32, 4, 1, 500
    torch.set_num_threads(options.threads)
    keep_freed_memory()
    machine = floor.measure(options.device)
    print(machine)
    for name, step in (("training", training_step), ("search", search_step)):
        if options.only in (None, name):
            step(options, machine)


if __name__ == "__main__":
    main()
