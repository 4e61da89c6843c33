"""reproduce.py as a person runs it, and the experiment files: their commands, and their figures beside the docs'."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from commands import ROOT, is_one_line, run_apart, run_here
from test_settings import choices, composed

from seq2seq.run_folder import recorded, settings_text
from seq2seq.settings.experiment import Expected, ExperimentSettings, ReproduceSettings
from seq2seq.settings.reading import read_settings
from seq2seq.settings.training import Measure

sys.path.insert(0, str(ROOT))

import reproduce

TINY = ["experiment=surnames", "raw=raw", "model.embedding=8", "model.hidden=16", "training.batch_pieces=200",
        "training.max_epochs=null", "training.device=cpu", "training.precision=fp32", "training.threads=1",
        "expected.prepare=['data=generation','data.train=DIR/all','data.valid_size=20','data.test_size=20','num_proc=1']"]
COMMAND = re.compile(r"# (make reproduce|python train\.py) experiment=(\w+)( [a-z]+=\S+)?")
PAPERS = {"bahdanau2015", "cho2014", "luong2015", "sutskever2014"}  # architectures, of which no figure is reported


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the raw text of a few names, as of experiment=surnames."""
    folder, draw = tmp_path_factory.mktemp("reproduce"), random.Random(1)
    (folder / "raw").mkdir()
    pairs = [(label, "".join(draw.choices(letters, k=draw.randint(3, 6)))) for _ in range(150)
             for label, letters in (("First", "ab"), ("Second", "xy"))]
    for side, lines in zip(("label", "text"), zip(*pairs, strict=True), strict=True):
        (folder / "raw" / f"all.{side}").write_text("\n".join(lines) + "\n")
    return folder


def test_prepares_trains_evaluates_and_compares(place: Path, capfdbinary, monkeypatch) -> None:
    run, table = place / "runs" / "reproduce" / "surnames-1", "surnames, seed 1, test: perplexity"
    command = [*TINY, "training.max_updates=30", "expected.value=6"]
    done = run_apart("reproduce", [*command, "expected.tolerance=5"], cwd=place)
    assert done.code == 0 and table in done.out.decode() and "within (" in done.out.decode(), done.err
    for words in ("python -m data_prep data=generation data.train=raw/all", "python train.py experiment=surnames ",
                  "python evaluate.py run=runs/reproduce/surnames-1 split=test"):
        assert words in done.err
    assert (run / "settings.yaml").read_text() == settings_text(recorded(run))  # which has no `expected`

    # Once more, without the commands: nothing is prepared again, and a figure that cannot be reached is not.
    ran: list[str] = []
    monkeypatch.chdir(place)
    monkeypatch.setattr(reproduce, "run", lambda *words: ran.append(words[0]))
    done = run_here("reproduce", [*command, "expected.value=1", "expected.tolerance=0.01"], capfdbinary, monkeypatch)
    assert done.code == 1 and table in done.out.decode() and "WORSE (-" in done.out.decode()
    assert ran == ["train.py", "evaluate.py"]
    assert re.fullmatch(r"perplexity of runs/reproduce/surnames-1 is [\d.]+ worse than expected.value=1, more than "
                        r"expected.tolerance=0.01\n", done.err)

    # A run that was stopped has a model too, which is not what the figure is of.
    ran.clear()
    done = run_here("reproduce", [*command, "training.max_updates=31"], capfdbinary, monkeypatch)
    assert done.code == 130 and ran == ["train.py"] and done.out == b""
    assert done.err == "nothing is compared before runs/reproduce/surnames-1 has ended; the same command continues it\n"


