"""data_prep under torchrun: the bytes of one process, and one line when a rank fails."""

from __future__ import annotations

from pathlib import Path

import pytest
from launched import error_lines, run

PAIRS = 25_000  # three shards
SETTINGS = ["data=files", "data.source=en", "data.target=de", "data.valid_size=50", "data.test_size=50",
            "tokenizer.vocabulary=60", "tokenizer.sample=2000", "tokenizer.joint=false", "tokenizer.kind=bpe",
            "num_proc=1"]


def write(folder: Path) -> Path:
    """Two files of sentences, some of them twice."""
    folder.mkdir()
    for language, words in (("en", "one two"), ("de", "eins zwei")):
        lines = (f"{row % 24_000} {words} {row % 7_000}\n" for row in range(PAIRS))
        (folder / f"train.{language}").write_text("".join(lines))
    return folder / "train"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def assert_same_bytes(place: Path, processes: int, *settings: str) -> None:
    """The corpus that so many processes make is that of one, which is made when it is not there."""
    for count in (1, processes):
        if not (place / f"by-{count}").exists():
            done = run(place, count, "-m", "data_prep", *settings, f"corpus=by-{count}")
            assert (done.returncode, done.stdout) == (0, f"by-{count}\n"), done.stderr
            assert error_lines(done.stderr) == []
            assert done.stderr.count("cleaning train: ") == 1  # one process speaks, for all
    made = contents(place / f"by-{processes}")
    assert len([name for name in made if name.startswith("train/data-")]) == 3
    assert made == contents(place / "by-1")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("place")
    write(folder / "raw")
    return folder


def test_two_processes_make_the_corpus_of_one(place):
    assert_same_bytes(place, 2, *SETTINGS, "data.train=raw/train")


def test_a_rank_that_fails_ends_all_and_leaves_nothing(place):
    raw = write(place / "bad")
    lines = raw.with_suffix(".de").read_bytes().split(b"\n")[:-1]
    lines = [line + b" und" * 50 for line in lines]  # shards lie more than a block of the reader apart
    lines[15_000] = b"\xff"  # in the second shard: the work of rank 1
    raw.with_suffix(".de").write_bytes(b"\n".join(lines) + b"\n")
    before = set(place.iterdir())
    done = run(place, 2, "-m", "data_prep", *SETTINGS, "data.train=bad/train", "corpus=none")
    assert done.returncode == 1
    assert done.stdout == ""
    first, *others = error_lines(done.stderr)
    assert first.startswith("error (rank 1 of 2): ") and "is not UTF-8: byte 0xff" in first
    assert all("the connection to the other processes is lost" in line for line in others)
    assert "data_prep/distributed.py\", line" not in done.stderr  # no traceback of ours
    assert set(place.iterdir()) == before
