"""data_prep by several processes of one launcher, on one machine or on several.

    torchrun --nproc-per-node=N -m data_prep ...

Rank 0 leads: it goes through prepare.py and deals out each list of jobs, rank r getting jobs r, r + N,
r + 2N, ... The others wait for jobs and send back what came of them. The jobs are those of one process,
and so are the bytes of the corpus. Text passes through the folder of the corpus, which must lie, as
the raw text, on a disk that all of them share.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch

from data_prep.prepare import prepare
from data_prep.workers import J, R, Workers
from seq2seq.distributed import ProcessGroup
from seq2seq.errors import UserError
from seq2seq.settings.prepare import PrepareSettings
from seq2seq.storage.atomic import writing

log = logging.getLogger("seq2seq")


def prepare_together(settings: PrepareSettings) -> Path | None:
    """`prepare` with the work dealt out over all ranks; None for all but the leader. Raises UserError."""
    group = ProcessGroup.from_environment()
    here = int(os.environ.get("LOCAL_WORLD_SIZE", group.size))
    crew = Crew(settings.num_proc or max(1, (os.cpu_count() or 1) // here), group)
    with group.meet(torch.device("cpu"), again="Start the same command again."):
        if group.is_main:
            with crew.led():
                return prepare(settings, crew)
        log.setLevel(logging.ERROR)
        with crew, _one_line(Path(settings.corpus), group.rank):
            crew.serve()
        return None


class Crew(Workers):
    """The workers of all ranks. What the leader runs, all of them work at."""

    def __init__(self, num_proc: int, group: ProcessGroup) -> None:
        """`num_proc`: processes that this rank starts."""
        super().__init__(num_proc)
        self.group, self.shows = group, group.is_main
        self._out = False  # for the leader: jobs are dealt out and their results not back

    def work(self, function: Callable[[J], R], jobs: Sequence[J], title: str) -> tuple[list[R], int]:
        self._out = True
        self.group.first((function, list(jobs), title))
        found = self._share(function, jobs, title)
        self._out = False
        return found

    def serve(self) -> None:
        """For all but the leader: works at what is dealt out until the leader has no more."""
        while (dealt := self.group.first(None)) is not None:
            self._share(*dealt)

    @contextlib.contextmanager
    def led(self) -> Iterator[None]:
        """For the leader: at the end of the block the others may go."""
        try:
            yield
        finally:
            # In the middle of jobs nobody listens: the others learn it from the connection, which closes.
            if not self._out:
                self.group.first(None)

    def _share(self, function: Callable[[J], R], jobs: Sequence[J], title: str) -> tuple[list[R], int]:
        rank, size = self.group.rank, self.group.size
        parts = self.group.collect(super().work(function, jobs[rank::size], title))
        results = {place: result for rank, (part, _) in enumerate(parts)
                   for place, result in zip(range(rank, len(jobs), size), part, strict=True)}
        return [results[place] for place in sorted(results)], sum(pairs for _, pairs in parts)


@contextlib.contextmanager
def _one_line(corpus: Path, rank: int) -> Iterator[None]:
    """What a disk does to one rank, as UserError."""
    try:
        with writing(corpus):
            yield
    except FileNotFoundError as error:
        raise UserError(f"rank {rank} does not find {error.filename or error}. Under a launcher the corpus and the raw "
                        "text must lie on a disk that all processes share.") from error
