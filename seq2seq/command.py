"""What the commands share: Hydra in front, one-line errors, logs on standard error.

    @command(config_name="train", kind=TrainSettings)
    def main(settings: TrainSettings) -> None: ...

Hydra composes the configuration; it becomes a checked dataclass once, here, and no
`DictConfig` goes further. A user's mistake ends with one line and exit code 2.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from seq2seq.command_line import understood, versions
from seq2seq.errors import UserError
from seq2seq.folders import told
from seq2seq.settings.reading import read_settings

T = TypeVar("T")
CONFIGURATION = Path(__file__).resolve().parent.parent / "conf"
log = logging.getLogger("seq2seq")


def command(config_name: str, kind: type[T]) -> Callable[[Callable[[T], None]], Callable[[], None]]:
    """Makes `main(settings)` a Hydra application that reads `conf/<config_name>.yaml` into `kind`."""

    def decorate(main: Callable[[T], None]) -> Callable[[], None]:
        def run() -> None:
            # Without this Hydra prints and exits by itself; with it the exception reaches us.
            os.environ["HYDRA_FULL_ERROR"] = "1"
            logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(message)s", force=True)
            try:
                words = understood(sys.argv[1:], CONFIGURATION, config_name)
                if "--version" in words:
                    print(versions())
                    return
                sys.argv[1:] = words
                _under_hydra(main, config_name, kind)
            except UserError as error:
                _fail(str(error))
            except BrokenPipeError:
                _closed_pipe()
            except KeyboardInterrupt:
                print("interrupted", file=sys.stderr)
                sys.exit(128 + signal.SIGINT)
            except Exception as error:
                from seq2seq.complaints import one_line

                line = one_line(error, CONFIGURATION, config_name)  # first: some of Hydra's are OSErrors too
                if line is None and isinstance(error, OSError):
                    line = told(error)
                if line is None:
                    raise
                _fail(line)

        return run

    return decorate


def _under_hydra(main: Callable[[T], None], config_name: str, kind: type[T]) -> None:
    import hydra
    from omegaconf import DictConfig, OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    mappings: list[Any] = []

    @hydra.main(version_base="1.3", config_path=str(CONFIGURATION), config_name=config_name)
    def application(config: DictConfig) -> None:
        try:
            mappings.append(OmegaConf.to_container(config, resolve=True))
        except OmegaConfBaseException as error:
            mappings.append(error)

    application()
    # The work is done outside: Hydra prints about every exception that passes through it.
    for mapping in mappings:
        if isinstance(mapping, Exception):
            raise mapping
        main(read_settings(kind, mapping))


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
