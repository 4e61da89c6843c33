"""Faults on order: an operation on a file fails, the process is killed before it, or the power goes.

    operations = in_child(work, root).operations            # what an undisturbed run does, in order
    ended = in_child(work, root, Fault(at=17, how="ENOSPC"))

All of it happens in a forked process, where the functions that touch files are replaced; nothing
needs to be put back. What lies outside `root` is left alone. TensorBoard writes in a thread, whose
operations have no fixed order: they are numbered on their own (`thread=True`). A limit is one of the
system (ulimit -f): nothing is replaced, and every file ends at byte `at`.

A loss of power is taken from what was handed to the disk (fsync): a file that was not is cut to some
of its first bytes, a name that was not is gone, or is there all the same, as the draw of `seed` has it.
"""

from __future__ import annotations

import builtins
import contextlib
import dataclasses
import errno
import io
import json
import logging
import os
import random
import resource
import shutil
import signal
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from seq2seq.errors import UserError
from seq2seq.storage import atomic as folders
from seq2seq.storage.atomic import describe_os_error

KILL, POWER, LIMIT = "kill", "power", "limit"  # else the name of an errno
TAKES_SPACE = ("create", "write", "fsync", "mkdir")
READS = ("read",)
_THREAD = "/tensorboard"


@dataclasses.dataclass(frozen=True)
class Fault:
    at: int              # number of the operation, from 0; of a limit: the bytes that a file may have
    how: str
    share: float = 0.5   # of the bytes of a write that are written all the same
    lasts: bool = True   # an error comes back at later operations of its kind
    thread: bool = False
    seed: int = 0        # of a loss of power; 0: the disk has what it was handed and not a byte more


class Ended(NamedTuple):
    code: int              # 0: done; 2: one line; -9: killed; 70: anything else
    line: str              # the line, or the traceback
    operations: list[str]  # empty after a kill


def in_child(work: Callable[[], Any], root: Path, fault: Fault | None = None) -> Ended:
    """Runs `work` in a forked process with the fault. After a loss of power `root` is what the disk has."""
    report, after = root.with_name("report"), root.with_name("after")
    for left in (report, after):
        shutil.rmtree(left) if left.is_dir() else left.unlink(missing_ok=True)
    child = os.fork()
    if child == 0:
        _run(work, root, fault, report, after)
    _, status = os.waitpid(child, 0)
    if after.is_dir():
        shutil.rmtree(root)
        after.rename(root)
    code = os.waitstatus_to_exitcode(status)
    line, operations = json.loads(report.read_text()) if report.exists() else ("", [])
    return Ended(code, line, operations)


def _run(work: Callable[[], Any], root: Path, fault: Fault | None, report: Path, after: Path) -> None:
    code, line, disk = 70, "", FaultyDisk(root, fault, after)
    limit, write = resource.getrlimit(resource.RLIMIT_FSIZE), report.write_text
    try:
        logging.getLogger("seq2seq").setLevel(logging.CRITICAL)
        for stream in (1, 2):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
        if fault is not None and fault.how == LIMIT:
            resource.setrlimit(resource.RLIMIT_FSIZE, (fault.at, limit[1]))
        else:
            disk.install()
        try:
            work()
            disk.before("end", root)
            code = 0
        except UserError as error:
            code, line = 2, str(error)
        except OSError as error:
            if (line := describe_os_error(error) or "") == "":
                raise
            code = 2
        if "\n" in line:
            code = 70
    except BaseException:
        line = traceback.format_exc()
    finally:
        disk.off = True
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        write(json.dumps([line, disk.operations]))
        os._exit(code)


