"""`sprout report`: what was served, what it cost, what was saved."""

from pathlib import Path
from typing import Annotated

import typer

from sprout.cli import options, output


def report(
    since: Annotated[
        str | None,
        typer.Option(metavar="AGE", help="Only the last 7d, 24h, 12w, ... [default: all]."),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="DAY", help="First day, UTC, such as 2026-01-31 [default: the first]."
        ),
    ] = None,
    end: Annotated[
        str | None, typer.Option("--to", metavar="DAY", help="End, exclusive [default: now].")
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            metavar="KEY", help="Rows by day, task, level, model or zone [default: level]."
        ),
    ] = None,
    form: Annotated[
        str, typer.Option("--format", metavar="FORM", help="text, html, sci, csv or json.")
    ] = "text",
    out_file: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            readable=False,
            metavar="FILE",
            help="Write to this file; replaces it.",
        ),
    ] = None,
    state: options.State = None,
    config: options.ConfigFile = None,
    json: options.Json = False,
    quiet: options.QuietResults = False,
) -> None:
    """Show what was served, its energy and carbon, and what directives saved.

    Saved is what the same prompts would have cost more without any directive (all at L0), by the
    mean cost of requests at L0; its 95 % interval is that of this mean alone. Every number is
    marked: measured, estimated, forecast, yearly average, modelled, prior (published for another
    model). sprout-carbon(7) has the equations and what is not counted. Days are in UTC; what a
    request cost counts in the hour in which it finished.

    --format html writes one page without any network, for people; sci a report in the terms of
    ISO/IEC 21031 (Markdown; with --json as data), for auditors; csv and json hold every number,
    under names that stay (see sprout-report-data(5)).

    Example: sprout report --from 2026-10-01 --to 2026-11-01 --by task
    """
    with output.command("report", json=json, quiet=quiet) as out:
        from sprout.cli import reporting
        from sprout.config.sources import load

        configured = load({"state": state}, config)
        window = reporting.Window.of(since, start, end)
        wanted = reporting.Wanted(form=form, by=by, window=window, output=out_file)
        reporting.report(out, wanted, configured.settings)
