"""What precision=auto comes to."""

import pytest
import torch

from seq2seq import precision


@pytest.mark.parametrize(("small", "large", "chosen"), [(0.01, 9.0, "fp32"), (1.0, 1.4, "fp32"), (1.0, 1.6, "bf16")])
def test_auto_takes_bf16_where_it_multiplies_faster_and_waits_for_no_emulation(monkeypatch, small, large, chosen):
    monkeypatch.setattr(precision, "_ratio", lambda product: small if product == precision._SMALL else large)
    assert precision.resolve_precision(precision.Precision.AUTO, torch.device("cpu")).value == chosen
