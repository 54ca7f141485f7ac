"""Whether now is the moment to evaluate: `--when-green`."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from sprout.cli.grid.asking import series
from sprout.cli.grid.outlook import outlook
from sprout.config.sources import Config
from sprout.grid.timeline import best, hourly
from sprout.quality.invoker import decide
from sprout.state.evaluations import Evaluations
from sprout.state.intensities import Intensities
from sprout.state.store import Store

TRAILING = timedelta(days=30)
"""What counts as a dirty hour is judged against the mean of this trailing time."""

HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Moment:
    """Whether to evaluate now, and why."""

    is_right: bool
    reason: str


def judge_moment(
    store: Store, config: Config, model: str, intensity: float | None, now: datetime
) -> Moment:
    """Return whether to evaluate now, by the stored intensities and the forecast of the zone."""
    last = Evaluations(store).last_finished(model)
    since_h = None if last is None else max(0.0, (now - last) / HOUR)
    found, wanted = outlook(store, config, intensity, now), series(config.settings)
    before: float | None = None
    past: float | None = None
    threshold: float | None = None
    ahead: list[tuple[float, float]] = []
    # the average of a day or a year says nothing of this hour: nothing is held against it
    if wanted is not None and found.reading.is_of_the_hour:
        rows = Intensities(store).between(wanted, now - TRAILING, now)
        line = best([row for row in rows if not row.is_forecast], now - TRAILING, now)
        means = hourly(line, now - TRAILING, TRAILING // HOUR).tolist()
        seen = [mean for mean in means if math.isfinite(mean)]
        if seen:
            threshold = sum(seen) / len(seen)
        before, past = (
            next((row.g_per_kwh for row in line if row.covers(then)), None)
            for then in (now - 2 * HOUR, now - HOUR)
        )
        coming = found.ahead.intensities if found.ahead is not None else ()
        ahead = [
            ((row.start - now) / HOUR, row.g_per_kwh)
            for row in coming
            if row.is_forecast and row.start > now
        ]
    current = found.reading.intensity.g_per_kwh
    return Moment(*decide(since_h, (before, past, current), threshold, ahead))
