"""Serving a batch that may wait for greener hours: `--finish-by`, and lines with a `deadline`.

    read all lines once (bad ones are told now) -> backlog
    until it is empty:  decide -> serve a wave from the file, or close the model and sleep

The file may be edited meanwhile: behind a wave that did not find all its prompts, and behind the
last one, it is counted anew. Which prompts were given out is remembered on disk, and what was
answered is in OUT, so a killed run continues as any other does. While everything waits no model is
loaded.
"""

import mmap
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sprout.answers import Failed, failed_line
from sprout.cli.interrupt import LOOK_EVERY_S, Interrupt
from sprout.cli.output import Out
from sprout.cli.progress import progress
from sprout.cli.source import Lines, Rows, is_pipe
from sprout.cli.wiring import utc_now
from sprout.clock import in_utc, parse_age
from sprout.errors import NoInputError, PermissionDeniedError, UsageError
from sprout.planning.backlog import Backlog, Deadlines, Group
from sprout.planning.wave import WAITING, Waiting, Wave, take
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
    with closing(IdSet()) as given, closing(IdSet()) as told:
        return _Serving(waves, given, told).serve()


class _Ending:
    """Rows that remember whether they were read to their end."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self.is_read = False

    def __iter__(self) -> Rows:
        yield from self._rows
        self.is_read = True


@dataclass(slots=True)
class _Serving:
    """The file as it was counted last, and what was done of it.

    Args:
        given: ids that were answered before, or given out to be.
        told: lines that failed, so that a second reading does not tell them again.
        backlog: how many prompts are left, of those that were counted.
        is_whole: whether no line lies behind the limit.
        is_warned: whether it was said that the file has changed.
        reason: why the last wave was not held back, which is said once.
    """

    waves: Waves
    given: IdSet
    told: IdSet
    backlog: dict[Group, int] = field(default_factory=dict)
    is_whole: bool = False
    is_warned: bool = False
    reason: str | None = None
    # of the turn being collected
    failed: list[Failed] = field(default_factory=list)
    num_skipped: int = 0

    def serve(self) -> bool:
        waves, came = self.waves, self.waves.stop.came
        self._count(is_first=True)
        while any(self.backlog.values()) and not came():
            wave = waves.decide(self.backlog, utc_now())
            if wave.reason not in {None, self.reason}:
                waves.out.note(f"not waiting for greener hours: {wave.reason}")
            self.reason = wave.reason
            if not wave.num_prompts:
                _wait(waves, wave, sum(self.backlog.values()))
                continue
            is_short = self._serve(wave)
            # whoever waits for hours may find another file than the one that was counted
            if (is_short or not any(self.backlog.values())) and not came():
                self._recount()
        return self.is_whole and not any(self.backlog.values()) and not came()

    def _serve(self, wave: Wave) -> bool:
        """Serve a wave; return whether the file ended before the wave was complete."""
        num_left = sum(self.backlog.values()) - wave.num_prompts
        with self.waves.open_rows() as (lines, rows):
            ending = _Ending(rows)
            self.waves.serve(lines, self._wave_rows(ending, wave))
        return ending.is_read and sum(self.backlog.values()) > num_left

    def _wave_rows(self, rows: _Ending, wave: Wave) -> Iterator[Prompt | Waiting]:
        """Yield the prompts of a wave, none of them twice."""
        given, deadlines = self.given, self.waves.deadlines
        fresh = (
            row if isinstance(row, Prompt) and row.id not in given else WAITING for row in rows
        )
        for row in take(fresh, wave, self.backlog, deadlines, utc_now):
            if isinstance(row, Prompt):
                given.add(row.id)
            yield row

    def _recount(self) -> None:
        """Count what the file holds by now, and say so once when that is not what was left."""
        expected = {group: num for group, num in self.backlog.items() if num}
        try:
            self._count()
        except (NoInputError, PermissionDeniedError):
            if expected:
                raise
            return  # all of it is served: its owner may have cleared it away
        if self.backlog != expected and not self.is_warned and not self.waves.stop.came():
            num = sum(self.backlog.values())
            self.waves.out.warning(f"the prompts file has changed: {num} prompts of it are left")
            self.is_warned = True

    def _count(self, *, is_first: bool = False) -> None:
        """Read the file from its beginning: what was not given out before is the backlog.

        Failed lines and answered ones are done with here, each once.
        """
        self.backlog = {}
        with self.waves.open_rows() as (lines, rows), progress(self.waves.out, "reading") as bar:
            for number, row in enumerate(rows, start=1):
                if isinstance(row, Rejected):
                    self._fail(failed_line(row), is_first=is_first)
                elif row is not None and row.id not in self.given:
                    self._count_prompt(row)
                if number % LINES_PER_TURN == 0:
                    self._record()
                    bar.update(number, lines.num_expected, "")
                    if self.waves.stop.came():
                        break
            self.is_whole = lines.is_exhausted
        self._record()

    def _count_prompt(self, prompt: Prompt) -> None:
        if self.waves.is_answered(prompt):
            self.given.add(prompt.id)
            self.num_skipped += 1
        else:
            group = self.waves.deadlines.group_of(prompt)
            self.backlog[group] = self.backlog.get(group, 0) + 1

    def _fail(self, failure: Failed, *, is_first: bool) -> None:
        is_new = self.told.add(f"{failure.id}: {failure.reason}")
        # at first every line is told, also where two fail alike; later none whose prompt was served
        if is_first or (is_new and failure.id not in self.given):
            self.failed.append(failure)

    def _record(self) -> None:
        turn = Turn(None, (), (), tuple(self.failed), (), self.num_skipped, 0.0, 0.0)
        self.waves.record(turn)
        self.failed.clear()
        self.num_skipped = 0


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
