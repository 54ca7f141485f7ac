"""The body of `sprout grid backtest`."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from sprout.cli.grid.asking import series
from sprout.cli.output import Out
from sprout.cli.present import utc_now
from sprout.clock import to_text
from sprout.config.settings import Settings
from sprout.errors import InputError, NoInputError, NotReadyError
from sprout.files.reading import read_lines
from sprout.grid import columns_csv
from sprout.grid.columns_csv import Columns
from sprout.grid.intensity import HOUR, HOUR_S, Intensity, Series
from sprout.state.grid_log import GridLog, Tested
from sprout.state.intensities import Intensities
from sprout.state.store import Store

LONGEST = timedelta(days=365)
NO_ZONE = "the file"


def try_zone(out: Out, settings: Settings) -> None:
    """Test the forecast on the trailing year of the zone's stored history; store the errors."""
    wanted = series(settings)
    if wanted is None:
        raise NotReadyError("no zone is set: --zone, or `sprout grid use ZONE`, or name a file")
    now = utc_now()
    with Store.open(settings.state) as store:
        rows = Intensities(store).between(wanted, now - LONGEST, now)
        tested = _test(wanted, _known(rows), now)
        GridLog(store).add_backtest(tested)
    _show(out, [tested])


def try_file(out: Out, file: Path, columns: Columns) -> None:
    """Test the forecast on the hours of a CSV file, for each zone in it; nothing is stored."""
    now = utc_now()
    of_file = Series(NO_ZONE, "average", "unknown")
    tables = columns_csv.read(read_lines(file), columns, of_file, now, str(file))
    _show(
        out,
        [
            _test(replace(of_file, zone=zone), _known(table.intensities), now)
            for zone, table in tables.items()
        ],
    )


def backtest_data(tested: Tested) -> dict[str, object]:
    """Return a backtest for programs."""
    return {
        "zone": tested.series.zone,
        "kind": tested.series.kind,
        "factor_type": tested.series.factor_type,
        "tested_at": to_text(tested.tested_at),
        "first": to_text(tested.first),
        "last": to_text(tested.last),
        "num_forecasts": tested.num_forecasts,
        "error": tested.error,
        "persistence_error": tested.persistence_error,
        "seasonal_error": tested.seasonal_error,
        "lead_errors": list(tested.lead_errors),
    }


def backtest_words(tested: Mapping[str, object]) -> str:
    """Return a backtest in a line, from its data."""
    return (
        f"mean error {float(str(tested['error'])):.1%} over 1-24 h "
        f"(persistence {float(str(tested['persistence_error'])):.1%}, as yesterday "
        f"{float(str(tested['seasonal_error'])):.1%}), backtested on "
        f"{str(tested['first'])[:10]} to {str(tested['last'])[:10]}"
    )


def _known(rows: Iterable[Intensity]) -> list[Intensity]:
    return [row for row in rows if not row.is_forecast]


def _test(wanted: Series, rows: list[Intensity], now: datetime) -> Tested:
    from sprout.grid import backtest
    from sprout.grid.timeline import best, hourly

    if not rows:
        raise NoInputError(
            f"no measured rows of an hour or less of {wanted}: `sprout grid history` or "
            "`sprout grid import` brings some"
        )
    longest_s = max(row.duration_s for row in rows)
    if longest_s > HOUR_S:
        raise InputError(
            f"{wanted}: rows of {longest_s / HOUR_S:g} hours say nothing of single hours, and "
            "would be foretold far too well: give rows of an hour or less"
        )
    start = min(row.start for row in rows).replace(minute=0, second=0, microsecond=0)
    end = max(row.end for row in rows)
    history = hourly(best(rows, start, end), start, -((start - end) // HOUR))
    found = backtest.run(history)
    return Tested(
        series=wanted,
        tested_at=now,
        first=start + found.first_hour * HOUR,
        last=start + found.last_hour * HOUR,
        num_forecasts=found.num_forecasts,
        error=found.error,
        persistence_error=found.persistence_error,
        seasonal_error=found.seasonal_error,
        lead_errors=found.lead_errors,
    )


def _show(out: Out, tests: list[Tested]) -> None:
    from sprout.report.terminal_fit import fitted

    out.data["zones"] = [backtest_data(tested) for tested in tests]
    rows = [
        (
            tested.series.zone,
            f"{100 * tested.error:.1f}",
            f"{100 * tested.persistence_error:.1f}",
            f"{100 * tested.seasonal_error:.1f}",
            *(_percent(tested.lead_errors[lead - 1]) for lead in (1, 6, 12, 24)),
            f"{tested.num_forecasts}",
        )
        for tested in tests
    ]
    headers = ("zone", "model %", "persistence %", "as yesterday %")
    leads = ("1 h %", "6 h %", "12 h %", "24 h %", "forecasts")
    title = "mean absolute error / mean intensity, leads of 1-24 h"
    out.table(fitted((*headers, *leads), rows, title))


def _percent(error: float | None) -> str:
    return "unknown" if error is None else f"{100 * error:.1f}"
