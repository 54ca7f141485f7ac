"""When to evaluate: section 4 of the paper, as one step an hour. Pure.

With k2(t) the intensity in hour t and t0 the hour of the last assessment:

    a(t) = k2(t) / exp(-0.029 (t - t0))      as the authors' code has it: urgency divides
    g(t) = a(t) - a(t - 1)                   both with the t0 of hour t

    assess    when t - t0 >= 72 h            forced: no preference may grow older
    wait      when t - t0 <= 6 h             grace
    wait      when k2(t) > threshold
    assess    when g(t - 1) <= 0 <= g(t)     a local minimum has just been passed
    wait      otherwise

Urgency raises a(t) by 2.9 % with every hour, so that in time a fall slower than that counts as a
rise, and assesses.
The authors' threshold is the mean of the whole month, the future included; live it is the trailing
mean of what has been seen (`Trailing`). The threshold is an argument, so both are the same rule.
The first hour always assesses.

With a forecast there is no need to recognise a minimum by having passed it: between grace and 72 h
this moment assesses when no slot that is still to come before 72 h is forecast to be greener.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

URGENCY_PER_H = 0.029
"""Decay of a(t), per hour: a half-life of 24 h."""

FORCED_AFTER_H = 72.0
GRACE_H = 6.0


@dataclass(frozen=True, slots=True)
class Waiting:
    """What the rule remembers from one step to the next.

    Args:
        since_h: hours since the last assessment, in the last step.
        g_per_kwh: the intensity of the last step.
        gradient: g of the last step; None before there were two steps.
    """

    since_h: float
    g_per_kwh: float
    gradient: float | None


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether to assess now, why, and what to remember for the next step."""

    assesses: bool
    reason: str
    waiting: Waiting


@dataclass(frozen=True, slots=True)
class Trailing:
    """The mean of the intensities seen so far: the threshold that needs no future."""

    total_g_per_kwh: float = 0.0
    num_seen: int = 0

    def add(self, g_per_kwh: float) -> "Trailing":
        """Return the mean with one more hour."""
        return Trailing(self.total_g_per_kwh + g_per_kwh, self.num_seen + 1)

    @property
    def mean_g_per_kwh(self) -> float:
        """Return the mean; at least one hour must have been seen."""
        return self.total_g_per_kwh / self.num_seen


def begin(g_per_kwh: float) -> Decision:
    """Return the first step: nothing was ever assessed, so this hour assesses."""
    return Decision(
        assesses=True,
        reason="nothing was evaluated before",
        waiting=Waiting(0.0, g_per_kwh, None),
    )


def step(
    waiting: Waiting, g_per_kwh: float, threshold_g_per_kwh: float, elapsed_h: float = 1.0
) -> Decision:
    """Return what the rule says of this hour.

    Args:
        waiting: as the last step left it.
        g_per_kwh: the intensity now.
        threshold_g_per_kwh: what a dirty hour exceeds: a mean of k2.
        elapsed_h: hours since the last step; above 1 where hours are missing.
    """
    if elapsed_h <= 0:
        raise ValueError(f"{elapsed_h} h since the last step: time goes forward")
    since_h = waiting.since_h + elapsed_h
    gradient = _adjusted(g_per_kwh, since_h) - _adjusted(waiting.g_per_kwh, waiting.since_h)
    assesses, reason = _judge(waiting, since_h, gradient, g_per_kwh, threshold_g_per_kwh)
    return Decision(assesses, reason, Waiting(0.0 if assesses else since_h, g_per_kwh, gradient))


def assessments(
    intensities_g_per_kwh: Sequence[float], threshold_g_per_kwh: float | None
) -> tuple[int, ...]:
    """Return the hours that assess, hour 0 first.

    Args:
        intensities_g_per_kwh: hour by hour.
        threshold_g_per_kwh: the same for every hour, such as the authors' mean of the month; None
            for the trailing mean, which knows no future.
    """
    trailing = Trailing().add(intensities_g_per_kwh[0])
    decision = begin(intensities_g_per_kwh[0])
    hours = [0]
    for hour, g_per_kwh in enumerate(intensities_g_per_kwh[1:], start=1):
        trailing = trailing.add(g_per_kwh)
        threshold = trailing.mean_g_per_kwh if threshold_g_per_kwh is None else threshold_g_per_kwh
        decision = step(decision.waiting, g_per_kwh, threshold)
        if decision.assesses:
            hours.append(hour)
    return tuple(hours)


def decide(
    since_h: float | None,
    recent_g_per_kwh: Sequence[float | None],
    threshold_g_per_kwh: float | None,
    forecast: Sequence[tuple[float, float]] = (),
) -> tuple[bool, str]:
    """Return whether to evaluate now, and why, from what is known at this moment.

    Args:
        since_h: hours since the last evaluation; None when there was none.
        recent_g_per_kwh: of two hours ago, an hour ago and now; None where it is not known, but
            the last is.
        threshold_g_per_kwh: trailing mean; None when nothing was seen.
        forecast: (hours from now, g/kWh) of slots to come; may be empty.
    """
    before, past, now = recent_g_per_kwh
    if now is None:
        raise ValueError("the intensity of now is not known")
    if since_h is None:
        return True, begin(now).reason
    if not GRACE_H < since_h < FORCED_AFTER_H:
        return _judge(Waiting(since_h, now, None), since_h, 0.0, now, math.inf)
    ahead = [(hours, g) for hours, g in forecast if 0 < hours <= FORCED_AFTER_H - since_h]
    if ahead:
        return _best_slot(now, ahead)
    if past is None or threshold_g_per_kwh is None:
        return False, "the last hours' intensities are not known: only 72 h of wait will force it"
    gradient = None
    if before is not None:
        gradient = _adjusted(past, since_h - 1) - _adjusted(before, since_h - 2)
    decision = step(Waiting(since_h - 1, past, gradient), now, threshold_g_per_kwh)
    return decision.assesses, decision.reason


def _best_slot(g_per_kwh: float, ahead: Sequence[tuple[float, float]]) -> tuple[bool, str]:
    """Return whether no slot to come is greener than now."""
    hours, best = min(ahead, key=lambda slot: slot[1])
    if g_per_kwh <= best:
        return True, f"{g_per_kwh:.0f} g/kWh is the best slot that is forecast before 72 h of wait"
    return False, f"the forecast has {best:.0f} g/kWh in {hours:.0f} h, {g_per_kwh:.0f} now"


def _judge(
    waiting: Waiting, since_h: float, gradient: float, g_per_kwh: float, threshold: float
) -> tuple[bool, str]:
    """Return whether to assess, and why."""
    if since_h >= FORCED_AFTER_H:
        return True, f"{since_h:.0f} h since the last evaluation: none may be older than 72 h"
    if since_h <= GRACE_H:
        return False, f"only {since_h:.1f} h since the last evaluation (grace: 6 h)"
    if g_per_kwh > threshold:
        return False, f"{g_per_kwh:.0f} g/kWh is above the mean of {threshold:.0f}"
    if waiting.gradient is not None and waiting.gradient <= 0 <= gradient:
        return True, f"{g_per_kwh:.0f} g/kWh is a local minimum, weighed by {since_h:.0f} h of wait"
    return False, f"{g_per_kwh:.0f} g/kWh is no local minimum"


def _adjusted(g_per_kwh: float, since_h: float) -> float:
    """Return a(t), the intensity weighed by urgency, in gCO2eq/kWh."""
    return g_per_kwh / math.exp(-URGENCY_PER_H * since_h)
