"""Want of memory in words that help; the allocations here really fail."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from networks import random_batch

from seq2seq.errors import UserError
from seq2seq.training.out_of_memory import named_shortage

PETABYTE = 1 << 50


@pytest.mark.parametrize("allocate", [
    lambda: torch.empty(PETABYTE, dtype=torch.uint8), lambda: np.empty(PETABYTE, dtype=np.uint8)])
def test_it_names_the_batch_and_the_settings(allocate):
    batch = random_batch(pairs=5, longest=9)
    shape = f"{len(batch.rows)} pairs of {batch.source.shape[1]} source and {batch.target_in.shape[1]} target pieces"
    with pytest.raises(UserError, match=f"out of memory for {shape}. Lower training.batch_pieces or training.max_pie"
                                        "ces, or raise training.accumulate"), named_shortage(batch):
        allocate()


def test_another_error_keeps_its_words():
    with pytest.raises(RuntimeError, match="mat1 and mat2"), named_shortage(random_batch()):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")
