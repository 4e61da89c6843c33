"""Search by graphs: every kind of it finds what it finds without, in whatever batches."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import is_one_line, run_here
from invariance import with_preferences
from networks import VOCABULARY, every_network, network
from tape import TapeRecorder, as_on_cuda
from tiny_bundle import make_bundle
from tiny_corpus import WORDS, make_corpus

from seq2seq.corpus.shortlist import Shortlist
from seq2seq.cuda_graphs import CudaRecorder
from seq2seq.errors import SettingError
from seq2seq.inference import graphed_search, model_for_search
from seq2seq.inference.graphed_search import GraphedSearch
from seq2seq.inference.translator import Translator
from seq2seq.models.fast.search_model import ForSearch
from seq2seq.search.decode import translate_ids
from seq2seq.search.ensemble import Ensemble
from seq2seq.settings.search import SearchKind, SearchSettings

torch.set_num_threads(1)
SEARCHES = {
    "greedy": {"kind": SearchKind.GREEDY},
    "beam": {"kind": SearchKind.BEAM, "beam_size": 4, "n_best": 4, "length_penalty": 0.6},
    "sample": {"kind": SearchKind.SAMPLE, "n_best": 2, "seed": 3, "top_k": 8, "temperature": 0.8},
}
ATTENDING = network(cell="lstm", attention_feed="upper_layers", decoder_layers=2, residual=True)
SOME = [*list(every_network())[::23], ("one layer", network()), ("heads", network(score="scaled", heads=4)),
        ("right to left", network(reverse_target=True))]
ON_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


@pytest.fixture(autouse=True)
def _as_on_cuda(monkeypatch) -> None:
    as_on_cuda(monkeypatch)


def sentences(count: int = 21, longest: int = 19) -> list[list[int]]:
    draw = random.Random(1)
    return [[draw.randrange(4, VOCABULARY) for _ in range(draw.randrange(1, longest))] for _ in range(count)]


def check(plain, graphed, device="cpu", sources=None, **search) -> None:
    """The same hypotheses with the same scores and attention."""
    settings = SearchSettings(**{"max_length": 12, "batch_pieces": 150, **search})
    sources = sources or sentences()
    both = [translate_ids(model, sources, settings, device, attention=True) for model in (graphed, plain)]
    for found, expected in zip(*both, strict=True):
        assert [one.pieces for one in found] == [one.pieces for one in expected]
        for one, other in zip(found, expected, strict=True):
            assert one.score == pytest.approx(other.score, rel=1e-4, abs=1e-4)
            assert (one.attention is None) == (other.attention is None)
            if one.attention is not None:
                torch.testing.assert_close(one.attention, other.attention, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("search", SEARCHES)
@pytest.mark.parametrize(("name", "settings"), SOME, ids=[name for name, _ in SOME])
def test_every_network_finds_the_same(name, settings, search):
    model, recorder = with_preferences(settings).double(), TapeRecorder()
    graphed = GraphedSearch(model, recorder)
    check(model, graphed, **SEARCHES[search])
    before = recorder.recorded
    check(model, graphed, **SEARCHES[search])
    assert recorder.recorded == before  # all shapes have been there


def test_coverage_and_one_sentence_after_the_other():
    model = with_preferences(ATTENDING).double()
    graphed = GraphedSearch(model, TapeRecorder())
    check(model, graphed, beam_size=3, coverage_penalty=0.3, min_length=2)
    for sentence in sentences()[:5]:
        check(model, graphed, sources=[sentence], beam_size=3)


def test_few_are_held(monkeypatch):
    monkeypatch.setattr(graphed_search, "GRAPHS", 2)
    model, recorder = with_preferences(ATTENDING).double(), TapeRecorder()
    graphed = GraphedSearch(model, recorder)
    for _ in range(2):
        before = recorder.recorded
        check(model, graphed, beam_size=4)
    assert recorder.recorded > before


def test_models_of_an_ensemble_answer_side_by_side():
    models = [with_preferences(ATTENDING, seed).double() for seed in (0, 1)]
    check(Ensemble(models), Ensemble([GraphedSearch(model, TapeRecorder()) for model in models]), beam_size=3)


def test_a_model_in_bf16():
    model = ForSearch(with_preferences(ATTENDING), bf16=True)
    graphed = GraphedSearch(model, TapeRecorder())
    assert graphed.encode(torch.tensor([[5, 3]]), torch.tensor([2])).states.dtype is torch.bfloat16
    found, expected = (translate_ids(one, sentences(), SearchSettings(max_length=12)) for one in (graphed, model))
    same = [one[0].pieces == other[0].pieces for one, other in zip(found, expected, strict=True)]
    assert np.mean(same) > 0.7  # products of other shapes round otherwise, and rounding decides between near pieces


def test_sentences_are_filled_up_to_few_numbers():
    sizes = [graphed_search._sentences(count) for count in range(1, 400)]
    assert sorted(set(sizes)) == [1, 2, 4, 8, 16, 32, 64, 128, 256, 384, 512]
    assert all(count <= size < 2 * count or size == 1 for count, size in enumerate(sizes, 1))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Path:
    corpus = make_corpus(tmp_path_factory.mktemp("data") / "tiny", train=20, valid=10)
    short = Shortlist(np.asarray([5]), np.arange(4, 4 + 2 * 48).reshape(48, 2) % 40)
    return make_bundle(corpus.parent / "one", corpus, shortlist=short)


def test_a_translator_by_graphs(bundle, monkeypatch):
    lines = [" ".join(WORDS[start : start + size]) for start in range(8) for size in (1, 4)]
    plain = Translator.load(bundle, device="cpu").translate_lines(lines)
    monkeypatch.setattr(model_for_search, "cuda_recorder", lambda device, setting: TapeRecorder())
    for run in (bundle, [bundle, bundle]):
        found = Translator.load(run, device="cpu", graphs=True).translate_lines(lines)
        assert [one.text for one in found] == [one.text for one in plain]


@pytest.mark.parametrize("command", ["translate", "evaluate"])
@pytest.mark.parametrize(("words", "said"), [
    ([], "graphs=true records CUDA graphs, and this is cpu. Choose graphs=false, or a machine with a CUDA device."),
    (["search.shortlist=2"], "graphs=true cannot go with search.shortlist=2: every batch has another number of cand"),
])
def test_what_graphs_cannot_do_is_refused_in_one_line(bundle, capfdbinary, monkeypatch, command, words, said):
    words = ["device=cpu", "graphs=true", *words, *(["input=README.md"] if command == "translate" else [])]
    done = run_here(command, [f"run={bundle}", *words], capfdbinary, monkeypatch)
    assert is_one_line(done) and done.code == 2 and said in done.err


def test_a_wrong_word_is_refused(bundle):
    with pytest.raises(SettingError, match="graphs='yes' is not true or false"):
        Translator.load(bundle, device="cpu", graphs="yes")


@ON_GPU
@pytest.mark.parametrize("search", SEARCHES)
@pytest.mark.parametrize(("name", "settings"), SOME, ids=[name for name, _ in SOME])
def test_cuda_finds_the_same(name, settings, search):
    device = torch.device("cuda")
    model = with_preferences(settings).double().to(device)
    check(model, GraphedSearch(model, CudaRecorder(device)), device, **SEARCHES[search])


@ON_GPU
def test_cuda_models_of_an_ensemble_answer_side_by_side():
    device = torch.device("cuda")
    models = [with_preferences(ATTENDING, seed).double().to(device) for seed in (0, 1)]
    graphed = [GraphedSearch(model, CudaRecorder(device)) for model in models]
    check(Ensemble(models), Ensemble(graphed), device, beam_size=3)
    check(Ensemble(models[::-1]), Ensemble(graphed[::-1]), device, beam_size=3)
