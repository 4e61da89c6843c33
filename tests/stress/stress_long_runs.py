"""Long runs: memory stays flat over many updates and many lines; slow and closed readers; the probe tells the truth.

    STRESS_UPDATES=20000 STRESS_LINES=1000000 python -m pytest tests/stress/stress_long_runs.py -s
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from commands import ROOT, run_apart
from test_translate_command import waiting
from tiny_bundle import make_bundle
from tiny_corpus import WORDS, make_corpus

from seq2seq.commands.malloc import keep_freed_memory
from seq2seq.settings.reading import read_settings
from seq2seq.settings.training import TrainSettings
from seq2seq.training.loop import Run
from seq2seq.training.run import train

UPDATES = int(os.environ.get("STRESS_UPDATES", "20000"))
LINES = int(os.environ.get("STRESS_LINES", "1000000"))
WARM_UP = 0.1   # share of the run after which memory may no longer grow
GROWTH = 16     # MiB that it may grow all the same: heaps are cut anew now and then
TRANSLATE = ["translate.py", "device=cpu", "threads=1", "search=greedy", "search.max_length=6"]


def resident(process: int | str = "self") -> float:
    """MiB of a living process."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(re.search(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)[1]) / 1024


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("long")
    return make_bundle(folder / "bundle", make_corpus(folder / "tiny", train=20, valid=10))


def test_memory_is_flat_over_many_updates(tmp_path, monkeypatch):
    """With everything that a run does: epochs, validations, checkpoints, lines of figures, averages."""
    corpus, samples, real = make_corpus(tmp_path / "tiny", train=300, valid=5), {}, Run.update
    every = max(1, int(UPDATES * WARM_UP))

    def sampled(self, batch):
        real(self, batch)
        if (self.state.updates + 1) % every == 0:
            samples[self.state.updates + 1] = resident()

    monkeypatch.setattr(Run, "update", sampled)
    keep_freed_memory()
    state = train(read_settings(TrainSettings, {
        "corpus": str(corpus), "run": str(tmp_path / "run"), "model": {"embedding": 8, "hidden": 8},
        "training": {"batch_pieces": 60, "max_epochs": None, "max_updates": UPDATES, "validate_every": every // 2,
                     "log_every": 50, "threads": 1, "device": "cpu", "precision": "fp32", "averaging": "ema",
                     "subword_sampling": {"source": 0.1}}}))
    assert state.updates == UPDATES
    first, *_, last = samples.values()
    assert max(samples.values()) - first < GROWTH, samples
    print(f"\nmemory over {UPDATES:,} updates ({state.epochs:,.0f} epochs): {first:.1f} MiB after {every:,}, "
          f"{last:.1f} MiB at the end")


def test_memory_is_flat_over_many_lines_from_a_pipe(bundle):
    samples, count = {}, 0
    with subprocess.Popen([sys.executable, *TRANSLATE, f"run={bundle}"], cwd=ROOT, stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as process:
        feeder = threading.Thread(target=feed, args=(process.stdin, LINES))
        feeder.start()
        for _ in process.stdout:
            count += 1
            if count % (LINES // 10) == 0 and count < LINES:
                samples[count] = resident(process.pid)
        feeder.join()
    assert process.returncode == 0
    assert count == LINES
    first, *_, last = samples.values()
    assert max(samples.values()) - first < GROWTH, samples
    print(f"\nmemory over {LINES:,} lines from a pipe: {first:.1f} MiB after {LINES // 10:,}, "
          f"{last:.1f} MiB at the end")


def feed(pipe, lines: int) -> None:
    """So many short lines, all sorts of them; ends early when nobody reads any more."""
    try:
        with pipe:
            for row in range(lines):
                pipe.write(f"{WORDS[row % 12]} {WORDS[row // 12 % 12]} {row % 977}\n".encode())
    except BrokenPipeError:
        pass


@pytest.mark.parametrize(("end", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (None, 141)])
def test_a_reader_that_does_not_read(bundle, end, code):
    """The command waits with the memory it had; a signal, or the reader's leaving, ends it at once."""
    with subprocess.Popen([sys.executable, *TRANSLATE, f"run={bundle}"], cwd=ROOT, stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)) as process:  # noqa: PLW1509
        feeder = threading.Thread(target=feed, args=(process.stdin, 200_000))
        feeder.start()
        while waiting(process.stdout) < 60_000:
            time.sleep(0.1)
        before = resident(process.pid)
        time.sleep(5)
        after = resident(process.pid)
        if end is None:
            process.stdout.close()
        else:
            process.send_signal(end)
        errors = process.stderr.read()
        assert process.wait(timeout=3600) == code
        feeder.join()
    assert after - before < GROWTH
    said = [line for line in errors.splitlines() if b"was cut at the length limit" not in line]
    assert said in ([], [b"interrupted"])
    print(f"\na reader that does not read, then {end.name if end else 'leaves'}: exit code {code}, {before:.1f} MiB, "
          f"{after:.1f} MiB five seconds later")


def test_the_probe_tells_what_the_run_needs(tmp_path):
    make_corpus(tmp_path / "data" / "tiny", train=4000, valid=10)
    settings = ["corpus=data/tiny", "run=runs/real", "recipe=none", "model.embedding=128", "model.hidden=256",
                "training.batch_pieces=3000", "training.device=cpu", "training.precision=fp32", "training.threads=1",
                "training.max_epochs=2"]
    said = run_apart("train", [*settings, "training.probe=true"], cwd=tmp_path)
    assert said.code == 0, said.err
    estimate = int(re.search(rb"peak memory: ([\d,]+) MiB", said.out)[1].replace(b",", b""))
    process = subprocess.Popen([sys.executable, str(ROOT / "train.py"), *settings], cwd=tmp_path,
                               stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    assert status == 0
    peak = used.ru_maxrss / 1024
    assert estimate == pytest.approx(peak, rel=0.15)
    print(f"\nprobe: {estimate} MiB said, {peak:.0f} MiB taken")
