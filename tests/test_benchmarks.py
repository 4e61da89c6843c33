"""The mathematics that the benchmarks bring along."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))

from gradients import KINDS, Remember
from names import BEGIN, END, by_counting, perplexity, sample

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_norms_of_gradients_are_those_of_the_loss(kind):
    """At distance 0 dL/dh_T = V^T (p - onehot); at distance 1 the same through the last step alone."""
    torch.manual_seed(1)
    model, symbols = Remember(kind), torch.randint(8, (3, 6))
    norms = model.gradient_norms(symbols)
    assert all(len(values) == 6 for values in norms.values())
    p = torch.softmax(model(symbols), dim=-1)
    p[range(3), symbols[:, 0]] -= 1
    assert norms["h"][0] == pytest.approx(float((p @ model.output.weight).norm(dim=-1).mean().detach()), rel=1e-5)
    x = torch.nn.functional.one_hot(symbols, 8).float()
    before = model.cell.sequence(x[:, :-1], model.cell.zero_state(x, 3))[:, -1].detach()
    if kind.name.startswith(("rnn", "gru")):
        before.requires_grad_()
        (last,) = model.cell.step(x[:, -1], (before,))
        loss = torch.nn.functional.cross_entropy(model.output(last), symbols[:, 0], reduction="sum")
        (gradient,) = torch.autograd.grad(loss, before)
        assert norms["h"][1] == pytest.approx(float(gradient.norm(dim=-1).mean()), rel=1e-5)


def test_counted_grams_are_distributions_and_learn():
    import random

    train = [("A", "anna"), ("A", "ana"), ("A", "nan"), ("B", "bob"), ("B", "obo")]
    vocabulary = {letter for _, name in train for letter in name}
    for models in by_counting(train, vocabulary).values():
        for history in (BEGIN * 2, BEGIN + "a", "an", "zz"):
            total = sum(models["A"].probability(history, letter) for letter in [*vocabulary, END, "unseen"])
            assert total == pytest.approx(1)
        assert perplexity(models, train) < perplexity(models, [("B", "anna"), ("A", "bob")])
        drawn = [sample(models["A"], [*sorted(vocabulary), END], random.Random(seed)) for seed in range(30)]
        assert sum(set(name) <= set("an") for name in drawn) > 15


@pytest.mark.parametrize(("cell", "context", "score", "heads", "feed", "readout", "layers"), [
    ("gru", "attention", "general", 1, "readout", "luong", 1),
    ("lstm", "attention", "scaled", 2, "upper_layers", "bahdanau", 2),
    ("rnn", "last", "additive", 1, "readout", "luong", 2),
    ("gru", "pooled", "additive", 1, "readout", "bahdanau", 1),
])
@pytest.mark.filterwarnings("ignore:TF32")
def test_counted_operations_and_parameters_are_those_of_the_network(cell, context, score, heads, feed, readout, layers):
    """What torch counts of a forward pass over sentences of one length, and the parameters but for biases."""
    from floor import Lengths, count
    from networks import VOCABULARY, build, network
    from torch.utils.flop_counter import FlopCounterMode

    from seq2seq.corpus.batch import make_batch

    settings = network(cell=cell, context=context, score=score, heads=heads, attention_feed=feed, readout=readout,
                       encoder_layers=layers, decoder_layers=layers)
    model = build(settings)
    sentences, lengths = 3, Lengths(source=7, target=5, sentences=3)
    batch = make_batch([[5] * 6] * sentences, [[6] * 4] * sentences, range(sentences))
    # An LSTM of the other library is one operation, of which torch counts nothing.
    with torch.backends.mkldnn.flags(enabled=False), FlopCounterMode(display=False) as counter, torch.no_grad():
        model(batch)
    found = count(settings, VOCABULARY, lengths)
    expected = 2 * sentences * (found.encoder + lengths.target * (found.step + found.output))
    assert counter.get_total_flops() == pytest.approx(expected, rel=0.01)
    matrices = sum(p.numel() for name, p in model.named_parameters() if p.dim() > 1)
    assert found.parameters == matrices


def test_the_benchmark_of_gpus_runs_through_on_toy_sizes():
    script = Path(__file__).resolve().parent.parent / "benchmarks" / "gpu.py"
    done = subprocess.run([sys.executable, str(script), "device=cpu", "small=true", "updates=2", "times=1"],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = [line for line in done.stdout.splitlines() if line.startswith("| ") and "share" not in line]
    assert len(rows) == 2 * 5 + 2 * 3 and sum("needs CUDA" in line for line in rows) == 2 * 2 + 2
    assert all(float(line.split("|")[2].replace(",", "")) > 0 for line in rows if "needs CUDA" not in line)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
@pytest.mark.parametrize(("words", "said"), [
    ([], "device=cuda: torch finds no CUDA device. Run this where there is one"),
    (["device=tpu"], "device=tpu is not one of: cuda, cpu."),
    (["corpse=a"], "corpse is not an option. The options are: corpus, device,"),
])
def test_the_benchmark_of_gpus_refuses_in_one_line(words, said, capsys, monkeypatch):
    import gpu

    monkeypatch.setattr(sys, "argv", ["gpu.py", *words])
    with pytest.raises(SystemExit) as end:
        gpu.main()
    out, err = capsys.readouterr()
    assert (end.value.code, out) == (2, "") and err.startswith(said) and err.count("\n") == 1


def test_the_benchmark_of_gpus_fills_its_shapes_and_trains_by_graphs(monkeypatch):
    import gpu
    from tape import TapeRecorder, as_on_cuda

    from seq2seq.settings.reading import read_settings
    from seq2seq.settings.training import TrainSettings
    from seq2seq.training import gradients
    from seq2seq.training.graphed_gradients import GraphedGradients

    as_on_cuda(monkeypatch)
    monkeypatch.setattr(gradients, "cuda_recorder", lambda device, setting: TapeRecorder())
    written, vocabulary, lengths = gpu.network("reference", True)
    settings = read_settings(TrainSettings, written | {
        "training": {"graphs": True, "precision": "fp32", "batch_pieces": gpu.budget(lengths)}})
    batches, cpu = gpu.random_batches(vocabulary, lengths), torch.device("cpu")
    shape = GraphedGradients(torch.nn.Linear(1, 1), settings.training, TapeRecorder(), cpu)._shape(batches[0])
    assert shape == (lengths.sentences, 8, 8)
    assert gpu.updates(settings, vocabulary, batches, cpu, 2) > 0


def run(script: str, *options: str) -> list[list[list[str]]]:
    """The tables that a script of benchmarks/ prints: of each its rows, the head first."""
    done = subprocess.run([sys.executable, str(BENCHMARKS / script), *options], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, done.stderr
    tables: list[list[list[str]]] = []
    before = ""
    for line in done.stdout.splitlines():
        if line.startswith("|") and not set(line) <= set("|-"):
            if not before.startswith("|"):
                tables.append([])
            tables[-1].append([cell.strip() for cell in line.strip("|").split("|")])
        before = line
    return tables


def number(cell: str) -> float:
    return float(cell.replace(",", "").removesuffix(" %"))


def test_profile_gives_every_second_and_every_product_to_a_part():
    from floor import Lengths, count
    from synthetic import settings

    training, operators, search, _ = run("where_time_goes.py", "--quick")
    for table, column, parts in ((training, 4, {"encoder recurrence", "decoder recurrence", "attention", "readout",
                                                "output layer and loss", "clipping", "optimizer", "embedding"}),
                                 (search, 2, {"recurrence, without its product", "attention", "products of the state",
                                              "output layer", "search bookkeeping"})):
        rows = {row[0]: row for row in table[1:]}
        assert parts < rows.keys()
        assert all(number(rows[name][column]) > 0 for name in parts)
        assert sum(number(row[column]) for name, row in rows.items() if name != "all") == pytest.approx(100, abs=1)
    assert len(operators) == 1 + 10
    lengths = Lengths(15, 16, 4)
    expected = count(settings(hidden=32), 500, lengths).training(lengths) * 4 * 16
    assert 1e9 * number(training[-1][5]) == pytest.approx(expected, rel=0.05)


def test_curves_have_every_point_and_a_figure(tmp_path):
    figure = tmp_path / "throughput.png"
    (table,) = run("curves.py", "--quick", "--threads", "1", "--times", "1", "--figure", str(figure))
    assert {row[0] for row in table[1:]} == {"length", "sentences", "hidden"}
    assert len(table) == 1 + 3 * 2 * 2 and {row[3] for row in table[1:]} == {"additive", "general"}
    assert all(number(cell) > 0 for row in table[1:] for cell in row[4::2])
    assert figure.read_bytes().startswith(b"\x89PNG")


def test_speed_of_the_input():
    corpora, by_pairs = run("input_speed.py", "pairs=500", "largest=20000")
    assert [row[0] for row in corpora[1:]] == ["grammar, unigram", "grammar, bpe"]
    assert all(number(cell) > 0 for row in corpora[1:] for cell in row[4:])
    assert [number(row[0]) for row in by_pairs[1:]] == [200, 2000, 20000]
    assert number(by_pairs[-1][3]) > 16  # the keys twice
