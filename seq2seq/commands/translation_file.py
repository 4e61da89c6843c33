"""What translate.py reads and writes: windows of lines in, text or JSON lines out."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from seq2seq.errors import UserError
from seq2seq.inference.predictor import Prediction
from seq2seq.inference.translator import Candidate, Translation
from seq2seq.storage.atomic import writing
from seq2seq.text.lines import arriving_lines, grouped, read_lines

# Lines translated together. The first are few, so that the first output comes soon; many together can
# be sorted into fuller batches.
WINDOWS = (16, 64, 256, 1024)


def window_sizes() -> Iterator[int]:
    """16, 64, 256, 1024, 1024, ... lines."""
    return itertools.chain(WINDOWS, itertools.repeat(WINDOWS[-1]))


def read_windows(path: str | None) -> Iterator[list[str]]:
    """Lists of lines of a file (plain or .gz), or of standard input. Raises UserError before the first
    list when there is nothing to read from."""
    if path is None:
        if sys.stdin is None:
            raise UserError("standard input is closed. Give the sentences there, or a file: input=FILE.")
        return arriving_lines(sys.stdin.fileno(), "standard input", window_sizes())
    if Path(path).is_dir() or not os.access(path, os.R_OK):
        cause = "is a folder" if Path(path).is_dir() else "cannot be read" if Path(path).exists() else "does not exist"
        raise UserError(f"input={path} {cause}. Give a file of sentences, one in a line.")
    return _file_windows(path)


def _file_windows(path: str) -> Iterator[list[str]]:
    if path.endswith(".gz"):
        yield from grouped(read_lines(path), window_sizes())
        return
    with open(path, "rb") as file:
        yield from arriving_lines(file.fileno(), path, window_sizes())


@contextlib.contextmanager
def whole_output(path: str | None, source: str | None) -> Iterator[IO[bytes]]:
    """Standard output, or a file that takes its name when the block ends well and leaves nothing otherwise.

    What is no ordinary file (/dev/null, a pipe) is written to directly. `source` is what is read, a file or (None)
    standard input. Raises UserError when both are one file, or the disk will not take it.
    """
    if path is None:
        with writing(Path("standard output")), _nothing_left_behind():
            yield sys.stdout.buffer
        return
    # A link keeps pointing where it points; what is replaced is the file behind it.
    target = Path(path).resolve()
    if not target.parent.is_dir():
        raise UserError(f"output={path}: there is no folder {target.parent}. Make it, or give another place.")
    if target.is_file() and _is_read(target, source):
        raise UserError(f"output={path} is the file that is read, and its lines would be lost. Give another file.")
    with writing(Path(path)):
        if target.exists() and not target.is_file():
            with open(target, "wb") as stream:
                yield stream
            return
        part = target.parent / f".{target.name}.{os.getpid()}.part"
        try:
            with open(part, "wb") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(part, target)
        finally:
            part.unlink(missing_ok=True)


def _is_read(target: Path, source: str | None) -> bool:
    try:
        read = os.stat(sys.stdin.fileno() if source is None else source)
    except (OSError, ValueError, AttributeError):  # closed, or of no file: nothing that could be lost
        return False
    return os.path.samestat(read, os.stat(target))


@contextlib.contextmanager
def _nothing_left_behind() -> Iterator[None]:
    """After a failed write to standard output, keeps Python from failing once more when it flushes at its end."""
    try:
        yield
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise


def json_line(translation: Translation, n_best: bool = False) -> str:
    """One object: the source, its best translation and, with `n_best`, all of them.

    `attention` has a row of weights over `source_pieces` for each of `pieces`; `alignment` the place of
    the largest. Both are there for models with attention only, and for what these models found themselves; a line that
    was split has no `attention`. `cut` is there, and true, where search ended at the length limit; `backward_score` and
    `forward_score` where models re-ranked (reranking.py), and `score` then contains them by their weights.
    """
    best = translation.candidates[0] if translation.candidates else None
    record: dict[str, Any] = {"source": translation.source, "source_pieces": translation.source_pieces}
    record |= _candidate(best) if best else {"translation": "", "score": None, "log_probability": None, "pieces": []}
    if n_best:
        record["n_best"] = [_candidate(candidate) for candidate in translation.candidates]
    return json.dumps(record, ensure_ascii=False)


def label_json_line(prediction: Prediction, n_best: int) -> str:
    """One object: the source, the best labels with their probabilities and, with `n_best` > 1, so many for each."""
    record: dict[str, Any] = {
        "source": prediction.source, "labels": [best.name for best, *_ in prediction.labels],
        "probabilities": [round(best.probability, 6) for best, *_ in prediction.labels]}
    if n_best > 1:
        record["n_best"] = [{label.name: round(label.probability, 6) for label in labels}
                            for labels in prediction.labels]
    return json.dumps(record, ensure_ascii=False)


def _candidate(candidate: Candidate) -> dict[str, Any]:
    record: dict[str, Any] = {
        "translation": candidate.text, "score": round(candidate.score, 6),
        "log_probability": round(candidate.log_probability, 6), "pieces": candidate.pieces,
    }
    if candidate.cut:
        record["cut"] = True
    if candidate.backward_score is not None:
        record["backward_score"] = round(candidate.backward_score, 6)
    if candidate.forward_score is not None:
        record["forward_score"] = round(candidate.forward_score, 6)
    if candidate.alignment is not None:
        record["alignment"] = candidate.alignment
    if candidate.attention is not None:
        record["attention"] = [[round(weight, 4) for weight in row] for row in candidate.attention.tolist()]
    return record
