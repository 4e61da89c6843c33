"""Training by graphs: empty rows count nothing, and the gradients are those of the model as it is."""

from __future__ import annotations

import copy
import itertools
import random

import numpy as np
import pytest
import torch
from commands import is_one_line, run_here
from networks import build, every_network, network, random_batch
from tape import TapeRecorder, as_on_cuda
from tiny_corpus import make_corpus

from seq2seq.corpus.batch import Batch
from seq2seq.corpus.packed import PackedCorpus
from seq2seq.corpus.stream import TrainingBatches
from seq2seq.cuda_graphs import CudaRecorder
from seq2seq.distributed import ProcessGroup
from seq2seq.errors import SettingError
from seq2seq.models.encoder_decoder import EncoderDecoder
from seq2seq.settings.model import NetworkSettings
from seq2seq.settings.reading import read_settings, write_settings
from seq2seq.settings.training import TrainSettings
from seq2seq.training import gradients, graphed_gradients, loop
from seq2seq.training.checkpoint import load_checkpoint
from seq2seq.training.graphed_gradients import WIDTHS, GraphedGradients
from seq2seq.training.metrics import read_metrics
from seq2seq.training.run import train

torch.set_num_threads(1)
CPU = torch.device("cpu")
BUDGET = 160
ON_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


def batches(seed: int = 0) -> list[Batch]:
    """Of four shapes and different numbers of rows, in random order, each shape several times."""
    made = [random_batch(pairs, longest=longest, seed=seed + pairs)
            for longest, pairs in itertools.product((5, 7, 13, 18), (2, 3, 5))]
    random.Random(seed).shuffle(made)
    return made


def settings_of(settings: NetworkSettings, **training) -> TrainSettings:
    return read_settings(TrainSettings, write_settings(settings) | {
        "training": {"precision": "fp32", "batch_pieces": BUDGET, **training}})


def both(settings: NetworkSettings, recorder, device=CPU, dropout: float = 0.0, **training):
    """A model and its gradients, as it is and by graphs."""
    chosen = settings_of(settings, **training)
    plain = with_dropout(build(settings), dropout).to(device).train()
    graphed = copy.deepcopy(plain)
    return ((plain, gradients.ModelGradients(plain, chosen, ProcessGroup(), device)),
            (graphed, GraphedGradients(graphed, chosen.training, recorder, device)))


def with_dropout(model: EncoderDecoder, share: float) -> EncoderDecoder:
    for part in model.modules():
        if isinstance(part, torch.nn.Dropout):
            part.p = share
    return model


def check_updates(one, other, made: list[Batch], rtol: float = 1e-4, atol: float = 1e-5) -> None:
    """The same losses, gradients and weights over several updates."""
    optimizers = [torch.optim.AdamW(model.parameters(), 1e-3) for model, _ in (one, other)]
    for batch in made:
        losses = [compute(batch) for _, compute in (one, other)]
        torch.testing.assert_close(losses[1], losses[0], rtol=rtol, atol=atol)
        for (name, plain), graphed in zip(one[0].named_parameters(), other[0].parameters(), strict=True):
            assert (plain.grad is None) == (graphed.grad is None), name
            if plain.grad is not None:
                torch.testing.assert_close(graphed.grad, plain.grad, rtol=rtol, atol=atol, msg=lambda m, n=name: n + m)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
    for plain, graphed in zip(one[0].parameters(), other[0].parameters(), strict=True):
        torch.testing.assert_close(graphed, plain, rtol=100 * rtol, atol=100 * atol)


SOME = [*[*every_network()][::23], ("right to left", network(reverse_target=True)),
        ("both ends", network(reverse_decoder=True))]


@pytest.mark.parametrize(("name", "settings"), SOME, ids=[name for name, _ in SOME])
@pytest.mark.parametrize("gpu", [False, True])
def test_empty_rows_and_padding_count_nothing(name, settings, gpu, monkeypatch):
    if gpu:
        as_on_cuda(monkeypatch)
    batch, found = random_batch(), []
    filled = batch.filled(9, 16, 24)
    assert filled.pieces == batch.pieces and filled.source.shape == (9, 16) and filled.target_in.shape == (9, 24)
    for each in (batch, filled):
        model = with_dropout(build(settings).double().train(), 0.0)
        loss = model(each, 0.1)
        loss.smoothed.backward()
        found.append([loss.smoothed, loss.nll, *(weight.grad for weight in model.parameters())])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-5, atol=1e-6)  # sums and gradients of the output are in fp32


