"""Names of evaluations: none replaces another unsaid, and compare= finds the one that is meant."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest
import torch
from commands import is_one_line, run_here
from tiny_bundle import make_bundle
from tiny_corpus import make_corpus

from seq2seq.evaluation.files import LONGEST_NAME, evaluation_name, safe_name
from seq2seq.settings.evaluate import EvaluateSettings
from seq2seq.settings.model import Shape
from seq2seq.settings.reading import read_settings
from seq2seq.storage.atomic import writing

torch.set_num_threads(1)
QUICK = ["device=cpu", "plots=false", "resamples=100"]
KEPT = "and is not replaced: this evaluation is called"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_corpus(tmp_path_factory.mktemp("names") / "tiny", train=20, valid=8)


@pytest.fixture
def bundle(corpus: Path, tmp_path: Path) -> Path:
    return make_bundle(tmp_path / "run", corpus)


@pytest.fixture
def run(capfdbinary, monkeypatch):
    return lambda *arguments: run_here("evaluate", [*QUICK, *arguments], capfdbinary, monkeypatch)


def files(folder: Path) -> list[str]:
    """The names of the evaluations of which both files are there."""
    names = [path.stem for path in folder.glob("*.json") if path.with_name(f"{path.stem}.tsv").is_file()]
    return sorted(names)


def pair(folder: Path, name: str, lines: int) -> list[str]:
    folder.mkdir(exist_ok=True)
    for ending, words in (("", "ba do fi gu"), (".ref", "gu fi do ba")):
        (folder / f"{name}{ending}").write_text(f"{words}\n" * lines)
    return [f"source={folder / name}", f"reference={folder / name}.ref"]


@pytest.mark.parametrize(("settings", "name"), [
    ({}, "test"),
    ({"threads": 2, "resamples": 100, "papers": True, "search": {"batch_pieces": 9, "n_best": 2}}, "test"),
    ({"search": {"beam_size": 10}}, "test-beam_size-10"),
    ({"search": {"length_penalty": 1.0, "allow_unknown": True}}, "test-length_penalty-1-allow_unknown-true"),
    ({"search": {"kind": "sample", "temperature": 0.5, "seed": 2}}, "test-sample-temperature-0.5-seed-2"),
    ({"search": {"kind": "greedy", "max_length": 9}}, "test-greedy-max_length-9"),
    ({"run": ["a", "b"]}, "test-ensemble"),
    ({"run": ["a"], "rerank": {"second_decoder": True}}, "test-reranked"),
    ({"run": ["a", "b"], "rerank": {"backward": "c", "backward_weight": 0.7}},
     "test-ensemble-reranked-backward_weight-0.7"),
    ({"rerank": {"forward": ["b"], "forward_weight": 2.0}}, "test-reranked-forward_weight-2"),
    ({"precision": "int8"}, "test-precision-int8"),
    ({"max_source_pieces": 30}, "test-max_source_pieces-30"),
])
def test_a_name_says_what_is_not_as_usual(settings: dict, name: str) -> None:
    given = read_settings(EvaluateSettings, {"run": "a", **settings})
    assert evaluation_name("test", given, Shape.N_TO_M) == name
    assert evaluation_name("test", given, Shape.N_TO_1) == (name if "pieces-" in name else "test")


def test_names_are_safe_and_short() -> None:
    assert safe_name("a=[b,c]/d e*.en") == "a__b_c__d_e_.en" and safe_name("größe-1.5.en") == "größe-1.5.en"
    long = [safe_name("ü" * 300 + end) for end in "ab"]
    assert long[0] != long[1] and all(len(name.encode()) <= LONGEST_NAME for name in long)


def test_a_sweep_leaves_every_evaluation(run, bundle: Path) -> None:
    done = run(f"run={bundle}", "split=valid", "search.length_penalty=1,1.5", "search.beam_size=2,5", "--multirun")
    assert done.code == 0, done.err
    assert files(bundle / "evaluation") == [
        "valid", "valid-beam_size-2", "valid-beam_size-2-length_penalty-1", "valid-length_penalty-1"]
    for name in files(bundle / "evaluation"):
        record = json.loads((bundle / "evaluation" / f"{name}.json").read_text())
        assert record["name"] == name and (record["search"]["beam_size"] == 2) == ("beam_size" in name)


def test_files_of_one_name_are_two_evaluations(run, bundle: Path, tmp_path: Path) -> None:
    news, talks = (pair(tmp_path / folder, "te.en", lines) for folder, lines in (("news", 3), ("talks", 2)))
    assert run(f"run={bundle}", *news).code == 0
    done = run(f"run={bundle}", *talks)
    first, second = files(bundle / "evaluation")
    assert first == "te.en" and second.startswith("te.en-") and len(second) == len("te.en-123456")
    assert f"te.en.json is of {' '.join(news)} run={bundle}, {KEPT} {second}" in done.err
    kept = (bundle / "evaluation" / "te.en.json").read_bytes()
    done = run(f"run={bundle}", *talks)  # once more: there are still two
    assert done.code == 0 and files(bundle / "evaluation") == [first, second]
    assert (bundle / "evaluation" / "te.en.json").read_bytes() == kept
    pair(tmp_path / "news", "te.en", 4)  # the file has changed
    assert run(f"run={bundle}", *news).code == 0 and len(files(bundle / "evaluation")) == 3


def test_a_file_does_not_take_the_name_of_a_split(run, bundle: Path, tmp_path: Path) -> None:
    assert run(f"run={bundle}", *pair(tmp_path, "test", 2)).code == 0
    done = run(f"run={bundle}", "split=test")
    assert files(bundle / "evaluation") == ["test", "test-file"] and "is called" not in done.err
    again = run(f"run={bundle}", "split=test")
    assert again.code == 0 and "replaced" not in again.err + done.err


def test_a_split_of_another_corpus_has_a_name_of_its_own(run, bundle: Path, tmp_path: Path) -> None:
    other = make_corpus(tmp_path / "news", train=20, valid=6, seed=2)
    for corpus in (None, other):
        done = run(f"run={bundle}", *([] if corpus is None else [f"corpus={corpus}"]))
        assert done.code == 0, done.err
    assert files(bundle / "evaluation") == ["test", "test-news"]


def test_other_models_beside_the_same_are_two_evaluations(run, bundle: Path, corpus: Path, tmp_path: Path) -> None:
    second, third = (make_bundle(tmp_path / f"other{seed}", corpus, seed=seed) for seed in (1, 2))
    for other in (second, third):
        done = run(f"run=[{bundle},{other}]")
    first, more = files(bundle / "evaluation")
    assert first == "test-ensemble" and f"run=['{bundle}', '{second}'], {KEPT} {more}" in done.err


def test_an_evaluation_of_an_older_version_is_replaced_by_its_like_alone(run, bundle: Path, tmp_path: Path) -> None:
    for words in ([], pair(tmp_path, "a.en", 2)):
        assert run(f"run={bundle}", *words).code == 0
    folder = bundle / "evaluation"
    for name in ("test", "a.en"):
        record = json.loads((folder / f"{name}.json").read_text())
        del record["identity"]
        if name == "a.en":
            del record["origin"]["hash"]
        (folder / f"{name}.json").write_text(json.dumps(record))
    done = run(f"run={bundle}")
    assert f"{folder / 'test.json'} is replaced: an older version stored it" in done.err
    (tmp_path / "b").mkdir()
    assert "this evaluation is called a.en-" in run(f"run={bundle}", *pair(tmp_path / "b", "a.en", 2)).err


@pytest.mark.parametrize("content", ["", "[", "[]" * 3, '{"origin": 3}', "[" * 100_000, '{"search": [1]}',
                                     '{"runs": 3}', '{"runs": {"a": 1}}', '{"rerank": [1]}', '{"rerank": "backward"}',
                                     '{"comparison": {"run": 3}, "identity": "x", "ensemble": "\\u001b[2J"}'])
def test_a_damaged_evaluation_is_none_and_is_not_replaced(run, bundle: Path, content: str) -> None:
    (bundle / "evaluation").mkdir()
    (bundle / "evaluation" / "test.json").write_text(content)
    (bundle / "evaluation" / "test.tsv").write_text("mine\n")
    done = run(f"run={bundle}", f"compare={bundle}")
    assert is_one_line(done) and f"compare={bundle} has no evaluation of test" in done.err
    done = run(f"run={bundle}")
    assert done.code == 0 and KEPT in done.err and "\033" not in done.err
    assert (bundle / "evaluation" / "test.json").read_text() == content


def test_what_a_comparison_replaces_is_said(run, bundle: Path, corpus: Path, tmp_path: Path) -> None:
    others = [make_bundle(tmp_path / f"other{seed}", corpus, seed=seed) for seed in (1, 2)]
    for other in others:
        assert run(f"run={other}").code == 0
        done = run(f"run={bundle}", f"compare={other}")
        assert done.code == 0, done.err
    assert f"test.json no longer holds the comparison with {others[0]} (p = " in done.err
    assert all((bundle / "evaluation" / f"test-compare-other{seed}.tsv").is_file() for seed in (1, 2))


def test_the_evaluation_by_the_same_search_is_compared(run, bundle: Path, corpus: Path, tmp_path: Path) -> None:
    other = make_bundle(tmp_path / "other", corpus, seed=1)
    for words in (["search.beam_size=2"], [], ["search.beam_size=3"], [f"run=[{other},{bundle}]"]):
        assert run(f"run={other}", *words).code == 0
    wrong = other / "evaluation" / "test-beam_size-2.tsv"
    head, *rows = wrong.read_text().splitlines()
    wrong.write_text("".join(line + "\n" for line in (head, *(row.rsplit("\t", 1)[0] + "\tfi" for row in rows))))
    done = run(f"run={bundle}", "search.beam_size=2", f"compare={other}")
    table = (bundle / "evaluation" / "test-beam_size-2-compare-other.tsv").read_text().splitlines()
    assert {line.split("\t")[6] for line in table[1:]} == {"fi"} and "searched otherwise" not in done.err
    done = run(f"run={bundle}", "search.beam_size=4", f"compare={other}")
    assert f"compared with {other / 'evaluation' / 'test.tsv'}, which was searched otherwise: beam_size=5" in done.err


@pytest.mark.parametrize("models", [
    {"ensemble": ["b"], "reverse": [], "rescore": [], "rescore_own": False},  # as earlier versions stored it
    {"reverse": ["b"]}, {"rescore": ["b"]}, {"rescore_own": True},
    {"runs": ["a", "b"]}, {"rerank": {"backward": ["b"]}}, {"rerank": {"forward": ["b"]}},
    {"rerank": {"second_decoder": True, "backward": []}}])
def test_what_several_models_made_together_is_not_what_one_made(run, bundle: Path, corpus: Path, tmp_path: Path,
                                                                models: dict) -> None:
    other = make_bundle(tmp_path / "other", corpus, seed=1)
    assert run(f"run={other}").code == 0
    path = other / "evaluation" / "test.json"
    alone = json.loads(path.read_text())
    assert alone["runs"] == [alone["run"]] == [str(other)] and alone["rerank"] is None
    path.write_text(json.dumps(alone | models))
    done = run(f"run={bundle}", f"compare={other}")
    assert is_one_line(done) and f"compare={other} has no evaluation of test" in done.err
    earlier = {key: value for key, value in alone.items() if key not in ("runs", "rerank")}
    for record in (alone, earlier, earlier | {"ensemble": [], "reverse": [], "rescore": [], "rescore_own": False}):
        path.write_text(json.dumps(record))
        done = run(f"run={bundle}", f"compare={other}")
        assert done.code == 0 and f"of {other}: p = " in done.out.decode(), done.err


@pytest.mark.parametrize(("models", "said"), [
    ({"ensemble": ["b"], "rescore_own": True}, "ensemble=['b'] rescore_own=True"),
    ({"runs": ["a", "b"], "rerank": {"backward": ["c"], "forward": [], "search": False}},
     "run=['a', 'b'] rerank.backward=['c']"),
])
def test_an_evaluation_that_is_kept_is_named_by_its_models(run, bundle: Path, models: dict, said: str) -> None:
    assert run(f"run={bundle}").code == 0
    path = bundle / "evaluation" / "test.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | models | {"identity": "another"}))
    assert f"{said}, {KEPT}" in run(f"run={bundle}").err


def test_the_same_sentences_are_found_by_another_name(run, bundle: Path, corpus: Path, tmp_path: Path) -> None:
    other = make_bundle(tmp_path / "other", corpus, seed=1)
    assert run(f"run={other}", *pair(tmp_path / "news", "te.en", 2)).code == 0
    assert run(f"run={other}", *pair(tmp_path / "talks", "te.en", 3)).code == 0
    words = pair(tmp_path / "mine", "copy.en", 3)
    assert run(f"run={bundle}", *words, f"compare={other}").code == 0
    done = run(f"run={bundle}", *pair(tmp_path / "mine", "te.en", 4), f"compare={other}")
    assert is_one_line(done) and f"compare={other} was evaluated on other sentences" in done.err


def test_scores_go_into_a_folder_of_their_own(run, bundle: Path, corpus: Path, tmp_path: Path) -> None:
    other, folder = make_bundle(tmp_path / "other", corpus, seed=1), tmp_path / "scores" / "here"
    for one in (bundle, other):
        done = run(f"run={one}", f"output={folder}", "plots=true", "heat_maps=1")
        assert done.code == 0, done.err
    assert not (bundle / "evaluation").exists() and len(files(folder)) == 2  # of two runs
    assert f"test.json is of corpus={corpus} run={bundle}, {KEPT} test-" in done.err
    assert {path.name for path in folder.glob("test*-length.png")} == {f"{name}-length.png" for name in files(folder)}
    only = tmp_path / "only"
    assert run(f"run={other}", f"output={only}").code == 0
    done = run(f"run={bundle}", f"output={folder}", f"compare={only}")
    assert done.code == 0 and f"of {only}: p = " in done.out.decode()


@pytest.fixture
def read_only(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The run, as on a file system that is mounted to be read."""
    def make_folder(path: Path) -> None:
        if path.is_relative_to(bundle):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
        path.mkdir()

    monkeypatch.setattr("seq2seq.storage.atomic.make_folder", make_folder)
    return bundle


def test_a_run_that_cannot_be_written_is_evaluated_elsewhere(run, read_only: Path, tmp_path: Path) -> None:
    done = run(f"run={read_only}")
    assert is_one_line(done)
    assert f"{read_only / 'evaluation'} cannot be written: the file system is read-only" in done.err
    assert done.err.endswith("Name the folder for the scores with output=FOLDER.\n")
    assert run(f"run={read_only}", f"output={tmp_path / 'scores'}").code == 0 and files(tmp_path / "scores") == ["test"]


def test_a_disk_that_is_full_when_all_is_done(run, bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, content: bytes) -> None:
        with writing(path):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("seq2seq.evaluation.files.whole_file", full)
    done = run(f"run={bundle}")
    assert done.code == 2 and done.err.splitlines()[-1] == (
        f"error: {bundle / 'evaluation' / 'test.tsv'} cannot be written: there is no space left; free some, or choose "
        "a folder on another disk. Name the folder for the scores with output=FOLDER.")
