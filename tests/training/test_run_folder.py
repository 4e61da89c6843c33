"""The lock of a run folder, and what is left of a run that was refused."""

from __future__ import annotations

import fcntl
import shutil

import pytest

from seq2seq.errors import SettingError, UserError
from seq2seq.training import run_folder


def refused(folder):
    with pytest.raises(SettingError), run_folder.one_at_a_time(folder):
        raise SettingError("no")


def test_a_refused_run_leaves_no_folder_that_was_not_there(tmp_path):
    refused(tmp_path / "runs" / "deep" / "one")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_was_there_stays(tmp_path):
    (tmp_path / "runs").mkdir()
    refused(tmp_path / "runs" / "one")
    assert list(tmp_path.rglob("*")) == [tmp_path / "runs"]
    (tmp_path / "one").mkdir()
    refused(tmp_path / "one")
    assert (tmp_path / "one").is_dir()


def test_what_was_written_stays(tmp_path):
    with pytest.raises(SettingError), run_folder.one_at_a_time(tmp_path / "one"):
        (tmp_path / "one" / "settings.yaml").write_text("seed: 1")
        raise SettingError("no")
    assert {path.name for path in (tmp_path / "one").iterdir()} == {"settings.yaml", "lock"}


def test_a_folder_that_was_removed_meanwhile_is_no_error_of_its_own(tmp_path):
    with pytest.raises(SettingError), run_folder.one_at_a_time(tmp_path / "one"):
        shutil.rmtree(tmp_path / "one")
        raise SettingError("no")


@pytest.mark.parametrize("gone", ["lock", "folder"])
def test_a_lock_whose_file_another_one_took_away_is_none(tmp_path, monkeypatch, gone):
    """Two processes would hold a lock each: one of the file that is gone, one of the new one."""
    folder, flock, calls = tmp_path / "one", fcntl.flock, []

    def late(file, operation):
        if not calls:
            (folder / "lock").unlink()
            if gone == "folder":
                folder.rmdir()
        calls.append(operation)
        flock(file, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    with run_folder.one_at_a_time(folder):
        with pytest.raises(UserError, match="is being trained by another process"), run_folder.one_at_a_time(folder):
            pass
        assert (folder / "lock").exists()
    assert len(calls) == 3
