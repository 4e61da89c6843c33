"""The folder of a training run, and whether a command may continue it.

    settings.yaml    resolved settings                 metrics.jsonl, tensorboard/   figures
    run.json         corpus hash, origin, format       checkpoints/                  for resuming
    best/  last/     model bundles                     lock                          one run at a time
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import yaml

from seq2seq.corpus.packed import PackedCorpus
from seq2seq.errors import BundleError, SettingError, UserError
from seq2seq.settings.device import Precision
from seq2seq.settings.reading import differences, read_settings, write_settings
from seq2seq.settings.removed import without_removed
from seq2seq.settings.training import TrainSettings
from seq2seq.storage.atomic import make_folder, remove_leftovers, whole_file, writing
from seq2seq.storage.plain_yaml import load_plain
from seq2seq.training.checkpoint import checkpoints

FORMAT_VERSION = 2
_READABLE = (1, 2)  # format 1 has settings that are gone since (settings/removed.py)
SETTINGS, ABOUT = "settings.yaml", "run.json"
CHECKPOINTS, BEST, LAST, LOCK = "checkpoints", "best", "last", "lock"

_CURE = "Choose another run=FOLDER."
log = logging.getLogger("seq2seq")

# What may change when a run goes on: how long, where and how often something is said. `fork` has its own check.
MAY_DIFFER = frozenset({
    "corpus", "run", "fork", "training.max_updates", "training.max_epochs", "training.max_minutes",
    "training.patience", "training.log_every", "training.checkpoint_minutes", "training.threads",
    "training.device", "training.deterministic", "training.max_loss_factor",
})
# The same sums in another order: equal to rounding, not to the bit.
OTHER_ROUNDING = frozenset({"training.threads", "training.device", "training.deterministic"})


@contextlib.contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Makes the folder; raises UserError while another process trains in it. Clears what killed ones left.

    A block that writes nothing, for it refuses the settings, leaves no folder that was not there before.
    """
    with writing(folder):
        made, lock = _locked(folder)
    try:
        with writing(folder):
            for place in (folder, folder / CHECKPOINTS):
                remove_leftovers(place)
        yield
    finally:
        with contextlib.suppress(OSError):  # a folder with something in it stays, and those above it
            if made and os.listdir(folder) == [LOCK]:
                (folder / LOCK).unlink()
                for place in made:
                    place.rmdir()
        lock.close()


def _locked(folder: Path) -> tuple[list[Path], IO[str]]:
    """The folders that it had to make, the innermost first, and the lock, held until it is closed."""
    while True:
        made = make_folder(folder)
        # A process that was refused may take folder and file away at any line of these.
        with contextlib.suppress(FileNotFoundError), contextlib.ExitStack() as stack:
            lock = stack.enter_context(open(folder / LOCK, "w"))
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise UserError(f"{folder} is being trained by another process. Wait for it, or choose another "
                                "run=FOLDER.") from None
            if os.path.samestat(os.fstat(lock.fileno()), os.stat(folder / LOCK)):
                stack.pop_all()
                return made, lock


def check_is_run(folder: Path) -> None:
    """Raises UserError when the folder holds something that is no run. Nothing is written."""
    if (folder / SETTINGS).is_file() or not folder.exists():
        return
    if not folder.is_dir() or any(map(_foreign, folder.iterdir())):
        raise UserError(f"{folder} is there already and is no run folder (no {SETTINGS}). {_CURE}")


def is_under_way(folder: Path) -> bool:
    """True when there is something to continue, or to lose."""
    return bool(checkpoints(folder / CHECKPOINTS)) or any((folder / name).is_dir() for name in (BEST, LAST))


def is_complete(folder: Path, updates: int) -> bool:
    """True when last/ is of this update: a run that was killed while it ended has still to write it."""
    try:
        return json.loads((folder / LAST / "bundle.json").read_text(encoding="utf-8"))["updates"] == updates
    except (OSError, ValueError, LookupError, TypeError):
        return False


def write_settings_of(folder: Path, settings: TrainSettings, corpus: PackedCorpus,
                      origin: dict[str, Any] | None) -> None:
    """Writes what a later call compares with. `origin`: what the run was forked from; None leaves what is written."""
    about = {"format_version": FORMAT_VERSION, "corpus_hash": corpus.hash, "tokenizers": hashes(corpus),
             "forked_from": origin or (_origin(folder) if is_under_way(folder) else None)}
    whole_file(folder / ABOUT, (json.dumps(about, indent=1, ensure_ascii=False) + "\n").encode())
    whole_file(folder / SETTINGS, settings_text(settings).encode())
    with writing(folder):
        make_folder(folder / CHECKPOINTS)


