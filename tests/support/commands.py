"""Runs one of the commands in this process (quick) or in its own (as a person does)."""

from __future__ import annotations

import importlib
import logging
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]


class Done(NamedTuple):
    code: int
    out: bytes
    err: str


def run_here(name: str, arguments: list[str], capture: pytest.CaptureFixture[bytes],
             monkeypatch: pytest.MonkeyPatch) -> Done:
    """`python <name>.py <arguments>` in this process; `capture` is the fixture capfdbinary."""
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.setattr(sys, "argv", [f"{name}.py", *arguments])
    handlers, level = list(logging.root.handlers), logging.root.level
    capture.readouterr()
    try:
        importlib.import_module(name).main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        logging.root.handlers[:] = handlers
        logging.root.setLevel(level)
    sys.stdout.flush()
    out, err = capture.readouterr()
    return Done(code, out, err.decode())


def run_apart(name: str, arguments: list[str], given: bytes = b"", **options) -> Done:
    """`python <name>.py <arguments>` in a process of its own, `given` as its standard input."""
    done = subprocess.run([sys.executable, str(ROOT / f"{name}.py"), *arguments], input=given, capture_output=True,
                          check=False, **options)
    return Done(done.returncode, done.stdout, done.stderr.decode())


def is_one_line(done: Done) -> bool:
    """Whether a command ended as a user's mistake must: exit code 2, one line, nothing on standard output."""
    return done.code == 2 and done.err.startswith("error: ") and done.err.count("\n") == 1 and done.out == b""
