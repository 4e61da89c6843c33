"""The processes of data_prep: a signal never breaks into the pool."""

import os
import signal
from concurrent.futures import Future

import pytest

from data_prep.workers import Workers


class Pool:
    """Gets a signal inside `submit`, as a pool does that holds one of its locks there."""

    def __init__(self, number):
        self.number, self.left = number, 0

    def submit(self, function, job):
        os.kill(os.getpid(), self.number)
        for _ in range(1000):  # a handler that raises would do it here
            pass
        self.left += 1
        future = Future()
        future.set_result(function(job))
        return future

    def shutdown(self, cancel_futures):
        assert cancel_futures


def raising(number, frame):
    raise KeyboardInterrupt(number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_raises_between_two_calls_of_the_pool(number):
    before = signal.signal(number, raising)
    try:
        workers = Workers(1)
        workers._pool = pool = Pool(number)
        with pytest.raises(KeyboardInterrupt) as caught, workers:
            workers.run(abs, [1, 2, 3], "counting")
        assert pool.left == 1 and caught.value.args == (number,)
        assert signal.getsignal(number) is raising
    finally:
        signal.signal(number, before)
