"""Folders and files appear whole or not at all, whatever fails on the way."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from seq2seq.errors import UserError
from seq2seq.storage import atomic as folders
from seq2seq.storage.atomic import whole_file, whole_folder


def content(folder):
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_a_folder_takes_the_place_of_the_old_one(tmp_path):
    target = tmp_path / "deep" / "corpus"
    for text in ("old", "new"):
        with whole_folder(target) as part:
            (part / text).write_text(text)
            assert part.parent == target.parent
    assert content(target) == {"new": "new"}
    assert [path.name for path in target.parent.iterdir()] == ["corpus"]


@pytest.mark.parametrize("there", [True, False])
def test_a_link_keeps_pointing_where_it_points(tmp_path, there):
    """data/mine is a link to a folder on a larger disk: that is what is replaced, and nothing is left on this one."""
    here, large = tmp_path / "here", tmp_path / "large"
    here.mkdir()
    if there:
        (large / "mine").mkdir(parents=True)
        (large / "mine" / "old").write_text("old")
    for name, target in (("mine", "../large/mine"), ("again", "mine"), ("file", "../large/file")):
        (here / name).symlink_to(target)
    with whole_folder(here / "again") as part:
        (part / "new").write_text("new")
        assert part.parent == large
    whole_file(here / "file", b"content")
    assert all((here / name).is_symlink() for name in ("mine", "again", "file"))
    assert content(large / "mine") == content(here / "again") == {"new": "new"}
    assert sorted(path.name for path in large.iterdir()) == ["file", "mine"]
    assert sorted(path.name for path in here.iterdir()) == ["again", "file", "mine"]


def test_an_error_behind_a_link_names_what_was_asked_for(tmp_path):
    (tmp_path / "corpus").symlink_to(tmp_path / "large" / "corpus")
    with pytest.raises(UserError, match="no space left") as caught, whole_folder(tmp_path / "corpus") as part:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(part / "data"))
    assert str(caught.value).startswith(str(tmp_path / "corpus") + " cannot be written")


@pytest.mark.parametrize("error", [RuntimeError("no"), KeyboardInterrupt()])
def test_after_an_error_the_old_folder_is_as_it_was(tmp_path, error):
    target = tmp_path / "corpus"
    with whole_folder(target) as part:
        (part / "a").write_text("old")
    with pytest.raises(type(error)), whole_folder(target) as part:
        (part / "a").write_text("half")
        raise error
    assert content(target) == {"a": "old"}
    assert [path.name for path in tmp_path.iterdir()] == ["corpus"]


@pytest.mark.parametrize(("number", "words"), [(errno.ENOSPC, "no space left"), (errno.EACCES, "no permission"),
                                               (errno.EDQUOT, "quota"), (errno.EROFS, "read-only")])
def test_a_disk_that_refuses_is_one_line(tmp_path, number, words):
    target = tmp_path / "corpus"
    with pytest.raises(UserError, match=words) as caught, whole_folder(target):
        raise OSError(number, os.strerror(number))
    assert str(target) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="there is no place where no folder can be made")
def test_where_no_folder_can_be_made_is_one_line():
    said = r"/proc/none/deep cannot be made: /proc/none is not there and cannot be made\."
    with pytest.raises(UserError, match=said), whole_folder(Path("/proc/none/deep/one")):
        pass


def test_an_unreadable_input_elsewhere_is_not_blamed_on_the_folder(tmp_path):
    with pytest.raises(PermissionError), whole_folder(tmp_path / "corpus"):
        raise PermissionError(errno.EACCES, "denied", "/etc/elsewhere")


def test_a_file_in_the_way(tmp_path):
    (tmp_path / "corpus").write_text("mine")
    with pytest.raises(UserError, match="a file of that name is in the way"), whole_folder(tmp_path / "corpus"):
        pass
    assert (tmp_path / "corpus").read_text() == "mine"


@pytest.mark.parametrize("call", range(5))
def test_a_failure_at_any_file_operation_leaves_the_old_or_the_new(tmp_path, monkeypatch, call):
    """Every flush and rename fails in turn."""
    target = tmp_path / "corpus"
    with whole_folder(target) as part:
        (part / "a").write_text("old")
    calls = [0]

    def failing(real):
        def wrapped(*arguments):
            calls[0] += 1
            if calls[0] == call + 1:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return real(*arguments)
        return wrapped

    for name in ("flush_entry", "_exchange"):
        monkeypatch.setattr(folders, name, failing(getattr(folders, name)))
    try:
        with whole_folder(target) as part:
            (part / "a").write_text("new")
        assert calls[0] <= call  # fewer operations than that
    except UserError:
        pass
    assert content(target) in ({"a": "old"}, {"a": "new"})
    assert [path.name for path in tmp_path.iterdir()] == ["corpus"]


def test_two_renames_serve_where_there_is_no_exchange(tmp_path, monkeypatch):
    monkeypatch.setattr(folders, "_exchange", lambda first, second: False)
    test_a_folder_takes_the_place_of_the_old_one(tmp_path)


def test_what_a_killed_writer_left_is_removed_by_the_next(tmp_path):
    program = ("import os, sys; from pathlib import Path; from seq2seq.storage.atomic import whole_folder\n"
               "with whole_folder(Path(sys.argv[1])) as part: (part / 'a').write_text('x'); os._exit(9)")
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "corpus")], check=False)
    left = [path.name for path in tmp_path.iterdir()]
    assert len(left) == 1
    assert left[0].endswith(".part")
    (tmp_path / ".corpus.1.part").mkdir()  # process 1 is alive: its folder stays
    with whole_folder(tmp_path / "corpus") as part:
        (part / "a").write_text("whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".corpus.1.part", "corpus"]


def test_whole_file_replaces_or_leaves(tmp_path, monkeypatch):
    path = tmp_path / "settings.yaml"
    whole_file(path, b"old")

    def full(descriptor):
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match=r"settings.yaml cannot be written: there is no space left"):
        whole_file(path, b"new")
    monkeypatch.undo()
    assert content(tmp_path) == {"settings.yaml": "old"}
    whole_file(path, b"new")
    assert content(tmp_path) == {"settings.yaml": "new"}