@pytest.mark.parametrize("chosen", [{}, {"precision": "bf16"}, {"consistency": 2.0}], ids=str)
@pytest.mark.parametrize(("name", "settings"), SOME, ids=[name for name, _ in SOME])
def test_nothing_keeps_the_graph_of_a_pass(name, settings, chosen):
    """A node of autograd belongs to the stream it was made on: one that lives on spoils a recording on another."""
    model, compute = both(settings, TapeRecorder(), dropout=0.5, **chosen)[0]
    nodes = {each: weight.expand_as(weight).grad_fn.next_functions[0][0] for each, weight in model.named_parameters()}
    for node in nodes.values():
        node.metadata["of the first pass"] = True
    compute(batches()[0])
    del node, nodes
    for each, weight in model.named_parameters():
        assert not weight.expand_as(weight).grad_fn.next_functions[0][0].metadata, each


@pytest.mark.parametrize(("name", "settings"), SOME, ids=[name for name, _ in SOME])
def test_gradients_are_those_of_the_model(name, settings, monkeypatch):
    as_on_cuda(monkeypatch)
    recorder = TapeRecorder()
    check_updates(*both(settings, recorder), batches()[:6])
    assert 1 < recorder.recorded <= 4


@pytest.mark.parametrize("chosen", [{"precision": "bf16"}, {"consistency": 2.0}, {"label_smoothing": 0.0}],
                         ids=lambda chosen: next(iter(chosen)))
def test_in_every_kind_of_training(chosen, monkeypatch):
    as_on_cuda(monkeypatch)
    recorder, near = TapeRecorder(), {"rtol": 0.05, "atol": 0.02} if "precision" in chosen else {}
    settings = network(cell="lstm", attention_feed="upper_layers", decoder_layers=2, residual=True)
    check_updates(*both(settings, recorder, **chosen), batches(1), **near)
    assert recorder.recorded == 4


def test_few_are_held_and_the_one_not_used_leaves(monkeypatch):
    as_on_cuda(monkeypatch)
    monkeypatch.setattr(graphed_gradients, "GRAPHS", 2)
    recorder = TapeRecorder()
    one, other = both(network(), recorder)
    check_updates(one, other, batches(2) * 2)
    assert recorder.recorded > len({other[1]._shape(batch) for batch in batches(2)})  # each again


def test_weights_that_moved_are_not_read_where_they_lay(monkeypatch):
    as_on_cuda(monkeypatch)
    recorder = TapeRecorder()
    one, other = both(network(), recorder)
    check_updates(one, other, batches()[:3])
    before = recorder.recorded
    for weight in other[0].parameters():
        weight.data = weight.data.clone()
    check_updates(one, other, batches()[:3])
    assert recorder.recorded == 2 * before


def test_dropout_follows_the_seed_alone(monkeypatch):
    as_on_cuda(monkeypatch)
    check_dropout(TapeRecorder(), CPU)


def check_dropout(recorder, device) -> None:
    _, (_, compute) = both(network(), recorder, device, dropout=0.3)

    def losses(seeds, made):
        found = []
        for seed in seeds:
            torch.manual_seed(seed)
            found.append(float(compute(made).smoothed))
        return found

    first, second = batches()[0], random_batch(4, longest=30)
    recorded_now = losses([1, 2, 3], first)
    assert len(set(recorded_now)) == 3
    losses([9], second)
    assert losses([3, 1, 2], first) == [recorded_now[i] for i in (2, 0, 1)]
    torch.manual_seed(5)
    compute(first)
    after = torch.rand(3, device=device)
    _, (_, compute) = both(network(), recorder, device, dropout=0.3)
    torch.manual_seed(5)
    compute(first)  # recorded anew: what comes after must not notice
    assert torch.equal(torch.rand(3, device=device), after)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return make_corpus(tmp_path_factory.mktemp("data") / "tiny", train=200, valid=6)


def test_a_shape_has_one_number_of_rows_and_batches_fill_it(corpus):
    planned = TrainingBatches(PackedCorpus.open(corpus).split("train"), budget=BUDGET, max_pieces=200, seed=1,
                              multiple=WIDTHS)
    _, (_, compute) = both(network(), TapeRecorder())
    rows, shapes, taken, places = [], {}, 0, 0
    for batch in [*planned.chunk(0, 0), *planned.largest()]:
        shape = compute._shape(batch)
        assert shape[0] * max(shape[1:]) <= BUDGET and shape[0] >= len(batch.rows)
        assert shapes.setdefault(shape[1:], shape[0]) == shape[0]
        rows += batch.rows.tolist()
        taken, places = taken + batch.pieces + int(batch.source_lengths.sum()), places + compute.places(batch)
    assert set(rows) == set(range(200)) and len(shapes) <= 4
    assert taken / places > 0.4


