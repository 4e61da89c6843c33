"""doctor.py: a sound bundle passes, a model that looks at its neighbours does not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from commands import is_one_line, run_apart, run_here
from tiny_bundle import make_bundle
from tiny_corpus import make_corpus

from seq2seq.errors import UserError
from seq2seq.evaluation.doctor import SENTENCES, examine
from seq2seq.inference.translator import Translator
from seq2seq.models.encoder import Encoder

torch.set_num_threads(1)
LINES = ["ba do fi", "", "gu \u2028 ke", "lo mi nu pa re so tu", " ", "xyz \N{GRINNING FACE}", "ba " * 30]
JUDGED = ["bundle is whole", "weights are finite", "one line for each line", "alone and in a batch",
          "in reversed order", "in small batches", "beside more padding", "step by step"]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("doctor")
    return make_bundle(folder / "bundle", make_corpus(folder / "tiny", train=20, valid=10))


@pytest.fixture
def translator(bundle: Path) -> Translator:
    return Translator.load(bundle, device="cpu", max_source_pieces=20, max_length=12)


def test_a_sound_bundle_passes_as_a_person_runs_it(bundle: Path) -> None:
    done = run_apart("doctor", [f"run={bundle}", "device=cpu", "search.max_length=8", "max_source_pieces=20"],
                     "\n".join(LINES).encode())
    text = done.out.decode()
    assert (done.code, text.count("pass"), text.count("FAIL")) == (0, len(JUDGED), 0), text + done.err
    for name in (*JUDGED, "unknown pieces", "1 of 7 (more than 20 pieces)", "7 in, 7 out"):
        assert name in text


@pytest.mark.parametrize("search", [{"kind": "beam"}, {"kind": "greedy"}, {"kind": "sample"}])
def test_its_own_sentences_do_too_in_every_search(bundle: Path, search: dict) -> None:
    checks = examine(Translator.load(bundle, device="cpu", max_length=6, **search), SENTENCES, 1e-3)
    assert [check.name for check in checks if check.passed] == JUDGED
    assert [check.name for check in checks if not check.passed] == ["unknown pieces", "lines that are cut"]


def test_one_that_writes_from_right_to_left_passes(bundle: Path) -> None:
    leftwards = make_bundle(bundle.parent / "leftwards", bundle.parent / "tiny", reverse_target=True)
    checks = examine(Translator.load(leftwards, device="cpu", max_length=6), SENTENCES, 1e-3)
    assert [check.name for check in checks if check.passed] == JUDGED


def test_an_encoder_that_reads_the_padding_is_found_out(translator: Translator, monkeypatch) -> None:
    def reads_on(self, x, lengths, plain=Encoder.forward):
        return plain(self, x, torch.full_like(lengths, x.shape[1]))

    monkeypatch.setattr(Encoder, "forward", reads_on)
    failed = [check.name for check in examine(translator, LINES, 1e-3) if check.passed is False]
    assert {"alone and in a batch", "beside more padding"} <= set(failed)
    assert "step by step" not in failed


def test_weights_that_are_no_numbers_are_named(translator: Translator) -> None:
    with torch.no_grad():
        translator.bundles[0].model.output_bias[3] = torch.nan
    checks = examine(translator, LINES, 1e-3)
    assert [check.name for check in checks] == ["bundle is whole", "weights are finite"]
    assert [check.passed for check in checks] == [True, False]
    assert checks[1].finding == "NaN or infinity in output_bias"


def test_only_empty_lines_are_no_sentences(translator: Translator) -> None:
    with pytest.raises(UserError, match="there is no sentence to look at"):
        examine(translator, ["", " "], 1e-3)


def test_exit_codes_and_help(bundle: Path, tmp_path: Path, capfdbinary, monkeypatch) -> None:
    def run(*arguments: str):
        return run_here("doctor", ["device=cpu", "search=greedy", "search.max_length=6", *arguments], capfdbinary,
                        monkeypatch)

    (tmp_path / "in.txt").write_bytes(b"ba do\nfi\n")
    assert run(f"run={bundle}", f"input={tmp_path / 'in.txt'}").code == 0
    assert run(f"run={bundle}", f"input={tmp_path / 'in.txt'}", "tolerance=1e-30").code == 1
    altered = shutil.copytree(bundle, tmp_path / "altered")
    info = json.loads((altered / "bundle.json").read_text())
    (altered / "bundle.json").write_text(json.dumps({**info, "sha256": {}}))
    for arguments, words in (([f"run={altered}"], "damaged or was altered"), (["lines=0"], "run is missing"),
                             ([f"run={bundle}", "tolerance=0"], "tolerance=0.0 is out of range"),
                             ([f"run={bundle}", "input=nowhere.txt"], "nowhere.txt cannot be read")):
        done = run(*arguments)
        assert is_one_line(done) and words in done.err, done
    shown = run("--help").out.decode()
    assert "python doctor.py run=runs/mine < sentences.en" in shown and "tolerance=0.001" in shown
