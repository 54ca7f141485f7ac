"""The bodies of `sprout grid fetch` and `history`, and the refetch of a run.

A fresh cache is told from the store alone: nothing that speaks HTTP is imported for it.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from sprout.cli.output import Out
from sprout.cli.present import utc_now
from sprout.clock import to_text
from sprout.config import Config, Settings
from sprout.errors import (
    InputError,
    NotReadyError,
    PermissionDeniedError,
    TryLaterError,
    UsageError,
)
from sprout.grid.intensity import Series
from sprout.grid.open import about, open_provider, series_of
from sprout.grid.provider import CLOCK_TOLERANCE, Provider, Reply, ThrottledError
from sprout.grid.reading import FRESH, Contact
from sprout.state.grid_log import Asked, GridLog
from sprout.state.store import Store

if TYPE_CHECKING:
    from sprout.grid.http import Limits

RUN_TOTAL_S = 4.0
"""A run decodes nothing while its plan is made, so it waits no longer for a provider."""
RUN_RETRIES = 1
POLL_S = 0.05
RETRY_AFTER_S = 60.0
"""After a failure that may pass, a provider is left alone for so long."""


class ClaimedError(TryLaterError):
    """Another process is at it."""


@dataclass(frozen=True, slots=True)
class Target:
    """A zone of a provider, and the series that it gives."""

    provider: str
    series: Series

    @property
    def asked(self) -> Asked:
        """Return the key of its records."""
        return Asked(self.provider, self.series.zone, self.series.factor_type)

    @property
    def title(self) -> str:
        """Return the provider's name for people."""
        return about(self.provider).title


def series(settings: Settings) -> Series | None:
    """Return what plans are made with; None without a zone.

    Raises:
        NotReadyError: the provider that is set has another kind or other factors.
    """
    if settings.zone is None:
        return None
    return series_of(settings.zone, settings.provider, settings.kind, settings.factor)


def target_of(settings: Settings) -> Target:
    """Return what to fetch.

    Raises:
        NotReadyError: no zone or no provider is set.
    """
    wanted = series(settings)
    if wanted is None:
        raise NotReadyError("no zone is set: `sprout grid use ZONE --provider P`, or --zone")
    if settings.provider is None:
        raise NotReadyError(
            f"no provider is set for {wanted.zone}: `sprout grid use {wanted.zone} --provider P`, "
            "or --provider; `sprout grid sources` lists them"
        )
    return Target(settings.provider, wanted)


def limits(settings: Settings, *, is_run: bool = False) -> "Limits":
    """Return how long to try, for a command that fetches or for one that only needs a value."""
    from sprout.grid.http import Limits

    found = Limits(num_retries=settings.grid_retries).within(settings.grid_deadline_s)
    if not is_run:
        return found
    short = found.within(min(RUN_TOTAL_S, settings.grid_deadline_s))
    return Limits(
        total_s=short.total_s,
        num_retries=min(RUN_RETRIES, settings.grid_retries),
        connect_s=short.connect_s / 2,
        read_s=short.read_s,
        backoff_s=short.backoff_s,
    )


def fetch(out: Out, config: Config, max_age: timedelta) -> None:
    """Fetch the last day, now and the forecast, unless that was done a short while ago."""
    settings = config.settings
    target = target_of(settings)
    now = utc_now()
    with Store.open(settings.state) as store:
        fetched_at = fresh_since(store, target, now, max_age)
        reply = None
        if fetched_at is None:
            _warn(out, config)
            reply = _ask_or_await(store, config, target, now, max_age)
        fetched_at = fetched_at or GridLog(store).state(target.asked).fetched_at or now
    out.data |= _about(target) | {"is_fresh": reply is None, "fetched_at": to_text(fetched_at)}
    if reply is None:
        minutes = max(0.0, (now - fetched_at).total_seconds() / 60)
        out.note(f"{target.series.zone} was fetched {minutes:.0f} min ago: nothing to ask")
        return
    out.data |= _counts(reply)
    for note in reply.notes:
        out.note(note)
    out.note(f"{target.title}: {_summary(reply)} of {target.series}")


