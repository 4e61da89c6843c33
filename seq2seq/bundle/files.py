"""The files of a model bundle, read as if a stranger had made them.

Only ordinary files under their own names are opened, and no pipe or device is waited for. A link to such a file is
followed, for that is how the hub's cache, DVC and Nix keep models; what it leads to counts only if its checksum is the
recorded one, and no message quotes a file. No memory is set aside before the size is known to be one that a bundle
can have, and none for weights before their shapes are known to be those of the network.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import math
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from torch import Tensor

from seq2seq.errors import BundleError

TEXT_LIMIT = 1 << 20        # bytes of bundle.json; real ones have a few thousand
SETTINGS_LIMIT = 1 << 16    # bytes of settings.yaml, which is read a thousand times as slowly; likewise
TOKENIZER_LIMIT = 1 << 26   # bytes; a tokenizer of 32,000 pieces has about a million
WEIGHTS_LIMIT = 1 << 34     # bytes: 4,000 million parameters
_HEADER_LIMIT = 1 << 20     # bytes of the list of tensors that weights begin with
CURE = "Copy the bundle again, or train anew."

Shapes = dict[str, list[int]]  # of the tensors by name


def read_file(path: Path, limit: int) -> bytes:
    """The bytes of an ordinary file of at most `limit` bytes. Raises BundleError for any other."""
    with _opened(path, limit) as file:
        return file.read(limit + 1)


def read_checked(folder: Path, name: str, sums: dict[str, Any], limit: int) -> bytes:
    """The bytes of a file of the bundle, if they are those it was written with (`sums`: name -> SHA-256)."""
    content = read_file(folder / name, limit)
    _check(folder / name, hashlib.sha256(content).hexdigest(), sums)
    return content


def read_weights(path: Path, sums: dict[str, Any], fit: Callable[[Shapes], None]) -> dict[str, Tensor]:
    """The fp32 tensors of a safetensors file. `fit` is shown their shapes and raises before a tensor is read."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    with _opened(path, WEIGHTS_LIMIT) as file:
        _check(path, hashlib.file_digest(file, "sha256").hexdigest(), sums)
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        shapes = _shapes(file, size)
        if shapes is None:
            raise BundleError(f"{path} is damaged. {CURE}")
        fit(shapes)
        file.seek(0)
        try:
            held = load(file.read(size))
        except (SafetensorError, ValueError, KeyError, RuntimeError):
            raise BundleError(f"{path} is damaged. {CURE}") from None
    if {name: list(tensor.shape) for name, tensor in held.items()} != shapes:
        raise BundleError(f"{path} is damaged (a tensor is listed twice). {CURE}")
    return held


def _shapes(file: io.BufferedReader, size: int) -> Shapes | None:
    """What the header of a safetensors file says; None unless it speaks of fp32 and of exactly `size` bytes."""
    length = int.from_bytes(file.read(8), "little")
    if length > min(_HEADER_LIMIT, size - 8):
        return None
    try:
        header = json.loads(file.read(length))
    except (ValueError, RecursionError):
        return None
    if not isinstance(header, dict):
        return None
    tensors = {name: entry for name, entry in header.items() if name != "__metadata__"}
    if not all(_is_fp32(entry) for entry in tensors.values()):
        return None
    shapes: Shapes = {name: entry["shape"] for name, entry in tensors.items()}
    return shapes if 8 + length + 4 * sum(map(math.prod, shapes.values())) == size else None


def _is_fp32(entry: Any) -> bool:
    shape = entry.get("shape") if isinstance(entry, dict) and entry.get("dtype") == "F32" else None
    return isinstance(shape, list) and len(shape) <= 4 and all(type(n) is int and 0 <= n < 1 << 40 for n in shape)


@contextlib.contextmanager
def _opened(path: Path, limit: int) -> Iterator[io.BufferedReader]:
    flags = os.O_RDONLY
    for name in ("O_NONBLOCK", "O_CLOEXEC", "O_BINARY"):  # each where the system has it
        flags |= getattr(os, name, 0)
    try:
        ordinary = stat.S_ISREG(os.stat(path).st_mode)  # first: some devices act when they are opened
        descriptor = os.open(path, flags) if ordinary else None
    except FileNotFoundError:
        cause = "is a link to a file that is missing" if os.path.islink(path) else "is missing"
        raise BundleError(f"{path} {cause}. {CURE}") from None
    except OSError as error:
        raise BundleError(f"{path} cannot be read: {error.strerror}. {CURE}") from None
    if descriptor is None:
        raise BundleError(f"{path} is not an ordinary file. {CURE}")
    status = os.fstat(descriptor)
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(status.st_mode):
            raise BundleError(f"{path} is not an ordinary file. {CURE}")
        if status.st_size > limit:
            raise BundleError(f"{path} is damaged (more than {limit} bytes). {CURE}")
        yield file


def _check(path: Path, digest: str, sums: dict[str, Any]) -> None:
    if digest != sums.get(path.name):
        raise BundleError(f"{path} is damaged or was altered (its SHA-256 is not that in bundle.json). {CURE}")
