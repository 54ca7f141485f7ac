"""`sprout export`: facts for other programs."""

from pathlib import Path
from typing import Annotated

import typer

from sprout.cli import options, output
from sprout.cli.lazy import LazyCommand, LazyGroup

app = typer.Typer(
    cls=LazyGroup,
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.callback()
def root() -> None:
    """Write facts of the store for other programs."""


@app.command("prometheus", cls=LazyCommand, short_help="Write metrics for node_exporter.")
def prometheus(
    out_file: Annotated[
        Path,
        typer.Option(
            "--output", "-o", readable=False, metavar="FILE.prom", help="Replace this file."
        ),
    ],
    since: Annotated[
        str | None,
        typer.Option(metavar="AGE", help="Only the last 7d, 24h, 12w, ... [default: all]."),
    ] = None,
    state: options.State = None,
    config: options.ConfigFile = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Write metrics in Prometheus' text format, for node_exporter's textfile collector.

    node_exporter reads every *.prom file of the folder that --collector.textfile.directory names.
    The file is replaced at once. What is not known has no sample. All are gauges: sums over the
    store, which prune makes smaller.

    Example: sprout export prometheus -o sprout.prom
    """
    with output.command("export prometheus", json=json, quiet=quiet, shows=False) as out:
        from sprout.cli import reporting
        from sprout.config.sources import load
        from sprout.report import prometheus as metrics
        from sprout.report import tables

        settings = load({"state": state}, config).settings
        reporting.check_place(out_file, settings)
        found = reporting.gather(settings, reporting.Window.of(since), ("zone",))
        metrics.write(found, out_file)
        out.data |= {"file": str(out_file), **tables.data(found)}
        out.note(f"{out_file} written")
