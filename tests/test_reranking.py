"""Reranking by models of the opposite and of the same direction: its formula, and what the commands make of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from commands import ROOT, is_one_line, run_here
from tiny_bundle import make_bundle
from tiny_corpus import make_corpus

from seq2seq.batches import make_batch
from seq2seq.bundle import load_bundle
from seq2seq.errors import SettingError
from seq2seq.reranking import Scorers
from seq2seq.tokenizer import BOS, EOS
from seq2seq.translation import Translator

torch.set_num_threads(1)
LINES = ["ba do fi", "", "gu ke lo mi nu pa", "re so tu ba do"]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_corpus(tmp_path_factory.mktemp("rerank") / "tiny", train=20, valid=10)


@pytest.fixture(scope="module")
def forward(corpus: Path) -> Path:
    return make_bundle(corpus.parent / "forward", corpus)


@pytest.fixture(scope="module")
def back(corpus: Path) -> list[Path]:
    return [make_bundle(corpus.parent / f"back{seed}", corpus, context, seed, languages=("de", "en"))
            for seed, context in ((1, "attention"), (2, "last"))]


@pytest.fixture(scope="module")
def again(corpus: Path) -> list[Path]:
    """From right to left, and in other pieces."""
    pieces = make_corpus(corpus.parent / "other_pieces", train=20, valid=10, vocabulary=32)
    return [make_bundle(corpus.parent / "leftwards", corpus, seed=5, reverse_target=True),
            make_bundle(corpus.parent / "pieces", pieces, seed=6)]


def by_steps(folder: Path, source: str, candidate: str) -> float:
    """log P(X|Y) / |X|, piece by piece."""
    bundle = load_bundle(folder)
    (read,), (told,) = bundle.source_tokenizer.encode([candidate]), bundle.target_tokenizer.encode([source])
    total = 0.0
    with torch.no_grad():
        memory = bundle.model.encode(torch.tensor([[*read, EOS]]), torch.tensor([len(read) + 1]))
        state = bundle.model.start(memory)
        for previous, piece in zip([BOS, *told], [*told, EOS], strict=True):
            logits, state, _ = bundle.model.step(torch.tensor([[previous]]), state, memory)
            total += logits[0, 0].log_softmax(0)[piece].item()
    return total / (len(told) + 1)


def test_the_score_of_a_pair_is_that_of_its_steps(back: list[Path]) -> None:
    sources = ["ba do fi", "ba do fi", "gu", "ke lo mi nu pa re so tu"]
    candidates = ["do ba", "", "fi gu ke lo mi nu", "tu so"]
    by_hand = [sum(by_steps(folder, *pair) for folder in back) / len(back)
               for pair in zip(sources, candidates, strict=True)]
    bundles = [load_bundle(folder) for folder in back]
    for budget in (1, 20, 1000):  # whatever is beside a pair
        found = Scorers(bundles, torch.device("cpu"), budget).scores(candidates, sources)
        assert found == pytest.approx(by_hand, abs=1e-4)


def test_models_of_the_same_direction_rank_beside_them(forward: Path, back: list[Path], again: list[Path]) -> None:
    plain = Translator.load(forward, device="cpu", beam_size=6, n_best=6).translate_lines(LINES)
    ranked = Translator.load(forward, device="cpu", beam_size=6, n_best=6, reverse=back, reverse_weight=0.5,
                             rescore=again, rescore_weight=2).translate_lines(LINES)
    bundles = [load_bundle(folder) for folder in again]
    for one, other in zip(plain, ranked, strict=True):
        by_hand = {}
        for candidate in one.candidates:
            told = [-bundle.model(make_batch(bundle.source_tokenizer.encode([one.source]), ids, [0])).nll.item()
                    / (len(ids[0]) + 1) for bundle in bundles
                    for ids in [bundle.target_tokenizer.encode([candidate.text])]]
            back_score = Scorers([load_bundle(folder) for folder in back], torch.device("cpu"), 1000).scores(
                [candidate.text], [one.source])[0]
            by_hand[candidate.text] = candidate.score + 0.5 * back_score + 2 * sum(told) / 2
        assert [c.text for c in other.candidates] == sorted(by_hand, key=lambda text: -by_hand[text])
        assert [c.score for c in other.candidates] == pytest.approx(sorted(by_hand.values(), reverse=True), abs=1e-4)
    assert [one.text for one in plain] != [one.text for one in ranked]
    alone = Translator.load(forward, device="cpu", beam_size=6, rescore=again).translate_lines(LINES)
    assert alone[0].candidates[0].reverse_score is None and alone[0].candidates[0].rescored is not None


@pytest.mark.parametrize("weight", [0.0, 0.5, 3.0])
def test_candidates_are_those_of_the_beam_in_another_order(forward: Path, back: list[Path], weight: float) -> None:
    plain = Translator.load(forward, device="cpu", beam_size=6, n_best=6).translate_lines(LINES)
    chosen = Translator.load(forward, device="cpu", reverse=back, reverse_weight=weight, beam_size=6,
                             n_best=6).translate_lines(LINES)
    best = Translator.load(forward, device="cpu", reverse=back, reverse_weight=weight, beam_size=6).translate(LINES)
    reverse = Scorers([load_bundle(folder) for folder in back], torch.device("cpu"), 1000)
    moved = 0
    for one, other in zip(plain, chosen, strict=True):
        texts = [candidate.text for candidate in one.candidates]
        values = reverse.scores(texts, [one.source] * len(texts))
        by_hand = sorted(((candidate.score + weight * value, candidate.text) for candidate, value
                          in zip(one.candidates, values, strict=True)), reverse=True)
        assert [candidate.score for candidate in other.candidates] == pytest.approx([score for score, _ in by_hand])
        assert sorted(texts) == sorted(candidate.text for candidate in other.candidates)
        probability = {candidate.text: candidate.log_probability for candidate in one.candidates}
        assert all(probability[c.text] == pytest.approx(c.log_probability) for c in other.candidates)
        moved += texts != [candidate.text for candidate in other.candidates]
    assert best == [translation.text for translation in chosen] and best[1] == ""
    assert (moved > 0) is (weight > 0)


def test_the_source_that_is_told_is_the_part_that_was_translated(forward: Path, back: list[Path]) -> None:
    long = " ".join(["ba do fi gu"] * 5)
    cut = Translator.load(forward, device="cpu", reverse=back, max_source_pieces=8)
    (whole,) = cut.translate_lines([long])
    (begun,) = cut.translate_lines(["".join(whole.source_pieces[:-1]).replace("▁", " ").strip()])
    assert whole.candidates[0].reverse_score == pytest.approx(begun.candidates[0].reverse_score)
    (split,) = Translator.load(forward, device="cpu", reverse=back, max_source_pieces=8,
                               long="split").translate_lines([long])
    assert split.text.startswith(whole.text) and split.candidates[0].reverse_score is None


@pytest.mark.parametrize(("search", "line"), [
    ({"kind": "greedy"}, r"search=greedy with beam_size=5\. Choose search=beam search\.beam_size=10"),
    ({"beam_size": 1}, r"search=beam with beam_size=1\. Choose"),
    ({"kind": "sample", "n_best": 4}, "search=sample with"),
    ({"mbr": 2}, r"mbr=2 and reverse=.* both rank the candidates of a beam\. Choose search\.mbr=0"),
])
def test_searches_with_nothing_to_rank_are_refused(forward: Path, back: list[Path], search: dict, line: str) -> None:
    with pytest.raises(SettingError, match=line):
        Translator.load(forward, device="cpu", reverse=back, **search)


def test_translate_ranks(forward: Path, back: list[Path], tmp_path: Path, capfdbinary, monkeypatch) -> None:
    (tmp_path / "in").write_text("\n".join(LINES))
    usual = [f"run={forward}", "device=cpu", f"input={tmp_path / 'in'}", f"reverse=[{back[0]},{back[1]}]"]
    done = run_here("translate", [*usual, "reverse_weight=2", "search.beam_size=6"], capfdbinary, monkeypatch)
    assert (done.code, done.err) == (0, "")
    translator = Translator.load(forward, device="cpu", reverse=back, reverse_weight=2, beam_size=6)
    expected = translator.translate_lines(LINES)
    assert done.out.decode().split("\n")[:-1] == [one.text for one in expected]
    done = run_here("translate", [*usual, "reverse_weight=2", "search.beam_size=6", "format=jsonl"], capfdbinary,
                    monkeypatch)
    records = [json.loads(line) for line in done.out.decode().split("\n")[:-1]]
    assert records[0]["reverse_score"] == pytest.approx(expected[0].candidates[0].reverse_score, abs=1e-5)
    assert "reverse_score" not in records[1]


def test_translate_and_evaluate_rescore(forward: Path, again: list[Path], tmp_path: Path, capfdbinary,
                                        monkeypatch) -> None:
    (tmp_path / "in").write_text("\n".join(LINES))
    usual = [f"run={forward}", "device=cpu", f"rescore=[{again[0]},{again[1]}]", "rescore_weight=2"]
    done = run_here("translate", [*usual, f"input={tmp_path / 'in'}", "search.beam_size=6", "format=jsonl"],
                    capfdbinary, monkeypatch)
    translator = Translator.load(forward, device="cpu", rescore=again, rescore_weight=2, beam_size=6)
    expected = translator.translate_lines(LINES)
    records = [json.loads(line) for line in done.out.decode().split("\n")[:-1]]
    assert [record["translation"] for record in records] == [one.text for one in expected]
    assert records[0]["rescored"] == pytest.approx(expected[0].candidates[0].rescored, abs=1e-5)
    assert "rescored" not in records[1] and "reverse_score" not in records[0]
    done = run_here("evaluate", [*usual, "plots=false", "resamples=100", "split=valid"], capfdbinary, monkeypatch)
    assert f"ranked by {again[0]}, {again[1]}" in done.out.decode(), done.err
    record = json.loads((forward / "evaluation" / "valid-reranked.json").read_text("utf-8"))
    assert (record["rescore"], record["rescore_weight"]) == (list(map(str, again)), 2)
    assert (record["reverse"], record["reverse_weight"]) == ([], None)


def test_both_directions_of_writing_are_no_ensemble(forward: Path, again: list[Path]) -> None:
    with pytest.raises(SettingError, match=r"or write in different directions.*model\.reverse_target="):
        Translator.load([forward, again[0]], device="cpu")


def test_a_stored_beam_tells_what_each_weight_chooses(forward: Path, back: list[Path], again: list[Path],
                                                      tmp_path: Path, capfdbinary, monkeypatch) -> None:
    """benchmarks/candidates.py: of one beam, without searching again."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    from candidates import chosen

    (tmp_path / "in").write_text("\n".join(LINES))
    done = run_here("translate", [f"run={forward}", "device=cpu", f"input={tmp_path / 'in'}", f"reverse={back[0]}",
                                  "reverse_weight=0", f"rescore={again[0]}", "rescore_weight=0", "search.beam_size=6",
                                  "search.n_best=6", "format=jsonl"], capfdbinary, monkeypatch)
    found = [json.loads(line)["n_best"] for line in done.out.decode().splitlines()]
    every = set()
    for weights in ((0, 0), (0.5, 0), (5, 0), (0, 5), (0.5, 3)):
        translator = Translator.load(forward, device="cpu", beam_size=6, reverse=back[0], reverse_weight=weights[0],
                                     rescore=again[0], rescore_weight=weights[1])
        translations = translator.translate(LINES)
        assert [chosen(some, *weights) for some in found] == translations
        every.add(tuple(translations))
    assert len(every) > 2


