"""Trains an experiment and compares it with the figure that the README or docs/ report of it.

    python reproduce.py                                      # lists the experiments that have a figure
    python reproduce.py experiment=multi30k_en_de raw=DIR    # DIR holds the raw text
    python reproduce.py --help
"""

from __future__ import annotations

import glob
import json
import logging
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from seq2seq.command import CONFIGURATION, command
from seq2seq.errors import SettingError
from seq2seq.settings.evaluate import EvaluateSettings
from seq2seq.settings.experiment import Expected, ExperimentSettings, ReproduceSettings
from seq2seq.settings.reading import read_settings
from seq2seq.settings.training import Measure, TrainSettings

ROOT = Path(__file__).resolve().parent
SHARED = ("training.threads=", "training.device=", "training.precision=")  # by all runs; by a run and what it forks
FORKED = (*SHARED, "corpus=", "seed=")                                     # these too
OWN = ("raw=", "run=")                                                     # not for train.py
OF_ONE = (*OWN, "experiment=", "seed=", "expected.", "+expected.")         # not for the runs that it names
RAW = "DIR"  # stands in `expected.prepare` for raw=
WIDTH = 120  # columns of a table that no terminal reads
log = logging.getLogger("seq2seq")


class Step(NamedTuple):
    words: list[str]              # of train.py
    settings: ExperimentSettings  # what they amount to


class Measured(NamedTuple):
    value: float
    interval: list[float] | None  # 95 %
    signature: str                # what the value is of


@command(config_name="reproduce", kind=ReproduceSettings)
def main(settings: ReproduceSettings) -> None:
    if settings.name is None:
        show_experiments(experiments())
        return
    expected = settings.expected
    if expected is None:
        raise SettingError(f"experiment={settings.name} has no figure to compare with. These have: "
                           f"{', '.join(experiments())}. To train it: python train.py experiment={settings.name} "
                           "corpus=FOLDER")
    if expected.runs:
        refuse_one_run(settings, expected)
    plan = steps(settings)
    for step in plan:
        prepare(step.settings, settings.raw)
    for step in plan:
        train(step)
    training = settings.training
    run("evaluate.py", *evaluated(settings, expected), f"device={training.device.value}",
        f"threads={'null' if training.threads is None else training.threads}")
    sys.exit(compare(settings, expected))


def refuse_one_run(settings: ReproduceSettings, expected: Expected) -> None:
    """What names one run is not for several."""
    for word in settings.words:
        if word.startswith(("run=", "seed=")):
            raise SettingError(f"{word} is of one run, and experiment={settings.name} names those that it scores. "
                               f"Leave it out: expected.runs=[{','.join(expected.runs)}] says which.")


def scored(settings: ReproduceSettings, expected: Expected) -> list[str]:
    """The folders of the runs that translate the split, together if they are several."""
    return [folder(name) for name in expected.runs] or [settings.run]


def evaluated(settings: ReproduceSettings, expected: Expected) -> list[str]:
    """What evaluate.py is asked to score."""
    runs = scored(settings, expected)
    run = listed(runs) if len(runs) > 1 else quoted(runs[0])
    ranked = [f"{setting}={listed(map(folder, names))}"
              for setting, names in (("rerank.backward", expected.reverse), ("rerank.forward", expected.rescore))
              if names]
    return [f"run={run}", f"split={expected.split}", *ranked, *expected.search]


def folder(name: str) -> str:
    """Of the run NAME-SEED."""
    return f"runs/reproduce/{name}"


def prepare(settings: ExperimentSettings, raw: str | None) -> None:
    """Makes the packed corpus unless it is there. The embedded one is made by train.py."""
    expected = settings.expected
    if expected is None or not expected.prepare or (Path(settings.corpus) / "manifest.json").is_file():
        return
    if raw is None:
        raise SettingError(f"raw is missing: {settings.corpus} is not there yet. Give the folder of its raw text, "
                           f"raw=DIR with {', '.join(expected.raw)}.")
    missing = [name for name in expected.raw
               if not any(Path(raw, name + packed).is_file() for packed in ("", ".gz"))]
    if missing:
        raise SettingError(f"raw={raw} has no {', '.join(missing)}. Give the folder that holds them, plain or .gz.")
    pairs = [word.split("=", maxsplit=1) for word in [*expected.prepare, f"corpus={settings.corpus}"]]
    run("-m", "data_prep", *(f"{key}={quoted(value.replace(RAW, raw))}" for key, value in pairs))


