"""One line of time out of rows that overlap: quarter-hours, hours, measurements, forecasts. Pure.

Which of two rows that cover the same moment is better, `sprout.grid.intensity.rank` says.
"""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from sprout.grid.intensity import HOUR, HOUR_S, Intensity, Rank, rank

MIN_COVERED = 0.5
"""Share of an hour that must be covered for its mean to stand for it."""

FloatArray = NDArray[np.float64]


def best(rows: Iterable[Intensity], start: datetime, end: datetime) -> tuple[Intensity, ...]:
    """Return the best row of every moment from `start` to `end`, cut where a better one begins.

    In time order and without overlap; gaps stay gaps.
    """
    start = start.replace(microsecond=0)
    return tuple(_joined(_pieces(sorted(rows, key=lambda row: row.start), start, end)))


def hourly(line: Sequence[Intensity], start: datetime, num_hours: int) -> FloatArray:
    """Return [num_hours] mean intensity of each hour from `start`, in gCO2eq/kWh; NaN for a gap.

    Args:
        line: as `best` returns it.
    """
    weighted, covered_s = np.zeros(num_hours), np.zeros(num_hours)
    for row in line:
        first = int((row.start - start) // HOUR)
        last = int((row.end - start - timedelta(microseconds=1)) // HOUR)
        for hour in range(max(0, first), min(num_hours - 1, last) + 1):
            begin = start + hour * HOUR
            part = min(row.end, begin + HOUR) - max(row.start, begin)
            covered_s[hour] += part.total_seconds()
            weighted[hour] += part.total_seconds() * row.g_per_kwh
    with np.errstate(invalid="ignore", divide="ignore"):
        means = weighted / covered_s
    return np.where(covered_s >= MIN_COVERED * HOUR_S, means, np.nan)


def _pieces(
    rows: Sequence[Intensity], start: datetime, end: datetime
) -> Iterator[tuple[Intensity, datetime, datetime]]:
    """Yield (row, from, to) between every two moments at which a row begins or ends."""
    moments = {start, end}
    moments |= {m for row in rows for m in (row.start, row.end) if start < m < end}
    times = sorted(moments)
    waiting: list[tuple[Rank, int, Intensity]] = []
    position = 0
    for begin, stop in pairwise(times):
        while position < len(rows) and rows[position].start <= begin:
            heapq.heappush(waiting, (rank(rows[position]), position, rows[position]))
            position += 1
        while waiting and waiting[0][2].end <= begin:
            heapq.heappop(waiting)
        if waiting:
            yield waiting[0][2], begin, stop


def _joined(pieces: Iterable[tuple[Intensity, datetime, datetime]]) -> Iterator[Intensity]:
    """Yield each stretch of one row as one row."""
    current: tuple[Intensity, datetime, datetime] | None = None
    for row, begin, stop in pieces:
        if current is not None and current[0] is row and current[2] == begin:
            current = (row, current[1], stop)
            continue
        if current is not None:
            yield from _cut(*current)
        current = (row, begin, stop)
    if current is not None:
        yield from _cut(*current)


def _cut(row: Intensity, begin: datetime, stop: datetime) -> Iterator[Intensity]:
    """Yield what is left of a row; nothing of less than a second, in which rows last."""
    seconds = int((stop - begin).total_seconds())
    if row.start == begin and row.duration_s == seconds:
        yield row
    elif seconds:
        yield replace(row, start=begin, duration_s=seconds)
