"""The bodies of `sprout grid fetch` and `history`."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sprout.cli import interrupt
from sprout.cli.grid.asking import (
    ClaimedError,
    Target,
    ask,
    await_other,
    check_left_alone,
    fresh_since,
    limits,
    opened,
    retry_at,
    target_of,
)
from sprout.cli.interrupt import Interrupt
from sprout.cli.output import Out
from sprout.cli.present import utc_now
from sprout.clock import parse_day, to_text
from sprout.config.sources import Config
from sprout.errors import InputError, UsageError
from sprout.fetch import EPOCH, Span, spans
from sprout.fetch import history as fetch_history
from sprout.grid.open import about
from sprout.grid.provider import Reply, ThrottledError
from sprout.grid.reading import mark_of
from sprout.state.grid_log import GridLog
from sprout.state.intensities import Intensities
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
    rows = reply.intensities
    num_by_mark = Counter(map(mark_of, rows))
    out.data |= {
        "num_rows": len(rows),
        "num_measured": num_by_mark["measured"],
        "num_estimated": num_by_mark["estimated"],
        "num_forecast": num_by_mark["forecast"],
        "first": to_text(rows[0].start),
        "last": to_text(rows[-1].start),
        "notes": list(reply.notes),
    }
    for note in reply.notes:
        out.note(note)
    counts = ", ".join(f"{number} {mark}" for mark, number in num_by_mark.items())
    out.note(
        f"{target.title}: {counts} rows, "
        f"{rows[0].start:%Y-%m-%d %H:%M} to {rows[-1].end:%Y-%m-%d %H:%M} UTC, of {target.series}"
    )


@dataclass(slots=True)
class _Fetched:
    """What came of the spans so far."""

    num_spans: int = 0
    num_rows: int = 0
    notes: list[str] = field(default_factory=list)


def history(out: Out, config: Config, start: str, end: str | None) -> None:
    """Fetch a stretch of history, span by span; what is there already is not asked again.

    Raises:
        InputError: nothing came of any span.
    """
    settings = config.settings
    target = target_of(settings)
    now = utc_now()
    first, last = parse_day(start), now if end is None else min(now, parse_day(end))
    if first < EPOCH:
        raise UsageError(f"{start!r} is before {EPOCH:%Y}: no provider has hours of it")
    if first >= last:
        raise UsageError(f"--from {start} is not before the end, {last:%Y-%m-%d %H:%M} UTC")
    wanted = spans(first, last, about(target.provider).max_span)
    _warn(out, config)
    with interrupt.catching() as stop:
        fetched = _fetch_spans(out, config, target, wanted, stop)
    if stop.exit_code is not None:
        out.error(
            f"stopped after {fetched.num_spans} of {len(wanted)} spans, which are stored; the same "
            "command fetches the others"
        )
        out.finish(stop.exit_code, ("interrupted",))
    if fetched.num_spans == len(wanted) and not fetched.num_rows:
        nothing = f"{target.title} gave nothing of {target.series} in {len(wanted)} requests"
        raise InputError("; ".join((nothing, *fetched.notes[:1])))
    out.data |= _about(target) | {
        "from": to_text(first),
        "to": to_text(last),
        "num_spans": len(wanted),
        "num_fetched": fetched.num_spans,
        "num_rows": fetched.num_rows,
    }
    out.note(
        f"{target.title}: {fetched.num_rows} rows of {target.series} in {fetched.num_spans} "
        f"requests, {len(wanted) - fetched.num_spans} spans were there"
    )


def _fetch_spans(
    out: Out, config: Config, target: Target, wanted: list[Span], stop: Interrupt
) -> _Fetched:
    """Ask for the spans that are not there yet and store each as it comes, until told to stop."""
    settings, now = config.settings, utc_now()
    total = _Fetched()
    with Store.open(settings.state) as store:
        log = GridLog(store)
        check_left_alone(log.state(target.asked), now)
        done = log.spans(target.asked)

        def is_there(span: Span) -> bool:
            return (span.start, span.end) in done

        with opened(config, target, limits(settings)) as provider:
            try:
                for each in fetch_history(provider, wanted, is_there, now):
                    with store.write():
                        total.num_rows += Intensities(store).add(each.reply.intensities)
                        if each.is_whole:
                            log.add_span(target.asked, each.span.start, each.span.end, now)
                    total.num_spans += 1
                    rows = len(each.reply.intensities)
                    out.note(f"{each.span.start:%Y-%m-%d} to {each.span.end:%Y-%m-%d}: {rows} rows")
                    for note in each.reply.notes:
                        out.note(note)
                    total.notes.extend(each.reply.notes)
                    if stop.came():
                        break
            except ThrottledError as error:
                log.failed(target.asked, str(error), retry_at(error))
                raise
    return total


def _ask_or_await(
    store: Store, config: Config, target: Target, now: datetime, max_age: timedelta
) -> Reply | None:
    """Return what a provider gives; None when another process has just asked it.

    Raises:
        ClaimedError: another process is still at it.
    """
    settings = config.settings
    try:
        return ask(store, config, target, now, limits(settings), max_age)
    except ClaimedError:
        if await_other(store, target, now, max_age, settings.grid_deadline_s):
            return None
    # the other one failed, or was killed
    return ask(store, config, target, utc_now(), limits(settings), max_age)


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