def steps(settings: ReproduceSettings) -> list[Step]:
    """What is trained: the run of the experiment, or those that it names, each after what it goes on from."""
    expected, found = settings.expected, []
    assert expected is not None
    if not expected.runs:
        given = [word for word in settings.words if not word.startswith(OWN)]
        found = chain(Step([*given, f"run={quoted(settings.run)}"], settings))
    for names, kept in ((expected.runs, [word for word in settings.words if not word.startswith(OF_ONE)]),
                        ([*expected.reverse, *expected.rescore],
                         [word for word in settings.words if word.startswith(SHARED)])):
        for name in names:
            found += chain(named(name, kept))
    return found


def named(name: str, kept: list[str]) -> Step:
    """The training of the run NAME-SEED."""
    experiment, seed = name.rsplit("-", maxsplit=1)
    words = [f"experiment={experiment}", *kept, f"seed={seed}", f"run={folder(name)}"]
    return Step(words, composed(words))


def chain(last: Step) -> list[Step]:
    """A run, and before it those that it goes on from (`expected.after`) or learns from (`expected.teachers`)."""
    expected, before = last.settings.expected, []
    if expected is None:
        return [last]
    for name in expected.teachers:
        before += chain(named(name, [word for word in last.words if word.startswith((*SHARED, "corpus="))]))
    if expected.after is not None:
        fork = last.settings.fork
        assert fork is not None
        shared = [word for word in last.words if word.startswith(FORKED)]
        words = [f"experiment={expected.after}", *shared, f"run={quoted(fork)}"]
        before += chain(Step(words, composed(words)))
    return [*before, last]


def composed(words: list[str]) -> ExperimentSettings:
    """What train.py makes of these words."""
    return read_settings(ExperimentSettings, mapping("train", words))


def mapping(name: str, words: list[str]) -> Any:
    """What Hydra makes of conf/<name>.yaml and these words."""
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from omegaconf import OmegaConf

    GlobalHydra.instance().clear()  # of this command, which is composed already
    with initialize_config_dir(str(CONFIGURATION), version_base="1.3"):
        return OmegaConf.to_container(compose(name, words), resolve=True)


def train(step: Step) -> None:
    run("train.py", *step.words)
    if not is_finished(step.settings):
        log.info("nothing is compared before %s has ended; the same command continues it", step.settings.run)
        sys.exit(128 + signal.SIGINT)


def run(*words: str) -> None:
    """One of our commands, as a person runs it. Where it fails this one ends, with its exit code."""
    log.info("%s", shlex.join(["python", *words]))
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    script = [str(ROOT / words[0])] if words[0].endswith(".py") else [words[0]]
    child = subprocess.Popen([sys.executable, *script, *words[1:]], env={**os.environ, "PYTHONPATH": path})
    # Training saves before it ends: wait for it. Ctrl-C at a terminal has reached it already.
    before = {signal.SIGINT: signal.signal(signal.SIGINT, lambda *_: None),
              signal.SIGTERM: signal.signal(signal.SIGTERM, lambda *_: child.terminate())}
    code = child.wait()
    for number, handler in before.items():
        signal.signal(number, handler)
    if code:
        sys.exit(code if code > 0 else 128 - code)


def is_finished(settings: TrainSettings) -> bool:
    """False when training was interrupted, which is no failure and leaves a model too."""
    from seq2seq.checkpoint import load_checkpoint
    from seq2seq.run_folder import CHECKPOINTS
    from seq2seq.state import TrainState

    content = load_checkpoint(Path(settings.run) / CHECKPOINTS)
    return content is not None and TrainState.read(content["state"]).stop_reason(settings.training) is not None


