"""N-best re-ranking by models of both directions: its formula, and what the commands make of it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch
from commands import is_one_line, run_here
from tiny_bundle import make_bundle
from tiny_corpus import make_corpus

from seq2seq.bundle.bundle import load_bundle
from seq2seq.corpus.batch import make_batch
from seq2seq.errors import SettingError
from seq2seq.inference.reranking import Scorer, mean_score
from seq2seq.inference.translator import Translator
from seq2seq.search.ensemble import Ensemble
from seq2seq.search.penalties import without_coverage
from seq2seq.settings.commands import COMMANDS, types_of
from seq2seq.settings.reranking import RENAMED
from seq2seq.tokenization.tokenizer import BOS, EOS

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
def further(corpus: Path) -> list[Path]:
    """From right to left, and in other pieces."""
    pieces = make_corpus(corpus.parent / "other_pieces", train=20, valid=10, vocabulary=32)
    return [make_bundle(corpus.parent / "leftwards", corpus, seed=5, reverse_target=True),
            make_bundle(corpus.parent / "pieces", pieces, seed=6)]


def by_steps(folders: list[Path], source: str, target: str) -> tuple[float, int]:
    """(log P(target | source), |target|) of an ensemble, piece by piece as search goes."""
    bundles = [load_bundle(folder) for folder in folders]
    (read,), (wrote,) = bundles[0].source_tokenizer.encode([source]), bundles[0].target_tokenizer.encode([target])
    together = Ensemble([bundle.model for bundle in bundles])
    if together.reverse_target:
        wrote = wrote[::-1]
    total = 0.0
    with torch.no_grad():
        memory = together.encode(torch.tensor([[*read, EOS]]), torch.tensor([len(read) + 1]))
        state = together.start(memory)
        for previous, piece in zip([BOS, *wrote], [*wrote, EOS], strict=True):
            logits, state, _ = together.step(torch.tensor([[previous]]), state, memory)
            total += logits[0, 0].log_softmax(0)[piece].item()
    return total, len(wrote) + 1


def scorers(folders: list[Path], budget: int = 1000) -> list[Scorer]:
    return [Scorer([load_bundle(folder)], torch.device("cpu"), budget) for folder in folders]


def test_the_score_of_a_pair_is_that_of_its_steps(back: list[Path]) -> None:
    sources = ["ba do fi", "ba do fi", "gu", "ke lo mi nu pa re so tu"]
    candidates = ["do ba", "", "fi gu ke lo mi nu", "tu so"]
    pairs = list(zip(candidates, sources, strict=True))
    by_hand = [sum(value / length for folder in back for value, length in [by_steps([folder], *pair)]) / len(back)
               for pair in pairs]
    for budget in (1, 20, 1000):  # whatever is beside a pair
        assert mean_score(scorers(back, budget), candidates, sources) == pytest.approx(by_hand, abs=1e-4)


def test_models_of_the_same_direction_rank_beside_them(forward: Path, back: list[Path], further: list[Path]) -> None:
    plain = Translator.load(forward, device="cpu", beam_size=6, n_best=6).translate_lines(LINES)
    ranked = Translator.load(forward, device="cpu", beam_size=6, n_best=6, rerank={
        "backward": back, "backward_weight": 0.5, "forward": further, "forward_weight": 2}).translate_lines(LINES)
    bundles = [load_bundle(folder) for folder in further]
    for one, other in zip(plain, ranked, strict=True):
        by_hand = {}
        for candidate in one.candidates:
            scores = [-bundle.model(make_batch(bundle.source_tokenizer.encode([one.source]), ids, [0])).nll.item()
                    / (len(ids[0]) + 1) for bundle in bundles
                    for ids in [bundle.target_tokenizer.encode([candidate.text])]]
            (back_score,) = mean_score(scorers(back), [candidate.text], [one.source])
            by_hand[candidate.text] = candidate.score + 0.5 * back_score + 2 * sum(scores) / 2
        assert [c.text for c in other.candidates] == sorted(by_hand, key=lambda text: -by_hand[text])
        assert [c.score for c in other.candidates] == pytest.approx(sorted(by_hand.values(), reverse=True), abs=1e-4)
    assert [one.text for one in plain] != [one.text for one in ranked]
    alone = Translator.load(forward, device="cpu", beam_size=6, rerank={"forward": further}).translate_lines(LINES)
    assert alone[0].candidates[0].backward_score is None and alone[0].candidates[0].forward_score is not None


@pytest.mark.parametrize("reverse_target", [False, True])
@pytest.mark.parametrize("number", [1, 2])
def test_teacher_forcing_gives_a_translation_what_search_would(corpus: Path, number: int, reverse_target: bool) -> None:
    """Of one model and of an ensemble, written in either direction."""
    run = [make_bundle(corpus.parent / f"one{reverse_target}{seed}", corpus, seed=seed, reverse_target=reverse_target)
           for seed in range(number)]
    scorer = Scorer([load_bundle(folder) for folder in run], torch.device("cpu"), 40)
    pairs = [("ba do fi", "do ba"), ("ba do fi", ""), ("gu", "fi gu ke lo mi nu"), ("ke lo mi nu pa re so tu", "tu so")]
    forced = scorer.log_probabilities(*map(list, zip(*pairs, strict=True)))
    assert forced == [(pytest.approx(value, abs=1e-4), length) for value, length in
                      [by_steps(run, *pair) for pair in pairs]]


def test_forward_models_search_as_well(forward: Path, back: list[Path], further: list[Path], corpus: Path) -> None:
    """The candidates are those of all beams, and each has the score that it would have had in the first one."""
    leftwards = make_bundle(corpus.parent / "leftwards_too", corpus, seed=8, reverse_target=True)
    models = [*further, leftwards]
    usual = {"device": "cpu", "beam_size": 4, "length_penalty": 0.7}
    beams = [Translator.load(run, n_best=4, **usual).translate_lines(LINES)
             for run in (forward, *models)]
    choices = []
    for count in (1, 4):
        rerank = {"forward": models, "search": True, "forward_weight": 30, "backward": back}
        translator = Translator.load(forward, n_best=count, rerank=rerank, **usual)
        choices.append(translator.translate_lines(LINES, attention=True))
    own = Scorer([load_bundle(forward)], torch.device("cpu"), 1000)
    others = 0
    for row, line in enumerate(LINES):
        texts = list(dict.fromkeys(one.text for beam in beams for one in beam[row].candidates))
        sources = [line] * len(texts)
        first = {one.text: one.score for one in beams[0][row].candidates}
        forced = [without_coverage(value, length, 0.7) for value, length in own.log_probabilities(sources, texts)]
        ranked = sorted(((first.get(text, value) + 0.3 * one + 30 * other, text) for text, value, one, other in zip(
            texts, forced, mean_score(scorers(back), texts, sources), mean_score(scorers(models), sources, texts),
            strict=True)), reverse=True)
        found = choices[1][row].candidates
        assert [one.text for one in found] == [text for _, text in ranked][:4]
        assert [one.score for one in found] == pytest.approx([score for score, _ in ranked][:4], abs=1e-3)
        assert [one.text for one in choices[0][row].candidates] == [one.text for one in found][:1]
        others += sum(one.text not in first for one in found)
        assert all((one.alignment is None) is (one.text not in first) for one in found if one.text)
    assert others > 2


def test_no_pair_is_scored_twice(forward: Path, further: list[Path], monkeypatch) -> None:
    """Neither what a model found by itself, nor a line that comes again; in eight bits search says something else."""
    asked: list[list[str]] = []
    usual = Scorer.log_probabilities

    def counted(self: Scorer, sources: list[str], targets: list[str]) -> list[tuple[float, int]]:
        asked.append(targets)
        return usual(self, sources, targets)

    monkeypatch.setattr(Scorer, "log_probabilities", counted)
    search, line, tokenizer = {"device": "cpu", "beam_size": 8}, LINES[:1], load_bundle(further[0]).target_tokenizer
    for precision in ("fp32", "int8"):
        first, second = (
            Translator.load(run, n_best=8, precision=precision, **search).translate_lines(line)[0].candidates
            for run in (forward, further[0]))
        Translator.load(forward, rerank={"forward": further[0], "search": True, "forward_weight": 1000},
                        precision=precision, **search).translate(line)
        texts = list(dict.fromkeys(one.text for one in [*first, *second]))
        said = {one.text for one in second if one.pieces == tokenizer.pieces(tokenizer.encode([one.text])[0])}
        assert said and len(texts) > len(first)
        rest = [text for some in asked[1:] for text in some]
        unasked = said if precision == "fp32" else set()
        assert (asked[0], sorted(rest)) == (texts[len(first) :], sorted({*texts} - unasked))
        asked.clear()
    one, two = scorers(further)
    ((ba, pieces),) = two.log_probabilities(line, ["ba"])
    asked.clear()
    assert mean_score([one, two], line * 3, ["do", "ba", "do"], [{(line[0], "ba"): (-6.0, 2)}, {}]) == pytest.approx(
        [*mean_score([one, two], line, ["do"]), (-6 / 2 + ba / pieces) / 2, *mean_score([one, two], line, ["do"])])
    assert asked[:2] == [["do"], ["do", "ba"]]


def test_a_line_is_cut_once_and_in_the_pieces_of_those_that_search_first(forward: Path, further: list[Path],
                                                                          caplog: pytest.LogCaptureFixture) -> None:
    counts = [len(load_bundle(folder).source_tokenizer.encode([LINES[2]])[0]) for folder in (forward, further[1])]
    assert counts[0] < counts[1]
    search = {"beam_size": 3, "n_best": 3, "rerank": {"forward": further, "search": True}}
    shorter, whole = (Translator.load(forward, max_source_pieces=limit, **search) for limit in counts)
    assert shorter.translate_lines(LINES[2:3]) == whole.translate_lines(LINES[2:3])
    assert "only the first" not in caplog.text
    longer = [f"{LINES[2]} gu"]
    assert [one.text for one in shorter.translate_lines(longer)[0].candidates] == [
        one.text for one in whole.translate_lines(LINES[2:3])[0].candidates]
    assert caplog.text.count("only the first") == 1


def test_a_split_line_of_candidates_without_attention_has_no_alignment(forward: Path, further: list[Path]) -> None:
    long = " ".join(["ba do fi gu re"] * 6)
    translator = Translator.load(forward, device="cpu", beam_size=4, n_best=4, max_source_pieces=8, long="split",
                                 rerank={"forward": further, "search": True, "forward_weight": 3})
    (split,) = translator.translate_lines([long], attention=True)
    assert all(one.alignment is None or len(one.alignment) == len(one.pieces) for one in split.candidates)
    assert any(one.alignment is None for one in split.candidates)


@pytest.mark.parametrize("weight", [0.0, 0.5, 3.0])
def test_candidates_are_those_of_the_beam_in_another_order(forward: Path, back: list[Path], weight: float) -> None:
    plain = Translator.load(forward, device="cpu", beam_size=6, n_best=6).translate_lines(LINES)
    rerank = {"backward": back, "backward_weight": weight}
    chosen = Translator.load(forward, device="cpu", rerank=rerank, beam_size=6, n_best=6).translate_lines(LINES)
    best = Translator.load(forward, device="cpu", rerank=rerank, beam_size=6).translate(LINES)
    moved = 0
    for one, other in zip(plain, chosen, strict=True):
        texts = [candidate.text for candidate in one.candidates]
        values = mean_score(scorers(back), texts, [one.source] * len(texts))
        by_hand = sorted(((candidate.score + weight * value, candidate.text) for candidate, value
                          in zip(one.candidates, values, strict=True)), reverse=True)
        assert [candidate.score for candidate in other.candidates] == pytest.approx([score for score, _ in by_hand])
        assert sorted(texts) == sorted(candidate.text for candidate in other.candidates)
        probability = {candidate.text: candidate.log_probability for candidate in one.candidates}
        assert all(probability[c.text] == pytest.approx(c.log_probability) for c in other.candidates)
        moved += texts != [candidate.text for candidate in other.candidates]
    assert best == [translation.text for translation in chosen] and best[1] == ""
    assert (moved > 0) is (weight > 0)


def test_the_source_that_is_scored_is_the_part_that_was_translated(forward: Path, back: list[Path]) -> None:
    long = " ".join(["ba do fi gu"] * 5)
    cut = Translator.load(forward, device="cpu", rerank={"backward": back}, max_source_pieces=8)
    (whole,) = cut.translate_lines([long])
    (begun,) = cut.translate_lines(["".join(whole.source_pieces[:-1]).replace("▁", " ").strip()])
    assert whole.candidates[0].backward_score == pytest.approx(begun.candidates[0].backward_score)
    (split,) = Translator.load(forward, device="cpu", rerank={"backward": back}, max_source_pieces=8,
                               long="split").translate_lines([long])
    assert split.text.startswith(whole.text) and split.candidates[0].backward_score is None


@pytest.mark.parametrize(("search", "line"), [
    ({"kind": "greedy"}, r"search=greedy with search\.beam_size=5\. Choose search=beam search\.beam_size=10"),
    ({"beam_size": 1}, r"search=beam with search\.beam_size=1\. Choose"),
    ({"kind": "sample", "n_best": 4}, "search=sample with"),
    ({"mbr": 2}, r"^search\.mbr=2 and rerank\.backward=.* both re-rank the candidates of a beam\. Choose"),
])
def test_searches_with_nothing_to_rank_are_refused(forward: Path, back: list[Path], search: dict, line: str) -> None:
    with pytest.raises(SettingError, match=line):
        Translator.load(forward, device="cpu", rerank={"backward": back}, **search)


@pytest.mark.parametrize(("rerank", "line"), [
    ({"backwards": "a"}, r"^rerank\.backwards is not a setting\. Did you mean backward\?"),
    ({"backward": 3}, r"^rerank\.backward=3 is not a list\. Write it as rerank\.backward=\[a,b\]\."),
    ({"forward": [3]}, r"^rerank\.forward\[0\]=3 is not a text\."),
    ("runs/a", r"^rerank='runs/a' is not a group of settings\."),
    ({"search": True}, r"^rerank\.search=true lets the models of rerank\.forward= search, and there are none\."),
])
def test_the_library_refuses_what_is_no_reranking(forward: Path, rerank, line: str) -> None:
    with pytest.raises(SettingError, match=line):
        Translator.load(forward, device="cpu", rerank=rerank)


def test_one_model_or_a_list_by_name_or_path(forward: Path, back: list[Path]) -> None:
    found = [Translator.load(forward, device="cpu", rerank={"backward": given}).translate_lines(LINES)[0]
             for given in (back[0], str(back[0]), [back[0]], (str(back[0]),))]
    assert len({one.candidates[0].backward_score for one in found}) == 1
    for nothing in (None, {}, {"backward": []}, {"backward": None, "forward": None}):
        plain = Translator.load(forward, device="cpu", rerank=nothing).translate_lines(LINES)[0]
        assert plain.candidates[0].backward_score is None


@pytest.mark.parametrize(("name", "cure"), [(name, cure) for name, cure in RENAMED.items()])
def test_a_setting_of_before_names_the_new_one(name: str, cure: str, forward: Path, capfdbinary, monkeypatch) -> None:
    said = f"{name} is no longer a setting. Write {cure} instead."
    new, value = cure.split("=")
    for command in ("translate", "evaluate"):
        assert str in types_of(COMMANDS[command].kind, new) or types_of(COMMANDS[command].kind, new) <= {bool, float}
        for word in (f"{name}={value}", f"+{name}={value}", f"++{name}={value}"):
            done = run_here(command, [f"run={forward}", word], capfdbinary, monkeypatch)
            assert is_one_line(done) and done.err == f"error: {said}\n"
    with pytest.raises(SettingError, match=f"^{re.escape(said)}$"):
        Translator.load(forward, **{name: value})


def test_translate_ranks(forward: Path, back: list[Path], tmp_path: Path, capfdbinary, monkeypatch) -> None:
    (tmp_path / "in").write_text("\n".join(LINES))
    usual = [f"run={forward}", "device=cpu", f"input={tmp_path / 'in'}", f"rerank.backward=[{back[0]},{back[1]}]",
             "rerank.backward_weight=2", "search.beam_size=6"]
    done = run_here("translate", usual, capfdbinary, monkeypatch)
    assert done.code == 0 and done.err.count("\n") == done.err.count("cut at the length limit") <= 1  # random weights
    translator = Translator.load(forward, device="cpu", rerank={"backward": back, "backward_weight": 2}, beam_size=6)
    expected = translator.translate_lines(LINES)
    assert done.out.decode().split("\n")[:-1] == [one.text for one in expected]
    done = run_here("translate", [*usual, "format=jsonl"], capfdbinary, monkeypatch)
    records = [json.loads(line) for line in done.out.decode().split("\n")[:-1]]
    assert records[0]["backward_score"] == pytest.approx(expected[0].candidates[0].backward_score, abs=1e-5)
    assert "backward_score" not in records[1]


def test_translate_and_evaluate_rank_by_forward_models(forward: Path, back: list[Path], further: list[Path],
                                                       tmp_path: Path, capfdbinary, monkeypatch) -> None:
    (tmp_path / "in").write_text("\n".join(LINES))
    usual = [f"run={forward}", "device=cpu", f"rerank.forward=[{further[0]},{further[1]}]"]
    done = run_here("translate", [*usual, f"input={tmp_path / 'in'}", "search.beam_size=6", "format=jsonl",
                                  "rerank.forward_weight=2"], capfdbinary, monkeypatch)
    translator = Translator.load(forward, device="cpu", rerank={"forward": further, "forward_weight": 2}, beam_size=6)
    expected = translator.translate_lines(LINES)
    records = [json.loads(line) for line in done.out.decode().split("\n")[:-1]]
    assert [record["translation"] for record in records] == [one.text for one in expected]
    assert records[0]["forward_score"] == pytest.approx(expected[0].candidates[0].forward_score, abs=1e-5)
    assert "forward_score" not in records[1] and "backward_score" not in records[0]
    joint = Translator.load(forward, device="cpu", rerank={"forward": further, "forward_weight": 50, "search": True},
                            beam_size=6)
    done = run_here("translate", [*usual, f"input={tmp_path / 'in'}", "search.beam_size=6", "rerank.search=true",
                                  "rerank.forward_weight=50"], capfdbinary, monkeypatch)
    assert done.out.decode().split("\n")[:-1] == joint.translate(LINES) != [one.text for one in expected]
    usual += ["plots=false", "resamples=100", "split=valid", "rerank.forward_weight=2"]
    done = run_here("evaluate", [*usual, "rerank.search=true", f"rerank.backward={back[0]}"], capfdbinary, monkeypatch)
    assert (f"re-ranked by {further[0]}, {further[1]} (searching too) and the backward model {back[0]}, en to de"
            in done.out.decode()), done.err
    first = forward / "evaluation" / "valid-reranked-forward_weight-2.json"
    assert json.loads(first.read_text("utf-8"))["rerank"]["search"] is True
    done = run_here("evaluate", usual, capfdbinary, monkeypatch)
    assert f"re-ranked by {further[0]}, {further[1]}, en to de" in done.out.decode(), done.err
    (second,) = set(first.parent.glob("valid-reranked-forward_weight-2-*.json"))  # by other models: another name
    assert json.loads(second.read_text("utf-8"))["rerank"] == {
        "backward": [], "backward_weight": 0.3, "forward": [*map(str, further)], "forward_weight": 2,
        "second_decoder": False, "search": False}


def test_evaluate_ranks(forward: Path, back: list[Path], corpus: Path, capfdbinary, monkeypatch) -> None:
    usual = [f"run={forward}", "device=cpu", "plots=false", "resamples=100", "split=valid"]
    assert run_here("evaluate", usual, capfdbinary, monkeypatch).code == 0
    done = run_here("evaluate", [*usual, f"rerank.backward={back[0]}", f"compare={forward}"], capfdbinary, monkeypatch)
    assert done.code == 0, done.err
    assert f"re-ranked by the backward model {back[0]}, en to de" in done.out.decode()
    record = json.loads((forward / "evaluation" / "valid-reranked.json").read_text("utf-8"))
    assert record["rerank"]["backward"] == [str(back[0])] and record["rerank"]["backward_weight"] == 0.3
    assert json.loads((forward / "evaluation" / "valid.json").read_text("utf-8"))["rerank"] is None
    assert record["comparison"]["baseline"] != record["bleu"]["value"]
    other = make_bundle(corpus.parent / "other", corpus, seed=3)
    done = run_here("evaluate", [f"run=[{forward},{other}]", *usual[1:], f"rerank.backward=[{back[0]}]"], capfdbinary,
                    monkeypatch)
    assert f"together with {other}, re-ranked by the backward model {back[0]}" in done.out.decode(), done.err
    assert (forward / "evaluation" / "valid-ensemble-reranked.tsv").is_file()


@pytest.mark.parametrize("command", ["translate", "evaluate"])
@pytest.mark.parametrize(("words", "line"), [
    (["rerank.backward={forward}"],
     "rerank.backward={forward} is en to de (shape=n_to_m), and {forward} is en to de (shape=n_to_m). It takes two "
     "translators of opposite directions: give another, or leave rerank.backward= out."),
    (["rerank.forward={back}"],
     "rerank.forward={back} is de to en (shape=n_to_m), and {forward} is en to de (shape=n_to_m). It takes two "
     "translators of the same direction: give another, or leave rerank.forward= out."),
    (["rerank.forward={forward}", "search=greedy"],
     "rerank.forward={forward} re-ranks the candidates of a beam, and this is search=greedy with search.beam_size=5. "
     "Choose search=beam search.beam_size=10, or leave rerank.forward= out."),
    (["rerank.backward=[{back},{back}]", "search.mbr=2"],
     "search.mbr=2 and rerank.backward=[{back},{back}] both re-rank the candidates of a beam. Choose search.mbr=0, or "
     "leave rerank.backward= out."),
    (["rerank.forward={forward}", "rerank.forward_weight=-1"],
     "rerank.forward_weight=-1.0 is out of range: give a number at least 0."),
    (["rerank.search=true"],
     "rerank.search=true lets the models of rerank.forward= search, and there are none. Give some, or "
     "rerank.second_decoder=true, or leave rerank.search= out."),
    (["rerank.backward_weight=0.5"],
     "rerank.backward_weight=0.5 weights the models of rerank.backward=, and there are none. Give some, or leave "
     "rerank.backward_weight= out."),
    (["rerank.backward={back}", "rerank.forward_weight=2"],
     "rerank.forward_weight=2 weights the models of rerank.forward=, and there are none."),
    (["rerank.forward={forward}", "rerank.search=true", "search.coverage_penalty=0.1"],
     "rerank.search=true and search.coverage_penalty=0.1: there is no attention to count for what the models of "
     "rerank.forward= find. Choose search.coverage_penalty=0 or rerank.search=false."),
    (["rerank.backward=nowhere"], "nowhere does not exist. Give the folder of a trained run: rerank.backward=FOLDER."),
    (["rerank=nowhere"], "rerank='nowhere' is not a group of settings."),
    (["rerank.backwards={back}"], "rerank.backwards is not a setting. Did you mean rerank.backward?"),
])
def test_mistakes_are_one_line(forward: Path, back: list[Path], command: str, words: list[str], line: str, capfdbinary,
                               monkeypatch, tmp_path: Path) -> None:
    names = {"forward": forward, "back": back[0]}
    (tmp_path / "in").write_text("ba do\n")
    usual = [f"run={forward}", "device=cpu", *([f"input={tmp_path / 'in'}"] if command == "translate" else [])]
    done = run_here(command, [*usual, *(word.format(**names) for word in words)], capfdbinary, monkeypatch)
    assert is_one_line(done) and line.format(**names) in done.err, done.err
