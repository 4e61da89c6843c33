"""Work that faults are thrown at: what is whole after one, and that the same command then ends as if there was none."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import sacrebleu.metrics  # noqa: F401  so that not every forked process imports what it needs
import safetensors.torch  # noqa: F401
import torch.utils.tensorboard  # noqa: F401
from faults import KILL, LIMIT, POWER, TAKES_SPACE, Fault, in_child
from outcomes import corpus_content, outcome, prepare_small, run_settings

from seq2seq.bundle.bundle import load_bundle
from seq2seq.training import checkpoint
from seq2seq.training.run import train


@dataclasses.dataclass
class Work:
    """`start`: the folder before; `do`: the command; `whole`: raises unless all that is there is whole."""

    name: str
    start: Path
    do: Callable[[Path], Any]
    outcome: Callable[[Path], Any]
    whole: Callable[[Path], None]
    place: Path  # where it happens
    wanted: Any = None
    operations: list[str] = dataclasses.field(default_factory=list)

    def undisturbed(self) -> None:
        """Runs it without a fault: how it must end, and what it does on the way."""
        self._begin()
        ended = in_child(partial(self.do, self.place), self.place)
        assert ended.code == 0, ended.line
        self.operations, self.wanted = ended.operations, self.outcome(self.place)

    def survives(self, *faults: Fault) -> str:
        """Raises AssertionError unless the faults, one after the other, are survived.

        Returns how the command ended that met the last one.
        """
        self._begin()
        told = self.name
        for fault in faults:
            ended = in_child(partial(self.do, self.place), self.place, fault)
            told += f", {fault}, {self._operation(fault)}: {ended.line}"
            missed = len(faults) > 1 and ended.code == 0  # what goes on does less than what begins
            assert missed or (ended.code == -9 if fault.how in (KILL, POWER) else ended.code in (0, 2)), told
            self.whole(self.place)
        again = in_child(partial(self.do, self.place), self.place)
        assert again.code == 0, f"{told}; then: {again.line}"
        assert self.outcome(self.place) == self.wanted, told
        return {0: "done all the same", 2: ended.line, -9: fault.how}[ended.code]

    def every_operation(self) -> Iterator[Fault]:
        """A kill before each operation, one more fault at each (an error or a loss of power), and at the end."""
        for at, operation in enumerate(self.operations):
            if operation == "end .":
                yield from (Fault(at, POWER, seed=seed) for seed in (0, 1, 2))
                return
            kind = operation.split()[0]
            errors = [{"read": "EACCES"}.get(kind, ("EACCES", "EROFS", "EIO")[at % 3])]
            if kind in TAKES_SPACE:
                errors = [("ENOSPC", "EDQUOT", "EIO")[at % 3]]
            for how in (KILL, [*errors, POWER][at % 2]):
                share = (0.0, 0.4, 0.999)[at // 2 % 3]
                yield Fault(at, how, share, lasts=at % 4 > 0, seed=at // 4 % 3 * (at + 1))

    def _operation(self, fault: Fault) -> str:
        return "tensorboard" if fault.thread else "" if fault.how == LIMIT else self.operations[fault.at]

    def _begin(self) -> None:
        shutil.rmtree(self.place, ignore_errors=True)
        shutil.copytree(self.start, self.place)


def training(place: Path, corpus: Path, interrupted: bool) -> Work:
    """A run of 5 updates with 3 validations; `interrupted`: one that was killed at update 3 goes on."""
    start = place / "start"
    shutil.copytree(corpus, start / "corpus")
    work = Work("continued training" if interrupted else "training", start, _train, _run_outcome, _run_whole,
                place / "root")
    if interrupted:
        work._begin()
        train(_settings(work.place, max_updates=3))
        checkpoints = checkpoint.checkpoints(work.place / "run" / "checkpoints")
        shutil.rmtree(checkpoints[0])  # as if it had been killed before it was written
        shutil.rmtree(start)
        shutil.copytree(work.place, start)
    return work


def preparation(place: Path, raw: Path, replaced: Path | None) -> Work:
    """A corpus from text files; `replaced`: another one that is there already."""
    start = place / "start"
    shutil.copytree(raw, start / "raw")
    if replaced is not None:
        shutil.copytree(replaced, start / "corpus")
    before = None if replaced is None else corpus_content(replaced)
    work = Work("data_prep" if replaced is None else "data_prep over another corpus", start, _prepare, _corpus_outcome,
                lambda root: None, place / "root")

    def whole(root: Path) -> None:
        found = corpus_content(root / "corpus") if (root / "corpus").exists() else None
        assert found in (before, work.wanted["corpus"]), "a corpus that is neither the old one nor the new one"

    work.whole = whole
    return work


def _settings(root: Path, max_updates: int = 5) -> Any:
    return run_settings(root / "corpus", root / "run", max_updates=max_updates, validate_every=2, log_every=1,
                        averaging="ema", subword_sampling={"source": 0.3, "target": 0.3}, search={"max_length": 6})


def _train(root: Path) -> None:
    train(_settings(root))


def _prepare(root: Path) -> None:
    prepare_small(root / "raw", root / "corpus")


def _run_outcome(root: Path) -> dict[str, Any]:
    return outcome(root / "run")


def _run_whole(root: Path) -> None:
    """Bundles that are there can be used, and the newest checkpoint is undamaged."""
    for name in ("best", "last"):
        if (root / "run" / name).exists():
            load_bundle(root / "run" / name)
    for place in checkpoint.checkpoints(root / "run" / "checkpoints")[:1]:
        checkpoint._read(place)


def _corpus_outcome(root: Path) -> dict[str, Any]:
    left = sorted(path.name for path in root.iterdir())
    return {"corpus": corpus_content(root / "corpus"), "left": left}
