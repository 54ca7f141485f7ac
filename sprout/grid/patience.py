"""How long and how often a grid provider is tried: limits, and urllib3's Retry with a deadline."""

import time
from dataclasses import dataclass, replace
from typing import Self

from urllib3.exceptions import InvalidHeader, MaxRetryError, ResponseError
from urllib3.response import BaseHTTPResponse
from urllib3.util.retry import Retry

THROTTLED = 429
RETRIED = frozenset({THROTTLED, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Limits:
    """How long to try.

    Args:
        total_s: for one piece of work, which may be several requests, retries included.
        num_retries: of one request.
        backoff_s: before the second retry; it doubles, and as much again is added by chance.
    """

    total_s: float = 30.0
    num_retries: int = 3
    connect_s: float = 5.0
    read_s: float = 10.0
    backoff_s: float = 0.5

    def within(self, total_s: float) -> "Limits":
        """Return these limits shrunk to a shorter total."""
        part = min(1.0, total_s / self.total_s)
        return replace(
            self,
            total_s=total_s,
            connect_s=min(self.connect_s, total_s),
            read_s=min(self.read_s, total_s),
            backoff_s=self.backoff_s * part,
        )


@dataclass(slots=True)
class Told:
    """What the replies to a request said that was retried."""

    status: int | None = None
    retry_after_s: float | None = None

    def note(self, header: str | None, retry: Retry) -> None:
        """Remember when they want to be asked again."""
        try:
            self.retry_after_s = None if header is None else retry.parse_retry_after(header)
        except (InvalidHeader, ValueError, OverflowError):
            self.retry_after_s = None


class DeadlineRetry(Retry):
    """urllib3's Retry, which also ends when the next pause would pass the deadline."""

    told: Told
    until_s: float

    @classmethod
    def within(cls, limits: Limits, until_s: float) -> Self:
        """Return the retries of one request."""
        retry = cls(
            total=limits.num_retries,
            redirect=0,
            other=0,
            allowed_methods=frozenset({"GET"}),
            status_forcelist=RETRIED,
            backoff_factor=limits.backoff_s,
            backoff_jitter=limits.backoff_s,
            backoff_max=limits.total_s,
            raise_on_status=False,
        )
        retry.told, retry.until_s = Told(), until_s
        return retry

    def new(self, **changes: object) -> Self:
        """Return the state after one more try."""
        # urllib3 types the keywords one by one; they are passed on as they are
        fresh = super().new(**changes)
        fresh.told, fresh.until_s = self.told, self.until_s
        return fresh

    def sleep(self, response: BaseHTTPResponse | None = None) -> None:
        """Wait as the server asks, or as long as the pauses have grown; else give up."""
        pause_s = self.get_backoff_time()
        self.told.status = None
        if response is not None:
            self.told.status = response.status
            self.told.note(response.headers.get("Retry-After"), self)
            pause_s = max(pause_s, self.told.retry_after_s or 0.0)
        if time.perf_counter() + pause_s >= self.until_s:
            # no pool and no URL: they would carry the query into the error
            raise MaxRetryError(None, None, ResponseError("no time left"))  # type: ignore[arg-type]
        time.sleep(pause_s)
        self.told.status = None
