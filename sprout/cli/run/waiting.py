"""How long the prompts of a run may wait for greener hours."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from sprout.batch.prompts import bounded_lines
from sprout.cli.source import is_pipe
from sprout.clock import in_utc, parse_age
from sprout.errors import UsageError
from sprout.state.runs import Waits


def waits(
    source: str, finish_by: tuple[datetime, bool] | None, past: Waits | None, g_per_kwh: float
) -> Waits | None:
    """Return how a run may wait: as it was begun, or as --finish-by and its lines say; None: not.

    A span or a time of day was meant from the beginning of the run: after a kill it stays.

    Args:
        finish_by: the moment, and whether it is counted from now.
        past: how the run was begun; None for one that begins.
        g_per_kwh: the intensity now.
    """
    moment, is_relative = finish_by or (None, False)
    if past is not None and past.finish_by is not None and is_relative:
        return past
    if moment is None and not names_deadlines(source):
        return None
    return Waits(moment, past.began_g_per_kwh if past else g_per_kwh)


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
        with Path(source).open("rb") as file:
            return any(b'"deadline"' in line for line in bounded_lines(file))
    except OSError:  # not readable: reading it says why
        return False