def test_a_run_that_goes_on_from_another_trains_that_one_first(tmp_path, capfdbinary, monkeypatch) -> None:
    ran: list[tuple[str, ...]] = []
    (tmp_path / "runs" / "child" / "evaluation").mkdir(parents=True)
    (tmp_path / "runs" / "child" / "evaluation" / "test.json").write_text('{"perplexity": 5.0}')
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "manifest.json").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(reproduce, "run", lambda *words: ran.append(words[:2]))
    command = ["experiment=surnames", "corpus=data", "run=runs/child", "fork=runs/parent", "+expected.after=surnames"]
    for finished in (True, False):
        ran.clear()
        monkeypatch.setattr(reproduce, "is_finished", lambda settings, finished=finished: finished)
        done = run_here("reproduce", command, capfdbinary, monkeypatch)
        train = [("train.py", "experiment=surnames"), ("train.py", "experiment=surnames")]
        assert ran == ([*train, ("evaluate.py", "run=runs/child")] if finished else train[:1])
        assert done.code == (0 if finished else 130)
    assert done.err == "nothing is compared before runs/parent has ended; the same command continues it\n"


def test_the_steps_of_an_experiment_that_goes_on() -> None:
    name = "multi30k_de_en_risk"
    words = [f"experiment={name}", "raw=some", "run=there", "seed=2", "training.threads=1", "training.risk_draws=3"]
    settings = read_settings(ReproduceSettings, {**composed(words[0], "run=there", *words[3:]), "name": name,
                                                 "raw": "some", "words": words})
    first, second = reproduce.steps(settings)
    fork = "runs/reproduce/multi30k_de_en-2"
    assert first.words == ["experiment=multi30k_de_en", "seed=2", "training.threads=1", f"run={fork}"]
    assert first.settings.run == second.settings.fork == fork and first.settings.training.max_epochs == 10
    assert second.words == [words[0], *words[3:], "run=there"] and second.settings is settings


def test_the_steps_of_an_experiment_that_learns_from_others() -> None:
    words = ["experiment=multi30k_de_en", "raw=some", "run=there", "seed=3", "training.threads=1", "teacher=[a,b]",
             "+expected.teachers=[multi30k_de_en_risk-1,multi30k_de_en-2]", "corpus=data"]
    settings = read_settings(ReproduceSettings, {**composed(words[0], *words[2:]), "name": "multi30k_de_en",
                                                 "raw": "some", "words": words})
    runs = [f"runs/reproduce/multi30k_de_en{name}" for name in ("-1", "_risk-1", "-2")]
    of_teachers = ["training.threads=1", "corpus=data"]
    assert [step.words for step in reproduce.steps(settings)] == [
        ["experiment=multi30k_de_en", *of_teachers, "seed=1", f"run={runs[0]}"],
        ["experiment=multi30k_de_en_risk", *of_teachers, "seed=1", f"run={runs[1]}"],
        ["experiment=multi30k_de_en", *of_teachers, "seed=2", f"run={runs[2]}"],
        [words[0], *words[3:], "run=there"]]


def test_an_ensemble_trains_every_seed_and_scores_them_together(tmp_path, capfdbinary, monkeypatch) -> None:
    name, ran = "multi30k_de_en_large_ensemble", []
    which = "expected.runs=[multi30k_de_en_large-4,multi30k_de_en_large-7]"
    first, second = (f"runs/reproduce/multi30k_de_en_large-{seed}" for seed in (4, 7))
    (tmp_path / first / "evaluation").mkdir(parents=True)
    (tmp_path / first / "evaluation" / "test-ensemble.json").write_text(json.dumps(
        {"bleu": {"value": 44.5, "interval": [43, 46], "signature": "nrefs:1"}}))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "manifest.json").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(reproduce, "run", lambda *words: ran.append(words))
    monkeypatch.setattr(reproduce, "is_finished", lambda settings: True)
    done = run_here("reproduce", [f"experiment={name}", "raw=some", "corpus=data", "training.threads=1",
                                  which, "expected.value=44"], capfdbinary, monkeypatch)
    head = f"{name}, multi30k_de_en_large-4, multi30k_de_en_large-7, test: bleu"
    assert done.code == 0 and head in done.out.decode(), done.err
    train = ("train.py", "experiment=multi30k_de_en_large", "corpus=data", "training.threads=1")
    assert ran == [(*train, "seed=4", f"run={first}"), (*train, "seed=7", f"run={second}"),
                   ("evaluate.py", f"run=[{first},{second}]", "split=test", "device=auto", "threads=1")]
    ran.clear()
    done = run_here("reproduce", [f"experiment={name}", "corpus=data", which, "expected.value=46"], capfdbinary,
                    monkeypatch)
    assert done.code == 1 and done.err.startswith(f"bleu of {first}, {second} is 1.5 worse than expected.value=46")


