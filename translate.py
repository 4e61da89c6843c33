"""Translates lines of text with a trained model: standard input to standard output, or file to file.

    python translate.py run=runs/m30k < sentences.en > sentences.de
    python translate.py --help
"""

from __future__ import annotations

import contextlib
import logging
import signal
import sys
from collections.abc import Callable, Iterator

from seq2seq.command import command
from seq2seq.settings.translate import Format, TranslateSettings

log = logging.getLogger("seq2seq")


@command(config_name="translate", kind=TranslateSettings)
def main(settings: TranslateSettings) -> None:
    # Like Ctrl-C: a file that was begun goes away.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    import torch  # not for --help

    from seq2seq.translation import Translator
    from seq2seq.translation_file import json_line, read_windows, text_line, whole_output

    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    windows = read_windows(settings.input)
    json_lines = settings.format is Format.JSONL
    with whole_output(settings.output) as output, progress(settings) as advance:
        translator = Translator.open(settings.runs, settings.search, settings.device, settings.max_source_pieces,
                                     settings.long)
        if settings.input is None and sys.stdin.isatty():
            log.info("%s to %s: type a sentence and Enter; Ctrl-D ends", *translator.languages)
        name = settings.input or "standard input"
        for window in translator.stream(windows, attention=json_lines, name=name):
            for translation in window:
                line = json_line(translation, settings.search.n_best > 1) if json_lines else text_line(translation)
                output.write(line.encode() + b"\n")
            output.flush()
            advance(len(window))


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


if __name__ == "__main__":
    main()
