"""Serving a batch that may wait for greener hours: `--finish-by`, and lines with a `deadline`.

    read all lines once (bad ones are told now) -> backlog
    until it is empty:  decide -> serve a wave from the file, or close the model and sleep

What was answered is in OUT, so a killed run continues as any other does. While everything waits no
model is loaded.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from sprout.batch.prompts import Prompt
from sprout.cli.interrupt import LOOK_EVERY_S, Interrupt
from sprout.cli.output import Out
from sprout.cli.progress import progress
from sprout.cli.run.remaining import Remaining
from sprout.cli.source import Lines
from sprout.cli.wiring import utc_now
from sprout.planning.backlog import Backlog
from sprout.planning.wave import Waiting, Wave


@dataclass(frozen=True, slots=True)
class Waves:
    """All that waiting needs beside the prompts.

    Args:
        decide: what to serve next.
        serve: serves prompts to their end.
        rest: gives the machine back until the next wave.
    """

    out: Out
    decide: Callable[[Backlog, datetime], Wave]
    serve: Callable[[Lines, Iterator[Prompt | Waiting]], None]
    rest: Callable[[], None]
    stop: Interrupt


def serve(remaining: Remaining, waves: Waves) -> bool:
    """Serve every prompt before its deadline; return whether nothing is left."""
    came = waves.stop.came
    remaining.count()
    reason = None  # why the last wave was not held back, which is said once
    while remaining.num_left and not came():
        num_left = remaining.num_left
        wave = waves.decide(remaining.backlog, utc_now())
        if wave.reason not in {None, reason}:
            waves.out.note(f"not waiting for greener hours: {wave.reason}")
        reason = wave.reason
        if wave.num_prompts:
            with remaining.taking(wave) as (lines, rows):
                waves.serve(lines, rows)
        else:
            _wait(waves, wave, num_left)
        is_stuck = wave.num_prompts > 0 and remaining.num_left == num_left
        if (is_stuck or remaining.is_outdated) and not came():
            remaining.recount()
    return remaining.is_whole and not remaining.num_left and not came()


def _wait(waves: Waves, wave: Wave, num_waiting: int) -> None:
    """Sleep until the next decision, saying what for."""
    waves.rest()
    words = waiting_words(wave, num_waiting)
    waves.out.note(words)
    started = utc_now()
    total = max(1, int((wave.decide_at - started).total_seconds()))
    with progress(waves.out, "waiting") as bar:
        while (now := utc_now()) < wave.decide_at and not waves.stop.came():
            bar.update(int((now - started).total_seconds()), total, words)
            time.sleep(LOOK_EVERY_S)


def waiting_words(wave: Wave, num_waiting: int) -> str:
    """Return what is waited for."""
    awaited, present = wave.awaited, wave.slots[0]
    words = f"{num_waiting} prompts wait: {present.g_per_kwh:.0f} g/kWh now"
    if awaited is not None:
        words += (
            f", {awaited.g_per_kwh:.0f} at {awaited.start.astimezone():%a %H:%M} ({awaited.mark})"
        )
    return f"{words}; next look at {wave.decide_at.astimezone():%H:%M}"
