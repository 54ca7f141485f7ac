"""The range that an intensity is judged against, k0min and k0max of the paper. Pure.

The paper takes the lowest and highest of the year. A zone of which little is stored has not shown
its range yet, so with n days of the trailing year stored

    low  = (1 - w) table_low  + w seen_low,     w = sqrt(min(n, 365) / 365)
    high = (1 - w) table_high + w seen_high

where the table's range is that of the yearly averages of countries. w grows with every stored day
and reaches 1 after a year: a week weighs 0.14, a month 0.29, a quarter 0.5. What was seen always
lies inside. The table's factors are lifecycle and average; it lends its span, not its values, to a
series of another kind.
"""

import math

from sprout.grid import yearly
from sprout.grid.intensity import History, IntensityRange, Series

FULL_DAYS = 365


def weight(num_days: int) -> float:
    """Return how much a zone's own history counts, from 0 to 1."""
    return math.sqrt(min(num_days, FULL_DAYS) / FULL_DAYS)


def judged_against(series: Series, history: History | None) -> IntensityRange:
    """Return the range for a series, of its own history as far as there is one."""
    table = yearly.world_range()
    if history is None:
        return table
    own = weight(history.num_days)
    low = (1 - own) * table.low_g_per_kwh + own * history.low_g_per_kwh
    high = (1 - own) * table.high_g_per_kwh + own * history.high_g_per_kwh
    told = f"history of {series.zone} since {history.first:%Y-%m-%d} ({history.num_days} days)"
    if own < 1:
        told = f"{own:.0%} {told}, {1 - own:.0%} {table.source}"
    return IntensityRange(
        low_g_per_kwh=min(low, history.low_g_per_kwh),
        high_g_per_kwh=max(high, history.high_g_per_kwh),
        source=told,
    )
