"""Preparing, training, translating and evaluating in languages without spaces, and in other Unicode forms."""

from __future__ import annotations

import dataclasses
import json
import logging
import random
import unicodedata
from pathlib import Path

import pytest
import torch
from commands import is_one_line, run_here
from tiny_bundle import make_bundle
from tiny_corpus import make_corpus

from data_prep.prepare import prepare
from seq2seq import scoring_units
from seq2seq.bundle.bundle import load_bundle
from seq2seq.corpus.packed import PackedCorpus
from seq2seq.errors import SettingError
from seq2seq.evaluation.files import Files, Pairs, Stored, write_differences
from seq2seq.evaluation.labels import _aligned
from seq2seq.evaluation.translations import compare_with, evaluate
from seq2seq.inference.minimum_bayes_risk import expected_bleu, shares
from seq2seq.inference.translator import Candidate, Translation, Translator
from seq2seq.scoring import Units, chrf, length_ratio, sentence_bleu
from seq2seq.settings.evaluate import EvaluateSettings
from seq2seq.settings.model import Shape
from seq2seq.settings.prepare import FilesData, PrepareSettings, TokenizerSettings
from seq2seq.settings.reading import read_settings
from seq2seq.settings.scoring import Tokenize
from seq2seq.settings.training import TrainSettings
from seq2seq.tokenization.tokenizer import UNK
from seq2seq.training.judges import TextJudge
from seq2seq.training.loop import Run
from seq2seq.training.metrics import read_metrics
from seq2seq.training.minimum_risk import RiskGradients
from seq2seq.training.run import train
from seq2seq.training.state import TrainState

torch.set_num_threads(1)
ENGLISH = ["red", "blue", "green", "old", "new", "big", "small", "warm", "cold", "good", "house", "tree", "dog", "cat",
           "river", "bread"]
OTHERS = {"zh": ("红蓝绿旧新大小暖冷好屋树狗猫河饼", ""),
          "km": (["ក្រហម", "ខៀវ", "បៃតង", "ចាស់", "ថ្មី", "ធំ", "តូច", "ក្តៅ", "ត្រជាក់", "ល្អ", "ផ្ទះ", "ដើមឈើ",
                  "ឆ្កែ", "ឆ្មា", "ទន្លេ", "នំប៉័ង"], "\u200b")}


def prepared(folder: Path, language: str, count: int = 60) -> Path:
    """A packed corpus of `count` training pairs, word by word the same order."""
    words, between = OTHERS[language]
    draw = random.Random(1)
    for split, size in (("train", count), ("valid", 12), ("test", 12)):
        rows = [draw.choices(range(16), k=draw.randint(4, 6)) for _ in range(size)]
        (folder / f"{split}.en").write_text("".join(" ".join(ENGLISH[i] for i in row) + "\n" for row in rows))
        (folder / f"{split}.{language}").write_text("".join(between.join(words[i] for i in row) + "\n" for row in rows))
    names = {split: str(folder / split) for split in ("train", "valid", "test")}
    return prepare(PrepareSettings(corpus=str(folder / "corpus"), data=FilesData(source="en", target=language, **names),
                                   num_proc=1, shortlist=0, tokenizer=TokenizerSettings(vocabulary=100)))


