"""Files with damage, and checkpoints that have to notice it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch

from seq2seq.training.checkpoint import load_checkpoint, save_checkpoint


def flip(path: Path, bit: int) -> None:
    raw = bytearray(path.read_bytes())
    raw[bit // 8] ^= 1 << bit % 8
    path.write_bytes(raw)


def flipped_bits_are_found(folder: Path, caplog: pytest.LogCaptureFixture, times: int) -> int:
    """Flips bits of every file of a checkpoint, one after the other; each must be told, and the one before it taken."""
    for updates in (1, 2):
        save_checkpoint(folder, updates, {"state": {"updates": updates}, "model": {"w": torch.arange(updates * 40.0)}})
    draw, found = random.Random(1), 0
    for path in sorted((folder / "00000002").iterdir()):
        bits = path.stat().st_size * 8
        for bit in draw.sample(range(bits), min(times, bits)):
            caplog.clear()
            flip(path, bit)
            assert load_checkpoint(folder)["state"]["updates"] == 1
            assert f"{folder / '00000002'} is damaged" in caplog.text
            assert f"taking the checkpoint before it: {folder / '00000001'}" in caplog.text
            flip(path, bit)
            found += 1
    assert load_checkpoint(folder)["state"]["updates"] == 2
    return found
