"""evaluate.py: its scores are those of the text, what it stores can be compared, mistakes are one line."""

from __future__ import annotations

import json
import math
import os
import random
import shutil
from pathlib import Path

import pytest
import torch
from commands import is_one_line, run_here
from sacrebleu.metrics.bleu import BLEU
from tiny_bundle import make_bundle
from tiny_corpus import make_corpus

from seq2seq.bundle.bundle import load_bundle
from seq2seq.corpus.packed import PackedCorpus
from seq2seq.evaluation.plots import attention_map, bleu_by_length
from seq2seq.inference.translator import Translator
from seq2seq.text.lines import read_lines
from seq2seq.tokenization.tokenizer import BOS, EOS

torch.set_num_threads(1)
QUICK = ["device=cpu", "plots=false", "resamples=100"]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_corpus(tmp_path_factory.mktemp("evaluate") / "tiny", train=20, valid=15)


@pytest.fixture
def bundle(corpus: Path, tmp_path: Path) -> Path:
    return make_bundle(tmp_path / "run", corpus)


@pytest.fixture
def run(capfdbinary, monkeypatch):
    return lambda *arguments: run_here("evaluate", [*QUICK, *arguments], capfdbinary, monkeypatch)


def stored(bundle: Path, name: str) -> tuple[dict, list[list[str]]]:
    record = json.loads((bundle / "evaluation" / f"{name}.json").read_text(encoding="utf-8"))
    return record, [line.split("\t") for line in read_lines(bundle / "evaluation" / f"{name}.tsv")]


def test_a_split_is_translated_from_its_text_and_scored(run, bundle: Path, corpus: Path) -> None:
    done = run(f"run={bundle}", "split=valid")
    assert done.code == 0, done.err
    record, (head, *rows) = stored(bundle, "valid")
    sources, references = PackedCorpus.open(corpus).split("valid").text()
    translations = Translator.load(bundle, device="cpu").translate(sources)
    assert head == ["source", "reference", "translation"]
    assert [tuple(row) for row in rows] == list(zip(sources, references, translations, strict=True))
    assert record["bleu"]["value"] == pytest.approx(BLEU().corpus_score(translations, [references]).score)
    assert record["length_ratio"] == pytest.approx(BLEU().corpus_score(translations, [references]).ratio)
    assert record["sentences"] == sum(bucket["sentences"] for bucket in record["by_length"]) == 15
    assert record["sentences_per_second"] == pytest.approx(15 / record["seconds"])
    out = done.out.decode()
    for text in ("15 sentences, en to de", f"BLEU {record['bleu']['value']:.2f} [", "chrF2 ", "tok:13a",
                 f"length {record['length_ratio']:.3f} of the references'",
                 f"perplexity {record['perplexity']:.3f}", "per second (beam search on cpu)", "words of source"):
        assert text in out


def test_the_score_of_papers_is_given_when_asked_for(run, bundle: Path) -> None:
    done = run(f"run={bundle}", "papers=true")
    assert done.code == 0, done.err
    score = stored(bundle, "test")[0]["bleu_of_papers"]
    assert f"BLEU {score['value']:.2f} [" in done.out.decode() and "lower-cased, tokens of Moses" in done.out.decode()
    assert "tok:moses" in score["signature"]
    assert run(f"run={bundle}").code == 0 and stored(bundle, "test")[0]["bleu_of_papers"] is None


def test_perplexity_is_that_of_the_references(run, bundle: Path, corpus: Path) -> None:
    assert run(f"run={bundle}", "batch_pieces=30").code == 0
    opened, (sources, references) = load_bundle(bundle), PackedCorpus.open(corpus).split("test").text()
    total, pieces = 0.0, 0
    for source, reference in zip(sources, references, strict=True):  # one by one, by stepping
        (ids,), (target,) = opened.source_tokenizer.encode([source]), opened.target_tokenizer.encode([reference])
        with torch.no_grad():
            memory = opened.model.encode(torch.tensor([[*ids, EOS]]), torch.tensor([len(ids) + 1]))
            state = opened.model.start(memory)
            for previous, piece in zip([BOS, *target], [*target, EOS], strict=True):
                logits, state, _ = opened.model.step(torch.tensor([[previous]]), state, memory)
                total -= logits[0, 0].log_softmax(0)[piece].item()
                pieces += 1
    assert stored(bundle, "test")[0]["perplexity"] == pytest.approx(math.exp(total / pieces), rel=1e-4)


