"""The dry probe: figures on standard output, and not a byte written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from commands import run_apart
from tiny_corpus import make_corpus

from seq2seq.corpus.packed import PackedCorpus
from seq2seq.corpus.stream import TrainingBatches
from seq2seq.settings.training import TrainingSettings
from seq2seq.training.dry_run import Estimate, lines


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("place")
    make_corpus(folder / "data" / "tiny", train=200, valid=6)
    return folder


def everything(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.stat().st_size)
            for path in folder.rglob("*")}


def test_it_measures_and_writes_nothing(place):
    before = everything(place)
    done = run_apart("train", ["corpus=data/tiny", "model.embedding=8", "model.hidden=8", "training.batch_pieces=150",
                               "training.device=cpu", "training.precision=fp32", "training.threads=1",
                               "training.probe=true", "training.max_epochs=3"], cwd=place)
    assert done.code == 0, done.err
    found = re.fullmatch(
        r"largest batches \(pairs x source x target pieces\): (.*)\n"
        r"peak memory: ([\d,]+) MiB, fp32 on cpu; there are ([\d,]+) MiB\n"
        r"update: ([\d.]+) s, ([\d,]+) target pieces a second\n"
        r"epoch: (\d+) updates, ([\d.]+) seconds\n"
        r"run: ([\d.]+) (seconds|minutes) \(training.max_epochs=3\), validations and checkpoints not counted\n",
        done.out.decode())
    assert found, done.out
    assert 50 < int(found[2].replace(",", "")) < int(found[3].replace(",", ""))
    assert 5 < int(found[6]) < 40
    assert everything(place) == before


def test_the_largest_batches_are_those_of_the_longest_pairs(place):
    split = PackedCorpus.open(place / "data" / "tiny").split("train")
    batches = TrainingBatches(split, budget=40, max_pieces=200, seed=1)
    by_target, by_source = batches.largest()
    assert by_target.target_in.shape[1] == split.target_lengths.max() + 1
    assert by_source.source.shape[1] == split.source_lengths.max() + 1
    planned = batches.chunk(0, 0)
    assert max(batch.source.shape[1] for batch in planned) == by_source.source.shape[1]
    for batch in (by_target, by_source):
        assert max(batch.source.numel(), batch.target_in.numel()) <= 40


@pytest.mark.parametrize(("limits", "words"), [
    ({"max_epochs": 4}, "run: 1.1 hours (training.max_epochs=4)"),
    ({"max_epochs": 4, "max_updates": 100}, "run: 3.3 minutes (training.max_updates=100)"),
    ({"max_epochs": 4, "max_minutes": 0.5}, "run: 30.0 seconds (training.max_minutes=0.5)"),
])
def test_the_first_limit_ends_the_run(limits, words):
    found = Estimate(shapes=[(3, 4, 5)], peak=2.0**30, available=2**34, seconds=2.0, pieces_per_second=1000.0,
                     updates=500.0)
    said = lines(found, TrainingSettings(**limits), "bf16 on cuda", processes=4)
    assert said[0].endswith("3 x 4 x 5")
    assert said[1] == "peak memory: 1,024 MiB in each of 4 processes, bf16 on cuda; there are 16,384 MiB"
    assert said[3] == "epoch: 500 updates, 16.7 minutes"
    assert said[4].startswith(words)
