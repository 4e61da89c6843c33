"""What precision=auto comes to."""

import pytest
import torch

from seq2seq import device as precision
from seq2seq.settings.device import Device


@pytest.mark.parametrize(("small", "large", "chosen"), [(0.01, 9.0, "fp32"), (1.0, 1.4, "fp32"), (1.0, 1.6, "bf16")])
def test_auto_takes_bf16_where_it_multiplies_faster_and_waits_for_no_emulation(monkeypatch, small, large, chosen):
    monkeypatch.setattr(precision, "_ratio", lambda product: small if product == precision._SMALL else large)
    assert precision.resolve_precision(precision.Precision.AUTO, torch.device("cpu")).value == chosen


def test_fp32_is_fp32_on_cuda(monkeypatch):
    for name, answer in (("is_available", True), ("device_count", 1), ("set_device", None)):
        monkeypatch.setattr(torch.cuda, name, lambda *_, answer=answer: answer)
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=True):
        assert precision.pick_device(Device.AUTO) == torch.device("cuda", 0)
        assert not torch.backends.cudnn.allow_tf32
        assert torch.get_float32_matmul_precision() == "highest"
