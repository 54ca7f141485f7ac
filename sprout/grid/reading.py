"""The intensity that a plan is made with: which source wins, and how it is marked. Pure.

A number given by the user wins; then the best known value of the moment, the provider's or an
imported one; then our own forecast; then the last known value, if it ended at most 3 hours ago,
marked stale; then the yearly average of the zone's country; without a zone the world's. While the
provider is out of reach everything known is stale, and after 3 hours not used any more. The mean
of more than an hour, of a day or a year say, is no measurement of the moment, and marked as what it
is. What is missing is named in the notes, never passed over in silence.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sprout.errors import InputError, TryLaterError
from sprout.grid import yearly
from sprout.grid.intensity import (
    HOUR_S,
    LONGEST_DAY_S,
    OWN_FORECAST,
    SHORTEST_DAY_S,
    Intensity,
    IntensityRange,
    IntensityTrace,
    Series,
)

FIXED_VALID_S = 3600
FRESH = timedelta(minutes=30)
"""A fetch is not repeated before."""
MAX_STALE = timedelta(hours=3)
"""Without contact for longer, nothing that is known is used as the present any more."""
DAY_S = 86_400
AVERAGES = {
    "average of hours": SHORTEST_DAY_S - 1,
    "daily average": LONGEST_DAY_S,
    "monthly average": 31 * DAY_S,
    "yearly average": 366 * DAY_S,
}
"""The marks of means that say little of the very hour, and how long each lasts at most, in s."""
RETRY_S = 600
"""How long a plan on a stale or stand-in value holds, in s: then the provider is asked again."""


@dataclass(frozen=True, slots=True)
class GridReading:
    """An intensity, the range it is judged against, and what kind of number it is.

    Args:
        mark: measured | estimated | forecast | stale | fixed, or one of AVERAGES.
        notes: sentences for people: what was missing.
        failure: why the provider did not answer; None when it did, or was not asked.
    """

    intensity: Intensity
    range: IntensityRange
    mark: str
    notes: tuple[str, ...] = ()
    failure: str | None = None

    @property
    def described_source(self) -> str:
        """Return the source with its mark, such as "electricitymaps_csv (measured)"."""
        source = self.intensity.source
        return source if source == self.mark else f"{source} ({self.mark})"

    @property
    def position(self) -> float:
        """Where the intensity lies in the range, 0 (greenest) to 1."""
        return self.range.position(self.intensity.g_per_kwh)

    @property
    def is_of_the_hour(self) -> bool:
        """Whether the intensity says something of the very hour."""
        return self.mark not in AVERAGES


@dataclass(frozen=True, slots=True)
class GridOutlook:
    """The reading of now, and the slots that come: what work with a deadline may be moved in.

    Args:
        ahead: from the present slot on, of the reading's own zone, kind and factor type; None
            when nothing is known of the future.
    """

    reading: GridReading
    ahead: IntensityTrace | None = None

    def __post_init__(self) -> None:
        """Refuse a future that is not comparable with the present."""
        if self.ahead is not None:
            present, future = self.reading.intensity.series, self.ahead.intensities[0].series
            if present != future:
                raise ValueError(f"{present} and {future} are not to be mixed")


@dataclass(frozen=True, slots=True)
class Contact:
    """How it stands with the provider.

    Args:
        fetched_at: last success; None: never.
        failure: why it is not fresh; None when it is.
        source: what its rows say of their origin.
    """

    fetched_at: datetime | None
    failure: str | None
    source: str

    def concerns(self, intensity: Intensity) -> bool:
        """Return whether a value is the provider's, or forecast from its values."""
        return intensity.source in {self.source, OWN_FORECAST}

    def is_lost(self, now: datetime) -> bool:
        """Return whether what is known of it is too old to be used as the present."""
        if self.failure is None:
            return False
        return self.fetched_at is None or now - self.fetched_at > MAX_STALE


def fixed(g_per_kwh: float, zone: str | None, now: datetime) -> GridReading:
    """Return the reading for a number that the user gives, in gCO2eq/kWh."""
    intensity = Intensity(
        source="--intensity",
        zone=zone or yearly.WORLD,
        start=now,
        duration_s=FIXED_VALID_S,
        g_per_kwh=g_per_kwh,
        kind="average",
        factor_type="unknown",
        is_forecast=False,
        is_estimated=False,
        generated_at=None,
        fetched_at=now,
    )
    return GridReading(intensity, yearly.world_range(), "fixed")


def known(
    intensity: Intensity, judged_against: IntensityRange, contact: Contact | None = None
) -> GridReading:
    """Return the reading for a value that covers the moment."""
    mark = mark_of(intensity)
    if contact is None or contact.failure is None or not contact.concerns(intensity):
        return GridReading(intensity, judged_against, mark)
    note = f"stale {intensity.g_per_kwh:.0f} g/kWh ({mark}): {contact.failure}"
    mark = mark if mark in AVERAGES else "stale"
    return GridReading(intensity, judged_against, mark, (note,), contact.failure)


def mark_of(intensity: Intensity) -> str:
    """Return what kind of number an intensity is; the mean of a longer time is that alone."""
    if intensity.duration_s > HOUR_S:
        fitting = (mark for mark, most_s in AVERAGES.items() if intensity.duration_s <= most_s)
        return next(fitting, "yearly average")
    if intensity.is_forecast:
        return "forecast"
    return "estimated" if intensity.is_estimated else "measured"


def last_known(
    intensity: Intensity,
    judged_against: IntensityRange,
    now: datetime,
    failure: str | None = None,
) -> GridReading | None:
    """Return the reading for a value that is over, None when it has been for too long.

    It is taken to hold from now for RETRY_S seconds, then something newer is looked for.
    """
    if now - intensity.end > MAX_STALE:
        return None
    note = f"stale: the newest known intensity of {intensity.zone} ended {intensity.end:%H:%M} UTC"
    if failure is not None:
        note += f"; {failure}"
    held = replace(intensity, start=now, duration_s=RETRY_S)
    return GridReading(held, judged_against, "stale", (note,), failure)


def yearly_average(
    zone: str | None, now: datetime, *, asked: Series | None = None, failure: str | None = None
) -> GridReading:
    """Return the reading for a zone's country; without a zone the world's.

    Args:
        asked: the series that it stands in for.
        failure: why the provider has nothing.

    Raises:
        InputError: no country is known by that zone.
        TryLaterError: the same, where a provider may have something later.
    """
    average = yearly.look_up(zone or yearly.WORLD)
    if average is None and failure is not None:
        raise TryLaterError(f"{failure}; there is no yearly average for zone {zone!r} either")
    if average is None:
        raise InputError(
            f"no yearly average for zone {zone!r}: use a country code such as DE, "
            "`sprout grid import` a CSV of that zone, or --intensity"
        )
    missing = "no zone is set" if zone is None else f"no stored intensity covers now in {zone}"
    hint = "`sprout grid use ZONE`, or --zone, sets one"
    if zone is not None:
        hint = f"`sprout grid use {zone} --provider P`, or `sprout grid import FILE`, knows more"
    if failure is not None:
        missing, hint = failure, "`sprout grid fetch` tries again"
    note = f"{missing}: using the yearly average of {average.name}, {average.year}; {hint}"
    intensity = yearly.as_intensity(average, zone or yearly.WORLD, now)
    notes = [note]
    if asked is not None and asked != intensity.series:
        notes.append(f"the yearly average is {intensity.series}, not {asked}")
    if failure is not None:
        intensity = replace(intensity, duration_s=RETRY_S)
    return GridReading(intensity, yearly.world_range(), "yearly average", tuple(notes), failure)
