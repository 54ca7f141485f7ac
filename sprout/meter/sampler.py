"""A thread that reads a meter beside the work.

Times are of `time.perf_counter`, in seconds. The thread waits `interval_s` between reads, so that
samples are a little further apart than that; when other threads hold the interpreter, more.
"""

import threading
import time
from types import TracebackType
from typing import Self

from sprout.errors import SproutError
from sprout.meter.meter import Meter

Sample = tuple[float, float]
"""A moment in seconds of `time.perf_counter`, and the joules that the meter had counted."""


class Sampler:
    """Samples a meter inside a `with` block: at its start, every `interval_s`, and at its end.

    Args:
        meter: read by one thread at a time.
        interval_s: pause between two reads, > 0.
    """

    def __init__(self, meter: Meter, interval_s: float = 0.05) -> None:
        self._meter = meter
        self._interval_s = interval_s
        self._lock = threading.Lock()
        self._samples: list[Sample] = []
        self._failure: SproutError | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sprout-sampler", daemon=True)

    def __enter__(self) -> Self:
        self.read_now()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stopped.set()
        self._thread.join()
        self._sample()

    def read_now(self) -> Sample:
        """Return a sample taken now; the next `drain` returns it too.

        Raises:
            SproutError: the meter cannot be read.
        """
        # One lock around the clock, the meter and the list keeps the samples in order.
        with self._lock:
            sample = (time.perf_counter(), self._meter.read_j())
            self._samples.append(sample)
        return sample

    def drain(self) -> list[Sample]:
        """Return the samples since the last call, oldest first.

        Raises:
            SproutError: the thread or the end of the block could not read the meter; every
                further call raises it again.
        """
        with self._lock:
            if self._failure is not None:
                raise self._failure
            samples, self._samples = self._samples, []
        return samples

    def _run(self) -> None:
        while self._failure is None and not self._stopped.wait(self._interval_s):
            self._sample()

    def _sample(self) -> None:
        """Take a sample; the first error is kept for `drain`, which somebody reads."""
        try:
            self.read_now()
        except SproutError as error:
            self._failure = self._failure or error
