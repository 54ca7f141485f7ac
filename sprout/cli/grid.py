"""`sprout grid`: carbon intensities in the store."""

from pathlib import Path
from typing import Annotated

import typer

from sprout.cli import options, output

app = typer.Typer(help="Carbon intensity of the grid.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def root() -> None:
    """Carbon intensity of the grid."""


@app.command("import")
def import_csv(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="CSV downloads of Electricity Maps.")
    ],
    state: options.State = None,
    config: options.ConfigFile = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Import CSV downloads of Electricity Maps, both emission factors.

    Old and new column names are read. Importing a file again changes nothing.

    Example: sprout grid import DE_2025_hourly.csv
    """
    with output.command("grid import", json=json, quiet=quiet) as out:
        from sprout.cli import importing
        from sprout.config import load

        importing.import_files(out, files, load({"state": state}, config).settings)