class FaultyDisk:
    """Stands in for the functions that touch files below `root`."""

    def __init__(self, root: Path, fault: Fault | None, after: Path) -> None:
        self.root, self.fault, self.after, self.off = os.path.realpath(root), fault, after, False
        self.operations: list[str] = []
        self._numbered, self._struck = 0, False
        self._open, self._fsync, self._rename = io.open, os.fsync, os.rename
        self._disk = _Durable(self.root) if fault is not None and fault.how == POWER else None

    def install(self) -> None:
        io.open = builtins.open = self.open  # type: ignore[assignment]
        pa.OSFile = lambda path, mode="rb": pa.PythonFile(self.open(path, mode), mode=mode[0])
        for name, kind in (("mkdir", "mkdir"), ("unlink", "unlink"), ("remove", "unlink"), ("rmdir", "rmdir")):
            setattr(os, name, self._one_path(kind, getattr(os, name)))
        for name in ("rename", "replace"):
            setattr(os, name, self._two_paths("rename", getattr(os, name)))
        folders._exchange = self._two_paths("exchange", folders._exchange)
        os.fsync = self.fsync

    def before(self, kind: str, path: Any, cut: Callable[[float], Any] | None = None) -> None:
        """Called before every operation; `cut` writes a share of the bytes."""
        place = os.readlink(f"/proc/self/fd/{path}") if isinstance(path, int) else os.path.realpath(os.fsdecode(path))
        if self.off or not (place + "/").startswith(self.root + "/"):
            return
        fault, thread = self.fault, _THREAD in place
        mine = fault is None or thread == fault.thread
        if fault is None:
            if not thread:
                self.operations.append(f"{kind} {os.path.relpath(place, self.root)}")
            return
        strike = mine and self._numbered == fault.at
        self._numbered += mine
        if strike:
            self._struck = True
            if cut is not None:
                cut(fault.share)
            if fault.how in (KILL, POWER):
                self._end()
            raise self._error(place)
        if self._struck and fault.lasts and fault.how not in (KILL, POWER) and self._comes_back(kind):
            raise self._error(place)

    def _comes_back(self, kind: str) -> bool:
        assert self.fault is not None
        return kind in TAKES_SPACE if self.fault.how in ("ENOSPC", "EDQUOT", "EFBIG") else kind not in READS

    def _error(self, place: str) -> OSError:
        assert self.fault is not None
        number = getattr(errno, self.fault.how)
        return OSError(number, os.strerror(number), place)

    def _end(self) -> None:
        self.off = True
        if self._disk is not None:
            assert self.fault is not None
            self._disk.rebuild(self.after, self.fault.seed)
        os.kill(os.getpid(), signal.SIGKILL)

    # The functions

    def open(self, file: Any, mode: str = "r", buffering: int = -1, encoding: str | None = None,
             errors: str | None = None, newline: str | None = None, closefd: bool = True, opener: Any = None) -> Any:
        plain = isinstance(file, int) or opener is not None or "+" in mode
        if plain or not os.path.realpath(os.fsdecode(file)).startswith(self.root):
            return self._open(file, mode, buffering, encoding, errors, newline, closefd, opener)
        if not set(mode) & set("wax"):
            self.before("read", file)
            return self._open(file, mode, buffering, encoding, errors, newline)
        self.before("create", file)
        buffered = io.BufferedWriter(_File(self, file, mode.replace("b", "").replace("t", "")))
        return buffered if "b" in mode else io.TextIOWrapper(buffered, encoding, errors, newline)

    def fsync(self, descriptor: int) -> None:
        self.before("fsync", descriptor)
        self._fsync(descriptor)
        if self._disk is not None and not self.off:
            self._disk.handed(descriptor)

    def _one_path(self, kind: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def operation(path: Any, *arguments: Any, dir_fd: int | None = None, **more: Any) -> Any:
            given = {} if dir_fd is None else {"dir_fd": dir_fd}
            where = os.fsdecode(path)
            if dir_fd is not None:
                where = os.path.join(os.readlink(f"/proc/self/fd/{dir_fd}"), where)
            self.before(kind, os.path.join(os.path.realpath(os.path.dirname(where) or "."), os.path.basename(where)))
            return real(path, *arguments, **given, **more)
        return operation

    def _two_paths(self, kind: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def operation(first: Any, second: Any, *arguments: Any, **more: Any) -> Any:
            self.before(kind, second)
            return real(first, second, *arguments, **more)
        return operation


class _File(io.FileIO):
    """A file whose writes may fail half-way."""

    def __init__(self, disk: FaultyDisk, path: Any, mode: str) -> None:
        super().__init__(path, mode)
        self._disk = disk

    def write(self, data: Any) -> int:
        bytes_ = bytes(data)
        self._disk.before("write", self.fileno(), lambda share: super(_File, self).write(
            bytes_[: int(share * len(bytes_))]))
        return super().write(bytes_) or 0


class _Durable:
    """What the disk has for certain: the content of files and the names in folders as they were handed to it."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._files: dict[int, bytes] = {}
        self._folders: dict[int, dict[str, int]] = {}
        self._held: list[int] = []  # open, so that no number of an inode is given twice
        for place, _, names in os.walk(root):
            for path in (place, *(os.path.join(place, name) for name in names)):
                descriptor = os.open(path, os.O_RDONLY)
                self.handed(descriptor)
                os.close(descriptor)

    def handed(self, descriptor: int) -> None:
        copy = os.dup(descriptor)
        self._held.append(copy)
        path, number = f"/proc/self/fd/{copy}", os.fstat(copy).st_ino
        if os.path.isdir(path):
            self._folders[number] = _names(path)
        else:
            self._files[number] = _content(path)

    def rebuild(self, place: Path, seed: int) -> None:
        draw = random.Random(seed) if seed else None
        now = {}
        for folder, _, names in os.walk(self._root):
            for path in (folder, *(os.path.join(folder, name) for name in names)):
                now[os.stat(path).st_ino] = path
        self._folder(os.stat(self._root).st_ino, place, now, draw)

    def _folder(self, number: int, place: Path, now: dict[int, str], draw: random.Random | None) -> None:
        place.mkdir()
        names = self._folders.get(number, {})
        if draw is not None and number in now and draw.random() < 0.5:
            names = _names(now[number])
        for name, inside in names.items():
            if inside in self._folders or os.path.isdir(now.get(inside, "")):
                self._folder(inside, place / name, now, draw)
            else:
                (place / name).write_bytes(self._file(inside, now, draw))

    def _file(self, number: int, now: dict[int, str], draw: random.Random | None) -> bytes:
        kept = self._files.get(number, b"")
        current = _content(now[number]) if number in now else kept
        if draw is None:
            return kept
        if current.startswith(kept):
            return current[: draw.randint(len(kept), len(current))]
        return draw.choice([kept, current[: draw.randint(0, len(current))]])  # written anew and not handed over


def _names(path: str) -> dict[str, int]:
    with os.scandir(path) as entries:
        return {entry.name: entry.inode() for entry in entries}


def _content(path: str) -> bytes:
    with contextlib.closing(io.FileIO(path)) as file:
        return file.readall() or b""

