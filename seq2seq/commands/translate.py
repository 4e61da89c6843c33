"""Translates lines of text with a trained model: standard input to standard output, or file to file.

    python translate.py run=runs/m30k < sentences.en > sentences.de
    python translate.py --help
"""

from __future__ import annotations

import contextlib
import logging
import signal
import sys
from collections.abc import Callable, Iterable, Iterator

from seq2seq.commands.app import command
from seq2seq.commands.malloc import keep_freed_memory
from seq2seq.settings.translate import Format, TranslateSettings

log = logging.getLogger("seq2seq")


@command(config_name="translate", kind=TranslateSettings)
def main(settings: TranslateSettings) -> None:
    keep_freed_memory()
    # Like Ctrl-C: a file that was begun goes away.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    import torch  # not for --help

    from seq2seq.commands.translation_file import read_windows, whole_output

    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    windows = read_windows(settings.input)
    with whole_output(settings.output, settings.input) as output, progress(settings) as advance:
        for lines in answers(settings, windows):
            output.write("".join(line + "\n" for line in lines).encode())
            output.flush()
            advance(len(lines))


def answers(settings: TranslateSettings, windows: Iterable[list[str]]) -> Iterator[list[str]]:
    """The lines to write for each list of lines that is read: translations, or labels."""
    from seq2seq.commands.translation_file import json_line, label_json_line
    from seq2seq.inference.loading import open_bundles, open_rerank_models
    from seq2seq.inference.predictor import Predictor, check_plain_search
    from seq2seq.inference.translator import Translator
    from seq2seq.settings.model import LABELS

    bundles, device = open_bundles(settings.run, settings.device)
    rerank = open_rerank_models(settings.rerank, bundles, device)
    json_lines, n_best = settings.format is Format.JSONL, settings.search.n_best
    name = settings.input or "standard input"
    if settings.input is None and sys.stdin.isatty():
        log.info("%s to %s: type a sentence and Enter; Ctrl-D ends", *bundles[0].languages)
    if bundles[0].settings.shape in LABELS:
        check_plain_search(settings.precision, settings.graphs, bundles[0])
        predictor = Predictor(bundles, device=device, max_source_pieces=settings.max_source_pieces, long=settings.long,
                              n_best=n_best)
        for predictions in predictor.stream(windows, name=name):
            yield [label_json_line(one, n_best) if json_lines else one.text for one in predictions]
        return
    translator = Translator(bundles, settings.search, rerank=rerank, device=device,
                            precision=settings.precision, graphs=settings.graphs,
                            max_source_pieces=settings.max_source_pieces, long=settings.long,
                            tokenize=settings.scoring.tokenize)
    for translations in translator.stream(windows, attention=json_lines, name=name):
        yield [json_line(one, n_best > 1) if json_lines else one.text for one in translations]


@contextlib.contextmanager
def progress(settings: TranslateSettings) -> Iterator[Callable[[int], None]]:
    """Counts the lines on standard error, when that is a terminal and the translations go elsewhere."""
    if not sys.stderr.isatty() or (settings.output is None and sys.stdout.isatty()):
        yield lambda lines: None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.completed} lines"), TextColumn("{task.fields[speed]}"),
               TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("lines", total=None, speed="")

        def advance(lines: int) -> None:
            bar.advance(task, lines)
            shown = bar.tasks[0]
            bar.update(task, speed=f"{shown.completed / max(shown.elapsed or 0, 1e-9):.0f} lines/s")

        yield advance
