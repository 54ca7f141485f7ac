"""Energy-Charts of Fraunhofer ISE, most of Europe; no key (CC BY 4.0).

Endpoint: /co2eq?country=de&start=2026-07-12&end=2026-07-13 (dates of the country). Fields: the
parallel arrays `unix_seconds`, `co2eq` (measured) and `co2eq_forecast`, in gCO2eq/kWh;
quarter-hours, hours in some countries, and both where a country changed over in the time asked
for. A measured value wins over the forecast of its slot; nulls are gaps, and the end of both arrays
is null. The forecast reaches to about the end of the next day. Which emission factors stand behind
the numbers the API does not say: `unknown`.

Zones: country codes as elsewhere (DE, FR, GB), and EU and ALL.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from sprout.errors import InputError
from sprout.grid.answer import NOT_FOUND, Answer
from sprout.grid.intensity import HOUR_S
from sprout.grid.provider import About, Harvest, Reply, wire_shape

if TYPE_CHECKING:
    from sprout.grid.http import Client

ABOUT: Final = About(
    name="energy_charts",
    title="Energy-Charts",
    areas="most countries of Europe: DE, FR, ...",
    source="energy_charts",
    kind="average",
    factors=("unknown",),
    has_forecast=True,
    key_names=(),
    max_span=timedelta(days=31),
    licence="CC BY 4.0",
    attribution="Energy-Charts, Fraunhofer ISE",
    link="https://www.energy-charts.info",
)
COUNTRIES: Final = frozenset(
    "al am at az ba be bg by ch cy cz de dk ee es fi fr ge gr hr hu ie it lt lu lv md me mk mt nl "  # noqa: SIM905
    "no pl pt ro rs ru se si sk tr ua uk xk eu all".split()
)
QUARTER_S = 900
_OUR_CODES: Final = {"uk": "GB"}


class EnergyCharts:
    """Reads one zone."""

    def __init__(self, client: "Client", zone: str) -> None:
        self._client = client
        self._zone = zone
        self._country = country_of(zone)

    def recent(self, now: datetime) -> Reply:
        """Return yesterday, today and the forecast to the end of tomorrow."""
        answer = self._ask(now - timedelta(days=1), now + timedelta(days=1))
        return self._reply(answer, now)

    def past(self, start: datetime, end: datetime, now: datetime) -> Reply:
        """Return whole days that contain the span.

        Days are those of the country, and whether the last one is given whole is not told, so one
        more is asked for: what comes twice is stored once. Days without values are answered with
        404, as another country would be.
        """
        answer = self._ask(start, end)
        if answer.status == NOT_FOUND:
            days = f"{start:%Y-%m-%d} to {end:%Y-%m-%d}"
            nothing = f"{ABOUT.title} has nothing of {self._zone} from {days}: {answer.message()}"
            return Reply((), (nothing,))
        return self._reply(answer, now)

    def _ask(self, first_day: datetime, last_day: datetime) -> Answer:
        self._client.begin()
        params = (
            ("country", self._country),
            ("start", f"{first_day:%Y-%m-%d}"),
            ("end", f"{last_day:%Y-%m-%d}"),
        )
        return self._client.get("/co2eq", params)

    def _reply(self, answer: Answer, now: datetime) -> Reply:
        body = answer.value(self._zone)
        harvest = Harvest(ABOUT, self._zone, "unknown", now)
        with wire_shape(ABOUT):
            _read_arrays(body, harvest)
        return harvest.reply()


def zones() -> tuple[tuple[str, str], ...]:
    """Return the zones; the API gives them no names."""
    return tuple((_OUR_CODES.get(code, code.upper()), "") for code in sorted(COUNTRIES))


def country_of(zone: str) -> str:
    """Return the provider's code.

    Raises:
        InputError: it has none for the zone.
    """
    code = zone.strip().lower()
    code = {"gb": "uk"}.get(code, code)
    if code not in COUNTRIES:
        known = ", ".join(name for name, _ in zones())
        raise InputError(f"{ABOUT.title} knows no zone {zone!r}; it knows {known}")
    return code


def _read_arrays(body: Any, harvest: Harvest) -> None:  # noqa: ANN401 - JSON
    starts: Sequence[Any] = body["unix_seconds"]
    measured = body["co2eq"]
    forecast = body.get("co2eq_forecast") or [None] * len(starts)
    rows = list(zip(starts, measured, forecast, strict=True))
    duration_by_start = _durations_s(starts)
    for second, actual, expected in rows:
        start, duration_s = datetime.fromtimestamp(second, UTC), duration_by_start[second]
        if actual is not None:
            harvest.add(start, duration_s, actual, is_forecast=False)
        else:
            harvest.add(start, duration_s, expected, is_forecast=True)


def _durations_s(starts: Sequence[int]) -> dict[int, int]:
    """Return how long the slot at each start is, in s.

    It is the smallest distance of any two, for a start that is left out is a gap. But what is an
    hour or more from both its neighbours is an hour, whatever comes before or after.
    """
    times = sorted(set(starts))
    distances = [later - earlier for earlier, later in pairwise(times)]
    shortest = int(min([*distances, HOUR_S]))
    if shortest < QUARTER_S:
        raise ValueError(f"slots {shortest} s apart")
    before, after = [HOUR_S, *distances], [*distances, HOUR_S]
    return {
        start: HOUR_S if min(near) >= HOUR_S else shortest
        for start, *near in zip(times, before, after, strict=False)  # no start, no slot
    }