def hashes(corpus: PackedCorpus) -> list[str]:
    """Of the source and the target tokenizer."""
    return [tokenizer.hash for tokenizer in corpus.tokenizers()]


def recorded_precision(folder: Path) -> Precision:
    """What `precision=auto` came to when the run began."""
    return recorded(folder).training.precision


def compare(folder: Path, settings: TrainSettings, corpus: PackedCorpus) -> None:
    """Raises SettingError or UserError unless the run in `folder` may go on with these settings.

    Says which of those that may change have changed.
    """
    rows = differences(write_settings(recorded(folder)), write_settings(settings))
    changed = [describe_difference(row) for row in rows if row[0] not in MAY_DIFFER]
    if changed:
        raise SettingError(f"{folder} was trained with other settings: {', '.join(changed)}. Give the old "
                           f"ones to continue it, or run=FOLDER fork={folder} to begin another run from where it "
                           "stands.")
    about = read_about(folder)
    origin = (_origin(folder) or {}).get("run", "")
    if settings.fork is not None and Path(settings.fork) != Path(origin):
        raise SettingError(f"fork={settings.fork}: {folder} is under way already. Leave fork= out to continue it, or "
                           "choose another run=FOLDER.")
    if about.get("format_version") not in _READABLE:
        raise BundleError(f"{folder} has run format {about.get('format_version')}; this version continues "
                          f"formats 1 and {FORMAT_VERSION}. {_CURE}")
    if about.get("corpus_hash") != corpus.hash:
        raise UserError(f"{corpus.folder} is not the corpus that {folder} was trained on (its hash is "
                        "another). Give that corpus, or choose another run=FOLDER.")
    # Before its first checkpoint a run may have a best/, and is begun anew; a last/ is never without one.
    if not (folder / CHECKPOINTS).is_dir() or ((folder / LAST).is_dir() and not checkpoints(folder / CHECKPOINTS)):
        raise BundleError(f"{folder} holds a trained model but no checkpoints to continue from. {_CURE}")
    allowed = [row for row in rows if row[0] in MAY_DIFFER - {"corpus", "run", "fork"}]
    if allowed:
        log.info("continuing with %s%s", ", ".join(map(describe_difference, allowed)),
                 "; from here on equal to rounding, not to the bit" if any(row[0] in OTHER_ROUNDING for row in allowed)
                 else "")


def describe_difference(row: tuple[str, Any, Any]) -> str:
    """(key, old, new) as a person reads it."""
    key, old, new = row
    return f"{describe_setting(key, new)} (was {_shown(old)})"


def describe_setting(key: str, value: Any) -> str:
    """As a person gives it."""
    return f"{key}={_shown(value)}"


def settings_text(settings: TrainSettings) -> str:
    return yaml.safe_dump(write_settings(settings), sort_keys=False, allow_unicode=True)


def _foreign(entry: Path) -> bool:
    # A run that was killed while it started leaves these, and they say nothing yet.
    return entry.name not in (LOCK, ABOUT) and not entry.name.endswith(".part")


def recorded(folder: Path) -> TrainSettings:
    """The settings of the run in `folder`. Raises BundleError when they cannot be read."""
    path = folder / SETTINGS
    try:
        return read_settings(TrainSettings, without_removed(load_plain(path.read_text(encoding="utf-8"))))
    except OSError as error:
        raise BundleError(f"{path} cannot be read: {error.strerror}. Check its permissions and the disk.") from None
    except (ValueError, yaml.YAMLError, RecursionError):
        raise BundleError(f"{path} is damaged. {_CURE}") from None
    except SettingError as error:
        raise BundleError(f"{path} is of another version: {error} {_CURE}") from None


def read_about(folder: Path) -> dict[str, Any]:
    """run.json. Raises BundleError when it cannot be read."""
    try:
        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        about = None
    if not isinstance(about, dict):
        raise BundleError(f"{folder / ABOUT} is missing or damaged. {_CURE}")
    return about


def _origin(folder: Path) -> dict[str, Any] | None:
    origin = read_about(folder).get("forked_from")
    return origin if isinstance(origin, dict) else None


def _shown(value: Any) -> str:
    return yaml.safe_dump(value, default_flow_style=True).removesuffix("\n").removesuffix("\n...")