def small(corpus, run, **chosen) -> TrainSettings:
    return read_settings(TrainSettings, {
        "corpus": str(corpus), "run": str(run), "model": {"embedding": 8, "hidden": 8},
        "training": {"batch_pieces": BUDGET, "max_epochs": None, "max_updates": 12, "validate_every": 5, "log_every": 3,
                     "threads": 1, "device": "cpu", "precision": "fp32", "averaging": "ema", **chosen}})


def test_a_run_by_graphs_is_a_run_and_goes_on_to_the_bit(corpus, tmp_path, monkeypatch):
    as_on_cuda(monkeypatch)
    monkeypatch.setattr(gradients, "cuda_recorder", lambda device, setting: TapeRecorder())
    whole, parts, plain = (tmp_path / name for name in ("whole", "parts", "plain"))
    train(small(corpus, whole, graphs=True))
    for updates in (4, 12):
        train(small(corpus, parts, graphs=True, max_updates=updates, validate_every=5))
    weights = [load_checkpoint(run / "checkpoints")["model"] for run in (whole, parts)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    # The same batches by the model as it is, without dropout in neither: the same curve.
    monkeypatch.undo()
    monkeypatch.setattr(loop, "build_gradients", gradients.ModelGradients)
    train(small(corpus, plain, graphs=True))
    losses = [[line["loss"] for line in read_metrics(run).train] for run in (whole, plain)]
    assert losses[0] == pytest.approx(losses[1], rel=0.05)  # dropout draws differ with the padding


@pytest.mark.parametrize(("words", "said"), [
    ([], "training.graphs=true records CUDA graphs, and this is cpu. Choose training.graphs=false, or a machine with"),
    (["training.accumulate=2"], "training.graphs=true cannot go with training.accumulate=2. Choose training.accum"),
    (["training.scheduled_sampling=0.5"], "training.graphs=true cannot go with training.scheduled_sampling=0.5. Ch"),
    (["shape=n_to_n"], "training.graphs=true is for shape=n_to_m and one_to_n, not for shape=n_to_n. Choose"),
])
def test_what_graphs_cannot_do_is_refused_in_one_line(corpus, tmp_path, capfdbinary, monkeypatch, words, said):
    done = run_here("train", [f"corpus={corpus}", f"run={tmp_path / 'run'}", "training.graphs=true",
                              "training.device=cpu", "training.precision=fp32", "model.hidden=8",
                              "model.embedding=8", *words], capfdbinary, monkeypatch)
    assert is_one_line(done) and done.code == 2 and said in done.err
    assert not (tmp_path / "run" / "settings.yaml").exists()


def test_several_processes_are_refused():
    settings = settings_of(network(), graphs=True)
    with pytest.raises(SettingError, match="training.graphs=true is for one process, and these are 2. Start one, or"):
        gradients.build_gradients(build(network()), settings, ProcessGroup(size=2), CPU)


@ON_GPU
@pytest.mark.parametrize(("name", "settings"), SOME, ids=[name for name, _ in SOME])
def test_cuda_gradients_are_those_of_the_model(name, settings):
    device = torch.device("cuda")
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):  # as pick_device has it
        check_updates(*both(settings, CudaRecorder(device), device), batches(), rtol=1e-3, atol=1e-4)


@ON_GPU
@pytest.mark.parametrize("chosen", [{"precision": "bf16"}, {"consistency": 2.0}])
def test_cuda_in_every_kind_of_training(chosen):
    device = torch.device("cuda")
    near = {"rtol": 0.05, "atol": 0.02} if "precision" in chosen else {"rtol": 1e-3, "atol": 1e-4}
    settings = network(cell="lstm", attention_feed="upper_layers", decoder_layers=2, residual=True)
    check_updates(*both(settings, CudaRecorder(device), device, **chosen), batches(1), **near)


@ON_GPU
def test_cuda_dropout_follows_the_seed_alone():
    check_dropout(CudaRecorder(torch.device("cuda")), torch.device("cuda"))


@ON_GPU
def test_two_runs_with_one_seed_give_the_same_losses(corpus, tmp_path):
    found = []
    for name in ("one", "two"):
        train(small(corpus, tmp_path / name, graphs=True, device="cuda", deterministic=True))
        found.append([line["loss"] for line in read_metrics(tmp_path / name).train])
    assert np.array_equal(*found)
