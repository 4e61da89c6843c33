"""The folder of a bundle: links into a store, and a folder that training replaces while it is read."""

from __future__ import annotations

import shutil

import pytest
from hostile_bundle import make_hostile_bundle, tokenizer

from seq2seq.bundle import bundle as bundles
from seq2seq.bundle.bundle import load_bundle
from seq2seq.errors import BundleError
from seq2seq.storage.atomic import whole_folder


@pytest.fixture
def copy(tmp_path):
    return make_hostile_bundle(tmp_path)


def test_a_bundle_may_be_links_into_a_store(copy, tmp_path):
    """As the hub's cache, DVC, git-annex and Nix keep models."""
    store, snapshot = tmp_path / "store", tmp_path / "snapshot"
    store.mkdir()
    snapshot.mkdir()
    for number, path in enumerate(sorted(copy.iterdir())):
        shutil.copy(path, store / str(number))
        (snapshot / path.name).symlink_to(f"../store/{number}")
    shutil.rmtree(copy)
    bundle = load_bundle(snapshot)
    assert bundle.folder == snapshot


@pytest.mark.parametrize("when", ["_read_info", "_read_settings", "_read_tokenizers", "_read_model"])
def test_a_bundle_that_is_replaced_while_it_is_read_is_read_again(copy, tmp_path, monkeypatch, when):
    """After any of its files training puts another bundle there, of another tokenizer and another network."""
    other = make_hostile_bundle(tmp_path / "other", pieces=tokenizer("bpe"), cell={"kind": "lstm"})
    run = tmp_path / "run"
    shutil.copytree(copy, run / "best")
    real, replaced = getattr(bundles, when), []

    def read(*arguments):
        found = real(*arguments)
        if not replaced:
            with whole_folder(run / "best") as part:
                shutil.copytree(other, part, dirs_exist_ok=True)
            replaced.append(True)
        return found

    monkeypatch.setattr(bundles, when, read)
    bundle = load_bundle(run)
    assert replaced
    # Where the weights, which come last, had been read, the old one was whole; else nothing of the old one is in it.
    whole = load_bundle(copy if when == "_read_model" else other)
    assert (bundle.settings, bundle.source_tokenizer.hash) == (whole.settings, whole.source_tokenizer.hash)


def test_a_bundle_that_is_replaced_for_ever_ends_with_one_line(copy, tmp_path, monkeypatch):
    run = tmp_path / "run"
    shutil.copytree(copy, run / "best")

    def read(*_):
        with whole_folder(run / "best") as part:
            shutil.copytree(copy, part, dirs_exist_ok=True)
        raise BundleError("damaged")

    monkeypatch.setattr(bundles, "_read_settings", read)
    with pytest.raises(BundleError, match="was replaced 10 times while it was read"):
        load_bundle(run)
