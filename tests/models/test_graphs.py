"""What is held of graphs, and that the tape which stands in for them is as strict as they are."""

from __future__ import annotations

import pytest
import torch
from networks import build, network, random_batch
from tape import TapeRecorder

from seq2seq.cuda_graphs import CudaRecorder, GraphCache, cuda_recorder, own_draws, rounded_up
from seq2seq.errors import SettingError


def test_the_one_not_used_for_longest_leaves():
    held, made = GraphCache[str]([], limit=2), []

    def get(shape: str) -> str:
        return held.get(shape, lambda: made.append(shape) or shape.upper())

    assert [get(shape) for shape in "abacab"] == list("ABACAB")
    assert made == ["a", "b", "c", "b"]


def test_all_is_forgotten_when_a_weight_has_moved():
    weight = torch.zeros(3)
    held, made = GraphCache[int]([weight], limit=9), iter(range(9))
    assert [held.get("a", lambda: next(made)) for _ in range(2)] == [0, 0]
    weight.add_(1)
    assert held.get("a", lambda: next(made)) == 0
    weight.data = torch.zeros(3)
    assert [held.get("a", lambda: next(made)) for _ in range(2)] == [1, 1]


def test_rounded_up():
    assert [rounded_up(number, 8) for number in (1, 8, 9, 16)] == [8, 8, 16, 16]


def test_draws_inside_change_none_outside():
    torch.manual_seed(1)
    expected = torch.rand(2)
    torch.manual_seed(1)
    with own_draws(torch.device("cpu")):
        torch.rand(5)
    assert torch.equal(torch.rand(2), expected)


def test_a_tape_reads_and_writes_where_it_lay_and_keeps_what_python_decided():
    x, factor = torch.ones(3), [2.0]
    recording = TapeRecorder().record(lambda: (x * factor[0]).t().relu_())
    place = recording.output.data_ptr()
    factor[0] = 100.0
    for number in (3.0, -1.0, 5.0):
        x.fill_(number)
        recording.replay()
        assert recording.output.tolist() == [max(2 * number, 0.0)] * 3 and recording.output.data_ptr() == place


def test_what_waits_for_the_device_is_refused():
    model, batch = build(network()), random_batch()  # on a CPU it leaves padding out
    for work in (lambda: torch.ones(2).sum().item(), lambda: torch.ones(2).nonzero(), lambda: model(batch)):
        with pytest.raises(RuntimeError, match="not permitted when stream is capturing"):
            TapeRecorder().record(work)


def test_another_device_is_refused():
    with pytest.raises(SettingError, match="graphs=true records CUDA graphs, and this is cpu. Choose graphs=false"):
        cuda_recorder(torch.device("cpu"), "graphs")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_graphs_share_memory_and_answer_in_any_order():
    recorder, x = CudaRecorder(torch.device("cuda")), torch.ones(1000, device="cuda")
    recordings = [recorder.record(lambda n=n: ((x * n).exp().log() + 1).sum()) for n in (1, 2, 3)]
    for which in (0, 1, 2, 2, 0, 1, 1, 1, 0):
        recordings[which].replay()
        assert float(recordings[which].output) == pytest.approx(1000.0 * (which + 2))  # to be read before the next