def test_two_files_with_strange_lines(run, bundle: Path, tmp_path: Path) -> None:
    sources = ["ba do", "", "fi \u2028 gu", "a\ttab", "ke lo mi"]
    (tmp_path / "news.en").write_bytes(b"\xef\xbb\xbf" + "\r\n".join(sources).encode())
    (tmp_path / "news.de").write_text("do ba\n\ngu fi\ntab\nmi lo ke\n")
    done = run(f"run={bundle}", f"source={tmp_path / 'news.en'}", f"reference={tmp_path / 'news.de'}")
    assert done.code == 0, done.err
    record, rows = stored(bundle, "news.en")
    assert [row[0] for row in rows[1:]] == ["ba do", "", "fi \u2028 gu", "a tab", "ke lo mi"]
    assert rows[2] == ["", "", ""]
    assert record["origin"].items() >= {"source": str(tmp_path / "news.en"),
                                        "reference": str(tmp_path / "news.de")}.items()


def test_an_ensemble_is_scored_beside_its_parts(run, bundle: Path, corpus: Path, tmp_path: Path) -> None:
    other = make_bundle(tmp_path / "other", corpus, seed=1)
    assert run(f"run={bundle}").code == 0
    alone = stored(bundle, "test")
    done = run(f"run=[{bundle},{other}]", f"compare={bundle}")
    assert done.code == 0, done.err
    record, (_, *rows) = stored(bundle, "test-ensemble")
    sources, references = PackedCorpus.open(corpus).split("test").text()
    together = Translator.load([bundle, other], device="cpu").translate(sources)
    assert [row[2] for row in rows] == together != [row[2] for row in alone[1][1:]]
    assert record["bleu"]["value"] == pytest.approx(BLEU().corpus_score(together, [references]).score)
    assert record["runs"] == [str(bundle), str(other)] and record["run"] == str(bundle) and record["perplexity"] is None
    assert f"together with {other}" in done.out.decode() and "perplexity" not in done.out.decode()
    assert stored(bundle, "test") == alone and (bundle / "evaluation" / "test-ensemble-compare-run.tsv").is_file()


def test_two_runs_are_compared(run, bundle: Path, corpus: Path, tmp_path: Path) -> None:
    other = make_bundle(tmp_path / "other", corpus, seed=1)
    assert run(f"run={other}").code == 0
    # The other run as if it had been good: its stored translations are nearly the references.
    path = other / "evaluation" / "test.tsv"
    draw = random.Random(0)
    rows = [line.split("\t") for line in read_lines(path)]
    for row in rows[1:]:
        row[2] = " ".join(word for word in row[1].split() if draw.random() > 0.05)
    path.write_text("".join("\t".join(row) + "\n" for row in rows))
    done = run(f"run={bundle}", f"compare={other}")
    assert done.code == 0, done.err
    comparison = stored(bundle, "test")[0]["comparison"]
    assert comparison["run"] == str(other)
    assert comparison["value"] < comparison["baseline"] and comparison["p_value"] < 0.05
    said = f"p = {comparison['p_value']:.4f} (paired approximate randomisation), significant at 0.05"
    assert f"of {other}: {said}" in done.out.decode()
    assert "difference" in done.out.decode()
    head, *lines = [line.split("\t") for line in read_lines(bundle / "evaluation" / "test-compare-other.tsv")]
    assert head == ["line", "BLEU", f"BLEU of {other}", "source", "reference", "translation", f"translation of {other}"]
    gains = [float(line[1]) - float(line[2]) for line in lines]
    assert gains == sorted(gains, reverse=True) and sorted(int(line[0]) for line in lines) == list(range(1, len(rows)))
    for line in lines:
        assert [*line[3:5], line[6]] == rows[int(line[0])]
        by_hand = BLEU(effective_order=True).sentence_score(line[5], [line[4]]).score
        assert float(line[1]) == pytest.approx(by_hand, abs=0.051)


