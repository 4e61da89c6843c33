"""Standard output and error of a command, whatever they are: a terminal in ASCII, a full disk, a closed pipe."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from seq2seq.errors import UserError
from seq2seq.storage.atomic import writing

ESCAPED = "backslashreplace"  # of characters that a stream cannot show: finished work must not end in a traceback


class _Output(io.TextIOWrapper):
    """Standard output. Raises UserError where the disk or device does not take it."""

    def write(self, text: str) -> int:
        with writing(Path("standard output")):
            return super().write(text)

    def flush(self) -> None:
        with writing(Path("standard output")):
            super().flush()


@contextlib.contextmanager
def safe_streams() -> Iterator[None]:
    """For a whole command: what cannot be shown is escaped, and standard output is written out when the block ends.

    Raises UserError where it cannot be written, BrokenPipeError where nobody reads it.
    """
    if isinstance(sys.stderr, io.TextIOWrapper):
        sys.stderr.reconfigure(errors=ESCAPED)
    before = sys.stdout
    if not isinstance(before, io.TextIOWrapper):  # closed, or not of a command
        yield
        return
    before.flush()
    output = _Output(before.buffer, before.encoding, ESCAPED, line_buffering=before.line_buffering,
                     write_through=before.write_through)
    sys.stdout = output
    try:
        yield
        output.flush()
    except SystemExit:
        output.flush()
        raise
    finally:
        sys.stdout = before
        try:
            output.detach()  # the buffer stays open
        except (OSError, UserError):  # what it could not write before
            os.dup2(os.open(os.devnull, os.O_WRONLY), before.fileno())
            output.detach()
