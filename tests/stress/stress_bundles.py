"""The long bundle fuzz: 12,000 mutations, half of them of each of two bundles."""

from __future__ import annotations

from pathlib import Path

import pytest
from hostile_bundle import make_hostile_bundle, mutations

COUNT = 6_000
BUNDLES = {
    "gru with attention": {},
    "lstm with a fixed context": {"cell": {"kind": "lstm"}, "context": {"kind": "last"}},
}


@pytest.mark.parametrize("name", BUNDLES)
def test_mutated_bundles(name: str, tmp_path: Path) -> None:
    found = mutations(make_hostile_bundle(tmp_path, **BUNDLES[name]), COUNT, seed=len(name))
    assert found["failures"] == []
    refused = sum(counts.get("refused", 0) for counts in found["counts"].values())
    print(f"\nbundles ({name}): {found['mutations']} mutations tried, {refused} refused with one line, "
          f"{found['mutations'] - refused} translate; no crash, no hang, no code run")
