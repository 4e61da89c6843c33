"""Want of memory as one line that names the batch and the settings to lower."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

from seq2seq.corpus.batch import Batch
from seq2seq.errors import UserError

# Not everything that finds no memory raises torch.OutOfMemoryError: the allocator of the CPU, cuBLAS, cuDNN.
_WORDS = ("can't allocate memory", "ALLOC_FAILED", "out of memory")


@contextlib.contextmanager
def named_shortage(part: Batch) -> Iterator[None]:
    """Raises UserError instead of what torch raises when the device or the machine has no memory for `part`."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        short = isinstance(error, MemoryError | torch.OutOfMemoryError)
        if not short and not any(words in str(error) for words in _WORDS):
            raise
        rows, source, target = len(part.rows), part.source.shape[1], part.target_out.shape[1]
        raise UserError(
            f"the device is out of memory for {rows} pairs of {source} source and {target} target pieces. "
            "Lower training.batch_pieces or training.max_pieces, or raise training.accumulate."
        ) from None
