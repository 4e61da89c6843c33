"""A fault at every file operation of training and data_prep: nothing lost, nothing half-written taken for whole."""

from __future__ import annotations

import collections
import random
import time

import pytest
from damage import flipped_bits_are_found
from faults import KILL, LIMIT, POWER, Fault
from outcomes import make_raw, prepare_small
from survival import Work, preparation, training

from seq2seq.storage import atomic as folders

ERRORS = ("ENOSPC", "EACCES", "EIO", "EROFS", "EDQUOT")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = tmp_path_factory.mktemp("faults")
    prepare_small(make_raw(place / "raw"), place / "corpus")
    prepare_small(place / "raw", place / "other", vocabulary=40)
    return place


def all_works(place, here) -> list[Work]:
    """The four works, in folders of their own below `here`."""
    works = [training(here / "continued", place / "corpus", interrupted=True),
             training(here / "begun", place / "corpus", interrupted=False),
             preparation(here / "made", place / "raw", replaced=None),
             preparation(here / "replaced", place / "raw", replaced=place / "other")]
    for work in works:
        work.undisturbed()
    return works


def survive(works_and_faults: list[tuple[Work, Fault]], title: str) -> collections.Counter:
    """Throws all faults before it complains of those that were not survived. Prints the figures."""
    start, kinds, lost = time.monotonic(), collections.Counter(), []
    for work, fault in works_and_faults:
        kinds[fault.how if fault.how in (KILL, POWER, LIMIT) else "error"] += 1
        try:
            work.survives(fault)
        except AssertionError as error:
            lost.append(str(error))
    count = len(works_and_faults)
    shown = ", ".join(f"{number} {kind}" for kind, number in kinds.items())
    print(f"\nfaults, {title}: {count} injected ({shown}), {count - len(lost)} survived, "
          f"{time.monotonic() - start:.0f} s")
    assert not lost, "\n\n".join(lost[:5])
    return kinds


def test_at_every_operation(place, tmp_path):
    faults = [(work, fault) for work in all_works(place, tmp_path) for fault in work.every_operation()]
    kinds = survive(faults, "at every operation")
    assert min(kinds.values()) > 50 and sum(kinds.values()) > 700


def test_writes_that_fail_at_byte_k(place, tmp_path):
    """Each write breaks off at a random byte; then a limit of the system does it, in the libraries too."""
    draw, faults = random.Random(1), []
    for work in all_works(place, tmp_path):
        writes = [at for at, operation in enumerate(work.operations) if operation.startswith("write")]
        faults += [(work, Fault(draw.choice(writes), draw.choice(ERRORS), draw.random(), lasts=draw.random() < 0.8))
                   for _ in range(20)]
        faults += [(work, Fault(draw.choice(writes), KILL, draw.random())) for _ in range(10)]
        faults += [(work, Fault(int(10 ** draw.uniform(0, 4.5)), LIMIT)) for _ in range(10)]
    survive(faults, "writes that fail at byte k")


def test_the_thread_of_tensorboard(place):
    work = training(place / "thread", place / "corpus", interrupted=False)
    work.undisturbed()
    survive([(work, Fault(at, ERRORS[at % 5], thread=True)) for at in range(10)], "TensorBoard's thread")


def test_where_two_names_cannot_change_places_in_one_step(place, monkeypatch):
    """File systems without RENAME_EXCHANGE: the old folder lies beside for a moment, and comes back."""
    monkeypatch.setattr(folders, "_exchange", lambda first, second: False)
    work = preparation(place / "two steps", place / "raw", replaced=place / "other")
    work.undisturbed()
    strict = work.whole

    def whole(root):
        if list(root.glob(".corpus.*.old")) and not (root / "corpus").exists():
            return  # between the two steps; the next command must bring it back or replace it
        strict(root)

    work.whole = whole
    first = next(at for at, operation in enumerate(work.operations) if operation.startswith("rename"))
    faults = [(work, Fault(at, how, seed=seed)) for at in range(first - 1, len(work.operations) - 1)
              for how, seed in ((KILL, 0), (POWER, 0), (POWER, 1), ("EIO", 0))]
    survive(faults, "renames in two steps")


def test_flipped_bits(tmp_path, caplog):
    found = flipped_bits_are_found(tmp_path, caplog, times=2000)
    print(f"\ncheckpoint: {found} flipped bits, {found} found")
