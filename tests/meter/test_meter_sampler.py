import threading
import time
from itertools import pairwise

import pytest

from sprout.errors import MeterError
from sprout.meter.sampler import Sampler


class CountingMeter:
    """Counts its reads as joules; may fail at one of them; tells when it was read often enough."""

    method = "rapl"
    is_estimated = False

    def __init__(self, *, fails_at: int | None = None, enough: int = 4) -> None:
        self.num_reads = 0
        self.fails_at = fails_at
        self.enough = enough
        self.was_read_enough = threading.Event()

    def read_j(self) -> float:
        self.num_reads += 1
        if self.num_reads >= self.enough:
            self.was_read_enough.set()
        if self.fails_at is not None and self.num_reads >= self.fails_at:
            raise MeterError(f"the counter went away at read {self.num_reads}")
        return float(self.num_reads)


def test_the_thread_samples_beside_the_work() -> None:
    meter = CountingMeter()
    start_s = time.perf_counter()
    with Sampler(meter, interval_s=0.005) as sampler:
        assert meter.was_read_enough.wait(10)
    samples = sampler.drain()
    assert [joules for _, joules in samples] == [float(n + 1) for n in range(meter.num_reads)]
    times_s = [start_s, *(t_s for t_s, _ in samples), time.perf_counter()]
    assert all(earlier <= later for earlier, later in pairwise(times_s))


def test_the_first_sample_is_there_at_once_and_the_last_after_the_end() -> None:
    meter = CountingMeter()
    with Sampler(meter, interval_s=60.0) as sampler:
        first = sampler.drain()
        middle_s = time.perf_counter()
        assert sampler.drain() == []
    last = sampler.drain()
    assert [joules for _, joules in first + last] == [1.0, 2.0]
    assert first[0][0] <= middle_s <= last[0][0]


def test_a_sample_taken_now_is_returned_and_drained() -> None:
    with Sampler(CountingMeter(), interval_s=60.0) as sampler:
        before_s = time.perf_counter()
        sample = sampler.read_now()
        assert sample[0] >= before_s
        assert sample in sampler.drain()


def test_samples_of_many_threads_stay_in_order() -> None:
    meter = CountingMeter()
    with Sampler(meter, interval_s=0.001) as sampler:
        threads = [
            threading.Thread(target=lambda: [sampler.read_now() for _ in range(100)])
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        drained = sampler.drain()
        for thread in threads:
            thread.join()
    samples = drained + sampler.drain()
    assert len(samples) == meter.num_reads
    assert samples == sorted(samples)


def test_the_thread_ends_with_the_block() -> None:
    num_before = threading.active_count()
    with Sampler(CountingMeter(), interval_s=60.0):
        assert threading.active_count() == num_before + 1
    assert threading.active_count() == num_before


def test_an_error_in_the_thread_comes_out_of_drain() -> None:
    meter = CountingMeter(fails_at=2, enough=2)
    with Sampler(meter, interval_s=0.001) as sampler:
        assert meter.was_read_enough.wait(10)
    for _ in range(2):
        with pytest.raises(MeterError, match="went away at read 2"):
            sampler.drain()


def test_an_error_at_the_end_does_not_hide_the_error_of_the_block() -> None:
    meter = CountingMeter(fails_at=2)
    sampler = Sampler(meter, interval_s=60.0)
    with pytest.raises(KeyError), sampler:
        raise KeyError("work")
    with pytest.raises(MeterError, match="went away"):
        sampler.drain()


def test_a_meter_that_fails_at_once_fails_the_block() -> None:
    with pytest.raises(MeterError, match="at read 1"), Sampler(CountingMeter(fails_at=1)):
        pass
