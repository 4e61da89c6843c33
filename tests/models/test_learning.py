"""Networks learn: sequences drawn anew for every update are reversed, so nothing can be known by heart.

benchmarks/reverse.py trains every cell x context x feed; here is one of each kind, small.
"""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

from reverse import settings_of, train


@pytest.mark.parametrize(("choice", "updates", "enough"), [
    ({"cell": {"kind": "gru"}, "attention": {"score": "scaled", "heads": 2}}, 1000, 0.95),
    ({"cell": {"kind": "lstm"}, "attention": {"score": "additive", "feed": "input"}}, 750, 0.95),
    ({"cell": {"kind": "gru"}, "context": {"kind": "last"}, "feed": {"context": "initial_state"}}, 1500, 0.5),
], ids=["attention", "input feeding", "c = h_N"])
def test_reversing_is_learnt(choice: dict, updates: int, enough: float) -> None:
    reached, _ = train(settings_of(choice, hidden=64), updates=updates, learning_rate=5e-3)
    assert reached >= enough
