"""Standard output that cannot show or take what a command writes: the work is done, and no traceback ends it."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest
from commands import ROOT, Done, run_apart
from tiny_bundle import make_bundle
from tiny_corpus import make_corpus

from data_prep import learn_tokenizer as tokenization
from seq2seq.errors import UserError

ASCII = {**os.environ, "PYTHONIOENCODING": "ascii"}
FULL = ("error: standard output cannot be written: there is no space left; free some, or choose a folder on another "
        "disk.\n")


def python(program: str, stdout: int | IO[bytes] = subprocess.PIPE, **environment: str) -> Done:
    """Runs a program that has `safe_streams`; gives back what it wrote, unless that is to go somewhere else."""
    begin = "import sys, os\nfrom pathlib import Path\nfrom seq2seq.commands.streams import safe_streams\n"
    done = subprocess.run([sys.executable, "-c", begin + program], cwd=ROOT, check=False, stdout=stdout,
                          stderr=subprocess.PIPE, env={**os.environ, **environment})
    return Done(done.returncode, done.stdout, done.stderr.decode())


def test_what_a_stream_cannot_show_is_escaped() -> None:
    program = """
from rich.console import Console
from rich.table import Table
with safe_streams():
    print("sch\\xf6n", "\\udcff")
    print("sch\\xf6n", file=sys.stderr)
    table = Table("\\u2026")
    table.add_row("gr\\xfcn")
    Console(width=40).print(table)
print(sys.stdout.errors)
"""
    done = python(program, PYTHONIOENCODING="ascii")
    first, *table, last = done.out.decode("ascii").splitlines()
    assert done.code == 0 and first == r"sch\xf6n \udcff" and done.err == "sch\\xf6n\n"
    assert any(r"gr\xfcn" in line for line in table) and last == "strict"  # as it was


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("end", ["", "\n    sys.exit(1)"])
def test_a_full_disk_behind_standard_output_is_named(unbuffered: str, end: str) -> None:
    program = """
from seq2seq.errors import UserError
try:
    with safe_streams():
        print("something")""" + end.replace("\n", "\n    ") + """
except UserError as error:
    print(f"error: {error}", file=sys.stderr)
"""
    with open("/dev/full", "wb") as full:
        done = python(program, full, PYTHONUNBUFFERED=unbuffered)
    assert (done.code, done.err) == (0, FULL)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_command_says_that_it_cannot_write() -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run([sys.executable, str(ROOT / "doctor.py"), "--help"], check=False, stdout=full,
                              stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr.decode()) == (2, FULL)


def test_an_error_within_is_not_hidden() -> None:
    done = python("with safe_streams():\n    print('before')\n    raise KeyError('mine')")
    assert done.code == 1 and done.out == b"before\n" and done.err.endswith("KeyError: 'mine'\n")


def test_commands_end_well_on_an_ascii_terminal(tmp_path: Path) -> None:
    for name in ("train", "valid", "test"):
        (tmp_path / f"{name}.en").write_text("it is good indeed\nit is green\n" * 30, "utf-8")
        (tmp_path / f"{name}.de").write_text("es ist sch\u00f6n\nes ist gr\u00fcn\n" * 30, "utf-8")
    words = [*(f"data.{name}={tmp_path / name}" for name in ("train", "valid", "test")), "data=files", "data.source=en",
             "data.target=de", f"corpus='{tmp_path}/c\u00fc'", "tokenizer.vocabulary=40"]
    prepared = subprocess.run([sys.executable, "-m", "data_prep", *words], check=False, capture_output=True, cwd=ROOT,
                              env=ASCII)
    assert prepared.returncode == 0, prepared.stderr
    assert prepared.stdout.decode("ascii").splitlines()[-1].endswith(r"c\xfc")
    corpus = make_corpus(tmp_path / "tiny", train=20, valid=5)
    bundle = make_bundle(tmp_path / "r\u00fc", corpus)
    done = run_apart("evaluate", [f"run='{bundle}'", "device=cpu", "plots=false", "resamples=100"], env=ASCII)
    assert done.code == 0 and rf"{tmp_path}/r\xfc on test" in done.out.decode("ascii"), done.err
    lines = run_apart("translate", [f"run='{bundle}'", "device=cpu"], given="ba do\n\u00fc\n".encode(), env=ASCII)
    assert lines.code == 0 and lines.out.count(b"\n") == 2


def test_sample_sentences_are_utf8_on_any_terminal() -> None:
    done = subprocess.run([sys.executable, "-m", "data_prep.grammar", "--count=40"], check=False, capture_output=True,
                          cwd=ROOT, env=ASCII)
    assert done.returncode == 0 and done.stdout.count(b"\n") == 40 and not done.stdout.decode("utf-8").isascii()


def test_the_disk_that_is_full_is_the_one_that_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rules of a tokenizer pass through a temporary file, which may be on another disk than the corpus."""
    def full(path: Path, *_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # as of `write`, which names no file

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(UserError, match=rf"^{tmp_path}/rules.tsv cannot be written: there is no space left; .* "
                                        "TMPDIR names the folder for temporary files"):
        tokenization._write_rules(tmp_path, ["41\t42\n"])
