"""The body of `sprout grid import`."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from sprout.cli.grid.asking import series as series_of
from sprout.cli.output import Out
from sprout.cli.present import utc_now
from sprout.clock import to_text
from sprout.config.settings import Settings
from sprout.errors import NoInputError, NotReadyError, UsageError
from sprout.files.reading import read_lines
from sprout.grid import columns_csv, electricitymaps_csv
from sprout.grid.columns_csv import Columns
from sprout.grid.intensity import Series
from sprout.grid.table import Table
from sprout.state.intensities import Intensities
from sprout.state.store import Store

FACTORS: tuple[electricitymaps_csv.Factor, ...] = ("lifecycle", "direct")


def import_files(
    out: Out, files: Iterable[Path], settings: Settings, columns: Columns | None
) -> None:
    """Read each file whole, then store it: a bad file stores nothing of itself."""
    imported = []
    wanted = None if columns is None else _series(settings)
    with Store.open(settings.state) as store:
        for file in files:
            if columns is not None and wanted is not None:
                found = _two_columns(file, columns, wanted)
            else:
                found = _electricity_maps(file)
            if not found.intensities:
                raise NoInputError(f"{file}: no row has an intensity")
            Intensities(store).add(found.intensities)
            zones = sorted({row.zone for row in found.intensities})
            starts = [row.start for row in found.intensities]
            imported.append(
                {
                    "file": str(file),
                    "zones": zones,
                    "granularity": found.granularity,
                    "num_rows": found.num_rows,
                    "num_empty": found.num_empty,
                    "num_repeated": found.num_repeated,
                    "first_start": to_text(min(starts)),
                    "last_start": to_text(max(starts)),
                }
            )
            out.text(
                f"{file}: {found.num_rows} {found.granularity} rows of "
                f"{', '.join(zones)}; {found.num_empty} empty cells skipped, "
                f"{found.num_repeated} repeated rows replaced"
            )
    out.data["files"] = imported


def columns_of(time: str | None, value: str | None, time_zone: str | None) -> Columns | None:
    """Return the two columns to read, None for the files of Electricity Maps.

    Raises:
        UsageError: one of them alone is named, or a time zone that there is not.
    """
    from zoneinfo import ZoneInfo

    if time is None and value is None and time_zone is None:
        return None
    if time is None or value is None:
        raise UsageError("--time-column and --value-column belong together")
    try:
        return Columns(time, value, ZoneInfo(time_zone or "UTC"))
    except (LookupError, ValueError, OSError) as error:
        raise UsageError(f"--time-zone {time_zone}: no such time zone") from error


def _series(settings: Settings) -> Series:
    wanted = series_of(settings)
    if wanted is None:
        raise NotReadyError("the file does not say its zone: give --zone")
    return wanted


def _electricity_maps(file: Path) -> Table:
    """Return the intensities of both emission factors; rows are counted by the first of them."""
    first, second = electricitymaps_csv.read(read_lines(file), FACTORS, utc_now(), str(file))
    return replace(first, intensities=(*first.intensities, *second.intensities))


def _two_columns(file: Path, columns: Columns, wanted: Series) -> Table:
    return columns_csv.read(read_lines(file), columns, wanted, utc_now(), str(file))[wanted.zone]
