"""The folder of a training run, and whether a command may continue it.

    settings.yaml    resolved settings                 metrics.jsonl, tensorboard/   figures
    run.json         corpus hash, format version       checkpoints/                  for resuming
    best/  last/     model bundles                     lock                          one run at a time
"""

from __future__ import annotations

import contextlib
import fcntl
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from seq2seq.corpus import PackedCorpus
from seq2seq.errors import BundleError, SettingError, UserError
from seq2seq.folders import whole_file, writing
from seq2seq.settings.reading import differences, read_settings, write_settings
from seq2seq.settings.training import Precision, TrainSettings

FORMAT_VERSION = 1
SETTINGS, ABOUT = "settings.yaml", "run.json"
CHECKPOINTS, BEST, LAST = "checkpoints", "best", "last"

_CURE = "Choose another run=FOLDER."

# What may change when a run goes on: how long, where and how often something is said.
MAY_DIFFER = frozenset({
    "corpus", "run", "training.max_updates", "training.max_epochs", "training.max_minutes",
    "training.patience", "training.log_every", "training.checkpoint_minutes", "training.threads",
    "training.device", "training.deterministic", "training.max_loss_factor",
})


@contextlib.contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Makes the folder; raises UserError while another process trains in it."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = open(folder / "lock", "w")  # noqa: SIM115  closed below: its lock must last as long as the block
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UserError(f"{folder} is being trained by another process. Wait for it, or choose another "
                            "run=FOLDER.") from None
        yield
    finally:
        lock.close()


def refuse_foreign(folder: Path) -> None:
    """Raises UserError when the folder holds something that is no run. Nothing is written."""
    if (folder / SETTINGS).is_file() or not folder.exists():
        return
    if not folder.is_dir() or any(map(_foreign, folder.iterdir())):
        raise UserError(f"{folder} is there already and is no run folder (no {SETTINGS}). {_CURE}")


def is_under_way(folder: Path) -> bool:
    """True when there is something to continue, or to lose."""
    return any((folder / name).is_dir() for name in (CHECKPOINTS, BEST, LAST))


def write_settings_of(folder: Path, settings: TrainSettings, corpus: PackedCorpus) -> None:
    """Writes what a later call compares with."""
    about = {"format_version": FORMAT_VERSION, "corpus_hash": corpus.hash}
    whole_file(folder / ABOUT, (json.dumps(about, indent=1) + "\n").encode())
    whole_file(folder / SETTINGS, settings_text(settings).encode())


def recorded_precision(folder: Path) -> Precision:
    """What `precision=auto` came to when the run began."""
    return _recorded(folder).training.precision


def compare(folder: Path, settings: TrainSettings, corpus: PackedCorpus) -> None:
    """Raises SettingError or UserError unless the run in `folder` may go on with these settings."""
    rows = differences(write_settings(_recorded(folder)), write_settings(settings))
    changed = [f"{key}={_shown(new)} (was {_shown(old)})"
               for key, old, new in rows if key not in MAY_DIFFER]
    if changed:
        raise SettingError(f"{folder} was trained with other settings: {', '.join(changed)}. Give the old "
                           "ones to continue it, or choose another run=FOLDER.")
    about = _read_about(folder)
    if about.get("format_version") != FORMAT_VERSION:
        raise BundleError(f"{folder} has run format {about.get('format_version')}; this version continues "
                          f"format {FORMAT_VERSION}. {_CURE}")
    if about.get("corpus_hash") != corpus.hash:
        raise UserError(f"{corpus.folder} is not the corpus that {folder} was trained on (its hash is "
                        "another). Give that corpus, or choose another run=FOLDER.")
    if not (folder / CHECKPOINTS).is_dir():
        raise BundleError(f"{folder} holds a trained model but no checkpoints to continue from. {_CURE}")


def settings_text(settings: TrainSettings) -> str:
    return yaml.safe_dump(write_settings(settings), sort_keys=False, allow_unicode=True)


def _foreign(entry: Path) -> bool:
    # A run that was killed while it started leaves these, and they say nothing yet.
    return entry.name not in ("lock", ABOUT) and not entry.name.endswith(".part")


def _recorded(folder: Path) -> TrainSettings:
    path = folder / SETTINGS
    try:
        return read_settings(TrainSettings, yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, yaml.YAMLError):
        raise BundleError(f"{path} is damaged. {_CURE}") from None
    except SettingError as error:
        raise BundleError(f"{path} is of another version: {error} {_CURE}") from None


def _read_about(folder: Path) -> dict[str, Any]:
    try:
        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        about = None
    if not isinstance(about, dict):
        raise BundleError(f"{folder / ABOUT} is missing or damaged. {_CURE}")
    return about


def _shown(value: Any) -> str:
    return yaml.safe_dump(value, default_flow_style=True).removesuffix("\n").removesuffix("\n...")
