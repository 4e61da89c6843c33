"""Bundles and runs of format 1: settings that are gone are dropped where they did nothing, and refused otherwise."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from outcomes import make_raw, prepare_small, run_settings
from tiny_bundle import make_bundle

from seq2seq.bundle.bundle import load_bundle
from seq2seq.errors import BundleError, SettingError
from seq2seq.settings.commands import types_of
from seq2seq.settings.removed import REMOVED, without_removed
from seq2seq.settings.training import TrainSettings
from seq2seq.training.checkpoint import load_checkpoint, save_checkpoint
from seq2seq.training.run import train
from seq2seq.training.run_folder import recorded


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("corpus")
    return prepare_small(make_raw(place / "raw"), place / "packed", "bpe")


def with_old(settings: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """As an earlier version wrote it: with every setting that is gone, at the value that changed nothing."""
    for key, neutral in {**REMOVED, **changes}.items():
        group, _, name = key.rpartition(".")
        (settings[group] if group else settings)[name] = 0.5 if neutral is ... else neutral
    return settings


def rewrite(folder: Path, **changes: Any) -> None:
    """Makes a bundle one of format 1."""
    settings = with_old(yaml.safe_load((folder / "settings.yaml").read_text()), **changes)
    content = yaml.safe_dump(settings).encode()
    (folder / "settings.yaml").write_bytes(content)
    info = json.loads((folder / "bundle.json").read_text())
    info["format_version"], info["sha256"]["settings.yaml"] = 1, hashlib.sha256(content).hexdigest()
    (folder / "bundle.json").write_text(json.dumps(info))


def test_none_of_them_is_a_setting_now() -> None:
    assert not any(types_of(TrainSettings, key) for key in REMOVED)


def test_a_bundle_of_format_1_is_read(corpus: Path, tmp_path: Path) -> None:
    folder = make_bundle(tmp_path / "bundle", corpus)
    now = load_bundle(folder).settings
    rewrite(folder)
    assert load_bundle(folder).settings == now


@pytest.mark.parametrize("key", [key for key, neutral in REMOVED.items() if neutral is not ...])
def test_one_that_had_an_effect_is_refused_by_name(corpus: Path, tmp_path: Path, key: str) -> None:
    folder = make_bundle(tmp_path / "bundle", corpus)
    rewrite(folder, **{key: 0.7})
    with pytest.raises(BundleError, match=rf"settings.yaml cannot be used: {key}=0.7 is a setting that this version"):
        load_bundle(folder)


@pytest.mark.parametrize("content", [None, [], "text", {"training": None}, {"training": [1]}, {"seed": 1}])
def test_what_is_no_settings_stays_as_it_is(content: Any) -> None:
    assert without_removed(content) == content


def test_a_run_of_format_1_goes_on(corpus: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="seq2seq")
    run, whole = tmp_path / "run", tmp_path / "whole"
    train(run_settings(corpus, run, max_updates=5))
    train(run_settings(corpus, whole, max_updates=5))
    settings, about = (yaml.safe_load((run / name).read_text()) for name in ("settings.yaml", "run.json"))
    (run / "settings.yaml").write_text(yaml.safe_dump(with_old(settings)))
    (run / "run.json").write_text(json.dumps({**about, "format_version": 1}))
    content = load_checkpoint(run / "checkpoints")
    assert content is not None
    content["plan"]["both_directions"] = 0
    save_checkpoint(run / "checkpoints", content["state"]["updates"], content)
    for folder in (run, whole):
        train(run_settings(corpus, folder, max_updates=9))
    one, other = (load_checkpoint(folder / "checkpoints") for folder in (run, whole))
    assert one is not None and other is not None and one["state"]["position"] == other["state"]["position"]
    assert all((one["model"][name] == other["model"][name]).all() for name in other["model"])
    assert "starts from its beginning" not in caplog.text and recorded(run).seed == recorded(whole).seed


def test_a_run_that_had_one_is_refused(corpus: Path, tmp_path: Path) -> None:
    train(run_settings(corpus, tmp_path / "run", max_updates=3))
    settings = yaml.safe_load((tmp_path / "run" / "settings.yaml").read_text())
    (tmp_path / "run" / "settings.yaml").write_text(yaml.safe_dump(with_old(settings, teacher="runs/a")))
    with pytest.raises((BundleError, SettingError), match="teacher=runs/a is a setting that this version no longer"):
        train(run_settings(corpus, tmp_path / "run", max_updates=5))
