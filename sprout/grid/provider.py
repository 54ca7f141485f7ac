"""What every provider of grid intensity is and gives: `About`, `Reply`, `Provider`. Pure.

A provider's own file turns its wire shape into records through a `Harvest`, which lets nothing pass
that cannot be true: no negative or absurd value, no measurement of the future. Empty values stay
gaps; a slot that comes twice counts once, the later one.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from sprout.clock import in_utc
from sprout.errors import InputError, PermissionDeniedError, TryLaterError
from sprout.grid.intensity import FactorType, Intensity, Kind

MAX_G_PER_KWH = 3000.0
"""More than twice the dirtiest country of yearly.csv; above it, the unit is not g/kWh."""
CLOCK_TOLERANCE = timedelta(minutes=5)
"""Two good clocks differ by less."""
MAX_DURATION_S = 86_400
"""What no provider's slot is longer than."""


class NoAccessError(PermissionDeniedError):
    """The key is good, but does not open this endpoint for this zone."""


class ThrottledError(TryLaterError):
    """The provider wants to be left alone for `retry_after_s`, after too many requests mostly."""

    def __init__(self, what: str, retry_after_s: float) -> None:
        super().__init__(f"{what}: try again in {retry_after_s:.0f} s")
        self.what = what
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class About:
    """What is known of a provider before it is asked.

    Args:
        name: as it is set; also the stem of the setting of its base URL.
        source: what its rows say of their origin.
        kind: of its intensities; None where its replies do not tell: then `kind` must be set.
        factors: emission factors that it offers, the usual one first.
        key_names: the keys that it needs; none for an open one.
        max_span: longest history that one request may ask for.
    """

    name: str
    title: str
    areas: str
    source: str
    kind: Kind | None
    factors: tuple[FactorType, ...]
    has_forecast: bool
    key_names: tuple[str, ...]
    max_span: timedelta
    licence: str
    attribution: str
    link: str


@dataclass(frozen=True, slots=True)
class Reply:
    """What a provider gave, sorted by start, and sentences about what it did not give."""

    intensities: tuple[Intensity, ...]
    notes: tuple[str, ...] = ()


class Provider(Protocol):
    """One zone of one provider."""

    def recent(self, now: datetime) -> Reply:
        """Return the last 24 hours, now, and the forecast where there is one."""

    def past(self, start: datetime, end: datetime, now: datetime) -> Reply:
        """Return the history from `start` to `end` (exclusive), at most `About.max_span` long."""


class Harvest:
    """Collects the rows of one reply, all of one zone, kind and factor type."""

    def __init__(
        self,
        about: About,
        zone: str,
        factor_type: FactorType,
        now: datetime,
        kind: Kind | None = None,
    ) -> None:
        self._about = about
        self._kind = about.kind or kind
        self._zone = zone
        self._factor_type = factor_type
        self._now = now
        self._rows: dict[tuple[datetime, bool], Intensity] = {}
        self._refused: list[str] = []
        self._num_future = 0

    def add(
        self,
        start: datetime,
        duration_s: int,
        g_per_kwh: object,
        *,
        is_forecast: bool,
        is_estimated: bool = False,
        generated_at: datetime | None = None,
    ) -> None:
        """Keep one row when it can be true; None is a gap.

        Raises:
            ValueError: the value is no number at all, or the slot cannot be one.
        """
        if not 0 < duration_s <= MAX_DURATION_S:
            raise ValueError(f"a slot of {duration_s} s")
        in_utc(start)
        if g_per_kwh is None:
            return
        if isinstance(g_per_kwh, bool) or not isinstance(g_per_kwh, int | float):
            raise ValueError(f"{g_per_kwh!r} is no number")  # noqa: TRY004 - the wire's fault
        if not (math.isfinite(g_per_kwh) and 0 <= g_per_kwh <= MAX_G_PER_KWH):
            self._refused.append(f"{g_per_kwh:g} g/kWh at {start:%Y-%m-%dT%H:%MZ}")
            return
        if not is_forecast and start > self._now + CLOCK_TOLERANCE:
            self._num_future += 1
            return
        if generated_at is not None and generated_at > self._now + CLOCK_TOLERANCE:
            generated_at = None  # it would win over every later forecast
        if self._kind is None:
            raise RuntimeError(f"nobody said of which kind {self._about.title} is")
        self._rows[start, is_forecast] = Intensity(
            source=self._about.source,
            zone=self._zone,
            start=start,
            duration_s=duration_s,
            g_per_kwh=float(g_per_kwh),
            kind=self._kind,
            factor_type=self._factor_type,
            is_forecast=is_forecast,
            is_estimated=is_estimated,
            generated_at=generated_at,
            fetched_at=self._now,
        )

    def reply(self, *notes: str) -> Reply:
        """Return what was kept, and what was not and why."""
        said = list(notes)
        if self._refused:
            said.append(
                f"{self._about.title}: {len(self._refused)} impossible values left out, "
                f"the first {self._refused[0]}"
            )
        if self._num_future:
            said.append(
                f"{self._about.title}: {self._num_future} measurements of the future left out: "
                "this machine's clock or theirs is wrong"
            )
        return Reply(tuple(self._rows[key] for key in sorted(self._rows)), tuple(said))


def as_allowed(harvest: Harvest, *reads: Callable[[], None]) -> Reply:
    """Return what several requests give: what is refused, or not there, is noted; the rest is used.

    Raises:
        NoAccessError: the plan opens nothing.
        InputError: nothing is there of the zone.
    """
    refusals: list[NoAccessError | InputError] = []
    for read in reads:
        try:
            read()
        except (NoAccessError, InputError) as refusal:
            refusals.append(refusal)
    reply = harvest.reply(*map(str, refusals))
    if refusals and not reply.intensities:
        raise refusals[0]
    return reply


@contextmanager
def wire_shape(about: About) -> Iterator[None]:
    """Turn the errors of reading a reply that has not the provider's shape into ours."""
    try:
        yield
    except (
        KeyError,
        IndexError,
        TypeError,
        ValueError,
        AttributeError,
        OverflowError,
        OSError,  # of a time that the C library cannot take
        RecursionError,
    ) as error:
        raise TryLaterError(
            f"{about.title} answered in a shape that is not its own "
            f"({type(error).__name__}): try again later"
        ) from error


def parse_time(text: str) -> datetime:
    """Return an ISO-8601 time in UTC; one without an offset is in UTC.

    Raises:
        ValueError: it is none.
    """
    return in_utc(datetime.fromisoformat(text))
