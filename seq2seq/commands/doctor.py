"""Checks a trained model on your own sentences.

    python doctor.py run=runs/m30k < sentences.en
    python doctor.py --help
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from seq2seq.commands.app import command
from seq2seq.settings.doctor import DoctorSettings

if TYPE_CHECKING:
    from seq2seq.evaluation.doctor import Check

WIDTH = 120  # columns of the table where it is read by no terminal


@command(config_name="doctor", kind=DoctorSettings)
def main(settings: DoctorSettings) -> None:
    import torch  # not for --help

    from seq2seq.evaluation.doctor import examine
    from seq2seq.inference.loading import open_bundles
    from seq2seq.inference.predictor import Predictor
    from seq2seq.inference.translator import Translator
    from seq2seq.settings.model import LABELS

    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    bundles, device = open_bundles(settings.run or "", settings.device)
    limit = settings.max_source_pieces
    opened = (Predictor(bundles, device=device, max_source_pieces=limit) if bundles[0].settings.shape in LABELS
              else Translator(bundles, settings.search, device=device, max_source_pieces=limit))
    checks = examine(opened, sentences(settings), settings.tolerance)
    show(checks)
    sys.exit(int(any(check.passed is False for check in checks)))


def sentences(settings: DoctorSettings) -> list[str]:
    """The lines to look at: of a file, of standard input, or our own where that is a terminal."""
    from seq2seq.evaluation.doctor import SENTENCES
    from seq2seq.text.lines import read_lines

    if settings.input is not None:
        lines = read_lines(settings.input)
    elif sys.stdin is None or sys.stdin.isatty():
        lines = iter(SENTENCES)
    else:
        lines = read_lines(sys.stdin.buffer, "standard input")
    return list(itertools.islice(lines, settings.lines))


def show(checks: Sequence[Check]) -> None:
    """Prints the table to standard output."""
    from rich.console import Console
    from rich.table import Table

    table = Table("check", "result", "finding")
    for check in checks:
        table.add_row(check.name, {True: "pass", False: "FAIL", None: ""}[check.passed], check.finding)
    Console(width=None if sys.stdout.isatty() else WIDTH).print(table)
