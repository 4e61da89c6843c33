"""Folders and files that appear whole or not at all: written beside, flushed, then renamed.

    with whole_folder(Path("data/m30k")) as folder:   # data/.m30k.4711.part
        (folder / "manifest.json").write_text(...)
    # data/m30k is there now, every byte of it on the disk; after an error it is as it was

A process that is killed leaves at most a `.part` behind, which the next writer removes. No name is
given back before the disk has it: after a loss of power there is the old or the new, never a half.
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
    errno.EFBIG: "no file may become so large here; raise the limit (ulimit -f), or choose another disk",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
}
_PART, _OLD = "part", "old"


@contextlib.contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yields an empty folder beside `path` that takes the place of `path` when the block succeeds.

    After an exception the yielded folder is removed and `path` is as it was. A link keeps pointing where it points:
    what is replaced is the folder there. Raises UserError (one line: path, cause, cure) when there is no space, no
    permission, or the disk fails.
    """
    named, path = Path(path), _behind_links(path)
    part = _beside(path, _PART)
    with writing(named):
        make_folder(path.parent)
        remove_leftovers(path.parent, path.name)
        part.mkdir()
        try:
            yield part
            flush(part)
            _swap(part, path)
        finally:
            shutil.rmtree(part, ignore_errors=True)


def whole_file(path: Path, content: bytes) -> None:
    """Replaces `path`, or the file that it links to, by `content` in one step. Raises as `whole_folder` does."""
    named, path = Path(path), _behind_links(path)
    part = _beside(path, _PART)
    with writing(named):
        remove_leftovers(path.parent, path.name)
        try:
            with open(part, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, path)
            flush_entry(path.parent)
        finally:
            with contextlib.suppress(OSError):  # the first error is the one to tell
                part.unlink(missing_ok=True)


def make_folder(path: Path) -> list[Path]:
    """Makes the folder and its parents, and hands the name of each that was not there to the disk.

    Returns those that were not there, the innermost first.
    """
    missing = [place for place in (path, *path.parents) if not place.exists()]
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileNotFoundError as error:  # where no folder can be made at all, as in /proc
        raise UserError(f"{path} cannot be made: {error.filename} is not there and cannot be made. Choose another "
                        "folder.") from None
    for made in missing:
        flush_entry(made.parent)
    return missing


def writable_folder(path: Path) -> None:
    """Makes a folder before the work that fills it. Raises UserError where no file can be written into it."""
    with writing(path):
        make_folder(path)
        if not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns the OSErrors of a disk that will not take `path` into one UserError line."""
    try:
        yield
    except OSError as error:
        if error.errno not in _CURES or not _concerns(error, Path(path)):
            raise
        raise UserError(f"{path} cannot be written: {_CURES[error.errno]}.") from error


def describe_os_error(error: OSError) -> str | None:
    """One line about an error of disk or permissions at a known path; None for an error of another kind."""
    if error.errno not in _CURES or not isinstance(error.filename, (str, os.PathLike)):
        return None
    return f"{os.fspath(error.filename)} cannot be used: {error.strerror}. Check its permissions and the disk."


def flush(folder: Path) -> None:
    """Hands every file and folder below `folder` to the disk (fsync), itself last."""
    for place, _, files in os.walk(folder, topdown=False):
        for name in files:
            flush_entry(Path(place) / name)
        flush_entry(Path(place))


def flush_entry(path: Path) -> None:
    """Hands one file's content, or one folder's names, to the disk (fsync)."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_leftovers(folder: Path, name: str | None = None) -> None:
    """Removes what killed writers of `folder/name`, or of anything in `folder`, left.

    The parts of living processes stay.
    """
    pattern = "*" if name is None else glob.escape(name)
    for left in [*folder.glob(f".{pattern}.*.{_PART}"), *folder.glob(f".{pattern}.*.{_OLD}")]:
        written, owner, kind = left.name[1:].rsplit(".", 2)
        if not owner.isdecimal() or (int(owner) != os.getpid() and _alive(int(owner))):
            continue
        if kind == _OLD and not (folder / written).exists():
            os.rename(left, folder / written)  # killed between the two steps of `_swap`
        elif left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


def _behind_links(path: Path) -> Path:
    """What `path` stands for: a link to a folder on a larger disk is not replaced, and nothing is left on either."""
    return Path(os.path.realpath(path)) if os.path.islink(path) else Path(path)


def _beside(path: Path, kind: str) -> Path:
    return path.parent / f".{path.name}.{os.getpid()}.{kind}"


def _concerns(error: OSError, path: Path) -> bool:
    # The block may also fail to read a file elsewhere: that is no fault of `path`.
    if not isinstance(error.filename, (str, os.PathLike)):
        return True
    here, there = _behind_links(path).absolute().parent, Path(os.fspath(error.filename)).absolute()
    return there.is_relative_to(here) or here.is_relative_to(there)


def _swap(part: Path, path: Path) -> None:
    """`part` becomes `path`. On Linux in one step, so that no kill can fall between two."""
    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        os.rename(part, path)
    elif not path.is_dir():
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    elif not _exchange(part, path):
        # Elsewhere it takes two steps; a kill between them leaves the old folder as `.old`.
        old = _beside(path, _OLD)
        os.rename(path, old)
        try:
            os.rename(part, path)
        except OSError:
            os.rename(old, path)
            raise
        shutil.rmtree(old, ignore_errors=True)
    flush_entry(path.parent)


def _exchange(first: Path, second: Path) -> bool:
    """renameat2(RENAME_EXCHANGE): both names change places at once. False where there is no such call."""
    at_working_directory, exchange = -100, 2
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError):
        return False
    one, two = os.fsencode(first), os.fsencode(second)
    return rename(at_working_directory, one, at_working_directory, two, exchange) == 0


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
