"""What may be believed of the coming hours' intensity, by name. Pure.

Each takes the record [hours] in gCO2eq/kWh, an hour of it, which is known, and how many hours from
there on are asked for.
"""

from collections.abc import Callable

import numpy as np

from sprout.grid import forecast
from sprout.planning.problem import FloatArray

HOURS_PER_DAY = 24


def _truth(record: FloatArray, start: int, num_hours: int) -> FloatArray:
    return record[start : start + num_hours]


def _own_forecast(record: FloatArray, start: int, num_hours: int) -> FloatArray:
    """Return what `sprout.grid.forecast` says at this hour; the newest value where it is silent."""
    now, num_leads = record[start : start + 1], num_hours - 1
    if not num_leads:
        return now
    known = record[: start + 1]
    ahead = forecast.predict(known, np.array([start]), forecast.fit(known, num_leads))[0]
    return np.concatenate((now, np.where(np.isfinite(ahead), ahead, now)))


def _as_yesterday(record: FloatArray, start: int, num_hours: int) -> FloatArray:
    """Return the newest known value of the same hour of the day; without one, the newest value."""
    if start < HOURS_PER_DAY:
        return np.full(num_hours, record[start])
    ahead = np.arange(1, num_hours)
    days = -(-ahead // HOURS_PER_DAY)
    return np.concatenate((record[start : start + 1], record[start + ahead - days * HOURS_PER_DAY]))


def _unchanged(record: FloatArray, start: int, num_hours: int) -> FloatArray:
    return np.full(num_hours, record[start])


FORESIGHTS: dict[str, Callable[[FloatArray, int, int], FloatArray]] = {
    "truth": _truth,
    "forecast": _own_forecast,
    "yesterday": _as_yesterday,
    "unchanged": _unchanged,
}
