"""Where and in which numbers a command computes."""

from __future__ import annotations

import enum

from seq2seq.errors import SettingError


class Device(enum.Enum):
    AUTO = "auto"  # the first CUDA device where there is one
    CPU = "cpu"
    CUDA = "cuda"


class Precision(enum.Enum):
    """Of products. Weights stay fp32, and so do sums over pieces and scores."""

    AUTO = "auto"  # training: bf16 where it is faster (device.py)
    FP32 = "fp32"
    BF16 = "bf16"
    INT8 = "int8"  # search on a CPU: the decoder's weights in eight bits, its states in seven (models/fast/int8.py)


def check_precision(precision: Precision, other: Precision, what: str) -> None:
    """Raises SettingError where `precision` is the `other` one, which `what` cannot work in."""
    if precision is other:
        choices = " or ".join(f"precision={one.value}" for one in Precision if one is not other)
        raise SettingError(f"precision={precision.value} is not for {what}. Choose {choices}.")
