"""What a person sees of a run: a progress bar on a terminal, plain log lines everywhere."""

from __future__ import annotations

import logging
import sys
from types import TracebackType
from typing import Any

log = logging.getLogger("seq2seq")


class Display:
    """While entered on a terminal, a bar at the foot of standard error with the log above it."""

    def __init__(self, description: str, shown: bool) -> None:
        self._description = description
        self._shown = shown and sys.stderr.isatty()
        self._bar: Any = None
        self._task: Any = None
        self._handlers: list[logging.Handler] = []

    def __enter__(self) -> Display:
        if not self._shown:
            return self
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

        self._bar = Progress(TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(),
                             TimeRemainingColumn(), TextColumn("{task.fields[numbers]}"),
                             console=Console(stderr=True), refresh_per_second=4)
        self._task = self._bar.add_task(self._description, total=1.0, numbers="")
        root = logging.getLogger()
        self._handlers, root.handlers = root.handlers, [_AboveBar(self._bar.console)]
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()
            logging.getLogger().handlers = self._handlers
            self._bar = None

    def show(self, share: float, numbers: str | None = None) -> None:
        """`share` of the run that is done; `numbers`: the text behind the bar, None leaves it."""
        if self._bar is not None:
            fields = {} if numbers is None else {"numbers": numbers}
            self._bar.update(self._task, completed=share, **fields)


class _AboveBar(logging.Handler):
    def __init__(self, console: Any) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        self._console.print(self.format(record), markup=False, highlight=False, soft_wrap=True)
