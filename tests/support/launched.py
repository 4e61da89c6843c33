"""Commands under torchrun on this machine, and the processes that it starts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from commands import ROOT

PATIENCE = 3600  # seconds: what hangs ends in the end, and a busy machine fails no test


def command(processes: int, *what: str, restarts: int = 0) -> list[str]:
    """`python <what>` by so many processes; one needs no launcher."""
    if processes == 1:
        return [sys.executable, *what]
    return [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}",
            f"--max-restarts={restarts}", *what]


def start(place: Path, processes: int, *what: str, restarts: int = 0) -> subprocess.Popen:
    """In the folder `place`, with the project's packages in reach."""
    return subprocess.Popen(command(processes, *what, restarts=restarts), cwd=place, text=True, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, env={
                                **os.environ, "PYTHONPATH": str(ROOT), "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"})


def run(place: Path, processes: int, *what: str) -> subprocess.CompletedProcess:
    process = start(place, processes, *what)
    output, errors = process.communicate(timeout=PATIENCE)
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


def kill(launcher: subprocess.Popen, rank: int) -> None:
    """kill -9 of the process with that rank."""
    os.kill(ranks(launcher)[rank], signal.SIGKILL)


def ranks(launcher: subprocess.Popen) -> dict[int, int]:
    """The process of every rank, by rank."""
    children = [child for thread in Path(f"/proc/{launcher.pid}/task").iterdir()
                for child in (thread / "children").read_text().split()]
    found = {}
    for child in children:
        entries = Path(f"/proc/{child}/environ").read_bytes().split(b"\0")
        variables = dict(entry.split(b"=", 1) for entry in entries if entry)
        if b"RANK" in variables:
            found[int(variables[b"RANK"])] = int(child)
    return found


def wait_until(there: Callable[[], bool], process: subprocess.Popen, seconds: float = PATIENCE) -> None:
    """Waits for what a running process does; fails when the process ends first."""
    deadline = time.monotonic() + seconds
    while not there():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def error_lines(errors: str) -> list[str]:
    """What our own processes complained about; torchrun's report is not of them."""
    return [line for line in errors.splitlines() if line.startswith("error")]
