"""The energy and time of each request, from those of the engine's steps.

    energy of a request = sum over steps of curve.between(start, end) * tokens of it / all tokens

A continuous batch serves many requests in one step, and counters tick every 10 ms or slower, so
steps are never metered one by one: the counter is a curve, each step takes what the curve says of
its interval, and its requests share that by the tokens that the step processed for them. What lies
between steps is idle. Requests and idle together are the counter's difference, exactly.
"""

import math
from collections import deque
from dataclasses import dataclass
from typing import Protocol


class Curve(Protocol):
    """Energy used over time; `sprout.meter.curve` has the measured one."""

    def covers(self, t_s: float) -> bool:
        """Return whether the energy up to `t_s` is known."""
        ...

    def between(self, start_s: float, end_s: float) -> float:
        """Return the energy used from `start_s` to `end_s`, in J."""
        ...


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the engine.

    Args:
        start_s: on the clock of the curve (perf_counter).
        end_s: >= start_s.
        shares: request id and the tokens processed for it, a fraction where several requests
            share a prefix.
    """

    start_s: float
    end_s: float
    shares: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Charge:
    """What one request used: its part of the energy and of the time that the engine was busy."""

    energy_j: float
    busy_s: float


@dataclass(slots=True)
class _Account:
    """A request's charge so far, and how many of its steps are not settled yet."""

    energy_j: float = 0.0
    busy_s: float = 0.0
    num_pending: int = 0


class Ledger:
    """Shares the energy of steps among requests, as far as the curve is known.

    Accounting starts at `start_s`; `idle_j`, `idle_s` and `total_j` run from there to
    `settled_until_s`. An empty step, as `rest_until` adds it, settles the idle time after the last
    real one.
    Memory grows with the steps not settled and the requests not popped.
    """

    def __init__(self, start_s: float) -> None:
        self.settled_until_s = start_s
        self.idle_j = 0.0
        self.idle_s = 0.0
        self.total_j = 0.0
        self._last_end_s = start_s
        self._pending: deque[Step] = deque()
        self._accounts: dict[str, _Account] = {}

    def add(self, step: Step) -> None:
        """Take in the next step; steps come in order and never overlap."""
        if not self._last_end_s <= step.start_s <= step.end_s < math.inf:
            raise ValueError(
                f"a step from {step.start_s} to {step.end_s} s after one that ended at "
                f"{self._last_end_s} s"
            )
        if not all(0 <= num_tokens < math.inf for _, num_tokens in step.shares):
            raise ValueError(f"token shares must be finite and not negative: {step.shares}")
        for request_id, _ in step.shares:
            self._accounts.setdefault(request_id, _Account()).num_pending += 1
        self._pending.append(step)
        self._last_end_s = step.end_s

    def settle(self, curve: Curve) -> None:
        """Charge every pending step that ends where the curve is known, in order."""
        while self._pending and curve.covers(self._pending[0].end_s):
            step = self._pending.popleft()
            self._rest(self.settled_until_s, step.start_s, curve)
            if any(num_tokens > 0 for _, num_tokens in step.shares):
                self._charge(step, curve)
            else:
                self._rest(step.start_s, step.end_s, curve)
            for request_id, _ in step.shares:
                self._accounts[request_id].num_pending -= 1
            self.settled_until_s = step.end_s

    def rest_until(self, t_s: float) -> None:
        """Take in that nothing ran from the last step until `t_s`, unless that is behind it."""
        if t_s > self._last_end_s:
            self.add(Step(t_s, t_s, ()))

    def __contains__(self, request_id: str) -> bool:
        """Return whether a step named this request, and it was not popped since."""
        return request_id in self._accounts

    def charge(self, request_id: str) -> Charge | None:
        """Return what a request used; None while any of its steps is pending.

        A request that no step named, or that was popped, is a KeyError.
        """
        account = self._accounts[request_id]
        return None if account.num_pending else Charge(account.energy_j, account.busy_s)

    def pop(self, request_id: str) -> Charge | None:
        """Return what a request used and forget it; None, and kept, while a step is pending."""
        charge = self.charge(request_id)
        if charge is not None:
            del self._accounts[request_id]
        return charge

    def forget(self) -> None:
        """Forget the requests that were not popped: a later one may have the same id."""
        self._accounts = {key: each for key, each in self._accounts.items() if each.num_pending}

    def _rest(self, start_s: float, end_s: float, curve: Curve) -> None:
        """Count an interval without tokens as idle."""
        if end_s > start_s:
            energy_j = curve.between(start_s, end_s)
            self.idle_j += energy_j
            self.idle_s += end_s - start_s
            self.total_j += energy_j

    def _charge(self, step: Step, curve: Curve) -> None:
        """Share one step's energy and time among its requests, by tokens."""
        energy_j = curve.between(step.start_s, step.end_s)
        busy_s = step.end_s - step.start_s
        num_tokens = math.fsum(tokens for _, tokens in step.shares)
        for request_id, tokens in step.shares:
            account = self._accounts[request_id]
            account.energy_j += energy_j * (tokens / num_tokens)
            account.busy_s += busy_s * (tokens / num_tokens)
        self.total_j += energy_j