def test_runs_that_rank_are_trained_too(tmp_path, capfdbinary, monkeypatch) -> None:
    ran: list[tuple[str, ...]] = []
    first, back = "runs/reproduce/multi30k_de_en_risk-1", "runs/reproduce/multi30k_en_de-2"
    again = "runs/reproduce/multi30k_de_en-3"
    (tmp_path / first / "evaluation").mkdir(parents=True)
    (tmp_path / first / "evaluation" / "test-reranked-beam_size-10.json").write_text(json.dumps(
        {"bleu": {"value": 43.5, "interval": [42, 45], "signature": "nrefs:1"}}))
    (tmp_path / "raw").mkdir()
    for name in experiment("multi30k_en_de").expected.raw:
        (tmp_path / "raw" / name).touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(reproduce, "run", lambda *words: ran.append(words))
    monkeypatch.setattr(reproduce, "is_finished", lambda settings: True)
    command = ["experiment=multi30k_de_en", "raw=raw", "training.threads=1", "training.max_epochs=5",
               "expected.value=43", "+expected.runs=[multi30k_de_en_risk-1]", "+expected.reverse=[multi30k_en_de-2]",
               "+expected.rescore=[multi30k_de_en-3]",
               "+expected.search=['search.beam_size=10']"]
    done = run_here("reproduce", command, capfdbinary, monkeypatch)
    assert done.code == 0 and "multi30k_de_en, multi30k_de_en_risk-1, test: bleu" in done.out.decode(), done.err
    prepared, trained = [words for words in ran if words[0] == "-m"], [words for words in ran if words[0] == "train.py"]
    assert [words[-1] for words in prepared] == [
        f"corpus=data/multi30k_{pair}" for pair in ("de_en", "de_en", "en_de", "de_en")]
    fork, own = "runs/reproduce/multi30k_de_en-1", ["training.threads=1", "training.max_epochs=5"]
    assert [list(words[1:]) for words in trained] == [
        ["experiment=multi30k_de_en", own[0], "seed=1", f"run={fork}"],
        ["experiment=multi30k_de_en_risk", *own, "seed=1", f"run={first}"],
        ["experiment=multi30k_en_de", own[0], "seed=2", f"run={back}"],
        ["experiment=multi30k_de_en", own[0], "seed=3", f"run={again}"]]
    assert ran[-1] == ("evaluate.py", f"run={first}", "split=test", f"rerank.backward=[{back}]",
                       f"rerank.forward=[{again}]", "search.beam_size=10", "device=auto", "threads=1")


@pytest.mark.parametrize(("name", "first", "value", "told", "stored", "search"), [
    ("multi30k_en_de_both_ends", "multi30k_en_de_both_ends-1", 40.5, ", seed 1", "test-reranked-beam_size-10",
     ["search.beam_size=10", "rerank.second_decoder=true", "rerank.search=true"]),
])
def test_what_is_beside_the_search_is_scored_by_its_own_name(name: str, first: str, value: float, told: str,
                                                             stored: str, search: list[str], tmp_path, capfdbinary,
                                                             monkeypatch) -> None:
    ran: list[tuple[str, ...]] = []
    first = f"runs/reproduce/{first}"
    (tmp_path / first / "evaluation").mkdir(parents=True)
    (tmp_path / first / "evaluation" / f"{stored}.json").write_text(json.dumps(
        {"bleu": {"value": value, "interval": [37, 42], "signature": "nrefs:1"}}))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "manifest.json").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(reproduce, "run", lambda *words: ran.append(words))
    monkeypatch.setattr(reproduce, "is_finished", lambda settings: True)
    done = run_here("reproduce", [f"experiment={name}", "corpus=data"], capfdbinary, monkeypatch)
    assert done.code == 0 and f"{name}{told}, test: bleu" in done.out.decode(), done.err
    assert ran[-1] == ("evaluate.py", f"run={first}", "split=test", *search, "device=auto", "threads=null")


