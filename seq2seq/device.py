"""The device and the number format of the matrix products.

bf16 on CUDA. On a CPU only where it pays: processors that list AVX512-BF16 or AMX may still
multiply no faster in it (virtual machines, emulation), so `auto` times one product in both.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time

import torch

from seq2seq.errors import SettingError
from seq2seq.settings.device import Device, Precision
from seq2seq.settings.training import TrainSettings

_WORTHWHILE = 1.5          # bf16 must be so many times faster than fp32 on a CPU
_PRODUCT = (512, 512, 2048)
_SMALL = (64, 64, 256)     # tells emulation, which is a hundred times slower, without waiting for it
_EMULATED = 0.25


def pick_device(wanted: Device, local_rank: int = 0) -> torch.device:
    """Raises SettingError for device=cuda where there is none."""
    if wanted is Device.CPU or (wanted is Device.AUTO and not torch.cuda.is_available()):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise SettingError("training.device=cuda: torch finds no CUDA device. Choose training.device=cpu or "
                           "auto.")
    if local_rank >= torch.cuda.device_count():
        raise SettingError(f"process {local_rank + 1} of this machine has no CUDA device of its own (there "
                           f"are {torch.cuda.device_count()}). Start fewer, or choose training.device=cpu.")
    torch.cuda.set_device(local_rank)
    # fp32 is fp32: cuDNN's recurrences would round their factors to 10 bits (TF32), in some shapes and not in others.
    torch.backends.cudnn.allow_tf32 = False
    return torch.device("cuda", local_rank)


def resolve_precision(wanted: Precision, device: torch.device) -> Precision:
    """FP32 or BF16, never AUTO. Takes some 50 ms on a CPU with `auto`."""
    if wanted is not Precision.AUTO:
        return wanted
    if device.type == "cuda":
        return Precision.BF16 if torch.cuda.is_bf16_supported(including_emulation=False) else Precision.FP32
    return Precision.BF16 if _speed_up() >= _WORTHWHILE else Precision.FP32


def autocast(precision: Precision, device: torch.device) -> contextlib.AbstractContextManager:
    """The context in which the model's forward pass runs."""
    if precision is Precision.BF16:
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return contextlib.nullcontext()


def only_deterministic_kernels() -> None:
    """Equal runs give equal bits on CUDA too; some kernels get slower."""
    # cuBLAS reads it when it starts: https://docs.nvidia.com/cuda/cublas/#results-reproducibility
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False


def _speed_up() -> float:
    """Of bf16 over fp32 in a product of matrices."""
    small = _ratio(_SMALL)
    return small if small < _EMULATED else _ratio(_PRODUCT)


def _ratio(product: tuple[int, int, int]) -> float:
    rows, inner, columns = product
    pairs = [(torch.ones(rows, inner, dtype=kind), torch.ones(inner, columns, dtype=kind))
             for kind in (torch.float32, torch.bfloat16)]
    times = [float("inf"), float("inf")]
    for _ in range(6):  # in turns and the shortest of each, so that other work on the machine weighs little
        for place, (left, right) in enumerate(pairs):
            start = time.perf_counter()
            torch.mm(left, right)
            times[place] = min(times[place], time.perf_counter() - start)
    return times[0] / times[1]


def with_precision(settings: TrainSettings, precision: Precision) -> TrainSettings:
    """The settings with what `precision=auto` came to."""
    return dataclasses.replace(settings, training=dataclasses.replace(settings.training, precision=precision))
