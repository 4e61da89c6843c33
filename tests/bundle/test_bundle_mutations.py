"""A short run of the bundle fuzz; tests/stress/stress_bundles.py is the long one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hostile_bundle import make_hostile_bundle, mutations


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_hostile_bundle(tmp_path_factory.mktemp("mutations"))


def test_mutated_bundles_are_refused_or_translate_and_run_no_code(bundle: Path) -> None:
    found = mutations(bundle, 150, seed=1)
    assert found["failures"] == []
    outcomes = {came for counts in found["counts"].values() for came in counts}
    assert outcomes == {"refused", "translates"}  # the deeper code is reached too


def test_the_watch_sees_what_it_should(bundle: Path) -> None:
    """The fuzz can fail: each of these is noticed."""
    program = """
import sys, os
sys.path.insert(0, sys.argv[1])
import bundle_mutations as m
watch = m.Watch(m.Path(sys.argv[2]))
watch.on = True
eval("1")
open("/etc/hostname").close()
open(os.path.join(sys.argv[2], "bundle.json")).close()
os.system("true")
watch.on = False
print([one.split()[0] for one in watch.seen])
"""
    support = str(Path(__file__).parents[1] / "support")
    done = subprocess.run([sys.executable, "-c", program, support, str(bundle)], check=True, capture_output=True,
                          text=True)
    assert json.loads(done.stdout.replace("'", '"')) == ["compile", "exec", "open", "os.system"]
