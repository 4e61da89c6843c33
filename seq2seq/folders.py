"""Folders and files that appear whole or not at all: written beside, flushed, then renamed.

    with whole_folder(Path("data/m30k")) as folder:   # data/.m30k.4711.part
        (folder / "manifest.json").write_text(...)
    # data/m30k is there now, every byte of it on the disk; after an error it is as it was

A process that is killed leaves at most a `.part` folder behind, which the next writer removes.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import glob
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from seq2seq.errors import UserError

_CURES = {
    errno.ENOSPC: "there is no space left; free some, or choose a folder on another disk",
    errno.EDQUOT: "the disk quota is used up; free some space, or choose a folder on another disk",
    errno.EACCES: "no permission to write there; choose another folder, or change the permissions",
    errno.EPERM: "no permission to write there; choose another folder, or change the permissions",
    errno.EROFS: "the file system is read-only; choose a folder on another one",
    errno.ENOTDIR: "a part of the path is a file; choose another folder",
    errno.EEXIST: "a file of that name is in the way; choose another folder",
    errno.EIO: "the disk reports an error; choose a folder on another disk",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
}


@contextlib.contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yields an empty folder beside `path` that takes the place of `path` when the block succeeds.

    After an exception the yielded folder is removed and `path` is as it was. Raises UserError
    (one line: path, cause, cure) when there is no space, no permission, or the disk fails.
    """
    path = Path(path)
    part = path.parent / f".{path.name}.{os.getpid()}.part"
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(path)
        part.mkdir()
        try:
            yield part
            flush(part)
            _swap(part, path)
        finally:
            shutil.rmtree(part, ignore_errors=True)


def whole_file(path: Path, content: bytes) -> None:
    """Replaces `path` by `content` in one step. Raises UserError as `whole_folder` does."""
    path = Path(path)
    part = path.parent / f".{path.name}.{os.getpid()}.part"
    with writing(path):
        try:
            with open(part, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, path)
            _flush_entry(path.parent)
        finally:
            part.unlink(missing_ok=True)


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns the OSErrors of a disk that will not take `path` into one UserError line."""
    try:
        yield
    except OSError as error:
        if error.errno not in _CURES or not _concerns(error, Path(path)):
            raise
        raise UserError(f"{path} cannot be written: {_CURES[error.errno]}.") from error


def flush(folder: Path) -> None:
    """Hands every file and folder below `folder` to the disk (fsync), itself last."""
    for place, _, files in os.walk(folder, topdown=False):
        for name in files:
            _flush_entry(Path(place) / name)
        _flush_entry(Path(place))


def _concerns(error: OSError, path: Path) -> bool:
    # The block may also fail to read a file elsewhere: that is no fault of `path`.
    if not isinstance(error.filename, (str, os.PathLike)):
        return True
    here, there = path.absolute().parent, Path(os.fspath(error.filename)).absolute()
    return there.is_relative_to(here) or here.is_relative_to(there)


def _flush_entry(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _swap(part: Path, path: Path) -> None:
    """`part` becomes `path`. On Linux in one step, so that no kill can fall between two."""
    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        os.rename(part, path)
    elif not path.is_dir():
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    elif not _exchange(part, path):
        # Elsewhere it takes two steps; a kill between them leaves the old folder as `.old`.
        old = path.parent / f".{path.name}.{os.getpid()}.old"
        os.rename(path, old)
        os.rename(part, path)
        shutil.rmtree(old, ignore_errors=True)
    _flush_entry(path.parent)


def _exchange(first: Path, second: Path) -> bool:
    """renameat2(RENAME_EXCHANGE): both names change places at once. False where there is no such call."""
    at_working_directory, exchange = -100, 2
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError):
        return False
    one, two = os.fsencode(first), os.fsencode(second)
    return rename(at_working_directory, one, at_working_directory, two, exchange) == 0


def _remove_leftovers(path: Path) -> None:
    """Removes what killed writers of `path` left; the parts of living processes stay."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
        owner = left.name.removesuffix(".part").rpartition(".")[2]
        if owner.isdigit() and (int(owner) == os.getpid() or not _alive(int(owner))):
            shutil.rmtree(left, ignore_errors=True)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
