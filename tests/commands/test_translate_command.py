"""translate.py as a person runs it: pipes, files, JSON lines, bad input."""

from __future__ import annotations

import fcntl
import gzip
import json
import os
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from commands import ROOT, Done, is_one_line, run_apart, run_here
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny_bundle import make_bundle
from tiny_corpus import make_corpus

from seq2seq.commands.translation_file import json_line, read_windows
from seq2seq.errors import SettingError
from seq2seq.inference.translator import Candidate, Translation, Translator
from seq2seq.settings.device import Precision
from seq2seq.settings.search import SearchSettings

torch.set_num_threads(1)
LINES = ["ba do fi", "", "gu \u2028 ke", "lo mi nu pa re so tu", " ", "xyz 😀"]
INPUT = b"\xef\xbb\xbf" + "\r\n".join(LINES).encode()


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("translate")
    return make_bundle(folder / "bundle", make_corpus(folder / "tiny", train=20, valid=10), ends=3)


@pytest.fixture(scope="module")
def expected(bundle: Path) -> list[str]:
    return Translator.load(bundle, device="cpu").translate(LINES)


@pytest.fixture
def run(bundle: Path, capfdbinary, monkeypatch):
    usual = [f"run={bundle}", "device=cpu"]
    return lambda *arguments: run_here("translate", [*usual, *arguments], capfdbinary, monkeypatch)


def test_standard_input_to_standard_output(bundle: Path, expected: list[str]) -> None:
    done = run_apart("translate", [f"run={bundle}", "device=cpu"], INPUT)
    assert (done.code, done.err) == (0, "")
    assert done.out.decode().split("\n") == [*expected, ""]


def test_eight_bits(run, bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_bytes(INPUT)
    done = run("precision=int8", f"input={tmp_path / 'in.txt'}")
    assert (done.code, done.err) == (0, "")
    translator = Translator.load(bundle, device="cpu", precision="int8")
    assert done.out.decode().split("\n")[:-1] == translator.translate(LINES)
    with pytest.raises(SettingError, match=r"precision=int8 is for search on a CPU, and this is meta\. Choose"):
        Translator(translator.bundles, SearchSettings(), device="meta", precision=Precision.INT8)


def test_bf16(run, bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_bytes(INPUT)
    done = run("precision=bf16", f"input={tmp_path / 'in.txt'}")
    assert (done.code, done.err) == (0, "")
    translator = Translator.load(bundle, device="cpu", precision="bf16")
    assert done.out.decode().split("\n")[:-1] == translator.translate(LINES)
    assert {weight.dtype for weight in translator.bundles[0].model.parameters()} == {torch.float32}


def test_what_arrives_slowly_is_translated_at_once(bundle: Path, expected: list[str]) -> None:
    command = [sys.executable, "translate.py", f"run={bundle}", "device=cpu"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin and process.stdout
        for line, translation in zip(LINES, expected, strict=True):
            process.stdin.write(line.encode() + b"\n")
            process.stdin.flush()
            assert process.stdout.readline().decode() == translation + "\n"  # the input is still open
        process.stdin.close()
        assert process.stdout.read() == b"" and process.wait() == 0


def test_a_reader_that_leaves_ends_it_quietly(bundle: Path) -> None:
    command = f"{sys.executable} translate.py run={bundle} device=cpu | head -n 1"
    done = subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], cwd=ROOT, input=b"ba do\n" * 20_000,
                          capture_output=True, check=False)
    assert done.stdout.count(b"\n") == 1 and done.stderr == b""
    assert done.returncode == 128 + signal.SIGPIPE


def test_a_slow_reader_gets_every_line(bundle: Path) -> None:
    command = [sys.executable, "translate.py", f"run={bundle}", "device=cpu", "search=greedy", "search.max_length=30"]
    with tempfile.TemporaryFile() as lines:
        lines.write("".join(f"{LINES[0]} {LINES[3]}\n" for _ in range(3_000)).encode())
        lines.seek(0)
        with subprocess.Popen(command, cwd=ROOT, stdin=lines, stdout=subprocess.PIPE) as process:
            fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, 4096)
            while not waiting(process.stdout):
                assert process.poll() is None
                time.sleep(0.05)
            time.sleep(1)  # the pipe holds one page: the command has to wait for us
            out = process.stdout.read()
        assert process.returncode == 0
    assert out.count(b"\n") == 3_000 and len(set(out.splitlines())) == 1


