"""SIGINT and SIGTERM as a wish to stop: the update ends, the run is saved. A second one stops at once."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from types import FrameType, TracebackType
from typing import Any

log = logging.getLogger("seq2seq")


class Interruption:
    """While entered, `wanted` tells whether a signal has asked the run to stop."""

    def __init__(self) -> None:
        self.wanted = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interruption:
        # Only the main thread may set handlers; a run inside another program leaves them alone.
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._received)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _received(self, number: int, frame: FrameType | None) -> None:
        if self.wanted:
            print("stopped at once, without saving", file=sys.stderr)
            sys.exit(128 + number)
        self.wanted = True
        name = signal.Signals(number).name
        log.info("%s: finishing this update and saving (once more stops at once)", name)
