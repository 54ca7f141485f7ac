"""Fetching history in spans that a provider accepts: a use case, which yields what to store.

Spans lie on a fixed grid of time, so that the same command, run again, asks for the same spans and
may leave out those that are there. A span of the last two days counts as not whole, for providers
still correct it, and so does one of whose end no measurement came: it may come late.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sprout.grid.intensity import HOUR
from sprout.grid.provider import Provider, Reply

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
SETTLED = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of history: `start` inclusive, `end` exclusive."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Fetched:
    """One span and what came of it; `is_whole` says that it need not be asked for again."""

    span: Span
    reply: Reply
    is_whole: bool


def spans(start: datetime, end: datetime, longest: timedelta) -> list[Span]:
    """Return a stretch of time in pieces, none longer than `longest`, cut on a fixed grid."""
    pieces = []
    while start < end:
        stop = EPOCH + ((start - EPOCH) // longest + 1) * longest
        pieces.append(Span(start, min(stop, end)))
        start = stop
    return pieces


def history(
    provider: Provider, wanted: list[Span], is_there: Callable[[Span], bool], now: datetime
) -> Iterator[Fetched]:
    """Yield the spans that are not there yet, oldest first."""
    for span in wanted:
        if not is_there(span):
            reply = provider.past(span.start, span.end, now)
            measured = (row.end for row in reply.intensities if not row.is_forecast)
            reaches_end = max(measured, default=EPOCH) >= span.end - HOUR
            yield Fetched(span, reply, is_whole=reaches_end and span.end <= now - SETTLED)
