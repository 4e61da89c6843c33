"""Comes by a figure that README or docs/ report: prepares, trains, evaluates, and compares.

    python reproduce.py                                  # lists the figures
    python reproduce.py target=multi30k_en_de raw=DIR    # DIR holds the raw text
    python reproduce.py --help
"""

from __future__ import annotations

import json
import logging
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from seq2seq.commands.app import CONFIGURATION, command
from seq2seq.commands.command_line import quoted
from seq2seq.errors import SettingError
from seq2seq.settings.device import Device, Precision
from seq2seq.settings.reading import read_settings
from seq2seq.settings.targets import CorpusRecipe, ReproduceSettings, Target, Targets
from seq2seq.settings.training import Measure, TrainSettings
from seq2seq.storage.plain_yaml import load_plain

ROOT = CONFIGURATION.parent
RAW = "DIR"  # stands in the targets for raw=
WIDTH = 120  # columns of a table that no terminal reads
log = logging.getLogger("seq2seq")


class Measured(NamedTuple):
    value: float
    interval: list[float] | None  # 95 %
    signature: str                # what the value is of


@command(config_name="reproduce", kind=ReproduceSettings)
def main(settings: ReproduceSettings) -> None:
    targets = read_targets(Path(settings.targets or CONFIGURATION / "targets.yaml"))
    if settings.target is None:
        show_targets(targets)
        return
    target = targets.named(settings.target)
    seeds = settings.seeds or target.seeds
    corpus = settings.corpus or f"data/{target.corpus}"
    prepare(targets.corpora[target.corpus], corpus, settings.raw)
    runs = [train(settings, target, corpus, seed) for seed in seeds]
    found = [evaluate(settings, target, some) for some in ([runs] if target.ensemble else [[run] for run in runs])]
    sys.exit(compare(settings.target, target, seeds, found))