def history(out: Out, config: Config, start: str, end: str | None) -> None:
    """Fetch a stretch of history, span by span; what is there already is not asked again."""
    from sprout.fetch import Span, spans
    from sprout.fetch import history as fetch_history

    settings = config.settings
    target = target_of(settings)
    now = utc_now()
    first, last = parse_day(start), now if end is None else min(now, parse_day(end))
    if first >= last:
        raise UsageError(f"--from {start} is not before the end, {last:%Y-%m-%d %H:%M} UTC")
    wanted = spans(first, last, about(target.provider).max_span)
    _warn(out, config)
    num_rows = num_asked = 0
    with Store.open(settings.state) as store:
        log = GridLog(store)
        done = log.spans(target.asked)

        def is_there(span: Span) -> bool:
            return (span.start, span.end) in done

        with _opened(config, target, limits(settings)) as provider:
            for fetched in fetch_history(provider, wanted, is_there, now):
                with store.write():
                    num_rows += _add(store, fetched.reply)
                    if fetched.is_whole:
                        log.add_span(target.asked, fetched.span.start, fetched.span.end, now)
                num_asked += 1
                rows = len(fetched.reply.intensities)
                out.note(f"{fetched.span.start:%Y-%m-%d} to {fetched.span.end:%Y-%m-%d}: {rows}")
                for note in fetched.reply.notes:
                    out.note(note)
    out.data |= _about(target) | {
        "from": to_text(first),
        "to": to_text(last),
        "num_spans": len(wanted),
        "num_fetched": num_asked,
        "num_rows": num_rows,
    }
    out.note(
        f"{target.title}: {num_rows} rows of {target.series} in {num_asked} requests, "
        f"{len(wanted) - num_asked} spans were there"
    )


def parse_day(text: str) -> datetime:
    """Return the UTC time that "2026-01-31" or "2026-01-31T12:00Z" says.

    Raises:
        UsageError: it is none.
    """
    try:
        when = datetime.fromisoformat(text)
        return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise UsageError(f"{text!r} is no day such as 2026-01-31") from error


def fresh_since(
    store: Store, target: Target, now: datetime, max_age: timedelta = FRESH
) -> datetime | None:
    """Return when the newest fetch was, if it is fresh; one of the far future is not."""
    fetched_at = GridLog(store).state(target.asked).fetched_at
    if fetched_at is None or not -CLOCK_TOLERANCE <= now - fetched_at <= max_age:
        return None
    return fetched_at


def contact(store: Store, config: Config, now: datetime, *, fetches: bool) -> Contact | None:
    """Return how it stands with the provider, asking it when that is due; None when none is set.

    Never raises for what a provider does: a run goes on with what is known.
    """
    settings = config.settings
    if settings.provider is None or settings.zone is None:
        return None
    target = target_of(settings)
    source = about(target.provider).source
    failure = None
    if fresh_since(store, target, now) is None:
        failure = f"{target.title} was not asked within {FRESH.total_seconds() / 60:.0f} min"
        if fetches:
            try:
                ask(store, config, target, now, limits(settings, is_run=True), FRESH)
                failure = None
            except ClaimedError as error:
                failure = (
                    None if _await_other(store, target, now, FRESH, RUN_TOTAL_S) else str(error)
                )
            except (TryLaterError, PermissionDeniedError, InputError) as error:
                failure = str(error)
    return Contact(GridLog(store).state(target.asked).fetched_at, failure, source)


def _ask_or_await(
    store: Store, config: Config, target: Target, now: datetime, max_age: timedelta
) -> Reply | None:
    """Return what a provider gives; None when another process has just asked it."""
    wait_s = config.settings.grid_deadline_s
    try:
        return ask(store, config, target, now, limits(config.settings), max_age)
    except ClaimedError:
        if not _await_other(store, target, now, max_age, wait_s):
            raise
        return None


