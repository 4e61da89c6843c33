"""Processes that work through jobs and say how far they are.

Every job is one call of a function with one argument; results come in the order of the jobs, so
the number of processes changes no result. With one process nothing is started.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from seq2seq.errors import UserError

J = TypeVar("J")
R = TypeVar("R")
log = logging.getLogger("seq2seq")
_shared: Any = None  # in a worker: (pairs done, stop)


class Stopped(Exception):
    """Raised in a worker whose run has ended."""


class Workers:
    """`num_proc` processes for the time of a with-block."""

    shows = True  # whether this process has a progress bar

    def __init__(self, num_proc: int) -> None:
        context = multiprocessing.get_context("spawn")  # forking beside running threads can hang
        self._done, self._stop = context.Value("q", 0), context.Event()
        self._pool = None
        if num_proc > 1:
            self._pool = concurrent.futures.ProcessPoolExecutor(
                num_proc, mp_context=context, initializer=_start, initargs=((self._done, self._stop),)
            )

    def __enter__(self) -> Workers:
        global _shared  # noqa: PLW0603
        _shared = (self._done, self._stop)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def run(self, function: Callable[[J], R], jobs: Sequence[J], title: str) -> list[R]:
        """function(job) of every job, in order, under a progress bar that counts what `advance` was told."""
        start = time.monotonic()
        results, pairs = self.work(function, jobs, title)
        seconds = time.monotonic() - start
        log.info("%s: %s pairs in %.1f s, %s a second", title, f"{pairs:,}", seconds, f"{pairs / seconds:,.0f}")
        return results

    def work(self, function: Callable[[J], R], jobs: Sequence[J], title: str) -> tuple[list[R], int]:
        """The results of `run`, and the pairs that were gone through."""
        self._done.value = 0
        with _bar(self.shows) as bar:
            task = bar.add_task(title, total=None)
            if self._pool is None:
                results = []
                for job in jobs:
                    results.append(function(job))
                    bar.update(task, completed=self._done.value)
            else:
                with _signals_kept() as let_through:
                    futures = []
                    for job in jobs:
                        futures.append(self._pool.submit(function, job))
                        let_through()
                    results = self._collect(futures, bar, task, let_through)
        return results, self._done.value

    def _collect(self, futures: list[Future[R]], bar: Progress, task: TaskID, let_through: Callable[[], None]
                 ) -> list[R]:
        waiting = set(futures)
        try:
            while waiting:
                done, waiting = concurrent.futures.wait(waiting, timeout=0.2, return_when=FIRST_EXCEPTION)
                let_through()
                bar.update(task, completed=self._done.value)
                for future in done:
                    future.result()  # raises what the job raised, at once
            return [future.result() for future in futures]
        except BrokenProcessPool:
            raise UserError(
                "a worker process was ended from outside, most likely for want of memory. "
                "Free some memory or give fewer processes: num_proc=1"
            ) from None


@contextlib.contextmanager
def _signals_kept() -> Iterator[Callable[[], None]]:
    """Keeps SIGINT and SIGTERM back until the function that it gives is called.

    A handler that raises inside a call of the pool can leave a lock of the pool taken: its end would wait for ever.
    """
    came: list[int] = []
    before: dict[int, Callable[..., object]] = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            handler = signal.getsignal(number)
            if callable(handler):
                before[number] = handler
                signal.signal(number, lambda number, _: came.append(number))

    def let_through() -> None:
        while came:
            number = came.pop(0)
            before[number](number, None)

    try:
        yield let_through
    finally:
        for kept, handler in before.items():
            signal.signal(kept, handler)
    let_through()


def _bar(shown: bool) -> Progress:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), SpinnerColumn(), TextColumn("{task.completed:,} pairs"),
               TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True, disable=not (shown and console.is_terminal))


def advance(pairs: int) -> None:
    """Called by a job after every batch. Raises Stopped when the run has ended."""
    if _shared is not None:
        done, stop = _shared
        with done.get_lock():
            done.value += pairs
        if stop.is_set():
            raise Stopped


def _start(shared: Any) -> None:
    global _shared  # noqa: PLW0603
    _shared = shared
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends us, and tells why
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def _leave_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
