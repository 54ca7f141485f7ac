"""What a CSV file of intensities holds, and how a cell of it is read. Pure."""

from dataclasses import dataclass

from sprout.errors import InputError
from sprout.grid.intensity import Intensity
from sprout.grid.provider import MAX_G_PER_KWH


@dataclass(frozen=True, slots=True)
class Table:
    """The intensities of one file, sorted by zone and start, and what was left out of it.

    Args:
        num_rows: of those that count; `num_empty` rows have no intensity, and `num_repeated` were
            replaced by a later row of the same zone and time.
        granularity: how far rows are apart, in words.
    """

    intensities: tuple[Intensity, ...]
    num_rows: int
    granularity: str
    num_empty: int
    num_repeated: int


def intensity_in(cell: str, place: str) -> float | None:
    """Return an intensity in gCO2eq/kWh, None for an empty cell; `place` is file:line.

    Raises:
        InputError: it is no number, or of another unit.
    """
    if not cell:
        return None
    try:
        g_per_kwh = float(cell)
    except ValueError as error:
        raise InputError(
            f"{place}: carbon intensity {cell!r} is no number; correct or delete the row"
        ) from error
    if not 0 <= g_per_kwh <= MAX_G_PER_KWH:
        raise InputError(
            f"{place}: carbon intensity {cell} g/kWh is not between 0 and {MAX_G_PER_KWH:.0f}; "
            "correct or delete the row"
        )
    return g_per_kwh
