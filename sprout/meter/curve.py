"""The energy drawn up to any moment, from samples of a counter.

Counters tick every 10 ms or slower while an engine step may take less, so a step is never metered
by itself: the counter is sampled beside the work, and its value at a moment t is interpolated,

    E(t) = E_i + (E_{i+1} - E_i) (t - t_i) / (t_{i+1} - t_i)        t_i <= t < t_{i+1}

which takes the power between two samples to be constant. The energy of an interval is
E(end) - E(start), so that the energies of adjoining intervals sum to the counter's difference.
"""

import math
from bisect import bisect_right


class EnergyCurve:
    """Samples (t_s, joules), both never falling; appended at one end, forgotten at the other."""

    __slots__ = ("_first", "_joules", "_times_s")

    def __init__(self) -> None:
        self._times_s: list[float] = []
        self._joules: list[float] = []
        # Forgotten samples are cut off only when they are half of the lists: O(1) a sample.
        self._first = 0

    def __len__(self) -> int:
        """Return the number of samples that are kept."""
        return len(self._times_s) - self._first

    def append(self, t_s: float, joules: float) -> None:
        """Add the counter's value at `t_s`.

        Args:
            t_s: seconds of a monotone clock; a second sample at the same time is a step.
            joules: the counter's value then.

        Raises:
            ValueError: the time or the counter went back.
        """
        if self._times_s and not (t_s >= self._times_s[-1] and joules >= self._joules[-1]):
            raise ValueError(
                f"sample ({t_s} s, {joules} J) went back from "
                f"({self._times_s[-1]} s, {self._joules[-1]} J)"
            )
        self._times_s.append(t_s)
        self._joules.append(joules)

    @property
    def known_until_s(self) -> float:
        """The time of the last sample; -inf without any."""
        return self._times_s[-1] if self._times_s else -math.inf

    def covers(self, t_s: float) -> bool:
        """Return whether the last sample is at or after `t_s`."""
        return self.known_until_s >= t_s

    def energy_at(self, t_s: float) -> float:
        """Return the counter's value at `t_s`, in joules.

        Raises:
            ValueError: `t_s` is before the first sample that is kept, or after the last.
        """
        times_s, joules = self._times_s, self._joules
        if not (times_s and times_s[self._first] <= t_s <= times_s[-1]):
            raise ValueError(f"{t_s} s is outside the curve: {self._span()}")
        after = bisect_right(times_s, t_s, lo=self._first)
        before_j, before_s = joules[after - 1], times_s[after - 1]
        if after == len(times_s):
            return before_j
        fraction = (t_s - before_s) / (times_s[after] - before_s)
        # Rounding must not lift the curve above its next sample: it would fall there.
        return min(before_j + (joules[after] - before_j) * fraction, joules[after])

    def between(self, start_s: float, end_s: float) -> float:
        """Return the energy from `start_s` to `end_s`, in joules.

        Raises:
            ValueError: the interval is reversed, or not inside the curve.
        """
        if end_s < start_s:
            raise ValueError(f"the interval ends at {end_s} s, before its start at {start_s} s")
        return self.energy_at(end_s) - self.energy_at(start_s)

    def forget_before(self, t_s: float) -> None:
        """Drop the samples that no answer at or after `t_s` needs."""
        keep = bisect_right(self._times_s, t_s, lo=self._first) - 1
        self._first = max(self._first, keep)
        if 2 * self._first > len(self._times_s):
            del self._times_s[: self._first]
            del self._joules[: self._first]
            self._first = 0

    def _span(self) -> str:
        if not self._times_s:
            return "it has no samples"
        return f"it runs from {self._times_s[self._first]} s to {self._times_s[-1]} s"
