"""The bodies of `sprout grid fetch` and `history`."""

from datetime import UTC, datetime, timedelta

from sprout.cli.grid.asking import (
    ClaimedError,
    Target,
    add,
    ask,
    await_other,
    fresh_since,
    limits,
    opened,
    target_of,
)
from sprout.cli.output import Out
from sprout.cli.present import utc_now
from sprout.clock import to_text
from sprout.config import Config
from sprout.errors import InputError, UsageError
from sprout.grid.open import about
from sprout.grid.provider import Reply
from sprout.state.grid_log import GridLog
from sprout.state.store import Store


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
    """Fetch a stretch of history, span by span; what is there already is not asked again.

    Raises:
        InputError: nothing came of any span.
    """
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
    told: list[str] = []
    with Store.open(settings.state) as store:
        log = GridLog(store)
        done = log.spans(target.asked)

        def is_there(span: Span) -> bool:
            return (span.start, span.end) in done

        with opened(config, target, limits(settings)) as provider:
            for fetched in fetch_history(provider, wanted, is_there, now):
                with store.write():
                    num_rows += add(store, fetched.reply)
                    if fetched.is_whole:
                        log.add_span(target.asked, fetched.span.start, fetched.span.end, now)
                num_asked += 1
                rows = len(fetched.reply.intensities)
                out.note(f"{fetched.span.start:%Y-%m-%d} to {fetched.span.end:%Y-%m-%d}: {rows}")
                for note in fetched.reply.notes:
                    out.note(note)
                told.extend(fetched.reply.notes)
    if num_asked == len(wanted) and not num_rows:
        nothing = f"{target.title} gave nothing of {target.series} in {num_asked} requests"
        raise InputError("; ".join((nothing, *told[:1])))
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


def _ask_or_await(
    store: Store, config: Config, target: Target, now: datetime, max_age: timedelta
) -> Reply | None:
    """Return what a provider gives; None when another process has just asked it."""
    wait_s = config.settings.grid_deadline_s
    try:
        return ask(store, config, target, now, limits(config.settings), max_age)
    except ClaimedError:
        if not await_other(store, target, now, max_age, wait_s):
            raise
        return None


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