def ask(
    store: Store,
    config: Config,
    target: Target,
    now: datetime,
    limits: "Limits",
    max_age: timedelta,
) -> Reply | None:
    """Ask a provider and store what it gives; one process at a time.

    Returns None when another process has asked it since, within `max_age`.

    Raises:
        ClaimedError: another process is at it.
        TryLaterError: it is to be left alone, or it does not answer.
        PermissionDeniedError, InputError: it refuses.
    """
    log = GridLog(store)
    state = log.state(target.asked)
    if state.retry_at is not None and now < state.retry_at <= now + timedelta(hours=2):
        raise TryLaterError(f"{state.error} (not asked again before {state.retry_at:%H:%M:%S} UTC)")
    if not log.claim(target.asked, now, now + timedelta(seconds=limits.total_s)):
        raise ClaimedError(f"another process is fetching {target.series.zone}: try again later")
    if fresh_since(store, target, now, max_age) is not None:
        log.release(target.asked)
        return None
    try:
        with _opened(config, target, limits) as provider:
            reply = _usable(provider.recent(now), target)
    except (TryLaterError, PermissionDeniedError, InputError) as error:
        log.failed(target.asked, str(error), _retry_at(error, now))
        raise
    except BaseException:
        log.release(target.asked)
        raise
    with store.write():
        _add(store, reply)
        log.succeeded(target.asked, now)
    return reply


def _await_other(
    store: Store, target: Target, now: datetime, max_age: timedelta, wait_s: float
) -> bool:
    """Wait for what another process fetches; return whether it came."""
    give_up_s = time.perf_counter() + wait_s
    log = GridLog(store)
    while time.perf_counter() < give_up_s:
        held = log.state(target.asked).claimed_until
        if held is None or held < utc_now():
            break
        time.sleep(POLL_S)
    return fresh_since(store, target, now, max_age) is not None


def _usable(reply: Reply, target: Target) -> Reply:
    if reply.intensities:
        return reply
    nothing = f"{target.title} gave no usable value of {target.series}"
    raise TryLaterError("; ".join((nothing, *reply.notes)))


def _retry_at(error: Exception, now: datetime) -> datetime | None:
    """Return before when a provider is to be left alone; a refusal is the user's to mend."""
    if isinstance(error, ThrottledError):
        return now + timedelta(seconds=max(1.0, error.retry_after_s))
    if isinstance(error, TryLaterError):
        return now + timedelta(seconds=RETRY_AFTER_S)
    return None


@contextmanager
def _opened(config: Config, target: Target, limits: "Limits") -> Iterator[Provider]:
    url = config.settings.base_url(target.provider)
    zone, factor_type = target.series.zone, target.series.factor_type
    with open_provider(target.provider, zone, factor_type, url, config.keys, limits) as provider:
        yield provider


def _add(store: Store, reply: Reply) -> int:
    from sprout.state.intensities import Intensities

    return Intensities(store).add(reply.intensities)


def _warn(out: Out, config: Config) -> None:
    for warning in config.warnings:
        out.warning(warning)


def _about(target: Target) -> dict[str, object]:
    return {
        "provider": target.provider,
        "zone": target.series.zone,
        "kind": target.series.kind,
        "factor_type": target.series.factor_type,
    }


def _counts(reply: Reply) -> dict[str, object]:
    rows = reply.intensities
    num_forecast = sum(row.is_forecast for row in rows)
    return {
        "num_measured": len(rows) - num_forecast,
        "num_forecast": num_forecast,
        "first": to_text(rows[0].start),
        "last": to_text(rows[-1].start),
        "notes": list(reply.notes),
    }


def _summary(reply: Reply) -> str:
    rows = reply.intensities
    num_forecast = sum(row.is_forecast for row in rows)
    return (
        f"{len(rows) - num_forecast} measured and {num_forecast} forecast rows, "
        f"{rows[0].start:%Y-%m-%d %H:%M} to {rows[-1].end:%Y-%m-%d %H:%M} UTC,"
    )
