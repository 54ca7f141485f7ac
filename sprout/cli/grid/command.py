"""`sprout grid`: carbon intensities, from providers and files into the store."""

from pathlib import Path
from typing import Annotated

import typer

from sprout.cli import options, output
from sprout.cli.lazy import LazyCommand, LazyGroup

app = typer.Typer(cls=LazyGroup, no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def root() -> None:
    """Fetch, import and show the carbon intensity of the grid.

    Without a provider nobody is contacted: the yearly average of the zone's country is taken, or
    what was imported. Providers, their keys and Sprout's own forecast: sprout-carbon(7).

    Example: sprout grid use GB --provider neso
    """


@app.command("use", cls=LazyCommand, short_help="Set zone and provider in sprout.toml.")
def use(
    zone: Annotated[str, typer.Argument(metavar="ZONE", help="Grid zone, such as DE.")],
    provider: Annotated[
        str | None,
        typer.Option(
            "--provider",
            "-p",
            help="neso, energy_charts, ...: `sprout grid sources` lists them; none: ask nobody.",
        ),
    ] = None,
    config: options.ConfigFile = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Set the zone, and the provider to ask for it, in sprout.toml.

    Comments and everything else in the file stay. Without --provider the one that is set stays.
    Without any, nobody is ever contacted.

    Example: sprout grid use DE --provider energy_charts
    """
    with output.command("grid use", json=json, quiet=quiet, shows=False) as out:
        from sprout.cli.grid import choosing

        choosing.use(out, config, zone, provider)


@app.command("fetch", cls=LazyCommand, short_help="Fetch the last day, now and the forecast.")
def fetch(
    zone: options.GridZone = None,
    provider: options.Provider = None,
    max_age: Annotated[
        str, typer.Option(metavar="AGE", help="Ask nobody if the last fetch is younger than this.")
    ] = "30m",
    state: options.State = None,
    config: options.ConfigFile = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Fetch the last 24 hours, now and the forecast of the zone from its provider.

    Made for cron: a fetch that is younger than --max-age is not repeated, rows that are there are
    replaced by themselves, and nothing is said unless something fails.

    Example: sprout grid fetch --zone GB --provider neso
    """
    with output.command("grid fetch", json=json, quiet=quiet, verbose=verbose, shows=False) as out:
        from sprout.cli.grid import fetching
        from sprout.clock import parse_age
        from sprout.config.sources import load

        flags = {"zone": zone, "provider": provider, "state": state}
        fetching.fetch(out, load(flags, config), parse_age(max_age))


@app.command("history", cls=LazyCommand, short_help="Fetch a stretch of history.")
def history(
    start: Annotated[
        str, typer.Option("--from", metavar="DAY", help="First day, UTC, such as 2026-01-31.")
    ],
    end: Annotated[
        str | None, typer.Option("--to", metavar="DAY", help="End, exclusive [default: now].")
    ] = None,
    zone: options.GridZone = None,
    provider: options.Provider = None,
    state: options.State = None,
    config: options.ConfigFile = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Fetch a stretch of the zone's history, in pieces that the provider accepts.

    Every piece is stored as it comes; the same command, run again, asks only for what is missing.
    A year of history lets Sprout judge an hour against its own zone, and forecast it.

    Example: sprout grid history --from 2025-01-01 --to 2026-01-01 --zone DE
    """
    with output.command(
        "grid history", json=json, quiet=quiet, verbose=verbose, shows=False
    ) as out:
        from sprout.cli.grid import fetching
        from sprout.config.sources import load

        flags = {"zone": zone, "provider": provider, "state": state}
        fetching.history(out, load(flags, config), start, end)


@app.command("show", cls=LazyCommand, short_help="Show the last day and the coming two.")
def show(
    zone: options.GridZone = None,
    state: options.State = None,
    config: options.ConfigFile = None,
    json: options.Json = False,
    quiet: options.QuietResults = False,
) -> None:
    """Show the zone's last 24 hours and the coming 48, as far as they are known.

    Asks nobody. Where the provider has no forecast, Sprout's own model stands in, with the error
    that `sprout grid backtest` found.

    Example: sprout grid show --zone DE
    """
    with output.command("grid show", json=json, quiet=quiet) as out:
        from sprout.cli.grid import showing
        from sprout.config.sources import load

        showing.show(out, load({"zone": zone, "state": state}, config).settings)


@app.command("backtest", cls=LazyCommand, short_help="Test Sprout's own forecast on history.")
def backtest(
    file: Annotated[
        Path | None,
        typer.Argument(readable=False, metavar="FILE", help="CSV of hours [default: the store]."),
    ] = None,
    time_column: options.TimeColumn = None,
    value_column: options.ValueColumn = None,
    zone_column: Annotated[
        str | None, typer.Option(metavar="NAME", help="Column of zones; each is tested.")
    ] = None,
    time_zone: options.TimeZone = None,
    zone: options.GridZone = None,
    state: options.State = None,
    config: options.ConfigFile = None,
    json: options.Json = False,
    quiet: options.QuietResults = False,
) -> None:
    """Test Sprout's own forecast on the trailing year of the zone, or on a CSV file.

    Shows the mean absolute error over leads of 1 to 24 hours, as a share of the mean intensity,
    beside those of "as now" (persistence) and "as yesterday". Weights are fitted on the past alone.
    Only rows of an hour or less are used: the mean of a day says nothing of its hours. The error of
    a stored zone is kept, and shown beside its forecasts.

    Example: sprout grid backtest --zone DE
    """
    with output.command("grid backtest", json=json, quiet=quiet) as out:
        from dataclasses import replace

        from sprout.cli.grid import backtesting, importing
        from sprout.config.sources import load
        from sprout.errors import UsageError

        settings = load({"zone": zone, "state": state}, config).settings
        columns = importing.columns_of(time_column, value_column, time_zone)
        if file is None:
            if columns is not None or zone_column is not None:
                raise UsageError("columns are of a file: name one")
            backtesting.try_zone(out, settings)
        elif columns is None:
            raise UsageError("name --time-column and --value-column of the file")
        else:
            backtesting.try_file(out, file, replace(columns, zone=zone_column))


@app.command("zones", cls=LazyCommand, short_help="List the zones of a provider.")
def zones(
    provider: options.Provider = None,
    config: options.ConfigFile = None,
    json: options.Json = False,
    quiet: options.QuietResults = False,
) -> None:
    """List the zones of a provider; without one, the countries that have a yearly average.

    Electricity Maps and WattTime are asked for theirs; the others' zones are built in.

    Example: sprout grid zones --provider neso
    """
    with output.command("grid zones", json=json, quiet=quiet) as out:
        from sprout.cli.grid import showing
        from sprout.config.sources import load

        showing.zones(out, load({"provider": provider}, config), provider)


@app.command("sources", cls=LazyCommand, short_help="List sources, licences and attributions.")
def sources(
    json: options.Json = False,
    quiet: options.QuietResults = False,
) -> None:
    """List every source of intensities, its licence and the attribution that it asks for.

    Example: sprout grid sources
    """
    with output.command("grid sources", json=json, quiet=quiet) as out:
        from sprout.cli.grid import showing

        showing.sources(out)


@app.command("import", cls=LazyCommand, short_help="Import CSV files.")
def import_csv(
    files: Annotated[list[Path], typer.Argument(readable=False, metavar="FILE", help="CSV files.")],
    time_column: options.TimeColumn = None,
    value_column: options.ValueColumn = None,
    time_zone: options.TimeZone = None,
    zone: Annotated[
        str | None, typer.Option("--zone", "-z", help="Zone, with --value-column.")
    ] = None,
    kind: Annotated[
        str | None, typer.Option(help="average or marginal, with --value-column.")
    ] = None,
    factor: Annotated[
        str | None, typer.Option(help="lifecycle, direct or unknown, with --value-column.")
    ] = None,
    state: options.State = None,
    config: options.ConfigFile = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Import CSV downloads of Electricity Maps, or two named columns of any CSV file.

    Of a download, old or new, both emission factors are stored. With --time-column and
    --value-column any CSV will do: times are UTC unless --time-zone says otherwise, values are
    gCO2eq/kWh of --zone, and those that begin later than now are forecasts. Files may be gzipped
    (.gz). Importing a file again changes nothing.

    Example: sprout grid import DE_2025_hourly.csv
    """
    with output.command("grid import", json=json, quiet=quiet, shows=False) as out:
        from sprout.cli.grid import importing
        from sprout.config.sources import load

        columns = importing.columns_of(time_column, value_column, time_zone)
        flags = {"zone": zone, "kind": kind, "factor": factor, "state": state}
        importing.import_files(out, files, load(flags, config).settings, columns)
