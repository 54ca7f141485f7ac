"""Carbon intensity of one place and stretch of time, the range it is judged against, and traces.

Pure: no clock, no files. Every time is aware and in UTC; every intensity is in gCO2eq/kWh.
"""

import math
from bisect import bisect_right
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Literal

Kind = Literal["average", "marginal"]
FactorType = Literal["lifecycle", "direct", "unknown"]

OWN_FORECAST = "sprout_forecast"
"""The source of what our own model forecasts."""

HOUR = timedelta(hours=1)
HOUR_S = 3600
SHORTEST_DAY_S, LONGEST_DAY_S = 23 * HOUR_S, 25 * HOUR_S
"""A day lasts so long where clocks are set forward, and back."""


@dataclass(frozen=True, slots=True)
class Series:
    """What may be compared and added up: one zone, kind and factor type."""

    zone: str
    kind: Kind
    factor_type: FactorType

    def __str__(self) -> str:
        return f"{self.zone} ({self.kind}, {self.factor_type})"


@dataclass(frozen=True, slots=True)
class History:
    """Lowest and highest of a series over a trailing time, and on how many days they were seen."""

    low_g_per_kwh: float
    high_g_per_kwh: float
    num_days: int
    first: datetime


@dataclass(frozen=True, slots=True)
class Intensity:
    """Carbon intensity of one zone from `start` (inclusive) for `duration_s` seconds.

    `generated_at` is when the source made the value (None when it does not say), `fetched_at`
    when Sprout read it.
    """

    source: str
    zone: str
    start: datetime
    duration_s: int
    g_per_kwh: float
    kind: Kind
    factor_type: FactorType
    is_forecast: bool
    is_estimated: bool
    generated_at: datetime | None
    fetched_at: datetime

    def __post_init__(self) -> None:
        """Refuse a start that is not in UTC, no duration, and a negative or endless intensity."""
        if self.start.utcoffset() != timedelta(0):
            raise ValueError(f"start {self.start} of zone {self.zone} is not in UTC")
        if self.duration_s <= 0:
            raise ValueError(f"duration {self.duration_s} s of zone {self.zone} is not positive")
        if not (math.isfinite(self.g_per_kwh) and self.g_per_kwh >= 0):
            raise ValueError(f"{self.g_per_kwh} g/kWh in zone {self.zone} is not an intensity")

    @property
    def series(self) -> Series:
        """Return what this may be compared with."""
        return Series(self.zone, self.kind, self.factor_type)

    @property
    def end(self) -> datetime:
        """Return the first moment that this intensity no longer covers."""
        return self.start + timedelta(seconds=self.duration_s)

    def covers(self, at: datetime) -> bool:
        """Return whether `at` lies in the stretch: start inclusive, end exclusive."""
        return self.start <= at < self.end


Rank = tuple[bool, bool, bool, float, int, str]


def rank(row: Intensity) -> Rank:
    """Return what sorts the better of two rows that cover the same moment first.

    An hour or less before a day, a month or a year, whose mean says little of a moment; measured
    before estimated before forecast; the newest forecast before older ones; the shorter row before
    the longer one.
    """
    made = row.generated_at or row.fetched_at
    age = -made.timestamp() if row.is_forecast else 0.0
    return (
        row.duration_s > HOUR_S,
        row.is_forecast,
        row.is_estimated,
        age,
        row.duration_s,
        row.source,
    )


@dataclass(frozen=True, slots=True)
class IntensityRange:
    """The lowest and highest intensity that a value is judged against, in gCO2eq/kWh."""

    low_g_per_kwh: float
    high_g_per_kwh: float
    source: str

    def __post_init__(self) -> None:
        """Refuse a range whose low end is above its high end, or that is not a number."""
        if not self.low_g_per_kwh <= self.high_g_per_kwh:
            raise ValueError(f"no range: {self.low_g_per_kwh} to {self.high_g_per_kwh} g/kWh")

    @property
    def middle_g_per_kwh(self) -> float:
        """Return the intensity half way between both ends."""
        return (self.low_g_per_kwh + self.high_g_per_kwh) / 2

    def position(self, g_per_kwh: float) -> float:
        """Return where an intensity lies in the range, from 0 (low end) to 1 (high end).

        Values outside the range are clamped. This is the fraction by which the preference floor
        of the paper, q_lb = (1 - position * xi) * q0, gives way. A range of one single value says
        nothing about whether this moment is dirty, so its position is 0: the strictest floor, and
        no preference is given away for a saving that nobody has seen.
        """
        if self.low_g_per_kwh == self.high_g_per_kwh:
            return 0.0
        span_g_per_kwh = self.high_g_per_kwh - self.low_g_per_kwh
        return min(1.0, max(0.0, (g_per_kwh - self.low_g_per_kwh) / span_g_per_kwh))


@dataclass(frozen=True, slots=True)
class IntensityTrace:
    """Intensities of one zone, kind and factor type, in time order, without overlap.

    Gaps are allowed, and stay gaps: nothing is interpolated.
    """

    intensities: tuple[Intensity, ...]

    def __post_init__(self) -> None:
        """Refuse an empty, mixed, unsorted or overlapping trace."""
        if not self.intensities:
            raise ValueError("a trace needs at least one intensity")
        series = {each.series for each in self.intensities}
        if len(series) > 1:
            names = sorted(map(str, series))
            raise ValueError(f"a trace is of one zone, kind and factor type, not {names}")
        for earlier, later in pairwise(self.intensities):
            if later.start < earlier.end:
                raise ValueError(
                    f"intensity at {later.start} starts before the one at {earlier.start} ends"
                )

    def at(self, when: datetime) -> Intensity:
        """Return the intensity that covers `when`.

        Raises:
            LookupError: `when` is before, after or in a gap of the trace; the message names the
                range that the trace covers.
        """
        index = bisect_right(self.intensities, when, key=lambda each: each.start) - 1
        if index >= 0 and self.intensities[index].covers(when):
            return self.intensities[index]
        first, last = self.intensities[0], self.intensities[-1]
        where = "in a gap of the" if first.start <= when < last.end else "outside the"
        raise LookupError(
            f"no intensity of zone {first.zone} at {when}: it is {where} trace, "
            f"which covers {first.start} to {last.end}"
        )
