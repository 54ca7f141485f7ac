"""Replays for people and programs: means over draws, and their standard deviations."""

import math

import numpy as np
from rich.table import Table

from sprout.planning.problem import FloatArray
from sprout.replay.replay import Replayed
from sprout.replay.stage import Options
from sprout.replay.world import World
from sprout.report.terminal_fit import fitted
from sprout.report.units import grams

NONE = "-"


def progress_line(each: Replayed) -> str:
    """Return one line about one scheme in one region."""
    return f"{each.region} {each.policy}: {each.saved_percent.mean():.1f} % saved"


def rows(found: list[Replayed], world: World, options: Options) -> list[dict[str, object]]:
    """Return one flat record per region and scheme; a spread of one draw is None."""
    return [
        {
            "region": each.region,
            "start_hour": options.start_hour,
            "policy": each.policy,
            "saved_percent": _mean(each.saved_percent),
            "saved_percent_sd": _spread(each.saved_percent),
            "preference_percent": _mean(each.preference_percent),
            "preference_percent_sd": _spread(each.preference_percent),
            "hours_below_floor_percent": _mean(each.below_floor_percent),
            "hours_below_floor_percent_sd": _spread(each.below_floor_percent),
            "worst_class_percent": _mean(each.worst_class_percent),
            "worst_class_percent_sd": _spread(each.worst_class_percent),
            "worst_class": _worst(each, world),
            "evaluations": each.num_evaluations,
            "evaluation_g": each.evaluation_g,
            "base_g_per_request": each.base_g,
            "num_seeds": len(each.saved_percent),
        }
        for each in found
    ]


def table(found: list[Replayed], world: World, options: Options) -> Table:
    """Return the table: a section for each region, a row for each scheme."""
    end = options.start_hour + options.num_hours
    title = (
        f"{world.quality}, hours {options.start_hour} to {end}, {len(found[0].saved_percent)} "
        "draws, ± SD; below: of hours, a point or more under the floor; worst: of tasks"
    )
    headers = ("region", "policy", "saved %", f"{world.quality} %", "below %", "worst %", "task")
    regions = [each.region for each in found]
    return fitted(
        (*headers, "evals", "gCO2eq"),
        [_row(each, world) for each in found],
        title,
        ends=[i for i, region in enumerate(regions[1:]) if region != regions[i]],
    )


def _row(each: Replayed, world: World) -> tuple[str, ...]:
    return (
        each.region,
        each.policy,
        _cell(each.saved_percent),
        _cell(each.preference_percent),
        _cell(each.below_floor_percent),
        _cell(each.worst_class_percent),
        _worst(each, world) or NONE,
        str(each.num_evaluations) if each.num_evaluations else NONE,
        grams(each.evaluation_g) if each.num_evaluations else NONE,
    )


def _mean(values: FloatArray) -> float | None:
    mean = float(values.mean())
    return mean if math.isfinite(mean) else None


def _spread(values: FloatArray) -> float | None:
    """Return the standard deviation between draws; None for a single one."""
    if len(values) < 2 or not np.isfinite(values).all():  # noqa: PLR2004 - one draw has no spread
        return None
    return float(values.std(ddof=1))


def _cell(values: FloatArray) -> str:
    mean, spread = _mean(values), _spread(values)
    if mean is None:
        return NONE
    mean += 0.0 if abs(mean) >= 0.05 else -mean  # noqa: PLR2004 - no "-0.0"
    return f"{mean:.1f}" if spread is None else f"{mean:.1f} ± {spread:.1f}"


def _worst(each: Replayed, world: World) -> str | None:
    """Return the task that lost most; None where none did, or tasks are not told apart."""
    if not len(each.class_percent) or each.class_percent.min() > 100 - 1e-9:
        return None
    return world.tasks[int(each.class_percent.argmin())]
