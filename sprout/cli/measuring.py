"""Measures levels and stores what they cost: `sprout profile`, and the first run by itself."""

import time
from collections.abc import Callable, Sequence

from sprout.batch.prompts import Prompt, read
from sprout.chat import Sampling
from sprout.cli.output import Out
from sprout.cli.progress import progress
from sprout.cli.wiring import Known, utc_now
from sprout.config.settings import Settings
from sprout.metering import MeteredEngine
from sprout.profile import Effort, Measured, measure
from sprout.samples import lines
from sprout.state.profiles import Profiles

CALIBRATION = Effort(num_repeats=1, budget_s=17.0)
"""The first run's own profile; what is in the batch when the time is over may finish a group."""


def bundled_prompts(settings: Settings) -> list[Prompt]:
    """Return the packaged prompts for measuring."""
    defaults = Sampling(max_tokens=settings.max_tokens, temperature=settings.temperature)
    rows = read(lines("calibration"), defaults=defaults, levels=(), is_new_id=lambda _id: True)
    return [row for row in rows if isinstance(row, Prompt)]


def measure_levels(
    out: Out,
    known: Known,
    engine: MeteredEngine,
    prompts: Sequence[Prompt],
    effort: Effort,
    should_stop: Callable[[], bool],
) -> list[Measured]:
    """Measure every level, store each group as it completes, and return all of it.

    Args:
        should_stop: asked after each engine step; what is measured by then is kept.
    """
    profiles = Profiles(known.store)
    profiles.name_directives(known.directives.directives)
    started_s = time.perf_counter()
    measured: list[Measured] = []
    num_groups = len(prompts) * effort.num_repeats
    with progress(out, "measuring levels") as bar:
        for number, group in enumerate(
            measure(
                prompts,
                known.directives,
                engine,
                effort,
                lambda: time.perf_counter() - started_s,
                should_stop,
            ),
            start=1,
        ):
            profiles.learn(known.conditions, [row.sample for row in group], utc_now())
            measured.extend(group)
            bar.update(number, num_groups, f"{len(measured)} answers")
    return measured