def waiting(pipe) -> int:
    """Bytes that were written to a pipe and not read yet."""
    return struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)))[0]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_behind_standard_output_is_one_line(bundle: Path) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run([sys.executable, "translate.py", f"run={bundle}", "device=cpu"], cwd=ROOT, input=INPUT,
                              stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(b"error: standard output cannot be written: there is no space left")
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize("name", ["in.txt", "in.txt.gz"])
def test_file_to_file(run, tmp_path: Path, expected: list[str], name: str) -> None:
    (tmp_path / name).write_bytes(gzip.compress(INPUT) if name.endswith("gz") else INPUT)
    done = run(f"input={tmp_path / name}", f"output={tmp_path / 'out.txt'}")
    assert done == (0, b"", "")
    assert (tmp_path / "out.txt").read_bytes().decode().split("\n") == [*expected, ""]
    assert sorted(os.listdir(tmp_path)) == sorted([name, "out.txt"])


def test_an_output_file_appears_whole_or_not_at_all(run, tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_bytes(b"ba\ndo\n" * 20 + b"\xff\n")
    (tmp_path / "out.txt").write_text("what was there")
    done = run(f"input={tmp_path / 'in.txt'}", f"output={tmp_path / 'out.txt'}")
    assert is_one_line(done) and f"{tmp_path / 'in.txt'} line 41 is not UTF-8: byte 0xff at offset 120" in done.err
    assert (tmp_path / "out.txt").read_text() == "what was there"
    assert sorted(os.listdir(tmp_path)) == ["in.txt", "out.txt"]


def test_an_output_that_is_no_file_is_written_to(run, tmp_path: Path, expected: list[str]) -> None:
    (tmp_path / "in.txt").write_bytes(INPUT)
    assert run(f"input={tmp_path / 'in.txt'}", "output=/dev/null") == (0, b"", "")
    assert Path("/dev/null").is_char_device()
    (tmp_path / "real.txt").write_text("old")
    (tmp_path / "link.txt").symlink_to("real.txt")
    run(f"input={tmp_path / 'in.txt'}", f"output={tmp_path / 'link.txt'}")
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "real.txt").read_text(encoding="utf-8").split("\n") == [*expected, ""]


def test_json_lines_tell_everything(run, tmp_path: Path, expected: list[str]) -> None:
    (tmp_path / "in.txt").write_bytes(INPUT)
    done = run(f"input={tmp_path / 'in.txt'}", "format=jsonl", "search.n_best=3")
    records = [json.loads(line) for line in done.out.decode().split("\n")[:-1]]
    assert [record["source"] for record in records] == LINES
    assert [record["translation"] for record in records] == expected
    for record in records:
        if not record["translation"]:
            assert record["score"] is None and record["n_best"] == record["pieces"] == record["source_pieces"] == []
            continue
        scores = [one["score"] for one in record["n_best"]]
        assert scores == sorted(scores, reverse=True)
        assert len({tuple(one["pieces"]) for one in record["n_best"]}) == 3
        assert record["n_best"][0].items() <= record.items()
        assert len(record["attention"]) == len(record["alignment"]) == len(record["pieces"])
        for place, row in zip(record["alignment"], record["attention"], strict=True):
            assert len(row) == len(record["source_pieces"]) and row[place] == max(row)


def test_search_groups_and_overrides_reach_the_search(run, bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_bytes(INPUT)
    cases: list[tuple[list[str], dict[str, Any]]] = [
        (["search=greedy"], {"kind": "greedy"}), (["search.beam_size=2"], {"beam_size": 2}),
        (["search=sample", "search.top_k=5", "search.seed=3"], {"kind": "sample", "top_k": 5, "seed": 3}),
        (["search.max_length=3"], {"max_length": 3}),
    ]
    for arguments, search in cases:
        done = run(f"input={tmp_path / 'in.txt'}", *arguments)
        assert done.out.decode().split("\n")[:-1] == Translator.load(bundle, device="cpu", **search).translate(LINES)


@pytest.mark.parametrize(("arguments", "message"), [
    (["input=missing.txt"], "input=missing.txt does not exist. Give a file of sentences"),
    (["input=."], "input=. is a folder"),
    (["output=nowhere/out.txt", "input=README"], "input=README does not exist"),
    (["run=nowhere", "input=in.txt"], "nowhere does not exist. Give the folder of a trained run: run=FOLDER"),
    (["run=null"], "run is missing. Give the folder of a trained run: run=runs/NAME"),
    (["run=[]"], "run is missing"),
    (["format=xml"], "format=xml is not one of: text, jsonl"),
    (["search.n_best=2"], "search.n_best=2 needs format=jsonl"),
    (["format=jsonl", "search.n_best=9"], "search.n_best=9 is more than beam_size=5"),
    (["search.beam_size=many"], "search.beam_size='many' is not a whole number"),
    (["search.bean_size=3"], "search.bean_size is not a setting. Did you mean search.beam_size?"),
    (["+search.bean_size=3"], "search.bean_size is not a setting. Did you mean beam_size?"),
    (["search=breadth"], "search=breadth is not one of: beam, greedy, sample"),
    (["max_source_pieces=0"], "max_source_pieces=0 is out of range: give a number at least 1"),
    (["search.top_p=0.5"], "search.top_p"),
])
def test_a_mistake_is_one_line(run, tmp_path: Path, monkeypatch, arguments: list[str], message: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.txt").write_bytes(INPUT)
    done = run(*arguments)
    assert is_one_line(done), done
    assert message in done.err


def test_an_output_in_no_folder_is_one_line(run, tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_bytes(INPUT)
    done = run(f"input={tmp_path / 'in.txt'}", f"output={tmp_path / 'no' / 'out.txt'}")
    assert is_one_line(done) and f"output={tmp_path / 'no' / 'out.txt'}: there is no folder" in done.err


@pytest.mark.parametrize("how", ["same", "link", "hard link", "standard input"])
def test_what_is_read_is_not_written_over(bundle: Path, tmp_path: Path, how: str) -> None:
    given, output = tmp_path / "lines", tmp_path / "out"
    given.write_bytes(INPUT)
    if how == "link":
        output.symlink_to(given)
    elif how == "hard link":
        output.hardlink_to(given)
    else:
        output = given
    words = [f"run={bundle}", "device=cpu", f"output={output}"]
    asked = words if how == "standard input" else [*words, f"input={given}"]
    with given.open("rb") as stdin:
        ended = subprocess.run([sys.executable, str(ROOT / "translate.py"), *asked], stdin=stdin, capture_output=True,
                               check=False)
    done = Done(ended.returncode, ended.stdout, ended.stderr.decode())
    assert is_one_line(done) and f"output={output} is the file that is read, and its lines would be lost" in done.err
    assert given.read_bytes() == INPUT



def test_help_names_examples_and_settings(run) -> None:
    done = run("--help")
    assert done.code == 0
    for text in ("python translate.py run=runs/mine < sentences.en", "search=beam|greedy|sample", "threads=null"):
        assert text.encode() in done.out


def test_windows_of_a_file_grow(tmp_path: Path) -> None:
    for name, pack in (("in.txt", bytes), ("in.txt.gz", gzip.compress)):
        (tmp_path / name).write_bytes(pack(b"ba\n" * 3000))
        assert [len(window) for window in read_windows(str(tmp_path / name))] == [16, 64, 256, 1024, 1024, 616]


@given(st.text(), st.text())
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_json_line_is_one_line_that_reads_back(source: str, text: str) -> None:
    candidate = Candidate(text, [text], -1.0, -2.0, torch.tensor([[0.25, 0.75]]), [1])
    line = json_line(Translation(source, ["a", "</s>"], [candidate]))
    assert "\n" not in line
    assert json.loads(line)["source"] == source and json.loads(line)["alignment"] == [1]


def test_no_translation_breaks_a_line(bundle: Path, monkeypatch) -> None:
    translator = Translator.load(bundle, device="cpu")
    monkeypatch.setattr(translator._target, "decode", lambda ids: ["one\ntwo\r\n"] * len(ids))
    (candidate,) = translator.translate_lines(["ba"])[0].candidates
    assert Translation("a", ["a"], [candidate]).text == "one two  "
