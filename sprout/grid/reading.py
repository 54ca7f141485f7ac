"""The intensity that a plan is made with: which source wins, and how it is marked. Pure.

A number given by the user wins; then a stored intensity that covers the moment; then the yearly
average of the zone's country; without a zone the world's. A source that is missing is named in the
notes, never passed over in silence.
"""

from dataclasses import dataclass
from datetime import datetime

from sprout.errors import InputError
from sprout.grid import yearly
from sprout.grid.intensity import Intensity, IntensityRange

FIXED_VALID_S = 3600


@dataclass(frozen=True, slots=True)
class GridReading:
    """An intensity, the range it is judged against, and what kind of number it is.

    Args:
        mark: measured | estimated | forecast | yearly average | fixed.
        notes: sentences for people: what was missing.
    """

    intensity: Intensity
    range: IntensityRange
    mark: str
    notes: tuple[str, ...] = ()

    @property
    def described_source(self) -> str:
        """Return the source with its mark, such as "electricitymaps_csv (measured)"."""
        source = self.intensity.source
        return source if source == self.mark else f"{source} ({self.mark})"

    @property
    def position(self) -> float:
        """Where the intensity lies in the range, 0 (greenest) to 1."""
        return self.range.position(self.intensity.g_per_kwh)


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


def stored(intensity: Intensity, history: IntensityRange | None) -> GridReading:
    """Return the reading for an intensity from the store, judged against its zone's own history."""
    if intensity.is_forecast:
        mark = "forecast"
    else:
        mark = "estimated" if intensity.is_estimated else "measured"
    return GridReading(intensity, history or yearly.world_range(), mark)


def yearly_average(zone: str | None, now: datetime) -> GridReading:
    """Return the reading for a zone's country; without a zone the world's.

    Raises:
        InputError: no country is known by that zone.
    """
    average = yearly.look_up(zone or yearly.WORLD)
    if average is None:
        raise InputError(
            f"no yearly average for zone {zone!r}: use a country code such as DE, "
            "`sprout grid import` a CSV of that zone, or --intensity"
        )
    missing = "no zone is set" if zone is None else f"no stored intensity covers now in {zone}"
    hint = "set `zone`" if zone is None else "`sprout grid import` a CSV, or pass --intensity"
    note = f"{missing}: using the yearly average of {average.name} ({average.year}); {hint}"
    intensity = yearly.as_intensity(average, zone or yearly.WORLD, now)
    return GridReading(intensity, yearly.world_range(), "yearly average", (note,))
