"""Properties: logits, losses and translations do not depend on batch, padding, order or beam neighbours.

Every network is gone through by tests/stress/stress_invariance.py; here hypothesis picks some.
"""

from __future__ import annotations

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from invariance import EVERY, PAIRS, SEARCHES, check_logits_and_losses, check_translations, with_preferences
from networks import network

torch.set_num_threads(1)
QUICK = settings(max_examples=25, deadline=None, derandomize=True, database=None,
                 suppress_health_check=[HealthCheck.too_slow])


@QUICK
@given(st.data(), st.sampled_from(EVERY), PAIRS, st.integers(1, 9))
def test_logits_and_losses(data: st.DataObject, named: tuple, pairs: list, padding: int) -> None:
    order, cut = data.draw(st.permutations(range(len(pairs)))), data.draw(st.integers(0, len(pairs)))
    check_logits_and_losses(with_preferences(named[1]), pairs, order, cut, padding)


@pytest.mark.parametrize("search", SEARCHES)
@settings(QUICK, max_examples=5)
@given(st.data(), st.sampled_from(EVERY), PAIRS, st.integers(1, 40), st.booleans())
def test_translations(search: str, data: st.DataObject, named: tuple, pairs: list, batch_pieces: int,
                      ensemble: bool) -> None:
    sources = [source for source, _ in pairs]
    order = data.draw(st.permutations(range(len(sources))))
    assert check_translations(named[1], search, sources, order, batch_pieces, ensemble) == 2 * len(sources)


def test_a_network_that_reads_its_padding_is_found_out(monkeypatch) -> None:
    """The checks can fail."""
    from seq2seq.models.encoder import Encoder

    def reads_on(self, x, lengths, plain=Encoder.forward):
        return plain(self, x, torch.full_like(lengths, x.shape[1]))

    monkeypatch.setattr(Encoder, "forward", reads_on)
    pairs, parts = [([5, 6, 7], [8, 9]), ([4], [5])], network(context="last")
    with pytest.raises(AssertionError):
        check_logits_and_losses(with_preferences(parts), pairs, [1, 0], 1, 3)
    with pytest.raises(AssertionError):
        check_translations(parts, "beam", [source for source, _ in pairs], [1, 0], 100)
