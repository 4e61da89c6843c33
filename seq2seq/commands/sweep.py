"""Several runs by one command (--multirun): all are read before the first begins, and counted when the last has ended.

Hydra's launcher decides where a run works: in this process, one after the other, or elsewhere (joblib, submitit). So
each leaves a record in a folder that all of them see, and the command that began them reads it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from seq2seq.errors import SettingError, UserError
from seq2seq.settings.reading import read_settings
from seq2seq.storage.atomic import whole_file

WIDTH = 160  # columns of the table where it is read by no terminal
RECORDS = "SEQ2SEQ_SWEEP"  # environment: the folder of the records
_ONE_BY_ONE = "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"  # Hydra's own, which tries all values

_NAMED = frozenset({"corpus", "cell", "shape", "context"})  # every name holds them: run_name.py


class Measured(NamedTuple):
    """What came of a run."""

    run: str
    measure: str  # bleu, perplexity, ...
    value: float
    higher_is_better: bool


class Record(NamedTuple):
    """What a run of a sweep leaves behind."""

    overrides: list[str]       # its own settings
    run: str | None = None
    measure: str | None = None
    value: float | None = None
    error: str | None = None   # None: it ended well
    mistake: bool = False      # of the user


def read_all(folder: Path, config_name: str, kind: type, words: Sequence[str]) -> tuple[int | None, str]:
    """Reads the settings of every run of the sweep `words`, so that no mistake waits until others have trained.

    Returns how many there are (None: the sweeper decides as it goes), and a word for Hydra by which the runs' names
    hold what differs between them. Raises UserError with the settings of the run that has a mistake.
    """
    from hydra import compose, initialize_config_dir
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from omegaconf import OmegaConf

    GlobalHydra.instance().clear()
    with initialize_config_dir(str(folder), version_base="1.3"):
        parsed = OverridesParser.create(GlobalHydra.instance().config_loader()).parse_overrides(
            [word for word in words if not word.startswith("-")])
        same = [one for one in parsed if not one.is_sweep_override()]
        sweeper = compose(config_name, [str(one.input_line) for one in same], return_hydra_config=True).hydra.sweeper
        runs: list[list[str]] | None = None
        if sweeper._target_ == _ONE_BY_ONE and not sweeper.params:
            own = [one for one in parsed if not one.key_or_group.startswith(("hydra.", "hydra/"))]
            (runs,) = BasicSweeper.split_arguments(own, None)
        checked: list[list[str]] = runs or [[str(one.input_line) for one in same]]
        mappings = [OmegaConf.to_container(compose(config_name, one), resolve=True) for one in checked]
    shared = {str(one.input_line) for one in same}
    every = [_read(mapping, kind, [word for word in words if word not in shared])
             for mapping, words in zip(mappings, checked, strict=True)]
    if config_name == "train":
        _check_training(every, None if runs else sweeper.get("direction"))
    swept = {one.key_or_group for one in parsed if one.is_sweep_override()}
    unnamed = ",".join(sorted(({one.key_or_group for one in same} - swept) | _NAMED))
    return None if runs is None else len(runs), f"hydra.job.config.override_dirname.exclude_keys=[{unnamed}]"


def _read(mapping: Any, kind: type, overrides: list[str]) -> Any:
    try:
        return read_settings(kind, mapping)
    except UserError as error:
        where = f": this is of {' '.join(overrides)}" if overrides else ""
        raise UserError(f"{error} No run of the sweep was begun{where}") from None


def _check_training(every: Sequence[Any], direction: Any) -> None:
    folders = [settings.run for settings in every if settings.run]
    if twice := next((run for run in folders if folders.count(run) > 1), None):
        raise SettingError(f"run={twice} is one folder for several runs of the sweep. Leave run= out: each gets one.")
    best_by = every[0].training.best_by
    check_direction(direction, best_by.value, best_by.higher_is_better)


def check_direction(direction: Any, measure: str, higher_is_better: bool) -> None:
    """Raises SettingError for a sweeper with a direction, such as Optuna's, that would look for the worst."""
    wanted = "maximize" if higher_is_better else "minimize"
    asked = getattr(direction, "name", direction)
    if asked is not None and asked != wanted:
        raise SettingError(f"hydra.sweeper.direction={asked} looks for the worst {measure}. Choose "
                           f"hydra.sweeper.direction={wanted}.")


@contextlib.contextmanager
def records(folder: Path) -> Iterator[list[Record]]:
    """Makes the folder of the records for the time of a sweep; the list holds them when the block has ended."""
    place = folder / f".records.{os.getpid()}"
    place.mkdir(parents=True)
    os.environ[RECORDS] = str(place.resolve())
    found: list[Record] = []
    try:
        yield found
        files = sorted(place.glob("*.json"), key=lambda file: int(file.stem))
        found += [Record(**json.loads(file.read_text(encoding="utf-8"))) for file in files]
    finally:
        del os.environ[RECORDS]
        shutil.rmtree(place, ignore_errors=True)
        with contextlib.suppress(OSError):
            folder.rmdir()  # ours alone


def leave_record(number: int, record: Record) -> None:
    """Of a run of a sweep, in whatever process it works."""
    content = json.dumps(record._asdict(), ensure_ascii=False).encode(errors="backslashreplace")
    whole_file(Path(os.environ[RECORDS]) / f"{number}.json", content)


def in_sweep() -> bool:
    return RECORDS in os.environ


def swept_name() -> str:
    """The settings in which a run differs from the others of its sweep, as part of a name; empty for a single run."""
    from hydra.core.hydra_config import HydraConfig

    if not in_sweep() or not HydraConfig.initialized():
        return ""
    whole = HydraConfig.get().job.override_dirname
    name = re.sub(r"[^\w.+-]+", "_", whole).strip("_")
    return name if len(name) <= 150 else f"{name[:140]}-{hashlib.sha256(whole.encode()).hexdigest()[:8]}"


def show(found: Sequence[Record], expected: int | None) -> int:
    """The table of a sweep, on standard error. Returns the exit code: 0, 2 for mistakes, 1 for other failures."""
    from rich.console import Console
    from rich.table import Table

    table = Table("run", "settings", "measure")
    shared = set.intersection(*(set(record.overrides) for record in found)) if len(found) > 1 else set()
    for record in found:
        came = record.error or ("done" if record.value is None else f"{record.measure} {record.value:.2f}")
        table.add_row(record.run or "", " ".join(word for word in record.overrides if word not in shared), came)
    console = Console(stderr=True, markup=False)
    if not console.is_terminal:
        console.width = WIDTH
    console.print(table)
    if len({record.measure for record in found if record.value is not None}) > 1:
        console.print("These rows cannot be ranked: where BLEU stays near 0, another measure chooses best/.")
    missing = 0 if expected is None else expected - len(found)
    failed = [record for record in found if record.error is not None]
    if missing or failed:
        console.print(f"{len(failed) + missing} of {len(found) + missing} runs of the sweep failed"
                      + (f", {missing} of them without a word" if missing else ""))
    return 1 if missing or any(not record.mistake for record in failed) else 2 if failed else 0
