"""reproduce.py as a person runs it; the targets, and the experiment files."""

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
import yaml
from commands import ROOT, is_one_line, run_apart, run_here
from configurations import choices, composed

from seq2seq.commands import reproduce
from seq2seq.errors import SettingError
from seq2seq.settings.evaluate import EvaluateSettings
from seq2seq.settings.reading import read_settings
from seq2seq.settings.targets import Targets
from seq2seq.settings.training import MEASURES, Measure, TrainSettings
from seq2seq.storage.plain_yaml import load_plain

TARGETS = Targets.read(load_plain((ROOT / "conf" / "targets.yaml").read_text(encoding="utf-8")))
TINY = {"experiment": "surnames", "corpus": "names", "measure": "perplexity", "value": 6, "tolerance": 5,
        "overrides": ["model.embedding=8", "model.hidden=16", "training.batch_pieces=200", "training.max_updates=30",
                      "training.max_epochs=null", "training.precision=fp32", "training.label_smoothing=0.1"]}
NAMES = {"raw": ["all.label", "all.text"], "prepare": ["data=generation", "data.train=DIR/all", "data.valid_size=20",
                                                       "data.test_size=20", "num_proc=1"]}
HERE = ["target=tiny", "targets=targets.yaml", "raw=raw", "device=cpu", "threads=1"]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the raw text of a few names, and targets of its own."""
    draw = random.Random(1)
    (tmp_path / "raw").mkdir()
    pairs = [(label, "".join(draw.choices(letters, k=draw.randint(3, 6)))) for _ in range(150)
             for label, letters in (("First", "ab"), ("Second", "xy"))]
    for side, lines in zip(("label", "text"), zip(*pairs, strict=True), strict=True):
        (tmp_path / "raw" / f"all.{side}").write_text("\n".join(lines) + "\n")
    monkeypatch.chdir(tmp_path)
    write(tmp_path)
    return tmp_path


def write(place: Path, **changes: object) -> None:
    """The targets file of `place`, with one row."""
    content = {"corpora": {"names": NAMES}, "targets": {"tiny": {**TINY, **changes}}}
    (place / "targets.yaml").write_text(yaml.safe_dump(content))


def test_prepares_trains_evaluates_and_compares(place: Path, capfdbinary, monkeypatch) -> None:
    write(place, seeds=[1, 2])
    done = run_apart("reproduce", HERE, cwd=place)
    table = done.out.decode()
    assert done.code == 0, done.err
    assert "tiny, seeds 1, 2, test: perplexity" in table and "within (" in table and "(mean)" in table
    told = done.err.splitlines()
    run = next(line.split("run=")[1].split()[0] for line in told if line.startswith("python train.py"))
    assert run.startswith("runs/reproduce/surnames-names-model.embedding_8-") and run.endswith("-1")
    for words in ("python -m data_prep data=generation data.train=raw/all", "python train.py experiment=surnames ",
                  f"python evaluate.py run={run} split=test"):
        assert any(line.startswith(words) for line in told), words

    # Once more, without the commands: nothing is prepared again, and a figure that cannot be reached is not.
    ran: list[str] = []
    write(place, value=1, tolerance=0.01)
    monkeypatch.setattr(reproduce, "run", lambda *words: ran.append(words[0]))
    done = run_here("reproduce", HERE, capfdbinary, monkeypatch)
    assert done.code == 1 and "tiny, seed 1, test: perplexity" in done.out.decode() and "WORSE (-" in done.out.decode()
    assert ran == ["train.py", "evaluate.py"]
    assert re.fullmatch(r"perplexity of target=tiny is [\d.]+ worse than the expected 1, more than the tolerance of "
                        r"0.01\n", done.err)


def test_a_run_that_was_stopped_is_not_compared(place: Path, capfdbinary, monkeypatch) -> None:
    ran: list[str] = []
    monkeypatch.setattr(reproduce, "run", lambda *words: ran.append(words[0]))
    done = run_here("reproduce", HERE, capfdbinary, monkeypatch)
    assert done.code == 130 and ran == ["-m", "train.py"] and done.out == b""
    assert done.err.endswith(" has ended; the same command continues it\n")


@pytest.mark.parametrize("ensemble", [False, True])
def test_several_seeds_are_a_mean_or_an_ensemble(place: Path, capfdbinary, monkeypatch, ensemble: bool) -> None:
    ran: list[tuple[str, ...]] = []
    found = iter([40.0, 43.0])

    def run(*words: str) -> None:
        ran.append(words)
        if words[0] == "evaluate.py":
            output = Path(next(word for word in words if word.startswith("output=")).removeprefix("output="))
            output.mkdir(parents=True)
            (output / "test.json").write_text(json.dumps(
                {"bleu": {"value": next(found), "interval": [39, 44], "signature": "nrefs:1"}}))

    write(place, experiment="multi30k", overrides=[], seeds=[4, 7], ensemble=ensemble, measure="bleu", value=41)
    monkeypatch.setattr(reproduce, "run", run)
    monkeypatch.setattr(reproduce, "is_finished", lambda settings: True)
    done = run_here("reproduce", [*HERE, "graphs=true"], capfdbinary, monkeypatch)
    runs = [f"runs/reproduce/multi30k-names-{seed}" for seed in (4, 7)]
    trained = [(*("train.py", "experiment=multi30k", "corpus=data/names", f"seed={seed}", f"run={run}"),
                "training.threads=1", "training.device=cpu", "training.graphs=true")
               for seed, run in zip((4, 7), runs, strict=True)]
    assert ran[1:3] == trained
    last = ("split=test", "device=cpu", "threads=1")
    scored = [[word for word in words[1:] if not word.startswith("output=")] for words in ran[3:]]
    if ensemble:
        assert scored == [[f"run=[{runs[0]},{runs[1]}]", *last]]
        assert "tiny, seeds 4, 7 together, test: bleu" in done.out.decode()
        assert "40.00 [39.0, 44.0]" in done.out.decode()
    else:
        assert scored == [[f"run={run}", *last] for run in runs]
        assert "41.50 (mean)" in done.out.decode() and "within (+0.50)" in done.out.decode()
    assert done.code == 0


def test_a_signal_reaches_the_command_which_may_end_first(tmp_path: Path) -> None:
    """As training does: it saves, and ends without a complaint."""
    child = ("import pathlib, signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit("
             "pathlib.Path('saved').write_text('')*0)); pathlib.Path('ready').write_text(''); time.sleep(60)")
    code = f"from seq2seq.commands import reproduce; reproduce.run('-c', {child!r}); print('on')"
    process = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path,
                               env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (tmp_path / "ready").exists():
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)  # at a terminal the command has it already
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0 and out == b"on\n" and (tmp_path / "saved").exists()


@pytest.mark.parametrize(("measure", "value", "code", "words"), [
    ("bleu", 37.73, 0, "within (+0.00)"), ("bleu", 36.8, 0, "within (-0.93)"), ("bleu", 36.7, 1, "WORSE (-1.03)"),
    ("bleu", 38.8, 0, "better (+1.07)"),
    # A lower perplexity is the better one.
    ("perplexity", 36.7, 0, "better (+1.030)"), ("perplexity", 38.8, 1, "WORSE (-1.070)"),
])
def test_a_figure_is_compared(measure, value, code, words, capfd, caplog) -> None:
    target = Targets.read({"corpora": {"names": NAMES}, "targets": {"tiny": {
        **TINY, "measure": measure, "value": 37.73, "tolerance": 1}}}).targets["tiny"]
    found = reproduce.Measured(value, None, "")
    assert reproduce.compare("tiny", target, [1], [found]) == code and words in capfd.readouterr().out


@pytest.mark.parametrize(("measure", "record", "measured"), [
    (Measure.CHRF, {"chrf": {"value": 60.5, "interval": [59, 62], "signature": "x"}}, (60.5, [59, 62], "x")),
    (Measure.ACCURACY, {"accuracy": 94.9, "interval": [94, 96], "labels": 9}, (94.9, [94, 96], "per cent of 9 labels")),
    (Measure.PERPLEXITY, {"perplexity": 5.5}, (5.5, None, "per target piece")),
])
def test_every_measure_is_read(measure: Measure, record: dict, measured: tuple) -> None:
    value, interval, signature = reproduce.measured(record, measure)
    assert (value, interval) == measured[:2] and signature.startswith(measured[2])


@pytest.mark.parametrize(("arguments", "message"), [
    (["target=multi30k_en_ed"], "target=multi30k_en_ed is not one of: demo, "),
    (["target=multi30k_en_ed"], "Did you mean multi30k_en_de?"),
    (["target=surnames"], "raw is missing: data/surnames is not there yet. Give the folder of its raw text, "
                          "raw=DIR with all.label, all.text."),
    (["target=surnames", "raw=some"], "raw=some has no all.text. Give the folder that holds"),
    (["experiment=demo"], "experiment is not a setting of reproduce.py. experiment= belongs to train.py."),
    (["threads=0"], "threads=0 is out of range: give a number at least 1."),
    (["targets=none.yaml"], "targets=none.yaml cannot be read: No such file or directory. Give another file."),
])
def test_a_mistake_is_one_line(tmp_path, capfdbinary, monkeypatch, arguments: list[str], message: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "some").mkdir()
    (tmp_path / "some" / "all.label.gz").write_bytes(b"")
    done = run_here("reproduce", arguments, capfdbinary, monkeypatch)
    assert is_one_line(done) and message in done.err, done


@pytest.mark.parametrize(("changes", "message"), [
    ({"tolerence": 1}, "targets.tiny.tolerence is not a setting. Did you mean tolerance?"),
    ({"measure": "bluu"}, "targets.tiny.measure=bluu is not one of: "),
    ({"tolerance": -1}, "targets.tiny.tolerance=-1.0 is out of range"),
    ({"corpus": "name"}, "targets.tiny.corpus=name is not one of: names."),
    ({"seeds": []}, "targets.tiny.seeds=[] does not name each seed once. Give for example seeds=[1,2,3]."),
    ({"seeds": [1, 1]}, "targets.tiny.seeds=[1, 1] does not name each seed once."),
])
def test_a_target_that_is_none_is_refused(changes: dict, message: str) -> None:
    with pytest.raises(SettingError) as caught:
        Targets.read({"corpora": {"names": NAMES}, "targets": {"tiny": {**TINY, **changes}}})
    assert str(caught.value).startswith(message)


def test_without_a_target_all_are_listed(capfdbinary, monkeypatch) -> None:
    done = run_here("reproduce", [], capfdbinary, monkeypatch)
    table = done.out.decode()
    assert done.code == 0 and all(f"│ {name} " in table for name in TARGETS.targets) and "38.54" in table


@pytest.mark.parametrize("name", TARGETS.targets)
def test_a_target_is_a_figure_that_is_reported_and_can_be_trained(name: str) -> None:
    target = TARGETS.targets[name]
    settings = read_settings(TrainSettings, composed(f"experiment={target.experiment}", *target.overrides))
    assert target.measure in (*MEASURES.get(settings.shape, []), Measure.PERPLEXITY)
    read_settings(EvaluateSettings, composed("run=there", *target.search, command="evaluate"))
    pages = ("README.md", "docs/results.md", "docs/shapes.md")
    rows = [line for page in pages for line in (ROOT / page).read_text("utf-8").splitlines() if line.startswith("| ")]
    cells = [cell.strip(" *") for row in rows for cell in row.split("|")]
    written = {f"{target.value:g}", f"{target.value:.2f}"}
    assert any(re.split(r"[ *]+[\[(]", cell)[0] in written for cell in cells)


@pytest.mark.parametrize("name", choices("experiment"))
def test_every_experiment_begins_with_its_command(name: str) -> None:
    package, line, *_ = (ROOT / "conf" / "experiment" / f"{name}.yaml").read_text(encoding="utf-8").splitlines()
    assert package == "# @package _global_"  # Hydra wants it before all else
    assert line.split()[:4] == ["#", "python", "train.py", f"experiment={name}"]


def test_experiments_are_few() -> None:
    assert len(choices("experiment")) <= 15


def test_make_hands_its_arguments_on() -> None:
    command = ["make", "--no-print-directory", "-n", "reproduce", "target=demo", "seeds=[2]"]
    done = subprocess.run(command, cwd=ROOT, check=True, text=True, capture_output=True)
    assert done.stdout.splitlines()[-1].split() == [".venv/bin/python", "reproduce.py", 'target="demo"', 'seeds="[2]"']