@pytest.fixture(scope="module")
def chinese(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepared(tmp_path_factory.mktemp("zh"), "zh")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_corpus(tmp_path_factory.mktemp("tiny") / "corpus", train=20, valid=15)


def settings(corpus: Path, run: Path, scoring: str = "auto", **training) -> TrainSettings:
    return read_settings(TrainSettings, {
        "corpus": str(corpus), "run": str(run), "model": {"embedding": 8, "hidden": 8},
        "scoring": {"tokenize": scoring}, "training": {
            "batch_pieces": 150, "max_epochs": None, "max_updates": 6, "validate_every": 2, "threads": 1,
            "device": "cpu", "precision": "fp32", **training}})


@pytest.mark.parametrize(("scoring", "wanted"), [("auto", "zh"), ("char", "char")])
def test_a_run_counts_what_its_language_is_written_in(chinese, tmp_path, capfdbinary, monkeypatch, scoring, wanted):
    run = tmp_path / "run"
    train(settings(chinese, run, scoring))
    for line in read_metrics(run).valid:
        assert f"|tok:{wanted}|" in line["signature"] and 0 <= line["chrf"] <= 100
        assert line["chrf_signature"].startswith("nrefs:1|") and "nc:6" in line["chrf_signature"]
    bundle = load_bundle(run / "best")
    assert bundle.info["tokenize"] == wanted and bundle.settings.scoring.tokenize is Tokenize(scoring)

    def evaluated(*more: str) -> dict:
        done = run_here("evaluate", [f"run={run / 'best'}", "device=cpu", "plots=false", "resamples=100", *more],
                        capfdbinary, monkeypatch)
        assert done.code == 0, done.err
        return newest(run / "best")

    record = evaluated()
    assert f"|tok:{wanted}|" in record["bleu"]["signature"] and record["tokenize"] == wanted
    assert {bucket["unit"] for bucket in record["by_length"]} == {"words"}  # of the English source
    other = {"zh": "char", "char": "zh"}[wanted]
    assert f"|tok:{other}|" in evaluated(f"scoring.tokenize={other}")["bleu"]["signature"]


def test_a_comparison_counts_what_its_language_is_written_in():
    good, bad = ["今天天气很好", "这本书很好"], ["今天天气不好", "那本书不好"]
    pairs = Pairs("test", {}, ["a", "b"], good)
    found, by_length = compare_with(Stored("other", [], bad), pairs, good, 100, Units("zh", "words"))
    assert found.value == pytest.approx(100) and 20 < found.baseline < 90 and "|tok:zh|" in found.signature
    assert [bucket.bleu for bucket in by_length] == [pytest.approx(found.baseline)]


def test_the_translations_of_two_runs_are_compared_likewise(chinese, tmp_path):
    bundle = load_bundle(make_bundle(tmp_path / "run", chinese, languages=("en", "zh")))
    good, bad = ["今天天气很好", "这本书很好"], ["今天天气不好", "那本书很好吗"]
    pairs = Pairs("test", {}, ["a", "b"], good)
    translator = Translator([bundle], bundle.settings.search)
    translations = [Translation(line, [], [_candidate(text)]) for line, text in zip("ab", bad, strict=True)]
    translator.translate_lines = lambda lines, **_: translations  # type: ignore[method-assign]
    chosen = read_settings(EvaluateSettings, {"run": str(tmp_path / "run"), "resamples": 100})
    found, texts = evaluate(translator, pairs, chosen, Units("zh", "words"), "test")
    assert texts == bad and found.length_ratio == length_ratio(bad, good, "zh") == 12 / 11 and found.tokenize == "zh"
    assert found.by_length[0].bleu == pytest.approx(found.bleu.value) and 20 < found.bleu.value < 90
    (tmp_path / "run" / "evaluation").mkdir()
    files = Files(tmp_path / "run" / "evaluation", "test", "")
    write_differences(files, Stored("other", [], good), pairs, texts, found.tokenize)
    (path,) = files.folder.glob("*-compare-other.tsv")
    _, *rows = (line.split("\t") for line in path.read_text().splitlines())
    assert [row[2] for row in rows] == ["100.0", "100.0"] and all(20 < float(row[1]) < 90 for row in rows)


def newest(bundle: Path) -> dict:
    """The evaluation that was written last."""
    return json.loads(max((bundle / "evaluation").glob("*.json"), key=lambda path: path.stat().st_mtime_ns).read_text())


def _candidate(text: str) -> Candidate:
    return Candidate(text, [], 0.0, 0.0, None)


def test_the_length_of_a_source_without_spaces_is_in_characters(chinese, tmp_path, capfdbinary, monkeypatch):
    place = chinese.parent
    bundle = make_bundle(tmp_path / "run", chinese, languages=("zh", "en"))
    done = run_here("evaluate", [f"run={bundle}", "device=cpu", "resamples=100", "heat_maps=1", "search=greedy",
                                 f"source={place / 'test.zh'}", f"reference={place / 'test.en'}"],
                    capfdbinary, monkeypatch)
    assert done.code == 0, done.err
    assert "characters of source" in done.out.decode()
    record = newest(bundle)
    assert [bucket["unit"] for bucket in record["by_length"]] == ["characters"]
    assert len(list((bundle / "evaluation").glob("*-attention-*.png"))) == 1


def test_a_heat_map_is_of_a_short_sentence_in_characters_too(chinese, tmp_path, capfdbinary, monkeypatch):
    bundle = make_bundle(tmp_path / "run", chinese, languages=("zh", "en"))
    (tmp_path / "a.zh").write_text("红蓝绿旧" * 10 + "\n")
    (tmp_path / "a.en").write_text("red blue green old\n")
    done = run_here("evaluate", [f"run={bundle}", "device=cpu", "resamples=100", "search=greedy",
                                 f"source={tmp_path / 'a.zh'}", f"reference={tmp_path / 'a.en'}"],
                    capfdbinary, monkeypatch)
    assert done.code == 0 and not list((bundle / "evaluation").glob("*-attention-*.png")), done.err


def test_best_by_chrf(tiny, tmp_path):
    state = train(settings(tiny, tmp_path / "run", best_by="chrf"))
    lines = read_metrics(tmp_path / "run").valid
    assert state.measure == "chrf" and state.best == max(line["chrf"] for line in lines)


def test_a_bleu_of_0_leaves_the_choice_to_the_perplexity(tiny, tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(TextJudge, "_texts", lambda self, model: (["zz"] * len(self._references), 0))
    state = train(settings(tiny, tmp_path / "run", patience=1))
    lines = read_metrics(tmp_path / "run").valid
    falling = [line["perplexity"] for line in lines]
    assert len(lines) == 3 and falling == sorted(falling, reverse=True)
    assert all(line["best"] and line["bleu"] == 0 for line in lines)
    assert (state.best, state.best_updates, state.measure) == (falling[-1], 6, "perplexity")
    assert load_bundle(tmp_path / "run").info["updates"] == 6
    said = [message for message in caplog.messages if "0.00:" in message]
    assert said == ["validation bleu is 0.00: until it is not, the perplexity chooses best/ and counts for "
                    "training.patience"]
    # The same run goes on, and learns: BLEU chooses from now on.
    monkeypatch.setattr(TextJudge, "_texts", lambda self, model: (list(self._references), 0))
    state = train(settings(tiny, tmp_path / "run", patience=1, max_updates=8))
    assert state.measure == "bleu" and state.best == pytest.approx(100) and state.best_updates == 8
    assert "validation bleu is above 0: from here on it chooses best/" in caplog.messages


def test_a_fork_chooses_from_scratch(tiny, tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    with monkeypatch.context() as patched:
        patched.setattr(TextJudge, "_texts", lambda self, model: (["zz"] * len(self._references), 0))
        assert train(settings(tiny, tmp_path / "run")).measure == "perplexity"
    caplog.clear()
    monkeypatch.setattr(TextJudge, "_texts", lambda self, model: (list(self._references), 0))
    wanted = dataclasses.replace(settings(tiny, tmp_path / "other", max_updates=8), fork=str(tmp_path / "run"))
    assert train(wanted).measure == "bleu" and not any("from here on" in message for message in caplog.messages)


def test_a_checkpoint_keeps_what_chose(tiny, tmp_path):
    state = TrainState(best=3.0, measure="perplexity")
    assert TrainState.read(json.loads(json.dumps(state.written()))) == state


def test_minimum_risk_training_learns_from_text_without_spaces(chinese, tmp_path):
    from seq2seq.distributed import ProcessGroup

    run = Run(settings(chinese, tmp_path / "run", risk=0.5, risk_draws=2), PackedCorpus.open(chinese),
              tmp_path / "run", ProcessGroup(), torch.device("cpu"))
    assert isinstance(run.gradients, RiskGradients)
    batch, _, _ = next(run.batches.stream(run.state.position))
    ids = zip(batch.target_out.tolist(), batch.target_lengths.tolist(), strict=True)
    (text, *others) = run.tokenizers[1].decode([row[: length - 1] for row, length in ids])
    drawn = [[_Drawn(ids) for ids in run.tokenizers[1].encode([one, one[:-1]])] for one in (text, *others)]
    losses = run.gradients.losses(drawn, batch)
    assert losses[:, 0].tolist() == pytest.approx([0] * len(drawn), abs=1e-6)
    assert losses[0, 1].item() == pytest.approx(1 - sentence_bleu([text[:-1]], [text], "zh")[0] / 100, abs=1e-6)
    assert 0 < losses[0, 1].item() < 0.5


class _Drawn:
    def __init__(self, pieces: list[int]) -> None:
        self.pieces = pieces


def test_candidates_are_compared_in_what_the_language_is_written_in(chinese, tmp_path):
    lines = ["red house", "old dog cat river bread"]
    for languages, tokenize, given in ((("en", "zh"), "zh", "auto"), (("en", "zh"), "char", "char"),
                                       (("en", "th"), "char", "auto"), (("en", "de"), "13a", "auto")):
        bundle = make_bundle(tmp_path / f"{languages[1]}-{given}", chinese, languages=languages)
        plain = Translator.load(bundle, device="cpu", n_best=4).translate_lines(lines)
        chosen = Translator.load(bundle, device="cpu", mbr=4, n_best=4, beam_size=5, tokenize=given)
        for one, other in zip(plain, chosen.translate_lines(lines), strict=True):
            weights = shares([each.log_probability for each in one.candidates])
            wanted = expected_bleu([each.text for each in one.candidates], weights, tokenize)
            assert [each.score for each in other.candidates] == pytest.approx(sorted(wanted, reverse=True))


def test_a_bundle_keeps_what_its_text_was_counted_in(tiny, tmp_path):
    bundle = load_bundle(make_bundle(tmp_path / "run", tiny))
    for recorded, wanted in ((None, "13a"), ("char", "char"), ("13a", "13a"), ("nonsense", "13a"), (["char"], "13a")):
        bundle.info["tokenize"] = recorded
        search = read_settings(type(bundle.settings.search), {"mbr": 2})
        assert Translator([bundle], search)._tokenize == wanted
        assert Translator([bundle], search, tokenize=Tokenize.CHINESE)._tokenize == "zh"


def test_mistakes_are_one_line(tiny, tmp_path, capfdbinary, monkeypatch):
    bundle = make_bundle(tmp_path / "run", tiny)
    monkeypatch.setattr(scoring_units, "_is_installed", lambda asked: asked is not Tokenize.JAPANESE)
    missing = ("scoring.tokenize=ja-mecab needs a package that is not installed. Install it, pip install "
               "\"sacrebleu[ja]\", or choose scoring.tokenize=char.")
    for command, words, line in (
            ("evaluate", ["scoring.tokenize=ja-mecab"], missing),
            ("translate", ["scoring.tokenize=ja-mecab", "search.mbr=2", f"input={tiny / 'manifest.json'}"], missing),
            ("translate", ["scoring.tokenize=char"], "scoring.tokenize=char is what search.mbr compares candidates by, "
                           "and with search.mbr=0 none are compared. Choose scoring.tokenize=auto, or search.mbr=5."),
            ("evaluate", ["scoring.tokenize=chr"], "scoring.tokenize=chr is not one of: auto, 13a, intl, zh, ja-mecab, "
                          "ko-mecab, char, none. Did you mean char?")):
        done = run_here(command, [f"run={bundle}", "device=cpu", *words], capfdbinary, monkeypatch)
        assert is_one_line(done) and line in done.err, done.err
    with pytest.raises(SettingError) as caught:
        train(settings(tiny, tmp_path / "new", scoring="ja-mecab"))
    assert str(caught.value) == missing and not (tmp_path / "new").exists()
    with pytest.raises(SettingError, match=r"scoring\.tokenize=char is for BLEU of translations, and this is shape="):
        read_settings(TrainSettings, {"shape": "one_to_n", "context": {"kind": "last"}, "training": {
            "best_by": "perplexity"}, "scoring": {"tokenize": "char"}})
    with pytest.raises(SettingError, match=r"scoring\.tokenize=char is what search\.mbr compares candidates by"):
        Translator.load(bundle, device="cpu", tokenize="char")


def test_tokens_that_references_do_not_have_are_refused_before_any_work(chinese, tmp_path, capfdbinary, monkeypatch):
    line = ("scoring.tokenize=13a: the references of {} would score 0 against themselves, for none has 4 such tokens. "
            "Choose scoring.tokenize=char.")
    with pytest.raises(SettingError) as caught:
        train(settings(chinese, tmp_path / "new", scoring="13a"))
    assert str(caught.value) == line.format("valid") and not (tmp_path / "new").exists()
    bundle = make_bundle(tmp_path / "run", chinese, languages=("en", "zh"))
    done = run_here("evaluate", [f"run={bundle}", "device=cpu", "scoring.tokenize=13a"], capfdbinary, monkeypatch)
    assert is_one_line(done) and line.format("test") in done.err and not (bundle / "evaluation").exists()
    done = run_here("evaluate", [f"run={bundle}", "device=cpu", "papers=true"], capfdbinary, monkeypatch)
    assert is_one_line(done) and "papers=true: Moses finds hardly a word in the references of test" in done.err


def test_references_in_another_form_score_the_same(tiny, tmp_path, capfdbinary, monkeypatch):
    bundle = make_bundle(tmp_path / "run", tiny)
    lines = Translator.load(bundle, device="cpu", kind="greedy").translate(["ba do fi gu", "ke lo mi", "pa re so tu"])
    wanted = [f"{line} một x" for line in lines]  # in part what it says, with a letter that decomposes
    forms = {"nfc": wanted, "nfd": [unicodedata.normalize("NFD", line) for line in wanted],
             "marks": [f"\u200e{line}\u00ad" for line in wanted]}
    (tmp_path / "a.en").write_text("ba do fi gu\nke lo mi\npa re so tu\n")
    scores = {}
    for name, references in forms.items():
        (tmp_path / f"{name}.de").write_text("".join(line + "\n" for line in references))
        done = run_here("evaluate", [f"run={bundle}", f"source={tmp_path / 'a.en'}", "papers=true", "plots=false",
                                     f"reference={tmp_path / name}.de", "resamples=100", "search=greedy", "device=cpu"],
                        capfdbinary, monkeypatch)
        assert done.code == 0, done.err
        assert ("references are in another Unicode form" in done.err) == (name != "nfc")
        record = newest(bundle)
        scores[name] = [record[key] for key in ("bleu", "chrf", "bleu_of_papers", "length_ratio", "by_length")]
    assert scores["nfd"] == scores["marks"] == scores["nfc"]
    assert 0 < chrf(lines, wanted, 0).value < 100


def test_labels_in_another_form_are_right(caplog):
    labels = ["Động_từ Tính_từ", "Danh\u00ad_từ \u200b"]
    written = [unicodedata.normalize("NFD", line) for line in labels]
    pairs = Pairs("test", {}, ["a b", "a b"], written)
    wanted, given = _aligned(pairs, ["Động_từ Tính_từ", "Danh_từ X"], Shape.N_TO_N)
    assert wanted == [["Động_từ", "Tính_từ"], ["Danh_từ", "\u200b"]]  # what is invisible is a label all the same
    assert given == [["Động_từ", "Tính_từ"], ["Danh_từ", "X"]]
    pairs = Pairs("test", {}, ["a"], [unicodedata.normalize("NFD", "Động từ")])
    assert _aligned(pairs, ["Động từ"], Shape.N_TO_1) == ([["Động từ"]], [["Động từ"]])


def test_a_zero_width_space_between_words_stays_where_it_separates_them(tmp_path):
    corpus = PackedCorpus.open(prepared(tmp_path, "km"))
    sources, targets = corpus.split("train").text()
    assert all("\u200b" in line for line in targets)
    source, target = corpus.tokenizers()
    assert target.decode(target.encode(targets)) == targets
    assert [target.decode([row.tolist()])[0] for row in corpus.split("train").ids(range(5))[1]] == targets[:5]
    assert corpus.manifest["origin"]["zero_width_spaces"] == "kept"
    assert source.encode(["red house"]) and not any("\u200b" in line for line in sources)


def test_other_languages_lose_it_and_their_corpora_stay_up_to_date(chinese):
    assert "zero_width_spaces" not in PackedCorpus.open(chinese).manifest["origin"]
    _, target = PackedCorpus.open(chinese).tokenizers()
    assert target.encode(["红\u200b蓝"]) == target.encode(["红蓝"]) and UNK not in target.encode(["红蓝"])[0]
