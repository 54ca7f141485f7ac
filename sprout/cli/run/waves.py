"""Serving a batch that may wait for greener hours: `--finish-by`, and lines with a `deadline`.

    read all lines once (bad ones are told now) -> backlog
    until it is empty:  decide -> serve a wave from the file, or close the model and sleep

Which prompts were given out is remembered on disk, and what was answered is in OUT, so a killed run
continues as any other does. While everything waits no model is loaded.
"""

import mmap
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sprout.answers import Failed, failed_line
from sprout.cli.interrupt import LOOK_EVERY_S, Interrupt
from sprout.cli.output import Out
from sprout.cli.progress import progress
from sprout.cli.source import Lines, Rows, is_pipe
from sprout.cli.wiring import utc_now
from sprout.clock import in_utc, parse_age
from sprout.errors import UsageError
from sprout.planning import deferral
from sprout.planning.deferral import WAITING, Backlog, Deadlines, Group, Waiting, Wave
from sprout.prompts import Prompt, Rejected
from sprout.run import Turn
from sprout.state.ids import IdSet

LINES_PER_TURN = 1000


@dataclass(frozen=True, slots=True)
class Waves:
    """All that waiting needs.

    Args:
        open_rows: opens the prompts from the first line on.
        is_answered: whether an earlier part of this run answered a prompt.
        decide: what to serve next.
        serve: serves prompts to their end.
        record: writes a turn down.
        rest: gives the machine back until the next wave.
    """

    out: Out
    deadlines: Deadlines
    open_rows: Callable[[], AbstractContextManager[tuple[Lines, Rows]]]
    is_answered: Callable[[Prompt], bool]
    decide: Callable[[Backlog, datetime], Wave]
    serve: Callable[[Lines, Iterator[Prompt | Waiting]], None]
    record: Callable[[Turn], None]
    rest: Callable[[], None]
    stop: Interrupt


def finish_by(text: str, now: datetime) -> tuple[datetime, bool]:
    """Return the moment that --finish-by names, and whether it is counted from `now`.

    An ISO time (without an offset it is local), a time of day such as 07:00 (the next one, local),
    or a span such as 8h.

    Raises:
        UsageError: it is none of these, or more than a century from the Unix epoch.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is not None and len(text) > len("20261124"):
        try:
            return in_utc(moment.astimezone(UTC)), False
        except (ValueError, OverflowError) as error:
            raise UsageError(f"--finish-by {text}: no run waits for that age") from error
    try:
        clock = datetime.strptime(text, "%H:%M").time()  # noqa: DTZ007 - of no day yet
    except ValueError:
        pass
    else:
        today = now.astimezone().date()
        days = (today + timedelta(days=number) for number in range(3))
        # combined without an offset, so that each day's own offset is found
        moments = (datetime.combine(day, clock).astimezone(UTC) for day in days)
        return next(moment for moment in moments if moment > now), True
    try:
        return now + parse_age(text.removeprefix("+")), True
    except UsageError as error:
        raise UsageError(
            f"--finish-by {text}: write a time such as 07:00 or 2026-11-25T07:00, or a span "
            "such as 8h"
        ) from error


def names_deadlines(source: str) -> bool:
    """Return whether any line of a file may have a deadline of its own; never so for a pipe."""
    if is_pipe(source):
        return False
    try:
        with (
            Path(source).open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text,
        ):
            return text.find(b'"deadline"') >= 0
    except (OSError, ValueError):  # not readable, or empty: reading it says why
        return False


def serve(waves: Waves) -> bool:
    """Serve every prompt before its deadline; return whether nothing is left."""
    with closing(IdSet()) as given:
        backlog, is_whole = _read(waves, given)
        told = None
        while any(backlog.values()) and not waves.stop.came():
            wave = waves.decide(backlog, utc_now())
            if wave.reason not in {None, told}:
                waves.out.note(f"not waiting for greener hours: {wave.reason}")
            told = wave.reason
            if wave.num_prompts:
                with waves.open_rows() as (lines, rows):
                    waves.serve(lines, _wave_rows(rows, wave, backlog, given, waves.deadlines))
            else:
                _wait(waves, wave, sum(backlog.values()))
    return is_whole and not any(backlog.values()) and not waves.stop.came()


def _read(waves: Waves, given: IdSet) -> tuple[dict[Group, int], bool]:
    """Return the backlog, and whether no line lies behind the limit.

    Failed lines and answered ones are done with here.
    """
    backlog: dict[Group, int] = {}
    failed: list[Failed] = []
    num_skipped = 0

    def record() -> None:
        nonlocal num_skipped
        waves.record(Turn(None, (), (), tuple(failed), (), num_skipped, 0.0, 0.0))
        failed.clear()
        num_skipped = 0

    with waves.open_rows() as (lines, rows), progress(waves.out, "reading") as bar:
        for number, row in enumerate(rows, start=1):
            if row is None:
                pass
            elif isinstance(row, Rejected):
                failed.append(failed_line(row))
            elif waves.is_answered(row):
                given.add(row.id)
                num_skipped += 1
            else:
                group = waves.deadlines.group_of(row)
                backlog[group] = backlog.get(group, 0) + 1
            if number % LINES_PER_TURN == 0:
                record()
                bar.update(number, lines.num_expected, "")
                if waves.stop.came():
                    break
        is_whole = lines.is_exhausted
    record()
    return backlog, is_whole


def _wave_rows(
    rows: Rows, wave: Wave, backlog: dict[Group, int], given: IdSet, deadlines: Deadlines
) -> Iterator[Prompt | Waiting]:
    """Yield the prompts of a wave, none of them twice."""
    fresh = (row if isinstance(row, Prompt) and row.id not in given else WAITING for row in rows)
    for row in deferral.take(fresh, wave, backlog, deadlines, utc_now):
        if isinstance(row, Prompt):
            given.add(row.id)
        yield row


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