def test_other_sentences_are_not_compared(run, bundle: Path, corpus: Path, tmp_path: Path) -> None:
    other = make_bundle(tmp_path / "other", corpus, seed=1)
    done = run(f"run={bundle}", f"compare={other}")
    assert is_one_line(done) and f"Make it with: python evaluate.py run={other} corpus={corpus} split=test" in done.err
    run(f"run={other}")
    path = other / "evaluation" / "test.tsv"
    path.write_text(path.read_text().replace("ba", "do"))
    done = run(f"run={bundle}", f"compare={other}")
    assert is_one_line(done) and f"compare={other} was evaluated on other sentences" in done.err


def test_the_corpus_may_have_moved(run, bundle: Path, corpus: Path, tmp_path: Path) -> None:
    copy = make_bundle(tmp_path / "copy", shutil.copytree(corpus, tmp_path / "tiny"))
    shutil.rmtree(tmp_path / "tiny")
    done = run(f"run={copy}")
    assert is_one_line(done) and f"{tmp_path / 'tiny'}, the corpus that {copy} was trained on, is not here" in done.err
    assert run(f"run={copy}", f"corpus={corpus}").code == 0
    assert stored(copy, "test")[0]["origin"]["corpus"] == str(corpus)


@pytest.mark.parametrize(("arguments", "message"), [
    (["split=dev"], "has no split 'dev'; it has: train, valid, test"),
    (["source=a.en"], "source=a.en needs reference=FILE beside it"),
    (["reference=a.de"], "reference=a.de needs source=FILE beside it"),
    (["source=a.en", "reference=b.de"], "b.de cannot be read: No such file"),
    (["source=a.en", "reference=a.de"], "source=a.en has 3 lines and reference=a.de has 2: line n of one"),
    (["source=empty", "reference=empty"], "empty has no sentences to evaluate"),
    (["resamples=5"], "resamples=5 is out of range: give a number at least 100"),
    (["corpus=nowhere"], "nowhere is not a packed corpus"),
    (["run=nowhere"], "nowhere does not exist"),
    (["compare=nowhere"], "compare=nowhere has no evaluation of test"),
    (["splt=test"], "splt"),
])
def test_a_mistake_is_one_line(run, bundle: Path, tmp_path: Path, monkeypatch, arguments: list[str],
                               message: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.en").write_text("ba\ndo\nfi\n")
    (tmp_path / "a.de").write_text("ba\ndo\n")
    (tmp_path / "empty").write_text("")
    done = run(f"run={bundle}", *arguments)
    assert is_one_line(done), done
    assert message in done.err


def test_another_language_pair_is_refused(run, bundle: Path, corpus: Path, tmp_path: Path) -> None:
    stranger = make_bundle(tmp_path / "stranger", corpus, languages=("en", "fr"))
    done = run(f"run={stranger}")
    assert is_one_line(done) and f"corpus={corpus} is en-de, and {stranger} translates en to fr" in done.err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_takes_no_files_is_found_before_the_work(run, bundle: Path) -> None:
    (bundle / "evaluation").mkdir(mode=0o500)
    done = run(f"run={bundle}")
    assert is_one_line(done) and "no permission" in done.err


def test_a_file_where_the_folder_should_be(run, bundle: Path) -> None:
    (bundle / "evaluation").write_text("")
    done = run(f"run={bundle}")
    assert is_one_line(done) and f"{bundle / 'evaluation'} cannot be written: a file of that name" in done.err
    assert done.err.endswith("Name the folder for the scores with output=FOLDER.\n")


def test_figures_are_drawn(run, bundle: Path) -> None:
    done = run(f"run={bundle}", "plots=true", "heat_maps=2")
    assert done.code == 0, done.err
    assert sorted(os.listdir(bundle / "evaluation")) == [
        "test-attention-1.png", "test-attention-8.png", "test-length.png", "test.json", "test.tsv"]
    for name in ("test-attention-1.png", "test-length.png"):
        assert (bundle / "evaluation" / name).read_bytes().startswith(b"\x89PNG")


def test_figures_take_any_text() -> None:
    strange = ["$x", "a$", "😀", "_^{", "\u2028"]
    assert attention_map(strange, strange[:2], [[0.2] * 5] * 2).startswith(b"\x89PNG")
    assert bleu_by_length({"runs/$a": [1.0, 2.0], "b_$": [3.0, 4.0]}, ["0-5", "6+"], [10, 20]).startswith(b"\x89PNG")
