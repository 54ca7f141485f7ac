"""The body of `sprout grid import`."""

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from sprout.cli.output import Out
from sprout.cli.wiring import utc_now
from sprout.clock import to_text
from sprout.config import Settings
from sprout.errors import InputError, NoInputError
from sprout.grid import electricitymaps_csv
from sprout.state.intensities import Intensities
from sprout.state.store import Store

FACTORS: tuple[Literal["lifecycle", "direct"], ...] = ("lifecycle", "direct")


def import_files(out: Out, files: Iterable[Path], settings: Settings) -> None:
    """Read each file whole, then store it: a bad file stores nothing of itself."""
    imported = []
    with Store.open(settings.state) as store:
        for file in files:
            downloads = [_read(file, factor) for factor in FACTORS]
            with store.write():
                for download in downloads:
                    Intensities(store).add(download.intensities)
            first = downloads[0]
            zones = sorted({row.zone for row in first.intensities})
            imported.append(
                {
                    "file": str(file),
                    "zones": zones,
                    "granularity": first.granularity,
                    "num_rows": len(first.intensities),
                    "num_empty": first.num_empty,
                    "num_repeated": first.num_repeated,
                    "first_start": to_text(first.intensities[0].start) if zones else None,
                    "last_start": to_text(first.intensities[-1].start) if zones else None,
                }
            )
            out.text(
                f"{file}: {len(first.intensities)} {first.granularity} rows of "
                f"{', '.join(zones)}; {first.num_empty} empty cells skipped, "
                f"{first.num_repeated} repeated rows replaced"
            )
    out.data["files"] = imported


def _read(file: Path, factor: Literal["lifecycle", "direct"]) -> electricitymaps_csv.Download:
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            return electricitymaps_csv.read(
                lines, factor_type=factor, fetched_at=utc_now(), name=str(file)
            )
    except UnicodeDecodeError as error:
        raise InputError(f"{file}: not UTF-8: {error.reason}") from error
    except OSError as error:
        raise NoInputError(f"{file} cannot be read: {error.strerror}") from error
