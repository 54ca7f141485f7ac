from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from plain_records import intensity

from sprout.fetch import SETTLED, Span, history, spans
from sprout.grid.provider import Reply

START = datetime(2025, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
NOW = START + 100 * DAY


HOUR = timedelta(hours=1)


class Echo:
    """A provider that remembers what it was asked for, and gives one row of it that ends `late`."""

    def __init__(self, late: timedelta | None = HOUR, *, is_forecast: bool = False) -> None:
        self.asked: list[Span] = []
        self._late = late
        self._is_forecast = is_forecast

    def recent(self, _now: datetime) -> Reply:
        return Reply(())

    def past(self, start: datetime, end: datetime, _now: datetime) -> Reply:
        self.asked.append(Span(start, end))
        if self._late is None:
            return Reply((), ("asked",))
        row = intensity(200, end - self._late - HOUR, is_forecast=self._is_forecast)
        return Reply((row,), ("asked",))


@pytest.mark.parametrize("num_days", [1, 9, 10, 11, 95])
def test_spans_cover_the_time_without_overlap_and_are_none_too_long(num_days: int) -> None:
    found = spans(START, START + num_days * DAY, 10 * DAY)
    assert found[0].start == START
    assert found[-1].end == START + num_days * DAY
    assert all(span.start < span.end <= span.start + 10 * DAY for span in found)
    assert all(a.end == b.start for a, b in pairwise(found))


def test_another_beginning_has_the_same_cuts() -> None:
    early = {span.end for span in spans(START, START + 50 * DAY, 10 * DAY)}
    late = {span.end for span in spans(START + 13 * DAY, START + 50 * DAY, 10 * DAY)}
    assert late <= early


def test_what_is_there_is_not_asked_for_and_the_newest_days_are_never_whole() -> None:
    provider = Echo()
    wanted = spans(START, NOW, 10 * DAY)
    there: Callable[[Span], bool] = lambda span: span.start < START + 30 * DAY  # noqa: E731
    found = list(history(provider, wanted, there, NOW))
    assert provider.asked == [span for span in wanted if not there(span)]
    assert [each.is_whole for each in found] == [
        span.end <= NOW - SETTLED for span in provider.asked
    ]
    assert not found[-1].is_whole


@pytest.mark.parametrize(
    "provider", [Echo(None), Echo(1.1 * HOUR), Echo(3 * DAY), Echo(is_forecast=True)]
)
def test_a_span_of_whose_end_nothing_was_measured_is_not_whole(provider: Echo) -> None:
    found = list(history(provider, spans(START, NOW, 10 * DAY), lambda _span: False, NOW))
    assert len(found) > 1
    assert not any(each.is_whole for each in found)
