"""Asks a provider for the present: when it is due, one process at a time, and not for long.

Used by `sprout grid fetch`, and by every command that plans. A fresh cache is told from the store
alone: nothing that speaks HTTP is imported for it.
"""

import time
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sprout.cli.present import utc_now
from sprout.config.settings import Settings
from sprout.config.sources import Config
from sprout.errors import InputError, NotReadyError, PermissionDeniedError, TryLaterError
from sprout.grid.intensity import Series
from sprout.grid.open import about, open_provider, series_of
from sprout.grid.provider import CLOCK_TOLERANCE, Provider, Reply, ThrottledError
from sprout.grid.reading import FRESH, Contact
from sprout.state.grid_log import Asked, FetchState, GridLog
from sprout.state.intensities import Intensities
from sprout.state.store import Store

if TYPE_CHECKING:
    from sprout.grid.patience import Limits

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
        """Return the key of its records; a provider whose kind is set has some of each kind."""
        is_told = about(self.provider).kind is not None
        name = self.provider if is_told else f"{self.provider} ({self.series.kind})"
        return Asked(name, self.series.zone, self.series.factor_type)

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
    from sprout.grid.patience import Limits

    found = Limits(num_retries=settings.grid_retries).within(settings.grid_deadline_s)
    if not is_run:
        return found
    short = found.within(min(RUN_TOTAL_S, settings.grid_deadline_s))
    return replace(
        short,
        num_retries=min(RUN_RETRIES, settings.grid_retries),
        connect_s=short.connect_s / 2,
    )


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
                    None if await_other(store, target, now, FRESH, RUN_TOTAL_S) else str(error)
                )
            except (TryLaterError, PermissionDeniedError, InputError) as error:
                failure = str(error)
    return Contact(GridLog(store).state(target.asked).fetched_at, failure, source)


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
    check_left_alone(log.state(target.asked), now)
    if not log.claim(target.asked, now, now + timedelta(seconds=limits.total_s)):
        raise ClaimedError(f"another process is fetching {target.series.zone}: try again later")
    if fresh_since(store, target, now, max_age) is not None:
        log.release(target.asked)
        return None
    try:
        with opened(config, target, limits) as provider:
            reply = _usable(provider.recent(now), target)
    except (TryLaterError, PermissionDeniedError, InputError) as error:
        log.failed(target.asked, str(error), retry_at(error))
        raise
    except BaseException:
        log.release(target.asked)
        raise
    with store.write():
        Intensities(store).add(reply.intensities)
        log.succeeded(target.asked, now)
    return reply


def await_other(
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


def check_left_alone(state: FetchState, now: datetime) -> None:
    """Refuse to ask a provider that is to be left alone for a while.

    Raises:
        TryLaterError: it is.
    """
    if state.retry_at is not None and now < state.retry_at <= now + timedelta(hours=2):
        raise TryLaterError(f"{state.error} (not asked again before {state.retry_at:%H:%M:%S} UTC)")


def retry_at(error: Exception) -> datetime | None:
    """Return until when a provider is to be left alone; a refusal is the user's to mend."""
    if isinstance(error, ThrottledError):
        return utc_now() + timedelta(seconds=max(1.0, error.retry_after_s))
    if isinstance(error, TryLaterError):
        return utc_now() + timedelta(seconds=RETRY_AFTER_S)
    return None


def opened(config: Config, target: Target, limits: "Limits") -> AbstractContextManager[Provider]:
    """Open what is to be asked."""
    url = config.settings.base_url(target.provider)
    return open_provider(target.provider, target.series, url, config.keys, limits)
