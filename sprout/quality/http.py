"""HTTP POST to a judge's endpoint: one deadline for the whole answer, and the key for nobody else.

The key travels in the Authorization header only, redirects are not followed, and no ~/.netrc takes
its place.
"""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import requests
import urllib3

from sprout.errors import NotReadyError

_CHUNK_BYTES = 1 << 16
_MAX_BODY_BYTES = 16 << 20
_SHOWN_CHARS = 200


class NoReplyError(Exception):
    """Nothing came back, or not all of it, or not in time; says why."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body, whatever it is."""
        return self.body.decode(errors="replace")

    def retry_after_s(self, now: datetime) -> float | None:
        """Return the seconds that the endpoint asks to wait; None when it does not say."""
        said = self.headers.get("Retry-After", "")
        try:
            seconds = float(said)
        except ValueError:
            try:
                when = parsedate_to_datetime(said)
            except (ValueError, TypeError, IndexError, OverflowError):
                return None
            if when.tzinfo is None:
                when = when.replace(tzinfo=UTC)
            seconds = (when - now).total_seconds()
        return max(0.0, seconds) if math.isfinite(seconds) else None


class Http:
    """A connection to one endpoint.

    Args:
        key: sent as a bearer token; None sends none.
        timeout_s: for the connection, and for the whole answer after it.
    """

    def __init__(self, base_url: str, key: str | None, timeout_s: float) -> None:
        self._base_url = base_url.rstrip("/")
        self._key = key
        self._timeout_s = timeout_s
        self._session = requests.Session()

    def post(self, path: str, body: Mapping[str, object]) -> Reply:
        """Return the reply to a body, sent as JSON.

        Raises:
            NoReplyError: there is none.
            NotReadyError: no request can be sent there.
        """
        try:
            return self._post(path, body)
        except requests.exceptions.InvalidURL as error:
            raise NotReadyError(f"`judge_url` is no address: {_plain(error)}") from error
        except requests.Timeout as error:
            raise NoReplyError(
                f"no answer within {self._timeout_s:g} s, the `judge_timeout_s`"
            ) from error
        except requests.RequestException as error:
            raise NoReplyError(_plain(error)) from error

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def _post(self, path: str, body: Mapping[str, object]) -> Reply:
        give_up_s = time.perf_counter() + self._timeout_s
        with self._session.post(
            self._base_url + path,
            json=body,
            auth=_Bearer(self._key),  # as an object, or ~/.netrc would be looked up
            timeout=self._timeout_s,
            allow_redirects=False,
            stream=True,
        ) as response:
            read = b""
            while chunk := _next_chunk(response):
                read += chunk
                if time.perf_counter() > give_up_s:
                    raise requests.ReadTimeout
                if len(read) > _MAX_BODY_BYTES:
                    raise requests.ConnectionError("an answer without end")
            return Reply(response.status_code, response.headers, read)


class _Bearer(requests.auth.AuthBase):
    def __init__(self, key: str | None) -> None:
        self._key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._key is not None:
            request.headers["Authorization"] = f"Bearer {self._key}"
        return request


def _next_chunk(response: requests.Response) -> bytes:
    """Return what has come, waiting for no more than the next bytes; empty at the end."""
    try:
        return bytes(response.raw.read1(_CHUNK_BYTES, decode_content=True))
    except urllib3.exceptions.TimeoutError as error:
        raise requests.ReadTimeout from error
    except urllib3.exceptions.HTTPError as error:
        raise requests.ConnectionError(str(error)) from error


def _plain(error: requests.RequestException) -> str:
    """Return what went wrong without the library's wrapping."""
    cause: BaseException = error
    while cause.__cause__ is not None or cause.__context__ is not None:
        cause = cause.__cause__ or cause.__context__ or cause
    return str(cause)[:_SHOWN_CHARS] or type(error).__name__
