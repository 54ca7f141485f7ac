"""An engine with a meter: every completion comes with the joules and busy seconds it used.

The counter is sampled by a thread and lags the steps a little, so a completion is given out once
the samples cover its last step. What the counter saw is then accounted for to the last joule:
requests, idle time, and work that was abandoned.
"""

from collections import deque
from typing import Protocol

from sprout.accounting import Charge, Ledger
from sprout.engine.base import Completion, Engine, Request
from sprout.meter.curve import EnergyCurve


class EnergySamples(Protocol):
    """Gives the counter's samples; `sprout.meter.sampler.Sampler` takes them in a thread."""

    def drain(self) -> list[tuple[float, float]]:
        """Return (perf_counter seconds, joules) since the last call."""

    def read_now(self) -> tuple[float, float]:
        """Take a sample now; it is drained too."""


Metered = tuple[Completion, Charge | None]
"""A finished request and what it used; None for one that failed."""


class MeteredEngine:
    """Runs an engine and keeps its books."""

    def __init__(self, engine: Engine, samples: EnergySamples) -> None:
        self.engine = engine
        self._samples = samples
        self._curve = EnergyCurve()
        start_s, _ = samples.read_now()
        self._ledger = Ledger(start_s)
        self._unsettled: deque[Completion] = deque()
        self._told_j = (0.0, 0.0)

    def submit(self, request: Request) -> None:
        """Queue a request."""
        self.engine.submit(request)

    def abandon(self) -> None:
        """Forget every request that is not finished; what it used was work for nothing."""
        self.engine.abandon()
        self.settle_all()
        self._ledger.forget()

    def step(self) -> None:
        """Advance the engine by one batch."""
        result = self.engine.step()
        if result.step is not None:
            self._ledger.add(result.step)
        self._unsettled.extend(result.completions)

    def settled(self) -> list[Metered]:
        """Return the finished requests whose energy is known by now, in order."""
        return self._settled(is_resting=not self.engine.is_busy)

    def settle_all(self) -> list[Metered]:
        """Read the counter once more and return what was still unsettled.

        The books are closed up to now, so that no step may follow for a request that is unfinished.
        """
        self._samples.read_now()
        return self._settled(is_resting=True)

    def metered_j(self) -> tuple[float, float]:
        """Return the joules that the counters saw since the last call, and those in idle time."""
        total_j, idle_j = self._ledger.total_j, self._ledger.idle_j
        told_total_j, told_idle_j = self._told_j
        self._told_j = (total_j, idle_j)
        return total_j - told_total_j, idle_j - told_idle_j

    def _settled(self, *, is_resting: bool) -> list[Metered]:
        for t_s, joules in self._samples.drain():
            self._curve.append(t_s, joules)
        if is_resting:
            # no later step may come that settles this time, nor lets go of its samples
            self._ledger.rest_until(self._curve.known_until_s)
        self._ledger.settle(self._curve)
        self._curve.forget_before(self._ledger.settled_until_s)
        done: list[Metered] = []
        while self._unsettled:
            completion = self._unsettled[0]
            if completion.error and completion.id not in self._ledger:
                charge = None
            elif (charge := self._ledger.pop(completion.id)) is None:
                break
            # what a request used that failed in the end is work for nothing
            done.append((self._unsettled.popleft(), None if completion.error else charge))
        return done
