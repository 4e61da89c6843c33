"""Processes whose clocks differ train as one: the same learning rates, saves, end and weights."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from commands import ROOT
from launched import run
from networks import network
from tiny_corpus import make_corpus

from seq2seq.corpus.packed import PackedCorpus
from seq2seq.distributed import ProcessGroup
from seq2seq.models.build import build_model
from seq2seq.settings.search import SearchKind, SearchSettings
from seq2seq.training import clock, judges
from seq2seq.training.clock import Clock
from seq2seq.training.interruption import Interruption
from seq2seq.training.judges import TextJudge
from seq2seq.training.state import TrainState

SETTINGS = ["corpus=data/tiny", "model.embedding=16", "model.hidden=16", "model.dropout.embedding=0",
            "model.dropout.layer=0", "model.dropout.readout=0", "training.batch_pieces=200", "training.device=cpu",
            "training.precision=fp32", "training.threads=1", "training.validate_every=6", "training.log_every=3",
            "training.valid_sentences=3", "optimizer.schedule=cosine", "optimizer.learning_rate=0.01",
            "optimizer.warmup_updates=3", "training.max_epochs=null", "training.max_minutes=0.03",
            "training.max_updates=1000", "training.checkpoint_minutes=0.005"]

# Every look at the clock takes time, and more of it in one process than in the other.
SKEWED = """
import datetime, json, os, runpy, signal, sys
import seq2seq.training.clock, seq2seq.distributed, seq2seq.training.loop as training

seq2seq.distributed._PATIENCE = datetime.timedelta(seconds=60)  # who waits in vain should not wait long
rank, now, seen = int(os.environ["RANK"]), 0.0, {"rates": [], "saves": [], "weights": []}

class Skewed:
    @staticmethod
    def monotonic():
        global now
        now += (0.02, 0.03)[rank] if FASTER_SECOND else (0.03, 0.02)[rank]
        return 1000.0 * rank + now

def rate(settings, update, **known):
    found = learning_rate(settings, update, **known)
    seen["rates"].append([update, found])
    if rank == 1 and update == STOPPED_AT:
        os.kill(os.getpid(), signal.SIGTERM)
    return found

def noted(self):
    seen["saves"].append(self.state.updates)
    save(self)
    seen["seconds"] = [self.state.seconds, self.state.aside_seconds]
    seen["weights"] = [[value.hex() for value in part.flatten().tolist()] for part in self.model.parameters()]

learning_rate, save = training.learning_rate, training.Run.save
training.learning_rate, training.Run.save, seq2seq.training.clock.time = rate, noted, Skewed
del sys.argv[0]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
finally:
    with open(f"seen-{rank}", "w") as file:
        json.dump(seen, file)
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    make_corpus(tmp_path / "data" / "tiny", train=120, valid=7)
    return tmp_path


def trained(place: Path, faster_second: bool, stopped_at: int = 0) -> tuple[dict, dict, str]:
    """What each process saw, and what was said."""
    (place / "skewed.py").write_text(f"FASTER_SECOND, STOPPED_AT = {faster_second}, {stopped_at}\n{SKEWED}")
    done = run(place, 2, "skewed.py", str(ROOT / "train.py"), *SETTINGS, "run=runs/skewed")
    assert done.returncode == 0, done.stderr
    one, two = (json.loads((place / f"seen-{rank}").read_text()) for rank in range(2))
    return one, two, done.stderr


@pytest.mark.parametrize("faster_second", [True, False])
def test_processes_with_other_clocks_stay_equal_to_the_bit_and_stop_together(place: Path, faster_second: bool) -> None:
    one, two, said = trained(place, faster_second)
    assert one == two
    assert 10 < len(one["rates"]) < 1000 and "finished: training.max_minutes=0.03 reached" in said
    assert [update for update in one["saves"] if update % 6]  # some by the clock alone
    assert one["rates"][-1][1] < 0.1 * max(rate for _, rate in one["rates"])  # the schedule went by the time


def test_a_signal_that_only_one_process_gets_stops_all_at_the_same_update(place: Path) -> None:
    one, two, said = trained(place, faster_second=True, stopped_at=10)
    assert one == two
    assert one["rates"][-1][0] == one["saves"][-1] == 10
    assert "interrupted and saved" in said


class Pair(ProcessGroup):
    """One of two processes; `largest` knows what the other one would give."""

    others: list[tuple[float, ...]]

    def largest(self, *numbers: float) -> list[float]:
        return list(map(max, numbers, self.others.pop(0)))


def test_the_clock_of_the_main_process_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 500.0
    monkeypatch.setattr(clock.time, "monotonic", lambda: now)
    state, group = TrainState(seconds=100.0), Pair(rank=1, size=2)
    object.__setattr__(group, "others", [(107.0, 1.0, 0.0), (110.0, 3.0)])
    own, interruption = Clock(state, torch.device("cpu"), 5, group), Interruption()
    now += 1000
    own.tell(interruption)
    assert (state.seconds, own.save_due, own.interrupted) == (107.0, True, False)
    with own.aside():
        now += 1000
    assert (state.seconds, state.aside_seconds) == (110.0, 3.0)


def test_validation_by_sampling_draws_the_same_for_any_number_of_processes(
        place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus, asked = PackedCorpus.open(place / "data" / "tiny"), {}
    sizes = map(len, corpus.tokenizers())
    torch.manual_seed(0)
    model = build_model(network(), *sizes).eval()

    def judged(group: ProcessGroup) -> None:
        monkeypatch.setattr(judges, "_gathered", lambda group, own: asked.setdefault(group.size, {}).update(own) or [])
        TextJudge(corpus.split("valid"), range(7), corpus.tokenizers()[1], SearchSettings(
            kind=SearchKind.SAMPLE, max_length=8), torch.device("cpu"), group, tokenize=None)._texts(model)

    for group in (ProcessGroup(), ProcessGroup(rank=0, size=2), ProcessGroup(rank=1, size=2)):
        judged(group)
    assert asked[1] == asked[2] and len(set(asked[1].values())) > 1