def test_evaluate_ranks(forward: Path, back: list[Path], corpus: Path, capfdbinary, monkeypatch) -> None:
    usual = [f"run={forward}", "device=cpu", "plots=false", "resamples=100", "split=valid"]
    assert run_here("evaluate", usual, capfdbinary, monkeypatch).code == 0
    done = run_here("evaluate", [*usual, f"reverse={back[0]}", f"compare={forward}"], capfdbinary, monkeypatch)
    assert done.code == 0, done.err
    assert f"ranked by {back[0]}" in done.out.decode()
    record = json.loads((forward / "evaluation" / "valid-reranked.json").read_text("utf-8"))
    assert (record["reverse"], record["reverse_weight"]) == ([str(back[0])], 0.3)
    assert json.loads((forward / "evaluation" / "valid.json").read_text("utf-8"))["reverse"] == []
    assert record["comparison"]["baseline"] != record["bleu"]["value"]
    other = make_bundle(corpus.parent / "other", corpus, seed=3)
    assert run_here("evaluate", [*usual, f"reverse=[{back[0]}]", f"ensemble=[{other}]"], capfdbinary,
                    monkeypatch).code == 0
    assert (forward / "evaluation" / "valid-ensemble-reranked.tsv").is_file()


@pytest.mark.parametrize("command", ["translate", "evaluate"])
@pytest.mark.parametrize(("words", "line"), [
    (["reverse={forward}"], "reverse={forward} is en to de (shape=n_to_m), and {forward} is en to de (shape=n_to_m). "
                            "It takes two translators of opposite directions: give another, or leave reverse= out."),
    (["rescore={back}"], "rescore={back} is de to en (shape=n_to_m), and {forward} is en to de (shape=n_to_m). "
                         "It takes two translators of the same direction: give another, or leave rescore= out."),
    (["rescore={forward}", "search=greedy"], "rescore={forward} ranks the candidates of a beam, and this is search="),
    (["rescore={forward}", "rescore_weight=-1"], "rescore_weight=-1"),
    (["reverse={back}", "search=greedy"], "ranks the candidates of a beam, and this is search=greedy"),
    (["reverse={back}", "reverse_weight=-1"], "reverse_weight=-1"),
    (["reverse=nowhere"], "nowhere"),
])
def test_mistakes_are_one_line(forward: Path, back: list[Path], command: str, words: list[str], line: str, capfdbinary,
                               monkeypatch, tmp_path: Path) -> None:
    names = {"forward": forward, "back": back[0]}
    (tmp_path / "in").write_text("ba do\n")
    usual = [f"run={forward}", "device=cpu", *([f"input={tmp_path / 'in'}"] if command == "translate" else [])]
    done = run_here(command, [*usual, *(word.format(**names) for word in words)], capfdbinary, monkeypatch)
    assert is_one_line(done) and line.format(**names) in done.err, done.err
