"""What is known of the grid now and for the coming two days, from the store and the provider."""

from datetime import datetime, timedelta

from sprout.cli.grid.asking import contact, series
from sprout.config.sources import Config
from sprout.errors import NotReadyError, UsageError
from sprout.grid import reading
from sprout.grid.intensity import HOUR, HOUR_S, Intensity, IntensityTrace, Series
from sprout.grid.range import judged_against
from sprout.grid.reading import GridOutlook, GridReading
from sprout.state.intensities import Intensities
from sprout.state.store import Store

AHEAD = timedelta(hours=48)
MAX_G_PER_KWH = 1e6  # far beyond any grid; the solver fails where products of it overflow


def outlook(
    store: Store, config: Config, intensity: float | None, now: datetime, *, fetches: bool = True
) -> GridOutlook:
    """Return the intensity to plan with and the slots that come.

    Args:
        intensity: the user's own, in gCO2eq/kWh.
        fetches: whether a provider that is set may be asked, should it be due.

    Raises:
        NotReadyError: only intensities of another kind or factor type are stored.
    """
    if intensity is not None:
        if not 0 <= intensity <= MAX_G_PER_KWH:
            raise UsageError(f"--intensity {intensity}: give 0 to {MAX_G_PER_KWH:g} gCO2eq/kWh")
        return GridOutlook(reading.fixed(intensity, config.settings.zone, now))
    wanted = series(config.settings)
    if wanted is None:
        return GridOutlook(reading.yearly_average(None, now))
    told = contact(store, config, now, fetches=fetches)
    table = Intensities(store)
    line = coming(table, wanted, now)
    if told is not None and told.is_lost(now):
        line = tuple(row for row in line if not told.concerns(row))
    present = _present(table, wanted, line, now, told)
    if present is None:
        _check_unmixed(table, wanted, now)
        failure = None if told is None else told.failure or f"{told.source} has no value for now"
        present = reading.yearly_average(wanted.zone, now, asked=wanted, failure=failure)
    is_comparable = bool(line) and line[0].series == present.intensity.series
    return GridOutlook(present, IntensityTrace(line) if is_comparable else None)


def coming(table: Intensities, wanted: Series, now: datetime) -> tuple[Intensity, ...]:
    """Return the best known slots of the coming two days, our own forecast where there is none."""
    from sprout.grid.timeline import best

    rows = table.between(wanted, now, now + AHEAD)
    if not any(row.is_forecast and row.end > now + HOUR for row in rows):
        rows += own_forecast(table, wanted, now)
    return best(rows, now, now + AHEAD)


def own_forecast(table: Intensities, wanted: Series, now: datetime) -> list[Intensity]:
    """Return the hours that our own model forecasts; none where the history ended long ago."""
    from sprout.grid import forecast
    from sprout.grid.timeline import best, hourly

    if table.latest_measured(wanted, now) is None:
        return []
    num_hours = forecast.FIT_HOURS + forecast.WEEK
    this_hour = now.replace(minute=0, second=0, microsecond=0)
    start = this_hour - num_hours * HOUR
    rows = [row for row in table.between(wanted, start, now) if not row.is_forecast]
    history = forecast.trim(hourly(best(rows, start, now), start, num_hours + 1))
    return list(forecast.ahead(history, start, wanted, now)) if len(history) else []


def _present(
    table: Intensities,
    wanted: Series,
    line: tuple[Intensity, ...],
    now: datetime,
    told: reading.Contact | None,
) -> GridReading | None:
    """Return the reading for now: a value that covers it, else the last known one."""
    scale = judged_against(wanted, table.history(wanted, now))
    is_lost = told is not None and told.is_lost(now)
    covering = table.covering(wanted, now)
    if covering is not None and is_lost and told is not None and told.concerns(covering):
        covering = None
    forecast = line[0] if line and line[0].covers(now) else None
    if covering is None or (forecast is not None and covering.duration_s > HOUR_S):
        covering = forecast or covering
    if covering is not None:
        return reading.known(covering, scale, told)
    latest = None if is_lost else table.latest_measured(wanted, now)
    if latest is None:
        return None
    return reading.last_known(latest, scale, now, None if told is None else told.failure)


def _check_unmixed(table: Intensities, wanted: Series, now: datetime) -> None:
    """Refuse to stand in for what is stored of the zone, but of another kind or factor type."""
    stored = {(row.kind, row.factor_type) for row in table.zones(wanted.zone)}
    others = table.others(wanted, now)
    if others and (wanted.kind, wanted.factor_type) not in stored:
        names = ", ".join(f"{each.kind}/{each.factor_type}" for each in others)
        raise NotReadyError(
            f"stored for {wanted.zone} now is {names}, asked for is {wanted.kind}/"
            f"{wanted.factor_type}, and the two are never mixed: set `kind` and `factor`, or "
            "`sprout grid fetch` from a provider that has it (`sprout grid sources`)"
        )
