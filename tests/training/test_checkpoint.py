"""Checkpoints: whole, checked, and passed over when they are not."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path

import pytest
import torch

from seq2seq.errors import BundleError, UserError
from seq2seq.training.checkpoint import checkpoints, load_checkpoint, save_checkpoint


def content(updates: int) -> dict:
    return {"state": {"updates": updates}, "model": {"weight": torch.full((3,), float(updates))}}


def test_the_newest_are_kept_and_the_newest_is_read(tmp_path):
    for updates in (1, 20, 3000):
        save_checkpoint(tmp_path, updates, content(updates))
    assert [place.name for place in checkpoints(tmp_path)] == ["00003000", "00000020"]
    found = load_checkpoint(tmp_path)
    assert found["state"]["updates"] == 3000
    assert found["model"]["weight"].tolist() == [3000.0] * 3


def test_no_checkpoint_is_none(tmp_path):
    assert load_checkpoint(tmp_path / "nothing") is None
    assert load_checkpoint(tmp_path) is None


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "gone", "sum gone"])
def test_a_damaged_one_is_passed_over_and_this_is_said(tmp_path, caplog, damage):
    save_checkpoint(tmp_path, 1, content(1))
    save_checkpoint(tmp_path, 2, content(2))
    state = tmp_path / "00000002" / "state.pt"
    raw = bytearray(state.read_bytes())
    match damage:
        case "flip":
            raw[len(raw) // 2] ^= 1
            state.write_bytes(raw)
        case "cut":
            state.write_bytes(raw[:-7])
        case "empty":
            state.write_bytes(b"")
        case "gone":
            state.unlink()
        case "sum gone":
            (tmp_path / "00000002" / "state.sha256").unlink()
    assert load_checkpoint(tmp_path)["state"]["updates"] == 1
    assert "00000002 is damaged" in caplog.text


def test_one_that_a_running_training_removes_while_it_is_read_is_no_damage(tmp_path, monkeypatch, caplog):
    """fork= of a run that is under way."""
    save_checkpoint(tmp_path, 1, content(1))
    real = Path.read_bytes

    def read(path):
        if path.parent.name == "00000001":
            for updates in (2, 3):
                save_checkpoint(tmp_path, updates, content(updates), keep=2)
        return real(path)

    monkeypatch.setattr(Path, "read_bytes", read)
    assert load_checkpoint(tmp_path)["state"]["updates"] == 3
    assert not (tmp_path / "00000001").exists() and "damaged" not in caplog.text


def test_a_full_disk_is_one_line_and_the_older_checkpoint_stays(tmp_path, monkeypatch):
    save_checkpoint(tmp_path, 1, content(1))

    def full(self, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(UserError, match=r"00000002 cannot be written: there is no space left"):
        save_checkpoint(tmp_path, 2, content(2))
    monkeypatch.undo()
    assert load_checkpoint(tmp_path)["state"]["updates"] == 1
    assert [place.name for place in tmp_path.iterdir()] == ["00000001"]


def test_no_code_runs_from_a_checkpoint(tmp_path):
    """A pickle that would run a command, with a checksum that fits, is refused by torch.load."""
    class Command:
        def __reduce__(self):
            return os.system, ("touch " + str(tmp_path / "ran"),)

    save_checkpoint(tmp_path, 1, content(1))
    state = tmp_path / "00000001" / "state.pt"
    torch.save({"format_version": 1, "state": Command()}, state)
    (tmp_path / "00000001" / "state.sha256").write_text(hashlib.sha256(state.read_bytes()).hexdigest() + "\n")
    with pytest.raises(BundleError, match="all checkpoints in .* are damaged"):
        load_checkpoint(tmp_path)
    assert not (tmp_path / "ran").exists()


# Bundles
