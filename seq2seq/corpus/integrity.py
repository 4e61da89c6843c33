"""The files of a packed corpus: are they what the manifest says, and do they stay so?

    files, checksums    bytes and xxh3_128 of every file, from the manifest: compared when a part is taken
    stamp               bytes, time of change and inode: compared whenever more of a part was read

Training reads the corpus through a memory map, which shows what happens to the file. A change in
place that keeps both size and time is found out when the part is taken the next time, not before.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import xxhash

from seq2seq.errors import CorpusError

_LARGE = 1 << 30  # bytes of a part whose check takes long enough to be told of
_CURE = "Put the old file back, or prepare the corpus again: python -m data_prep, with the settings it was made with."
log = logging.getLogger("seq2seq")


class Stamp(NamedTuple):
    """What changes when a file is written to or replaced."""

    size: int
    modified: int  # ns
    inode: int

    @classmethod
    def of(cls, path: Path) -> Stamp | None:
        """None where there is no such file."""
        try:
            found = path.stat()
        except OSError:
            return None
        return cls(found.st_size, found.st_mtime_ns, found.st_ino)


class CorpusFiles:
    """Watches the files of those parts of a corpus that are in use."""

    def __init__(self, folder: Path, manifest: Mapping[str, Any]) -> None:
        self._folder = folder
        self._sizes: Mapping[str, int] = manifest.get("files", {})
        self._sums: Mapping[str, str] = manifest.get("checksums", {})  # a corpus of an older version has none
        self._taken: dict[str, Stamp] = {}

    def take(self, part: str) -> None:
        """`part`: a split's folder, or a file. Raises CorpusError where it is not as the manifest says."""
        names = [name for name in self._sizes if name == part or name.startswith(part + "/")]
        if sum(self._sizes[name] for name in names) > _LARGE and self._sums:
            log.info("checking %s", self._folder / part)
        for name in names or _found(self._folder, part):
            self._taken[name] = self._checked(name)

    def check(self) -> None:
        """Raises CorpusError when a file that was taken is another one now, unless it has the same content."""
        for name, stamp in self._taken.items():
            path = self._folder / name
            if Stamp.of(path) != stamp:
                if name not in self._sums:
                    raise CorpusError(f"{path} was changed while it was in use. {_CURE}")
                self._taken[name] = self._checked(name)

    def _checked(self, name: str) -> Stamp:
        path = self._folder / name
        stamp = Stamp.of(path)
        if stamp is None:
            raise CorpusError(f"{path} is missing. {_CURE}")
        if name in self._sizes and stamp.size != self._sizes[name]:
            raise CorpusError(f"{path} has {stamp.size:,} bytes, not {self._sizes[name]:,} as the manifest says: it "
                              f"was changed or cut. {_CURE}")
        if name in self._sums and checksum(path) != self._sums[name]:
            raise CorpusError(f"{path} is not the file of the manifest (its checksum is another): it was changed. "
                              f"{_CURE}")
        return stamp  # of before the reading: what happened to the file during it is seen at the next check


def checksum(path: Path) -> str:
    """xxh3_128 of a file. Raises CorpusError when it cannot be read."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, xxhash.xxh3_128).hexdigest()  # type: ignore[arg-type]
    except OSError as error:
        raise CorpusError(f"{path} cannot be read: {error.strerror}. Check its permissions and the disk.") from None


def _found(folder: Path, part: str) -> list[str]:
    place = folder / part
    if place.is_file():
        return [part]
    return [str(path.relative_to(folder)) for path in sorted(place.rglob("*")) if path.is_file()]
