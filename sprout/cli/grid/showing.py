"""The bodies of `sprout grid show`, `zones` and `sources`."""

from datetime import datetime, timedelta

from sprout.cli.grid.asking import limits, series
from sprout.cli.grid.backtesting import backtest_data, backtest_words
from sprout.cli.grid.outlook import coming
from sprout.cli.output import Out
from sprout.cli.present import utc_now
from sprout.clock import to_text
from sprout.config.settings import Settings
from sprout.config.sources import Config
from sprout.errors import NoInputError, NotReadyError
from sprout.grid import electricitymaps_csv, yearly
from sprout.grid import open as opening
from sprout.grid.intensity import HOUR, Intensity
from sprout.grid.provider import About
from sprout.grid.reading import mark_of
from sprout.grid.sparkline import sparkline
from sprout.state.grid_log import GridLog
from sprout.state.intensities import Intensities
from sprout.state.store import Store

PAST = timedelta(hours=24)
AHEAD = timedelta(hours=48)
YEARLY = "yearly"
OTHER_SOURCES = (
    About(
        name=YEARLY,
        title="yearly averages of countries",
        areas="the world, offline",
        source=yearly.SOURCE,
        kind="average",
        factors=("lifecycle",),
        has_forecast=False,
        key_names=(),
        max_span=timedelta(0),
        licence="CC BY 4.0",
        attribution=yearly.ATTRIBUTION,
        link="https://ourworldindata.org/grapher/carbon-intensity-electricity",
    ),
    About(
        name=electricitymaps_csv.SOURCE,
        title="CSV downloads of Electricity Maps (grid import)",
        areas="as downloaded",
        source=electricitymaps_csv.SOURCE,
        kind="average",
        factors=("lifecycle", "direct"),
        has_forecast=False,
        key_names=(),
        max_span=timedelta(0),
        licence="ODbL 1.0",
        attribution="Electricity Maps",
        link="https://www.electricitymaps.com",
    ),
)
"""What is never asked over the network."""


def show(out: Out, settings: Settings) -> None:
    """Show the last day and the coming two of the zone, from the store alone."""
    from sprout.grid.timeline import best

    wanted = series(settings)
    if wanted is None:
        raise NotReadyError("no zone is set: `sprout grid use ZONE`, or --zone")
    now = utc_now()
    with Store.open(settings.state) as store:
        table = Intensities(store)
        past = best(table.between(wanted, now - PAST, now), now - PAST, now)
        ahead = coming(table, wanted, now)
        tested = GridLog(store).backtest(wanted)
        covering = table.covering(wanted, now)
    if not past and not ahead:
        # what covers now would be in one of both, were it not of more than an hour
        longer = (
            f", but a {mark_of(covering)} of {covering.g_per_kwh:.0f} g/kWh" if covering else ""
        )
        raise NoInputError(
            f"no hours are stored of {wanted} from yesterday to the day after tomorrow{longer}: "
            "`sprout grid fetch`, or `sprout grid import FILE`"
        )
    out.data |= {
        "zone": wanted.zone,
        "kind": wanted.kind,
        "factor_type": wanted.factor_type,
        "now": to_text(now),
        "past": [_slot(row) for row in past],
        "ahead": [_slot(row) for row in ahead],
        "backtest": None if tested is None else backtest_data(tested),
    }
    _draw(out, past, ahead, now)
    out.text(f"{wanted}, g/kWh; {_sources((*past, *ahead))}")
    if tested is not None:
        out.text(f"own forecast  {backtest_words(backtest_data(tested))}")


def zones(out: Out, config: Config, provider: str | None) -> None:
    """List the zones of a provider; without one, the countries of the yearly table."""
    settings = config.settings
    name = provider or settings.provider or YEARLY
    if name == YEARLY:
        found = tuple((row.zone, row.name) for row in yearly.zones())
    else:
        opening.about(name)
        for warning in config.warnings:
            out.warning(warning)
        url = settings.base_url(name)
        found = opening.zones(name, url, config.keys, limits(settings))
    out.data |= {"provider": name, "zones": [{"zone": zone, "name": word} for zone, word in found]}
    for zone, word in found:
        out.text(f"{zone:<14} {word}".rstrip())


def sources(out: Out) -> None:
    """List every source with its licence and the attribution that it asks for."""
    from sprout.report.terminal import words_table

    offers = (*map(opening.about, opening.NAMES), *OTHER_SOURCES)
    out.data["sources"] = [
        {
            "name": offer.name,
            "title": offer.title,
            "areas": offer.areas,
            "kind": offer.kind or "as set",
            "factor_types": list(offer.factors),
            "has_forecast": offer.has_forecast,
            "keys": list(offer.key_names),
            "licence": offer.licence,
            "attribution": offer.attribution,
            "link": offer.link,
        }
        for offer in offers
    ]
    rows = [
        (
            offer.name,
            offer.areas,
            f"{offer.kind or 'as set'}, {'/'.join(offer.factors)}",
            "yes" if offer.has_forecast else "own model",
            ", ".join(offer.key_names) or "none",
            offer.licence,
        )
        for offer in offers
    ]
    out.table(words_table(rows, ("source", "areas", "intensities", "forecast", "keys", "licence")))
    for offer in offers:
        out.text(f"{offer.name}: {offer.attribution} ({offer.link})")


def _slot(row: Intensity) -> dict[str, object]:
    return {
        "start": to_text(row.start),
        "duration_s": row.duration_s,
        "g_per_kwh": row.g_per_kwh,
        "source": row.source,
        "is_forecast": row.is_forecast,
        "is_estimated": row.is_estimated,
        "generated_at": None if row.generated_at is None else to_text(row.generated_at),
        "fetched_at": to_text(row.fetched_at),
    }


def _draw(
    out: Out, past: tuple[Intensity, ...], ahead: tuple[Intensity, ...], now: datetime
) -> None:
    """Show hours: a line of blocks, and a table of every third hour."""
    import math

    from sprout.grid.timeline import hourly
    from sprout.report.terminal_fit import fitted

    start = now.replace(minute=0, second=0, microsecond=0) - PAST
    num_past, num_hours = PAST // HOUR, (PAST + AHEAD) // HOUR
    values = hourly((*past, *ahead), start, num_hours).tolist()
    line = sparkline(values)
    out.text(f"{line[:num_past]}|{line[num_past:]}   last 24 h | now and 48 h")
    rows = []
    for hour in range(0, num_hours, 3):
        part = [value for value in values[hour : hour + 3] if math.isfinite(value)]
        begin = start + hour * HOUR
        covering = [
            row for row in (*past, *ahead) if begin < row.end and row.start < begin + 3 * HOUR
        ]
        marks = dict.fromkeys(map(mark_of, covering))
        rows.append(
            (
                f"{begin:%m-%d %H:%M}",
                f"{sum(part) / len(part):.0f}" if part else "unknown",
                ", ".join(marks) if part else "",
            )
        )
    title = "mean of three hours from, UTC"
    out.table(fitted(("from", "g/kWh", "what"), rows, title))


def _sources(rows: tuple[Intensity, ...]) -> str:
    return "from " + ", ".join(sorted({row.source for row in rows}))