def test_a_signal_reaches_the_command_which_may_end_first(tmp_path: Path) -> None:
    """As training does: it saves, and ends without a complaint."""
    child = ("import pathlib, signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit("
             "pathlib.Path('saved').write_text('')*0)); pathlib.Path('ready').write_text(''); time.sleep(60)")
    process = subprocess.Popen([sys.executable, "-c", f"import reproduce; reproduce.run('-c', {child!r}); print('on')"],
                               cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (tmp_path / "ready").exists():
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)  # at a terminal the command has it already
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0 and out == b"on\n" and (tmp_path / "saved").exists()


@pytest.mark.parametrize(("measure", "value", "code", "words"), [
    ("bleu", 37.73, 0, "within (+0.00)"), ("bleu", 36.8, 0, "within (-0.93)"), ("bleu", 36.7, 1, "WORSE (-1.03)"),
    ("bleu", 39.0, 0, "better (+1.27)"), ("bleu", float("nan"), 1, "WORSE (+nan)"),
    ("chrf", 39.0, 0, "better (+1.27)"), ("chrf", 30.0, 1, "WORSE (-7.73)"),
    ("accuracy", 39.0, 0, "better (+1.27)"), ("accuracy", 30.0, 1, "WORSE (-7.73)"),
    ("perplexity", 39.0, 1, "WORSE (-1.270)"), ("perplexity", 30.0, 0, "better (+7.730)"),
])
def test_verdicts(tmp_path, capsys, measure: str, value: float, code: int, words: str) -> None:
    (tmp_path / "evaluation").mkdir()
    (tmp_path / "evaluation" / "test.json").write_text(json.dumps({
        "bleu": {"value": value, "interval": [1, 2], "signature": "nrefs:1"},
        "chrf": {"value": value, "interval": [1, 2], "signature": "nc:6"}, "labels": 1234, "interval": [1, 2],
        "accuracy": value, "perplexity": value}))
    expected = Expected(measure=Measure(measure), value=37.73, tolerance=1)
    assert reproduce.compare(ReproduceSettings(name="some", run=str(tmp_path)), expected) == code
    table = capsys.readouterr().out
    assert words in table and f"some, seed 1, test: {measure}" in table
    signature = {"bleu": "nrefs:1", "chrf": "nc:6", "accuracy": "per cent of 1,234 labels",
                 "perplexity": "per target piece"}
    assert signature[measure] in table


@pytest.mark.parametrize(("arguments", "message"), [
    (["experiment=surname"], "experiment=surname is not one of: "),
    (["experiment=surname"], "Did you mean surnames?"),
    (["experiment=cho2014"], "experiment=cho2014 has no figure to compare with. These have: demo, demo_last, multi30k"),
    (["experiment=surnames"], "raw is missing: data/surnames is not there yet. Give the folder of its raw text, "
                              "raw=DIR with all.label, all.text."),
    (["experiment=surnames", "raw=some"], "raw=some has no all.text. Give the folder that holds"),
    (["experiment=multi30k_de_en_large_ensemble", "seed=2"],
     "seed=2 is of one run, and experiment=multi30k_de_en_large_ensemble names those that it scores. Leave it out: "
     "expected.runs=[multi30k_de_en_large-1,multi30k_de_en_large-2,multi30k_de_en_large-3] says which."),
    (["experiment=multi30k_de_en_large_ensemble", "run=there"], "run=there is of one run, and experiment="),
])
def test_a_mistake_is_one_line(tmp_path, capfdbinary, monkeypatch, arguments: list[str], message: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "some").mkdir()
    (tmp_path / "some" / "all.label.gz").write_bytes(b"")
    done = run_here("reproduce", arguments, capfdbinary, monkeypatch)
    assert is_one_line(done) and message in done.err, done


