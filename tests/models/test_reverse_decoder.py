"""A second decoder from right to left: what both have in common, how both are trained, how it ranks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from commands import ROOT, is_one_line, run_here
from networks import build, every_network, network, random_batch
from tiny_bundle import make_bundle
from tiny_corpus import make_corpus

from seq2seq.bundle.bundle import load_bundle, save_bundle
from seq2seq.errors import SettingError
from seq2seq.inference.loading import open_rerank_models
from seq2seq.inference.reranking import Scorer, mean_score
from seq2seq.inference.translator import Translator
from seq2seq.models.build import build_model
from seq2seq.models.encoder_decoder import EncoderDecoder
from seq2seq.settings.model import AttentionFeed, NetworkSettings
from seq2seq.settings.reading import read_settings, write_settings
from seq2seq.settings.reranking import RerankSettings
from seq2seq.settings.training import TrainSettings

torch.set_num_threads(1)
LINES = ["ba do fi", "", "gu ke lo mi nu pa", "re so tu ba do"]
NETWORKS = [*every_network()][::17]
WAYS = {"plain": {}, "scheduled sampling": {"scheduled_sampling": 1.0}, "R-Drop": {"consistency": 2.0}}
TRAINED = [(f"{way} {name}", settings, WAYS[way]) for name, settings in NETWORKS for way in WAYS
           # What settings refuse: the outputs that are mixed in are fed back, and known in two passes.
           if way != "scheduled sampling" or (settings.feed.output
                                              and settings.attention.feed is not AttentionFeed.INPUT)]


def changed(settings: NetworkSettings, **model: Any) -> NetworkSettings:
    written = write_settings(settings)
    return read_settings(NetworkSettings, written | {"model": written["model"] | model})


def one_half(both: EncoderDecoder, plain: EncoderDecoder) -> EncoderDecoder:
    """The plain model with copies of the weights: by its direction those of the first decoder or of the second."""
    prefix = "reverse_" if plain.reverse_target else ""
    held = both.state_dict()
    plain.load_state_dict({name: held[prefix * name.startswith("decoder.") + name] for name in plain.state_dict()})
    return plain


def two_halves(settings: NetworkSettings, both: EncoderDecoder) -> tuple[EncoderDecoder, EncoderDecoder]:
    return one_half(both, build(settings)), one_half(both, build(changed(settings, reverse_target=True)))


@pytest.mark.parametrize(("name", "settings"), NETWORKS, ids=[name for name, _ in NETWORKS])
def test_it_is_two_models_with_an_encoder_in_common(name: str, settings: NetworkSettings) -> None:
    both, batch = build(changed(settings, reverse_decoder=True)), random_batch()
    left, right = two_halves(settings, both)
    torch.testing.assert_close(both.logits(batch), left.logits(batch))
    torch.testing.assert_close(both.right_to_left_view().logits(batch), right.logits(batch))
    assert not torch.equal(left.logits(batch), right.logits(batch))
    torch.testing.assert_close(both(batch, 0.1), left(batch, 0.1))  # validation is of the decoder that translates


@pytest.mark.parametrize(("name", "settings", "chosen"), TRAINED, ids=[name for name, _, _ in TRAINED])
def test_the_loss_is_the_mean_of_both(name: str, settings: NetworkSettings, chosen: dict[str, float]) -> None:
    settings = changed(settings, dropout={"embedding": 0.0, "layer": 0.0, "readout": 0.0})
    both, batch = build(changed(settings, reverse_decoder=True)).train(), random_batch()
    left, right = (model.train() for model in two_halves(settings, both))
    loss, alone = both(batch, 0.1, **chosen), [model(batch, 0.1, **chosen) for model in (left, right)]
    torch.testing.assert_close(loss.smoothed, (alone[0].smoothed + alone[1].smoothed) / 2)
    torch.testing.assert_close(loss.nll, (alone[0].nll + alone[1].nll) / 2)
    for one in (loss, *alone):
        one.smoothed.backward()
    of_left, of_right = ({name: weight.grad for name, weight in model.named_parameters()} for model in (left, right))
    for each, weight in both.named_parameters():
        parts = [of_right.get(each.replace("reverse_decoder.", "decoder.", 1))
                 if not each.startswith("decoder.") else None,
                 of_left.get(each) if not each.startswith("reverse_decoder.") else None]
        there = [part for part in parts if part is not None]
        expected = sum(there) / 2 if there else None
        torch.testing.assert_close(weight.grad, expected, atol=1e-5, rtol=1e-4, msg=lambda m, n=each: n + m)


def test_the_first_decoder_begins_as_without_the_second() -> None:
    plain, both = build(network()).state_dict(), build(network(reverse_decoder=True)).state_dict()
    assert {name for name in both if name not in plain} == {
        "reverse_" + name for name in plain if name.startswith("decoder.")}
    for name, weight in plain.items():
        assert torch.equal(weight, both[name]), name
        if name.startswith("decoder.") and weight.dim() == 2:
            assert not torch.equal(weight, both["reverse_" + name]), name
    assert len([name for name, weight in plain.items() if name.startswith("decoder.") and weight.dim() == 2]) > 4


def test_what_the_second_makes_follows_the_weights() -> None:
    """It has no copies: an update of the model is one of what stands in common."""
    model, batch = build(network(reverse_decoder=True)), random_batch()
    other = model.right_to_left_view()
    before = other.logits(batch)
    with torch.no_grad():
        model.source_embedding.weight.mul_(2)
        model.output_bias[5] += 1
    assert not torch.allclose(other.logits(batch), before)
    torch.testing.assert_close(other.logits(batch), model.right_to_left_view().logits(batch))
    assert model.reverse_decoder is not None and model.decoder is not other.decoder and not model.reverse_target


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_corpus(tmp_path_factory.mktemp("both_ends") / "tiny", train=20, valid=10)


@pytest.fixture(scope="module")
def run(corpus: Path) -> Path:
    return make_bundle(corpus.parent / "both_ends", corpus, reverse_decoder=True)


@pytest.fixture(scope="module")
def halves(run: Path) -> tuple[Path, Path]:
    """The same as two bundles."""
    bundle = load_bundle(run)
    written, tokenizers = write_settings(bundle.settings), (bundle.source_tokenizer, bundle.target_tokenizer)
    folders = run.parent / "left", run.parent / "right"
    for folder, turned in zip(folders, (False, True), strict=True):
        settings = read_settings(TrainSettings, written | {"model": written["model"] | {
            "reverse_decoder": False, "reverse_target": turned}})
        plain = one_half(bundle.model, build_model(settings, *map(len, tokenizers)))
        save_bundle(folder, plain, tokenizers, settings,
                    {"languages": ["en", "de"], "corpus": bundle.info["corpus"]})
    return folders


@pytest.mark.parametrize("search", [False, True])
@pytest.mark.parametrize("precision", ["fp32", "int8", "bf16"])
def test_it_ranks_as_a_model_of_its_own_would(run: Path, halves: tuple[Path, Path], search: bool,
                                              precision: str) -> None:
    usual, rerank = {"device": "cpu", "beam_size": 5, "n_best": 5, "precision": precision}, {
        "forward_weight": 3, "search": search}
    own = Translator.load(run, rerank={"second_decoder": True, **rerank}, **usual).translate_lines(LINES)
    apart = Translator.load(halves[0], rerank={"forward": halves[1], **rerank}, **usual).translate_lines(LINES)
    plain = Translator.load(run, **usual).translate_lines(LINES)
    for one, other, alone in zip(own, apart, plain, strict=True):
        assert [c.text for c in one.candidates] == [c.text for c in other.candidates]
        assert [c.score for c in one.candidates] == pytest.approx([c.score for c in other.candidates], abs=1e-5)
        assert search or sorted(c.text for c in one.candidates) == sorted(c.text for c in alone.candidates)
    assert [one.text for one in own] != [one.text for one in plain]


def test_in_an_ensemble_those_rank_that_have_one(run: Path, halves: tuple[Path, Path], corpus: Path) -> None:
    second = make_bundle(corpus.parent / "second", corpus, seed=4, reverse_decoder=True)
    usual = {"device": "cpu", "beam_size": 4, "n_best": 4}
    mixed = Translator.load([run, halves[0]], rerank={"second_decoder": True}, **usual).translate_lines(LINES)
    apart = Translator.load([run, halves[0]], rerank={"forward": halves[1]}, **usual).translate_lines(LINES)
    assert [[c.score for c in one.candidates] for one in mixed] == [
        pytest.approx([c.score for c in one.candidates], abs=1e-5) for one in apart]
    bundles = [load_bundle(folder) for folder in (run, second)]
    own = open_rerank_models(RerankSettings(second_decoder=True), bundles, torch.device("cpu")).forward
    assert [id(bundle.model.decoder) for bundle in own] == [id(bundle.model.reverse_decoder) for bundle in bundles]
    scorers = [Scorer([one], torch.device("cpu"), 1000) for one in own]
    for one in Translator.load([run, second], rerank={"second_decoder": True}, **usual).translate_lines(LINES):
        texts = [candidate.text for candidate in one.candidates]
        assert [c.forward_score for c in one.candidates] == pytest.approx(
            mean_score(scorers, [one.source] * len(texts), texts), abs=1e-5)


def test_those_of_the_models_that_rank_rank_too(run: Path, halves: tuple[Path, Path], corpus: Path) -> None:
    """Of models in other pieces as well, which cannot be of the ensemble, whether run= has a second decoder or not."""
    pieces = make_corpus(corpus.parent / "other_pieces", train=20, valid=10, vocabulary=32)
    other = make_bundle(corpus.parent / "pieces", pieces, seed=6, reverse_decoder=True)
    leftwards = make_bundle(corpus.parent / "leftwards", corpus, seed=7, reverse_target=True)
    for searched, count in ((run, 2), (halves[0], 1)):
        rerank = {"forward": [str(other), str(leftwards)], "second_decoder": True}
        models = open_rerank_models(RerankSettings(**rerank), [load_bundle(searched)], torch.device("cpu")).forward
        written = [(bundle.model.reverse_target, bundle.target_tokenizer.hash) for bundle in models]
        own, others = load_bundle(run).target_tokenizer.hash, load_bundle(other).target_tokenizer.hash
        assert written == [(True, own), (True, others), (False, others), (True, own)][2 - count:]
        scorers = [Scorer([one], torch.device("cpu"), 1000) for one in models]
        ranked = Translator.load(searched, rerank={**rerank, "search": True}, device="cpu", beam_size=4,
                                 n_best=4).translate_lines(LINES)
        for one in ranked:
            texts = [candidate.text for candidate in one.candidates]
            assert [c.forward_score for c in one.candidates] == pytest.approx(
                mean_score(scorers, [one.source] * len(texts), texts), abs=1e-5)


def test_translate_and_evaluate(run: Path, tmp_path: Path, capfdbinary, monkeypatch) -> None:
    (tmp_path / "in").write_text("\n".join(LINES))
    words = [f"run={run}", "device=cpu", "rerank.second_decoder=true", "rerank.forward_weight=3"]
    done = run_here("translate", [*words, f"input={tmp_path / 'in'}", "rerank.search=true"], capfdbinary, monkeypatch)
    expected = Translator.load(run, device="cpu", rerank={"second_decoder": True, "search": True, "forward_weight": 3})
    assert done.out.decode().split("\n")[:-1] == expected.translate(LINES), done.err
    done = run_here("evaluate", [*words, "split=valid", "plots=false", "resamples=100"], capfdbinary, monkeypatch)
    assert ", re-ranked by its second decoder, en to de" in done.out.decode(), done.err
    record = json.loads((run / "evaluation" / "valid-reranked-forward_weight-3.json").read_text("utf-8"))
    assert record["rerank"] == {"backward": [], "backward_weight": 0.3, "forward": [], "forward_weight": 3,
                                "second_decoder": True, "search": False}


def test_as_a_person_trains_it(corpus: Path, tmp_path: Path) -> None:
    """The three commands: training, minimum risk from where it stands, and a score with both decoders."""
    small = [f"corpus={corpus}", "model.embedding=8", "model.hidden=8", "model.reverse_decoder=true", "seed=3",
             "training.batch_pieces=150", "training.device=cpu", "training.threads=1"]
    first, second = tmp_path / "first", tmp_path / "second"
    for words in (["train.py", *small, f"run={first}", "training.max_updates=8"],
                  ["train.py", *small, f"run={second}", f"fork={first}", "training.max_updates=12", "training.risk=0.5",
                   "training.risk_draws=2"],
                  ["evaluate.py", f"run={second}", "device=cpu", "split=valid", "rerank.second_decoder=true",
                   "plots=false", "rerank.search=true", "resamples=100"]):
        done = subprocess.run([sys.executable, ROOT / words[0], *words[1:]], capture_output=True, text=True,
                              timeout=120, check=False)
        assert done.returncode == 0, done.stderr
    assert "re-ranked by its second decoder (searching too)" in done.stdout
    before, after = (load_bundle(run).model.state_dict() for run in (first, second))
    changed = {name.split(".")[0] for name, weight in after.items() if not torch.equal(weight, before[name])}
    assert {"encoder", "decoder", "reverse_decoder", "target_embedding", "output_bias"} <= changed


@pytest.mark.parametrize("command", ["translate", "evaluate"])
@pytest.mark.parametrize(("words", "line"), [
    (["rerank.second_decoder=true", "search=greedy"],
     "rerank.second_decoder=true re-ranks the candidates of a beam, and this is search=greedy with search.beam_size=5. "
     "Choose search=beam search.beam_size=10, or leave rerank.second_decoder= out."),
    (["rerank.second_decoder=true", "search.mbr=3"],
     "search.mbr=3 and rerank.second_decoder=true both re-rank the candidates of a beam. Choose search.mbr=0, or leave "
     "rerank.second_decoder= out."),
    (["run={left}", "rerank.forward={right}", "rerank.second_decoder=true"],
     "rerank.second_decoder=true is for models with a second decoder, and none was trained with one ({left}, {right}). "
     "Train one with model.reverse_decoder=true, or leave rerank.second_decoder= out."),
])
def test_mistakes_are_one_line(run: Path, halves: tuple[Path, Path], command: str, words: list[str], line: str,
                               capfdbinary, monkeypatch, tmp_path: Path) -> None:
    (tmp_path / "in").write_text("ba do\n")
    names = dict(zip(("left", "right"), halves, strict=True))
    usual = [f"run={run}", "device=cpu", *([f"input={tmp_path / 'in'}"] if command == "translate" else [])]
    done = run_here(command, [*usual, *(word.format(**names) for word in words)], capfdbinary, monkeypatch)
    assert is_one_line(done) and line.format(**names) in done.err, done.err


def test_what_does_not_go_together() -> None:
    with pytest.raises(SettingError) as caught:
        read_settings(TrainSettings, {"model": {"reverse_decoder": True, "reverse_target": True}})
    assert str(caught.value) == (
        "model.reverse_decoder=true is a second decoder from right to left, and with model.reverse_target=true the "
        "first is one. Choose model.reverse_target=false.")
