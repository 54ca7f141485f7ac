"""When to evaluate: section 4 of the paper, as one decision an hour. Pure.

With k2(t) the intensity in hour t and t0 the hour of the last assessment:

    a(t) = k2(t) / exp(-0.029 (t - t0))      as the authors' code has it: urgency divides
    g(t) = a(t) - a(t - 1)                   both with the t0 of hour t

    assess    when t - t0 >= 72 h            forced: no preference may grow older
    wait      when t - t0 <= 6 h             grace
    wait      when k2(t) > threshold
    assess    when g(t - 1) <= 0 <= g(t)     a local minimum has just been passed
    wait      otherwise

Only the sign of g counts, and another t0 multiplies g by something positive. So it is the sign of
k2(t) e^0.029 - k2(t - 1): urgency lets a fall of less than 2.9 % an hour count as a rise. The rule
needs no memory but t0.
The authors' threshold is the mean of the whole month, the future included; live it is the trailing
mean of what has been seen. The first hour always assesses.

With a forecast there is no need to recognise a minimum by having passed it: between grace and 72 h
this moment assesses when no slot that is still to come before 72 h is forecast to be greener.
"""

import math
from collections.abc import Sequence
from itertools import accumulate

URGENCY_PER_H = 0.029
"""Growth of a(t), per hour: it doubles in 24 h."""

FORCED_AFTER_H = 72.0
GRACE_H = 6.0

Recent = tuple[float | None, float | None, float]
"""The intensities of two hours ago, an hour ago and now, in gCO2eq/kWh; None is not known."""


def assessments(
    intensities_g_per_kwh: Sequence[float], threshold_g_per_kwh: float | None
) -> tuple[int, ...]:
    """Return the hours that assess, hour 0 first.

    Args:
        intensities_g_per_kwh: hour by hour.
        threshold_g_per_kwh: the same for every hour, such as the authors' mean of the month; None
            for the trailing mean, which knows no future.
    """
    seen, hours = intensities_g_per_kwh, [0]
    for hour, total in enumerate(accumulate(seen)):
        threshold = total / (hour + 1) if threshold_g_per_kwh is None else threshold_g_per_kwh
        before, past = (seen[hour - 2] if hour > 1 else None), seen[hour - 1]
        if hour and decide(hour - hours[-1], (before, past, seen[hour]), threshold)[0]:
            hours.append(hour)
    return tuple(hours)


def decide(
    since_h: float | None,
    recent: Recent,
    threshold_g_per_kwh: float | None,
    forecast: Sequence[tuple[float, float]] = (),
) -> tuple[bool, str]:
    """Return whether to evaluate now, and why.

    Args:
        since_h: hours since the last evaluation; None when there was none.
        threshold_g_per_kwh: what a dirty hour exceeds; None when nothing was seen.
        forecast: (hours from now, g/kWh) of slots to come; may be empty.
    """
    if since_h is None:
        return True, "nothing was evaluated before"
    if since_h >= FORCED_AFTER_H:
        return True, f"{since_h:.0f} h since the last evaluation: none may be older than 72 h"
    if since_h <= GRACE_H:
        return False, f"only {since_h:.1f} h since the last evaluation (grace: 6 h)"
    ahead = [(hours, g) for hours, g in forecast if 0 < hours <= FORCED_AFTER_H - since_h]
    if ahead:
        return _best_slot(recent[-1], ahead)
    return _local_minimum(recent, threshold_g_per_kwh, since_h)


def _best_slot(g_per_kwh: float, ahead: Sequence[tuple[float, float]]) -> tuple[bool, str]:
    """Return whether no slot to come is greener than now."""
    hours, best = min(ahead, key=lambda slot: slot[1])
    if g_per_kwh <= best:
        return True, f"{g_per_kwh:.0f} g/kWh is the best slot that is forecast before 72 h of wait"
    return False, f"the forecast has {best:.0f} g/kWh in {hours:.0f} h, {g_per_kwh:.0f} now"


def _local_minimum(recent: Recent, threshold: float | None, since_h: float) -> tuple[bool, str]:
    """Return whether a local minimum has just been passed, and is a green one."""
    before, past, now = recent
    if past is None or threshold is None:
        return False, "the last hours' intensities are not known: only 72 h of wait will force it"
    if now > threshold:
        return False, f"{now:.0f} g/kWh is above the mean of {threshold:.0f}"
    if before is not None and _gradient(before, past) <= 0 <= _gradient(past, now):
        return (
            True,
            f"{now:.0f} g/kWh is a local minimum, {since_h:.0f} h after the last evaluation",
        )
    return False, f"{now:.0f} g/kWh is no local minimum"


def _gradient(past_g_per_kwh: float, g_per_kwh: float) -> float:
    """Return g of an hour, as it would be were the hour before it t0."""
    return g_per_kwh * math.exp(URGENCY_PER_H) - past_g_per_kwh