@pytest.mark.parametrize("name", ["reproduce", "train"])
@pytest.mark.parametrize(("argument", "message"), [
    ("+expected.tolerence=1", "expected.tolerence is not a setting. Did you mean tolerance?"),
    ("expected.measure=accuracy", "expected.measure=accuracy cannot go with shape=n_to_m. Choose expected.measure="),
    ("expected.tolerance=-1", "expected.tolerance=-1.0 is out of range"),
    ("+expected.after=demo_last", "expected.after=demo_last says that the run goes on from one of that experiment, and "
                                  "fork=null that it begins anew. Give the folder of that run: fork=FOLDER."),
    ("+expected.teachers=[demo-2]", "expected.teachers=['demo-2'] names runs that this one learns from, and "
                                    "teacher=null none. Give their folders: teacher=[FOLDER]."),
    ("+expected.runs=[demo]", "expected.runs=['demo'] does not name runs. Give each once, as the name of its "
                              "experiment and its seed: expected.runs=[multi30k_de_en-1]."),
    ("+expected.reverse=[demo-1,demo-1]", "expected.reverse=['demo-1', 'demo-1'] does not name runs. Give each once"),
    ("+expected={runs:[demo-1,demo-2],measure:perplexity}",
     "expected.measure=perplexity cannot go with several runs: they are scored by what they translate."),
])
def test_a_figure_that_is_none_is_refused(capfdbinary, monkeypatch, name: str, argument: str, message: str) -> None:
    done = run_here(name, ["experiment=demo", "run=runs/none", argument], capfdbinary, monkeypatch)
    assert is_one_line(done) and message in done.err, done


def test_without_an_experiment_those_with_a_figure_are_listed(capfdbinary, monkeypatch) -> None:
    done = run_here("reproduce", [], capfdbinary, monkeypatch)
    table = done.out.decode()
    assert done.code == 0 and all(f"│ {name} " in table for name in EXPECTED) and "37.73" in table
    assert not any(name in table for name in PAPERS)


def experiment(name: str) -> ExperimentSettings:
    return read_settings(ExperimentSettings, composed(f"experiment={name}"))


EXPECTED = [name for name in choices("experiment") if name not in PAPERS]


@pytest.mark.parametrize("name", choices("experiment"))
def test_every_experiment_begins_with_its_command(name: str) -> None:
    package, line, *_ = (ROOT / "conf" / "experiment" / f"{name}.yaml").read_text(encoding="utf-8").splitlines()
    settings = experiment(name)
    found = COMMAND.fullmatch(line)
    assert package == "# @package _global_" and found and found[2] == name  # Hydra wants the package before all else
    if settings.expected is None:
        assert name in PAPERS and found[1] == "python train.py"
    else:
        assert found[1] == "make reproduce" and found[3] == (" raw=DIR" if settings.expected.raw else None)


@pytest.mark.parametrize("name", EXPECTED)
def test_an_expected_figure_is_one_that_is_reported(name: str) -> None:
    settings = experiment(name)
    expected = settings.expected
    pages = ("README.md", "docs/results.md", "docs/trials.md", "docs/shapes.md")
    rows = [line for page in pages for line in (ROOT / page).read_text("utf-8").splitlines() if line.startswith("| ")]
    written = {f"{expected.value:g}", f"{expected.value:.2f}"}
    assert any(re.split(r" [\[(]", cell.strip())[0] in written for row in rows for cell in row.split("|"))
    if expected.after is not None:
        assert settings.fork == f"runs/reproduce/{expected.after}-{settings.seed}" and expected.after in EXPECTED
        assert experiment(expected.after).seed == settings.seed
    if expected.teachers:
        assert settings.teacher == [f"runs/reproduce/{run}" for run in expected.teachers]
    named = {name.rsplit("-", 1)[0] for name in (*expected.teachers, *expected.runs, *expected.reverse,
                                                 *expected.rescore)}
    assert named <= set(EXPECTED) and all("=" in word for word in (*expected.prepare, *expected.search))
    assert bool(expected.prepare) == bool(expected.raw)


def test_make_hands_its_arguments_on() -> None:
    command = ["make", "--no-print-directory", "-n", "reproduce", "experiment=demo", "seed=2"]
    done = subprocess.run(command, cwd=ROOT, check=True, text=True, capture_output=True)
    assert done.stdout.splitlines()[-1].split() == [".venv/bin/python", "reproduce.py", 'experiment="demo"', 'seed="2"']
