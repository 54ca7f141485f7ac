"""Numbers as people read them: a fitting unit, three significant digits. Pure."""

import math
from collections.abc import Mapping

JOULES_PER_WH = 3600.0

_MASS = (("t", 1e6), ("kg", 1e3), ("g", 1.0), ("mg", 1e-3), ("µg", 1e-6), ("ng", 1e-9))
_ENERGY = (("MWh", 1e6), ("kWh", 1e3), ("Wh", 1.0), ("mWh", 1e-3), ("µWh", 1e-6), ("nWh", 1e-9))
_TIME = (("d", 86400.0), ("h", 3600.0), ("min", 60.0), ("s", 1.0), ("ms", 1e-3))


def grams(g: float) -> str:
    """Return a mass of CO2eq with three significant digits and a fitting unit."""
    return _fitting(g, _MASS)


def watt_hours(energy_j: float) -> str:
    """Return an energy likewise, in Wh and its multiples."""
    return _fitting(energy_j / JOULES_PER_WH, _ENERGY)


def seconds(duration_s: float) -> str:
    """Return a duration likewise."""
    return _fitting(duration_s, _TIME)


def digits(value: float) -> str:
    """Return a number with three significant digits, never in scientific notation."""
    if value == 0:
        return "0"
    places = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{places}f}"


def percent(part: float, whole: float) -> str:
    """Return a part as a whole percentage; "<1 %" for a little, "none" of nothing."""
    if not whole:
        return "none"
    share = 100 * part / whole
    return "<1 %" if 0 < share < 0.5 else f"{share:.0f} %"  # noqa: PLR2004 - rounds to 0


def count(number: int) -> str:
    """Return a whole number with separators."""
    return f"{number:,}"


def counted(number: int, noun: str) -> str:
    """Return "1 line", "2 lines"."""
    return f"{count(number)} {noun}{'' if number == 1 else 's'}"


def shares(counts: Mapping[str, int]) -> str:
    """Return counts as "L0 50 %, L1 50 %"."""
    total = sum(counts.values())
    return ", ".join(f"{name} {percent(number, total)}" for name, number in counts.items())


def _fitting(value: float, units: tuple[tuple[str, float], ...]) -> str:
    for unit, size in units:
        if abs(value) >= size:
            return f"{digits(value / size)} {unit}"
    if not value:
        return next(f"0 {unit}" for unit, size in units if size == 1)
    unit, size = units[-1]
    return f"{digits(value / size)} {unit}"


def points(value: float) -> str:
    """Return percentage points as they are known: whole ones, or a tenth below ten."""
    return f"{value:.0f}" if abs(value) >= 10 or value == 0 else f"{value:.1f}"  # noqa: PLR2004