def read_targets(path: Path) -> Targets:
    """Raises SettingError where the file cannot be read or is none of targets."""
    try:
        return Targets.read(load_plain(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise SettingError(f"targets={path} cannot be read: {error.strerror}. Give another file.") from None
    except (ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError):
        raise SettingError(f"targets={path} is no file of targets: see conf/targets.yaml for the form.") from None


def prepare(recipe: CorpusRecipe, corpus: str, raw: str | None) -> None:
    """Makes the packed corpus unless it is there."""
    if (Path(corpus) / "manifest.json").is_file():
        return
    if recipe.raw and raw is None:
        raise SettingError(f"raw is missing: {corpus} is not there yet. Give the folder of its raw text, "
                           f"raw=DIR with {', '.join(recipe.raw)}.")
    missing = [name for name in recipe.raw
               if not any(Path(str(raw), name + packed).is_file() for packed in ("", ".gz"))]
    if missing:
        raise SettingError(f"raw={raw} has no {', '.join(missing)}. Give the folder that holds them, plain or .gz.")
    words = [word.split("=", maxsplit=1) for word in [*recipe.prepare, f"corpus={corpus}"]]
    run("-m", "data_prep", *(f"{key}={quoted_if_odd(value.replace(RAW, str(raw)))}" for key, value in words))


def train(settings: ReproduceSettings, target: Target, corpus: str, seed: int) -> str:
    """Trains, or continues, what the figure is of; returns the run folder. Ends the command where it was stopped."""
    what = "-".join([target.experiment, target.corpus, *target.overrides, str(seed)])
    folder = f"{settings.runs}/{re.sub(r'[^0-9A-Za-z_.+-]', '_', what)}"
    words = [f"experiment={target.experiment}", *target.overrides, f"corpus={quoted_if_odd(corpus)}", f"seed={seed}",
             f"run={quoted_if_odd(folder)}"]
    words += [f"training.threads={settings.threads}"] * (settings.threads is not None)
    words += [f"training.device={settings.device.value}"] * (settings.device is not Device.AUTO)
    words += [f"training.precision={settings.precision.value}"] * (settings.precision is not Precision.AUTO)
    words += ["training.graphs=true"] * settings.graphs
    run("train.py", *words)
    if not is_finished(composed(words)):
        log.info("nothing is compared before %s has ended; the same command continues it", folder)
        sys.exit(128 + signal.SIGINT)
    return folder


def evaluate(settings: ReproduceSettings, target: Target, runs: list[str]) -> Measured:
    """What evaluate.py measures of these runs, together if they are several."""
    listed = ",".join(map(quoted_if_odd, runs))
    output = Path(f"{runs[0]}-scores{'-ensemble' * (len(runs) > 1)}")
    run("evaluate.py", f"run=[{listed}]" if len(runs) > 1 else f"run={listed}", f"split={target.split}", *target.search,
         f"output={quoted_if_odd(str(output))}", f"device={settings.device.value}",
        f"threads={'null' if settings.threads is None else settings.threads}")
    newest = max(output.glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
    return measured(json.loads(newest.read_text(encoding="utf-8")), target.measure)


def composed(words: list[str]) -> TrainSettings:
    """What train.py makes of these words."""
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from omegaconf import OmegaConf

    GlobalHydra.instance().clear()  # of this command, which is composed already
    with initialize_config_dir(str(CONFIGURATION), version_base="1.3"):
        content: Any = OmegaConf.to_container(compose("train", words), resolve=True)
    return read_settings(TrainSettings, content)


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
    from seq2seq.training.checkpoint import load_checkpoint
    from seq2seq.training.run_folder import CHECKPOINTS
    from seq2seq.training.state import TrainState

    content = load_checkpoint(Path(settings.run) / CHECKPOINTS)
    return content is not None and TrainState.read(content["state"]).stop_reason(settings.training) is not None


def compare(name: str, target: Target, seeds: list[int], found: list[Measured]) -> int:
    """Prints the table to standard output; returns the exit code."""
    value = sum(one.value for one in found) / len(found)
    of = f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"
    gain, digits = target.gain(value), ".3f" if target.measure is Measure.PERPLEXITY else ".2f"
    verdict = "better" if gain > target.tolerance else "within" if gain >= -target.tolerance else "WORSE"
    rows = [[f"seed {seed}", shown(one, digits)] for seed, one in zip(seeds, found, strict=False) if len(found) > 1]
    show(["", f"{name}, {of}{' together' * target.ensemble}, {target.split}: {target.measure.value}"], [
        *rows,
        ["measured", shown(found[0], digits) if len(found) == 1 else f"{value:{digits}} (mean)"],
        ["expected", f"{target.value:g}"],
        ["tolerance", f"{target.tolerance:g}"],
        ["verdict", f"{verdict} ({gain:+{digits}})"],
        ["signature", found[0].signature]])
    if verdict != "WORSE":
        return 0
    log.info("%s of target=%s is %.4g worse than the expected %g, more than the tolerance of %g", target.measure.value,
             name, -gain, target.value, target.tolerance)
    return 1


def shown(found: Measured, digits: str) -> str:
    """A figure with its interval."""
    around = f" [{found.interval[0]:.1f}, {found.interval[1]:.1f}]" if found.interval else ""
    return f"{found.value:{digits}}{around}"


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


def show_targets(targets: Targets) -> None:
    show(["target", "measure", "expected", "tolerance", "seeds", "minutes each", "corpus"], [
        [name, f"{one.measure.value}, ensemble" if one.ensemble else one.measure.value, f"{one.value:g}",
         f"{one.tolerance:g}", ", ".join(map(str, one.seeds)), "" if one.minutes is None else f"{one.minutes:g}",
         one.corpus] for name, one in targets.targets.items()])
    print("python reproduce.py target=NAME raw=DIR    minutes: of training on an AMD EPYC, one core, of demo two; "
          "large, fixed: on an H100")


def show(head: list[str], rows: list[list[str]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(*head)
    for row in rows:
        table.add_row(*row)
    Console(width=None if sys.stdout.isatty() else WIDTH).print(table)


def quoted_if_odd(text: str) -> str:
    """A value on a command line of Hydra's, whatever is in it."""
    return text if re.fullmatch(r"[\w./-]+", text) else quoted(text)
