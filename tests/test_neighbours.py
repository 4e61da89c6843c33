"""Nearest neighbours beside the model: the formula, what is read of a corpus, and the commands."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
from commands import is_one_line, run_here
from tiny_bundle import make_bundle
from tiny_corpus import make_corpus

from seq2seq import neighbours
from seq2seq.bundle import load_bundle
from seq2seq.corpus import PackedCorpus
from seq2seq.errors import SettingError
from seq2seq.models.encoder_decoder import EncoderDecoder
from seq2seq.nearest import Cells
from seq2seq.neighbours import Neighbours, open_neighbours, read_keys
from seq2seq.reranking import Scorer
from seq2seq.settings.neighbours import NeighbourSettings
from seq2seq.tokenizer import BOS, EOS
from seq2seq.translation import Translator

torch.set_num_threads(1)
CPU = torch.device("cpu")
LINES = ["ba do fi", "", "gu ke lo mi nu pa", "re so tu ba do"]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_corpus(tmp_path_factory.mktemp("neighbours") / "tiny", train=40, valid=10)


@pytest.fixture(scope="module")
def bundle(corpus: Path) -> Path:
    return make_bundle(corpus.parent / "bundle", corpus)


def looked_up(corpus: Path, **more: float) -> NeighbourSettings:
    return NeighbourSettings(corpus=str(corpus), **more)  # type: ignore[arg-type]


def test_p_is_that_of_the_formula() -> None:
    draw = torch.Generator().manual_seed(1)
    keys, pieces = torch.randn(30, 4, generator=draw), torch.randint(6, (30,), generator=draw)
    features, logits = torch.randn(2, 3, 4, generator=draw), torch.randn(2, 3, 6, generator=draw)
    settings = NeighbourSettings(count=7, weight=0.4, temperature=0.5, probes=0)
    beside = Neighbours(Cells(keys, torch.tensor([0, 30]), keys[:1], 0), pieces, 3.0, settings)
    found = beside.beside(logits.clone(), features).softmax(-1)
    target = torch.randint(6, (2, 3), generator=draw)
    one = beside.beside_one(logits.log_softmax(-1).gather(2, target[..., None])[..., 0], features, target)
    for b in range(2):
        for t in range(3):
            distances = ((keys - features[b, t]) ** 2).sum(1)
            nearest = sorted(range(30), key=lambda j: distances[j].item())[:7]
            shares = [torch.exp(-distances[j] / (0.5 * 3.0)).item() for j in nearest]
            told = [sum(share for share, j in zip(shares, nearest, strict=True) if pieces[j] == y) / sum(shares)
                    for y in range(6)]
            p = 0.6 * logits[b, t].softmax(0) + 0.4 * torch.tensor(told)
            assert torch.allclose(found[b, t], p, atol=1e-6)
            assert one[b, t].exp().item() == pytest.approx(p[target[b, t]].item(), abs=1e-6)
    nothing = NeighbourSettings(count=7, weight=0, probes=0)
    alone = Neighbours(Cells(keys, torch.tensor([0, 30]), keys[:1], 0), pieces, 3.0, nothing)
    assert torch.allclose(alone.beside(logits.clone(), features), logits, atol=1e-6)


@pytest.mark.parametrize("reverse_target", [False, True])
def test_the_keys_are_the_readouts_of_every_place(corpus: Path, reverse_target: bool) -> None:
    """By the steps of search: one output layer on a key gives the logits from which its piece was said."""
    model = load_bundle(make_bundle(corpus.parent / f"keys{reverse_target}", corpus, seed=2,
                                    reverse_target=reverse_target)).model
    assert isinstance(model, EncoderDecoder)
    split = PackedCorpus.open(corpus).split("train")
    keys, pieces = read_keys(model, split, CPU)
    assert len(keys) == len(pieces) == int(split.target_lengths.sum()) + len(split)
    values = set()
    said = torch.nn.functional.linear(keys, model.output_weight, model.output_bias)
    with torch.inference_mode():
        for source, target in zip(*split.ids(range(5)), strict=True):
            written = target.tolist()[::-1] if reverse_target else target.tolist()
            memory = model.encode(torch.tensor([[*source.tolist(), EOS]]), torch.tensor([len(source) + 1]))
            state = model.start(memory)
            for previous, piece in zip([BOS, *written], [*written, EOS], strict=True):
                logits, state, _ = model.step(torch.tensor([[previous]]), state, memory)
                places = ((said - logits[0, 0]).abs().max(1).values < 1e-3).nonzero()[:, 0]
                assert piece in pieces[places].tolist()
                values.add(piece)
    assert len(values) > 5


def test_what_stood_in_the_corpus_is_said_again(corpus: Path, bundle: Path) -> None:
    """The weights are random, and what they were never taught stands in the keys: of the corpus that they belong to,
    and of another in the same pieces, a translation memory."""
    other = make_corpus(corpus.parent / "memory", train=30, valid=2, seed=7)
    usual = {"device": "cpu", "kind": "greedy"}
    for folder in (corpus, other):
        sources, targets = PackedCorpus.open(folder).split("train").text()
        told = Translator.load(bundle, neighbours={"corpus": str(folder), "weight": 0.95, "temperature": 1e-4}, **usual)
        assert told.translate(sources) == targets
        assert Translator.load(bundle, **usual).translate(sources) != targets
    assert len(list((bundle / "neighbours").iterdir())) == 2  # both are kept


def test_a_translation_does_not_depend_on_those_beside_it(corpus: Path, bundle: Path) -> None:
    usual = {"device": "cpu", "beam_size": 3, "n_best": 3, "neighbours": {"corpus": str(corpus)}}
    one, other = (Translator.load(bundle, batch_pieces=budget, **usual).translate_lines(LINES)
                  for budget in (1, 3000))
    for alone, beside in zip(one, other, strict=True):
        assert [c.text for c in alone.candidates] == [c.text for c in beside.candidates]
        assert [c.score for c in alone.candidates] == pytest.approx([c.score for c in beside.candidates], abs=1e-4)
    plain = Translator.load(bundle, device="cpu", beam_size=3, n_best=3).translate_lines(LINES)
    assert [t.candidates for t in plain] != [t.candidates for t in other]


@pytest.mark.parametrize("reverse_target", [False, True])
@pytest.mark.parametrize("number", [1, 2])
def test_teacher_forcing_gives_a_translation_what_search_would(corpus: Path, number: int, reverse_target: bool) -> None:
    runs = [make_bundle(corpus.parent / f"forced{reverse_target}{seed}", corpus, seed=seed,
                        reverse_target=reverse_target) for seed in range(number)]
    settings = looked_up(corpus, count=8)
    found = Translator.load(runs, device="cpu", beam_size=4, n_best=4,
                            neighbours={"corpus": str(corpus), "count": 8}).translate_lines(LINES)
    bundles = [load_bundle(run) for run in runs]
    scorer = Scorer(bundles, CPU, 50, open_neighbours(settings, bundles, CPU))
    tokenizer, checked = bundles[0].target_tokenizer, 0
    for translation in found:
        for candidate in translation.candidates:
            if tokenizer.pieces(tokenizer.encode([candidate.text])[0]) == candidate.pieces:
                (told, length), = scorer.log_probabilities([translation.source], [candidate.text])
                assert told == pytest.approx(candidate.log_probability, abs=1e-3)
                assert length == len(candidate.pieces) + 1
                checked += 1
    assert checked >= 3


def test_candidates_of_others_are_told_with_neighbours_too(corpus: Path, bundle: Path) -> None:
    other = make_bundle(corpus.parent / "leftwards", corpus, seed=5, reverse_target=True)
    where = {"corpus": str(corpus)}
    ranked = Translator.load(bundle, device="cpu", beam_size=4, n_best=4, rescore=other, rescore_weight=0,
                             rescore_search=True, neighbours=where).translate_lines(LINES)
    own = load_bundle(bundle)
    scorer = Scorer([own], CPU, 500, open_neighbours(looked_up(corpus), [own], CPU))
    added = [(translation.source, candidate) for translation in ranked for candidate in translation.candidates
             if candidate.attention is None and own.target_tokenizer.pieces(
                 own.target_tokenizer.encode([candidate.text])[0]) == candidate.pieces]
    assert added
    for source, candidate in added:
        (value, _), = scorer.log_probabilities([source], [candidate.text])
        assert candidate.log_probability == pytest.approx(value, abs=1e-3)


@pytest.mark.parametrize("precision", ["int8", "bf16"])
def test_other_numbers_go_with_it(corpus: Path, bundle: Path, precision: str) -> None:
    sources, targets = PackedCorpus.open(corpus).split("train").text()
    told = Translator.load(bundle, device="cpu", precision=precision,
                           neighbours={"corpus": str(corpus), "weight": 0.95, "temperature": 1e-3, "count": 1})
    right = sum(one == other for one, other in zip(told.translate(sources), targets, strict=True))
    assert right > len(targets) / 2  # a query is no longer its key to the last bit


def test_the_commands(corpus: Path, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes],
                      monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_bundle(tmp_path / "run", corpus, seed=3)
    usual = [f"run={run}", f"neighbours.corpus={corpus}", "device=cpu"]

    def scored(*more: str):
        return run_here("evaluate", [*usual, "plots=false", *more], capfdbinary, monkeypatch)

    first = scored()
    assert first.code == 0 and "neighbours: reading 40 pairs" in first.err
    assert f"with the neighbours of {corpus}" in b" ".join(first.out.split()).decode()
    record = json.loads((run / "evaluation" / "test-neighbours.json").read_text("utf-8"))
    assert record["neighbours"] == {"corpus": str(corpus), "count": 64, "weight": 0.3, "temperature": 0.08,
                                    "probes": 16}
    again = scored("neighbours.weight=0")  # as without
    assert again.code == 0 and "reading" not in again.err
    plain = run_here("evaluate", [usual[0], "device=cpu", "plots=false"], capfdbinary, monkeypatch)
    assert plain.code == 0
    tables = [(run / "evaluation" / f"test{name}.tsv").read_text("utf-8") for name in ("", "-neighbours-weight-0")]
    assert tables[0] == tables[1]
    assert json.loads((run / "evaluation" / "test.json").read_text("utf-8"))["neighbours"] is None

    source, _ = PackedCorpus.open(corpus).split("train").text()
    given = tmp_path / "given.en"
    given.write_text("\n".join(source) + "\n", "utf-8")
    told = run_here("translate", [*usual, f"input={given}", "search=greedy", "neighbours.weight=0.95",
                                  "neighbours.temperature=0.0001"],
                    capfdbinary, monkeypatch)
    _, target = PackedCorpus.open(corpus).split("train").text()
    assert told.code == 0 and told.out.decode().splitlines() == target


def test_the_store_is_of_these_weights_and_whole(corpus: Path, tmp_path: Path) -> None:
    folder = make_bundle(tmp_path / "run", corpus, seed=3)
    settings, (store,) = looked_up(corpus), [open_neighbours(looked_up(corpus), [load_bundle(folder)], CPU)]
    assert len(store) == 1
    (place,) = (folder / "neighbours").iterdir()
    before = (place / "keys.safetensors").read_bytes()
    kept = (place / "about.json").read_text("utf-8")

    (place / "keys.safetensors").write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
    with pytest.raises(neighbours.BundleError, match="is damaged. Remove it, and the same command makes it anew"):
        open_neighbours(settings, [load_bundle(folder)], CPU)
    (place / "keys.safetensors").unlink()
    with pytest.raises(neighbours.BundleError, match="is damaged"):
        open_neighbours(settings, [load_bundle(folder)], CPU)
    (place / "about.json").write_text(json.dumps(json.loads(kept) | {"spread": None}), "utf-8")
    (place / "keys.safetensors").write_bytes(before)
    with pytest.raises(neighbours.BundleError, match="is damaged"):
        open_neighbours(settings, [load_bundle(folder)], CPU)
    (place / "about.json").write_text("{", "utf-8")  # nothing is known of it: anew
    open_neighbours(settings, [load_bundle(folder)], CPU)
    assert (place / "keys.safetensors").read_bytes() == before and (place / "about.json").read_text("utf-8") == kept

    make_bundle(tmp_path / "other", corpus, seed=4)
    for name in ("weights.safetensors", "bundle.json"):  # as training does that goes on
        os.replace(tmp_path / "other" / name, folder / name)
    open_neighbours(settings, [load_bundle(folder)], CPU)
    assert (place / "keys.safetensors").read_bytes() != before


def test_a_corpus_cannot_name_the_place(corpus: Path, tmp_path: Path) -> None:
    there = make_corpus(tmp_path / "there", train=5, valid=2)
    manifest = json.loads((there / "manifest.json").read_text("utf-8"))
    (there / "manifest.json").write_text(json.dumps(manifest | {"hash": "../../../outside"}), "utf-8")
    folder = make_bundle(tmp_path / "deep" / "run", there)
    open_neighbours(looked_up(there), [load_bundle(folder)], CPU)
    assert sorted(place.name for place in tmp_path.iterdir()) == ["deep", "there"]
    assert len(list((folder / "neighbours").iterdir())) == 1


def test_what_does_not_fit_is_refused(corpus: Path, bundle: Path, tmp_path: Path,
                                      capfdbinary: pytest.CaptureFixture[bytes],
                                      monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(words: str, *arguments: str, name: str = "evaluate") -> None:
        done = run_here(name, [f"run={bundle}", "device=cpu", *arguments], capfdbinary, monkeypatch)
        assert is_one_line(done) and words in done.err, done.err

    pieces = make_corpus(tmp_path / "pieces", train=20, valid=10, vocabulary=32)
    refused(f"neighbours.corpus={pieces} has other pieces or languages than {bundle}. Give the corpus",
            f"neighbours.corpus={pieces}")
    refused(f"{tmp_path} is not a packed corpus", f"neighbours.corpus={tmp_path}")
    refused("neighbours.weight=1.0 is out of range: give a number at least 0 and below 1.", "neighbours.weight=1",
            f"neighbours.corpus={corpus}")
    refused("neighbours.count=0 is out of range", "neighbours.count=0", name="translate")
    for setting in ("temperature=0.0", "probes=-1"):
        refused(f"{setting} is out of range", f"neighbours.{setting}")
    opposite = make_bundle(tmp_path / "opposite", corpus, languages=("de", "en"))
    with pytest.raises(SettingError, match="has other pieces or languages"):
        open_neighbours(looked_up(corpus), [load_bundle(opposite)], CPU)
    monkeypatch.setattr(os, "sysconf", lambda name: 1)
    fresh = make_bundle(tmp_path / "fresh", corpus)
    with pytest.raises(SettingError, match=r"target pieces, which take 1 GiB of memory to look up; this machine has 0"):
        open_neighbours(looked_up(corpus), [load_bundle(fresh)], CPU)
    assert not (fresh / "neighbours").exists()