def compare(settings: ReproduceSettings, expected: Expected) -> int:
    """Prints the table to standard output; returns the exit code."""
    runs = scored(settings, expected)
    found = measured(json.loads(scores(settings, expected).read_text(encoding="utf-8")), expected.measure)
    gain = expected.gain(found.value)
    verdict = "better" if gain > expected.tolerance else "within" if gain >= -expected.tolerance else "WORSE"
    around = f" [{found.interval[0]:.1f}, {found.interval[1]:.1f}]" if found.interval else ""
    of = ", ".join(expected.runs) or f"seed {settings.seed}"
    show(["", f"{settings.name}, {of}, {expected.split}: {expected.measure.value}"], [
        ["measured", f"{found.value:{digits(expected)}}{around}"],
        ["expected", f"{expected.value:g}"],
        ["tolerance", f"{expected.tolerance:g}"],
        ["verdict", f"{verdict} ({gain:+{digits(expected)}})"],
        ["signature", found.signature]])
    if verdict != "WORSE":
        return 0
    log.info("%s of %s is %.4g worse than expected.value=%g, more than expected.tolerance=%g", expected.measure.value,
             ", ".join(runs), -gain, expected.value, expected.tolerance)
    return 1


def scores(settings: ReproduceSettings, expected: Expected) -> Path:
    """The file that evaluate.py wrote last by the name of this evaluation, to which it may have added six digits."""
    from seq2seq.evaluation_files import evaluation_name

    asked = read_settings(EvaluateSettings, mapping("evaluate", evaluated(settings, expected)))
    name, place = evaluation_name(expected.split, asked, settings.shape), Path(asked.runs[0], "evaluation")
    found = [path for path in place.glob(f"{glob.escape(name)}*.json")
             if re.fullmatch("(-[0-9a-f]{6})?", path.stem.removeprefix(name))]
    return max(found, key=lambda path: path.stat().st_mtime_ns)


def measured(record: dict[str, Any], measure: Measure) -> Measured:
    """From what evaluate.py has written."""
    match measure:
        case Measure.BLEU | Measure.CHRF:
            score = record[measure.value]
            return Measured(score["value"], score["interval"], score["signature"])
        case Measure.ACCURACY:
            return Measured(record["accuracy"], record["interval"], f"per cent of {record['labels']:,} labels")
        case Measure.PERPLEXITY:
            return Measured(record["perplexity"], None, "per target piece")


def digits(expected: Expected) -> str:
    return ".3f" if expected.measure is Measure.PERPLEXITY else ".2f"


def experiments() -> dict[str, Expected]:
    """Name -> figure, of those that have one."""
    names = sorted(path.stem for path in (CONFIGURATION / "experiment").glob("*.yaml"))
    found = {name: composed([f"experiment={name}"]).expected for name in names}
    return {name: expected for name, expected in found.items() if expected is not None}


def show_experiments(found: dict[str, Expected]) -> None:
    show(["experiment", "split", "measure", "expected", "tolerance", "minutes", "raw=DIR with"], [
        [name, one.split, one.measure.value, f"{one.value:g}", f"{one.tolerance:g}",
         "" if one.minutes is None else f"{one.minutes:g}", ", ".join(one.raw)] for name, one in found.items()])
    print("python reproduce.py experiment=NAME raw=DIR    minutes: of training on an AMD EPYC, one core, of demo two; "
          "large, fixed: on an H100")


def show(head: list[str], rows: list[list[str]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(*head)
    for row in rows:
        table.add_row(*row)
    Console(width=None if sys.stdout.isatty() else WIDTH).print(table)


def listed(names: Iterable[str]) -> str:
    """A list on a command line of Hydra's."""
    return f"[{','.join(map(quoted, names))}]"


def quoted(text: str) -> str:
    """A value on a command line of Hydra's, whatever is in it."""
    if re.fullmatch(r"[\w./-]+", text):
        return text
    return "'" + text.replace("\\'", "\\\\'").replace("'", "\\'") + "'"


if __name__ == "__main__":
    main()
