"""What the commands share: Hydra in front, one-line errors, logs on standard error.

    @command(config_name="train", kind=TrainSettings)
    def main(settings: TrainSettings) -> Measured | None: ...

Hydra composes the configuration; it becomes a checked dataclass once, here, and no
`DictConfig` goes further. A user's mistake ends with one line and exit code 2.

The work runs inside Hydra's application, so that its launchers and sweepers work: what `main` returns, in a sweep, is
the value that a sweeper looks at (sweep.py).
"""

from __future__ import annotations

import logging
import math
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from seq2seq.commands.command_line import help_asked, understood, versions
from seq2seq.commands.help import CONFIGURATION, help_text
from seq2seq.commands.streams import safe_streams
from seq2seq.commands.sweep import Measured, Record, check_direction, leave_record, read_all, records, show
from seq2seq.errors import UserError
from seq2seq.settings.reading import read_settings
from seq2seq.storage.atomic import describe_os_error

T = TypeVar("T")
log = logging.getLogger("seq2seq")


def command(config_name: str, kind: type[T]) -> Callable[[Callable[[T], Measured | None]], Callable[[], None]]:
    """Makes `main(settings)` a Hydra application that reads `conf/<config_name>.yaml` into `kind`."""

    def decorate(main: Callable[[T], Measured | None]) -> Callable[[], None]:
        def run() -> None:
            # Without this Hydra prints and exits by itself; with it the exception reaches us.
            os.environ["HYDRA_FULL_ERROR"] = "1"
            _log_to_standard_error()
            try:
                with safe_streams():
                    _begin(main, config_name, kind)
            except BrokenPipeError:
                _closed_pipe()
            except KeyboardInterrupt:
                print("interrupted", file=sys.stderr)
                sys.exit(128 + signal.SIGINT)
            except Exception as error:
                line = _one_line(error, config_name)
                if line is None:
                    raise
                _fail(line)

        return run

    return decorate


def _begin(main: Callable[[T], Measured | None], config_name: str, kind: type[T]) -> None:
    if (asked := help_asked(sys.argv[1:])) is not None:
        print(help_text(config_name, asked), end="")
        return
    words = understood(sys.argv[1:], CONFIGURATION, config_name)
    if "--version" in words:
        print(versions())
        return
    sys.argv[1:] = words
    if "--multirun" in words and not {"--cfg", "--info"} & set(words):
        _sweep(main, config_name, kind)
    else:
        _single(main, config_name, kind)


def _single(main: Callable[[T], Measured | None], config_name: str, kind: type[T]) -> None:
    failed: list[BaseException] = []

    def application(config: Any) -> None:
        try:
            main(read_settings(kind, _mapping(config)))
        except BaseException as error:  # Hydra prints about every exception that passes through it
            failed.append(error)

    _under_hydra(application, config_name)
    if failed:
        raise failed[0]


def _sweep(main: Callable[[T], Measured | None], config_name: str, kind: type[T]) -> None:
    """Ends with the table of all runs; the exit code is not 0 when one of them failed."""

    def application(config: Any) -> float:
        from hydra.core.hydra_config import HydraConfig

        _log_to_standard_error()  # another process has no log yet
        hydra, overrides = HydraConfig.get(), typed()
        direction = hydra.sweeper.get("direction")
        worst = -math.inf if getattr(direction, "name", direction) == "maximize" else math.inf
        try:
            measured = main(read_settings(kind, _mapping(config)))
            if measured is not None:
                check_direction(direction, measured.measure, measured.higher_is_better)
        except Exception as error:
            line = _one_line(error, config_name)
            if line is None:
                traceback.print_exc()
            else:
                print(f"error: {line}", file=sys.stderr)
            leave_record(hydra.job.num, Record(overrides, error=line or repr(error), mistake=line is not None))
            return worst
        if measured is None:
            leave_record(hydra.job.num, Record(overrides))
            return worst
        leave_record(hydra.job.num, Record(overrides, measured.run, measured.measure, measured.value))
        return measured.value

    # A launcher's processes begin elsewhere.
    os.environ["PYTHONPATH"] = os.pathsep.join(
        filter(None, [str(CONFIGURATION.parent), os.environ.get("PYTHONPATH")]))
    expected, further = read_all(CONFIGURATION, config_name, kind, sys.argv[1:])
    sys.argv.append(further)
    with records(Path("multirun")) as found:
        _under_hydra(application, config_name)
    if code := show(found, expected):
        sys.exit(code)


def _under_hydra(application: Callable[[Any], Any], config_name: str) -> None:
    import hydra

    hydra.main(version_base="1.3", config_path=str(CONFIGURATION), config_name=config_name)(application)()


def typed() -> list[str]:
    """The settings (name=value) that a person gave the run at work; in a sweep, those of this run."""
    from hydra.core.hydra_config import HydraConfig

    return list(HydraConfig.get().overrides.task) if HydraConfig.initialized() else []


def _mapping(config: Any) -> dict[str, Any]:
    from omegaconf import OmegaConf

    mapping: Any = OmegaConf.to_container(config, resolve=True)
    return mapping


def _log_to_standard_error() -> None:
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(message)s", force=True)
    logging.getLogger("alembic").setLevel(logging.WARNING)  # Optuna's: a page about itself


def _one_line(error: Exception, config_name: str) -> str | None:
    """What to say of a user's mistake or of a disk's; None for a fault of ours."""
    if isinstance(error, UserError):
        return " ".join(str(error).splitlines())
    from seq2seq.commands.hydra_errors import one_line

    line = one_line(error, CONFIGURATION, config_name)  # first: some of Hydra's are OSErrors too
    if line is None and isinstance(error, OSError):
        line = describe_os_error(error)
    return line


def _fail(line: str) -> NoReturn:
    # Under a launcher several processes write to one terminal.
    size = os.environ.get("WORLD_SIZE", "1")
    who = "" if size == "1" else f" (rank {os.environ.get('RANK')} of {size})"
    print(f"error{who}: " + " ".join(line.splitlines()), file=sys.stderr)
    sys.exit(2)


def _closed_pipe() -> NoReturn:
    # The reader of our standard output has gone (`| head`): end quietly, as other tools do.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(128 + signal.SIGPIPE)
