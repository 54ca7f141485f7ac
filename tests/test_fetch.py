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


class Echo:
    """A provider that remembers what it was asked for, and gives the first hour of it."""

    def __init__(self, *, is_empty: bool = False) -> None:
        self.asked: list[Span] = []
        self._is_empty = is_empty

    def recent(self, _now: datetime) -> Reply:
        return Reply(())

    def past(self, start: datetime, end: datetime, _now: datetime) -> Reply:
        self.asked.append(Span(start, end))
        return Reply(() if self._is_empty else (intensity(200, start),), ("asked",))


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


def test_a_span_of_which_nothing_came_is_not_whole() -> None:
    found = list(
        history(Echo(is_empty=True), spans(START, NOW, 10 * DAY), lambda _span: False, NOW)
    )
    assert len(found) > 1
    assert not any(each.is_whole for each in found)
