"""A row of blocks for a row of numbers. Pure."""

import math
from collections.abc import Sequence

BLOCKS = "▁▂▃▄▅▆▇█"
GAP = " "


def sparkline(values: Sequence[float]) -> str:
    """Return one character a value, the lowest and the highest block at the extremes; NaN a gap."""
    known = [value for value in values if math.isfinite(value)]
    if not known:
        return GAP * len(values)
    low, span = min(known), max(known) - min(known)
    top = len(BLOCKS) - 1
    return "".join(
        GAP
        if not math.isfinite(value)
        else BLOCKS[round(top * (value - low) / span) if span else 0]
        for value in values
    )
