"""Whether now is the moment to evaluate: `--when-green`."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sprout.cli.wiring import grid_reading
from sprout.config import Settings
from sprout.quality.invoker import FORCED_AFTER_H, decide
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
    store: Store, settings: Settings, model: str, intensity: float | None, now: datetime
) -> Moment:
    """Return whether to evaluate now, by the stored intensities and the forecast of the zone."""
    last = Evaluations(store).last_finished(model)
    since_h = None if last is None else max(0.0, (now - last) / HOUR)
    reading = grid_reading(store, settings, intensity, now)
    current = reading.intensity.g_per_kwh
    table = Intensities(store)
    recent: tuple[float | None, ...] = (None, None)
    threshold: float | None = None
    ahead: list[tuple[float, float]] = []
    # a yearly average says nothing of this hour, so nothing is held against it
    if settings.zone is not None and reading.mark != "yearly average":
        zone, factor = settings.zone, settings.factor
        seen = table.between(zone, factor, now - TRAILING, now + timedelta(microseconds=1))
        measured = [each for each in seen if not each.is_forecast]
        if measured:
            threshold = sum(each.g_per_kwh for each in measured) / len(measured)
        recent = tuple(
            next((each.g_per_kwh for each in measured if each.covers(then)), None)
            for then in (now - 2 * HOUR, now - HOUR)
        )
        until = now + timedelta(hours=FORCED_AFTER_H)
        ahead = [
            ((each.start - now) / HOUR, each.g_per_kwh)
            for each in table.between(zone, factor, now, until)
            if each.is_forecast and each.start > now
        ]
    return Moment(*decide(since_h, (*recent, current), threshold, ahead))
