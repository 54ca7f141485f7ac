"""The grid in the hours that a store served: by kind and factors, and what it is judged against."""

import math
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import datetime, timedelta
from operator import itemgetter

import numpy as np

from sprout.config.settings import Settings
from sprout.errors import NotReadyError
from sprout.grid.intensity import FactorType, Kind, Series
from sprout.grid.range import judged_against
from sprout.grid.timeline import best, hourly
from sprout.planning.problem import FloatArray
from sprout.state.history import ServedHour
from sprout.state.intensities import Intensities
from sprout.state.store import Store
from sprout.state.values import from_text

OWN_NUMBER = "--intensity (fixed)"
USUAL: tuple[Kind, FactorType] = ("average", "lifecycle")
HOUR = timedelta(hours=1)


def asked_for(hours: list[ServedHour], settings: Settings, factor: str | None) -> Series:
    """Return the kind and factors: as asked for, as set, else those that served most requests."""
    counts = Counter[tuple[Kind, FactorType]]()
    for row in hours:
        if row.kind is not None and row.factor_type is not None and row.source != OWN_NUMBER:
            counts[row.kind, row.factor_type] += row.num_requests
    ((kind, factor_type), _) = max(counts.items(), key=itemgetter(1), default=(USUAL, 0))
    factor = factor or settings.factor or factor_type
    return Series("", settings.kind or kind, factor)  # type: ignore[arg-type] # checked as a flag


def _fits(row: ServedHour, wanted: Series) -> bool:
    """Return whether what an hour was served by may stand among others of a kind and factors.

    The user's own number stands for whatever is asked for, and so does one that nobody recorded.
    """
    told = (row.kind, row.factor_type)
    return row.source in {None, OWN_NUMBER} or told == (wanted.kind, wanted.factor_type)


def _stored(store: Store, names: tuple[str, ...], wanted: Series) -> dict[str, dict[str, float]]:
    """Return what is stored of each zone's hours, in rows of an hour or less, but forecasts."""
    start, end = _time(names[0]), _time(names[-1]) + HOUR
    table, found = Intensities(store), {}
    for each in table.zones():
        if (each.kind, each.factor_type) == (wanted.kind, wanted.factor_type):
            rows = table.between(replace(wanted, zone=each.zone), start, end)
            line = best([row for row in rows if not row.is_forecast], start, end)
            means = hourly(line, start, (end - start) // HOUR).tolist()
            hours = (f"{start + n * HOUR:%Y-%m-%dT%H}" for n in range(len(means)))
            pairs = zip(hours, means, strict=True)
            found[each.zone] = {name: value for name, value in pairs if math.isfinite(value)}
    return found


def _time(hour: str) -> datetime:
    return from_text(f"{hour}:00+00:00")


def known(
    store: Store, hours: list[ServedHour], names: tuple[str, ...], wanted: Series
) -> dict[str, FloatArray]:
    """Return each zone's intensity in the served hours, where it is known in all of them."""
    stored = _stored(store, names, wanted)
    used: dict[str, dict[str, float]] = defaultdict(dict)
    for row in hours:
        if _fits(row, wanted):
            used[row.zone].setdefault(row.hour, row.g_per_kwh)
    all_known = {zone: used.get(zone, {}) | stored.get(zone, {}) for zone in (*used, *stored)}
    found = {
        zone: np.array([values[name] for name in names])
        for zone, values in all_known.items()
        if values.keys() >= set(names)
    }
    if not found:
        by = sorted({f"{row.kind}/{row.factor_type}" for row in hours if row.kind is not None})
        raise NotReadyError(
            f"no zone's {wanted.kind}/{wanted.factor_type} intensity is known in every hour that "
            f"served (runs were served by {', '.join(by) or sources(hours)}): `sprout grid "
            "history` or `sprout grid import` brings some, or leave --factor out"
        )
    return found


def ranges(
    store: Store, zones: tuple[str, ...], wanted: Series, last_hour: str
) -> dict[str, tuple[float, float]]:
    """Return what each zone's intensity is judged against, as a run in the last hour has it."""
    now, found = _time(last_hour), {}
    for zone in zones:
        own = replace(wanted, zone=zone)
        scale = judged_against(own, Intensities(store).history(own, now))
        found[zone] = scale.low_g_per_kwh, scale.high_g_per_kwh
    return found


def sources(hours: list[ServedHour]) -> str:
    """Return what runs were served by, each with its mark, such as "yearly average"."""
    return ", ".join(sorted({row.source or "unrecorded sources" for row in hours}))
