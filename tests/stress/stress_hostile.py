"""The long run of tests/commands/test_hostile.py: a million lines, lines of a megabyte, memory measured."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nasty
import pytest
from commands import ROOT
from hostile_bundle import make_hostile_bundle, tokenizer

MILLION = 1_000_000
MEMORY = 1400  # MiB: torch alone takes 300 to 600

# Runs a command and says what memory it took at most, in MiB, on the last line of standard error.
PROGRAM = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:], check=False).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024, file=sys.stderr)
sys.exit(code)
"""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_hostile_bundle(tmp_path_factory.mktemp("hostile"), tokenizer("unigram", byte_fallback=True))


def run(command: list[str], given: Path, out: Path) -> tuple[int, list[str]]:
    """Peak memory in MiB, and what was said on standard error."""
    with open(given, "rb") as source, open(out, "wb") as target:
        done = subprocess.run([sys.executable, "-c", PROGRAM, sys.executable, *command], cwd=ROOT, stdin=source,
                              stdout=target, stderr=subprocess.PIPE, text=True, check=False)
    # Random weights seldom end a sentence: that it was cut is said, and not what is looked for here.
    *said, peak = [line for line in done.stderr.splitlines() if "was cut at the length limit" not in line]
    assert done.returncode == 0, said[-5:]
    return int(peak), said


def write(path: Path, count: int, line: Callable[[int], bytes]) -> Path:
    with open(path, "wb") as file:
        for number in range(count):
            file.write(line(number) + b"\n")
    return path


def count(path: Path) -> int:
    with open(path, "rb") as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))


TRANSLATE = ["translate.py", "device=cpu", "threads=1", "search=greedy", "search.max_length=3"]


def test_a_million_empty_lines(bundle: Path, tmp_path: Path) -> None:
    given = write(tmp_path / "in", MILLION, lambda number: [b"", b" ", b"\t\r", "\u2028".encode()][number % 4])
    peak, said = run([*TRANSLATE, f"run={bundle}"], given, tmp_path / "out")
    assert (tmp_path / "out").stat().st_size == MILLION and said == []
    assert peak < MEMORY
    print(f"\nhostile: {MILLION:,} empty lines in, as many out, {peak} MiB at most")


def test_nasty_lines_over_and_over(bundle: Path, tmp_path: Path) -> None:
    lines = [line for line in nasty.lines() if len(line) < 300]
    given = write(tmp_path / "in", 100_000, lambda number: lines[number % len(lines)])
    peak, said = run([*TRANSLATE, f"run={bundle}"], given, tmp_path / "out")
    assert count(tmp_path / "out") == 100_000 and peak < MEMORY and said == []
    print(f"\nhostile: 100,000 nasty lines in, as many out, {peak} MiB at most")


@pytest.mark.parametrize("long", ["cut", "split"])
def test_lines_of_a_megabyte(bundle: Path, tmp_path: Path, long: str) -> None:
    lines = list(nasty.long_lines(28 if long == "cut" else 3))
    given = write(tmp_path / "in", len(lines), lines.__getitem__)
    peak, said = run([*TRANSLATE, f"run={bundle}", f"long={long}"], given, tmp_path / "out")
    assert count(tmp_path / "out") == len(lines) and peak < MEMORY
    assert len(said) == (sum(not line.isspace() for line in lines) if long == "cut" else 0)
    print(f"\nhostile: {len(lines)} lines of a megabyte, long={long}, {peak} MiB at most")


def test_data_preparation(tmp_path: Path) -> None:
    """A million empty pairs and lines of a megabyte among good ones."""
    lines = list(nasty.long_lines(28))

    def train(number: int) -> bytes:
        return b"" if number < MILLION else lines[number % 28] if number < MILLION + 56 else b"ba do fi %d" % number

    for language in ("en", "de"):
        write(tmp_path / f"train.{language}", MILLION + 2000, train if language == "en" else lambda n: train(n) + b" x")
        for split in ("valid", "test"):
            write(tmp_path / f"{split}.{language}", 28, lines.__getitem__)
    command = ["-m", "data_prep", "data=files", "data.source=en", "data.target=de", f"corpus={tmp_path / 'corpus'}",
               "num_proc=1", "tokenizer.vocabulary=100", "tokenizer.kind=bpe",
               *(f"data.{split}={tmp_path / split}" for split in ("train", "valid", "test"))]
    peak, _ = run(command, write(tmp_path / "nothing", 0, lines.__getitem__), tmp_path / "out")
    from seq2seq.corpus.packed import PackedCorpus

    corpus = PackedCorpus.open(tmp_path / "corpus")
    sizes = [len(corpus.split(split)) for split in ("train", "valid", "test")]
    assert sizes == [2000 - 56, 28, 28]
    assert peak < MEMORY
    print(f"\nhostile: {MILLION + 2000:,} pairs prepared, a million empty, 112 lines of a megabyte, {peak} MiB at most "
          f"(this process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MiB)")
