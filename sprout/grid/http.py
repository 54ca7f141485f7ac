"""HTTP GET for providers: limited retries, timeouts, a total deadline, and no secret in any error.

The deadline holds whatever hangs, name resolution and a server that drips bytes included: the
request runs in a thread of its own, which is left behind when time is over and ends by its own
timeouts. Redirects are not followed, so that no key leaves for another host. HTTPS_PROXY, NO_PROXY
and REQUESTS_CA_BUNDLE are heeded; ~/.netrc is not, which would send a name that nobody set here.
Foreign exceptions carry the URL, and with it the key of some providers, so ours do not refer to
them.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Self
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase, HTTPBasicAuth
from urllib3.exceptions import NameResolutionError, NewConnectionError
from urllib3.exceptions import TimeoutError as Urllib3TimeoutError

from sprout import __version__
from sprout.errors import NotReadyError, SproutError, TryLaterError
from sprout.grid.answer import NO_CONTENT, OK, UNKNOWN, Answer, clean
from sprout.grid.patience import RETRIED, THROTTLED, DeadlineRetry, Limits
from sprout.grid.provider import ThrottledError

MAX_BODY_BYTES = 64 << 20
MAX_RETRY_AFTER_S = 3600.0
DEFAULT_RETRY_AFTER_S = 60.0
_CHUNK_BYTES = 1 << 16

Params = Sequence[tuple[str, str]]


class Client:
    """Asks one provider; a piece of work begins with `begin`.

    Raises:
        NotReadyError: the base URL is none.
    """

    def __init__(
        self, who: str, base_url: str, limits: Limits, secrets: Sequence[str] = ()
    ) -> None:
        self.who = who
        self._base_url = base_url.rstrip("/")
        self._place = _place_of(who, base_url)
        self._limits = limits
        self._secrets = tuple(secrets)
        # they log whole URLs, and some carry the key
        for name in ("urllib3.connectionpool", "urllib3.util.retry"):
            logging.getLogger(name).disabled = True
        self._session = requests.Session()
        self._session.headers["User-Agent"] = f"sprout-llm/{__version__}"
        self._session.headers["Accept"] = "application/json"
        # one for all requests: a history of years opens no connection a request
        self._adapter = HTTPAdapter()
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, self._adapter)
        self._until_s = time.perf_counter() + limits.total_s

    def begin(self) -> None:
        """Start the deadline of the next piece of work."""
        self._until_s = time.perf_counter() + self._limits.total_s

    def clean(self, text: str) -> str:
        """Return what a provider said, short and without any secret."""
        return clean(text, self._secrets)

    def hide(self, secret: str) -> None:
        """Keep one more secret, such as a token, out of every message."""
        self._secrets = (*self._secrets, secret)

    def get(
        self,
        path: str,
        params: Params = (),
        *,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
    ) -> Answer:
        """Return the reply to a GET.

        Raises:
            TryLaterError: no reply in time, or a fault on their side; ThrottledError where they
                say when it is over, and for 429.
        """
        left_s = self._until_s - time.perf_counter()
        retry = DeadlineRetry.within(self._limits, self._until_s)
        call = _Call(lambda: self._send(path, params, headers, auth, retry))
        if left_s > 0:
            call.start()
            call.join(left_s)
        # whoever waits may wake up later than the thread that saw the deadline pass
        if left_s <= 0 or call.is_alive() or isinstance(call.failure, TimeoutError):
            raise TryLaterError(
                f"{self.who} gave no answer within {self._limits.total_s:g} s: try again later"
            )
        if call.failure is not None:
            raise self._translate(call.failure, retry)
        if call.answer is None:
            raise RuntimeError("a request ended without an answer")
        return self._check(call.answer, retry)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def _send(
        self,
        path: str,
        params: Params,
        headers: Mapping[str, str] | None,
        auth: tuple[str, str] | None,
        retry: DeadlineRetry,
    ) -> Answer:
        self._adapter.max_retries = retry
        response = self._session.get(
            self._base_url + path,
            params=[*params],
            headers=headers,
            auth=HTTPBasicAuth(*auth) if auth else _NoAuth(),
            timeout=(self._limits.connect_s, self._limits.read_s),
            allow_redirects=False,
            stream=True,
        )
        with response:
            body = bytearray()
            while chunk := response.raw.read1(_CHUNK_BYTES, decode_content=True):
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    raise requests.exceptions.ContentDecodingError
                if time.perf_counter() > retry.until_s:
                    raise TimeoutError
            retry.told.note(response.headers.get("Retry-After"), retry)
            return Answer(
                response.status_code,
                response.headers.get("Content-Type", ""),
                bytes(body),
                self.who,
                self._secrets,
            )

    def _check(self, answer: Answer, retry: DeadlineRetry) -> Answer:
        if answer.status in RETRIED or answer.status > max(RETRIED):
            raise self._later(answer.status, retry)
        if OK < answer.status < min(UNKNOWN) and answer.status != NO_CONTENT:
            raise TryLaterError(
                f"{self.who} answered {answer.status} and no data "
                "(redirects are not followed): check its base URL, or try again later"
            )
        return answer

    def _later(self, status: int, retry: DeadlineRetry) -> TryLaterError:
        """Return our error for a fault that passes, with the time that they ask for."""
        is_throttled = status == THROTTLED
        what = "got too many requests" if is_throttled else f"answered {status}"
        wait_s = retry.told.retry_after_s
        if wait_s is None and not is_throttled:
            return TryLaterError(f"{self.who} {what}: try again later")
        wait_s = DEFAULT_RETRY_AFTER_S if wait_s is None else min(wait_s, MAX_RETRY_AFTER_S)
        return ThrottledError(f"{self.who} {what}", wait_s)

    def _translate(self, failure: Exception, retry: DeadlineRetry) -> SproutError:
        """Return our error for a foreign one, of which nothing but the class is told."""
        if retry.told.status is not None:
            return self._later(retry.told.status, retry)
        return TryLaterError(
            f"{self.who} at {self._place} is out of reach: {_reason(failure)}; try again later"
        )


class _NoAuth(AuthBase):
    """Leaves a request as it is; without any, ~/.netrc would be looked up."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


class _Call(threading.Thread):
    """One request in a thread, so that whoever waits can stop waiting."""

    def __init__(self, work: Callable[[], Answer]) -> None:
        super().__init__(daemon=True, name="sprout-grid")
        self._work = work
        self.answer: Answer | None = None
        self.failure: Exception | None = None

    def run(self) -> None:
        """Do the work and keep how it ended."""
        try:
            self.answer = self._work()
        except Exception as error:  # noqa: BLE001 - told by whoever waits for it
            self.failure = error


def _reason(failure: Exception) -> str:
    """Return in a few words why there was no reply."""
    if isinstance(failure, requests.exceptions.ProxyError | requests.exceptions.InvalidProxyURL):
        return "the proxy that the environment names does not lead there"
    reason = getattr(failure.args[0] if failure.args else None, "reason", None)
    if isinstance(reason, NameResolutionError):
        return "the name does not resolve"
    if isinstance(reason, NewConnectionError):
        return "no connection"
    # a retry that no time was left for is one too many of something that took too long
    late = (requests.exceptions.Timeout, requests.exceptions.RetryError)
    if isinstance(failure, late) or isinstance(reason, Urllib3TimeoutError):
        return "timeout"
    if isinstance(failure, requests.exceptions.ConnectionError):
        is_tls = isinstance(failure, requests.exceptions.SSLError)
        return "TLS failed" if is_tls else "no connection"
    return f"the reply was cut off or cannot be read ({type(failure).__name__})"


def _place_of(who: str, base_url: str) -> str:
    """Return the host of a base URL, with its port.

    Raises:
        NotReadyError: it is no http(s) URL.
    """
    try:
        parts = urlsplit(base_url)
        is_good = parts.scheme in {"http", "https"} and bool(parts.hostname)
        place = f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)
    except ValueError:
        is_good, place = False, ""
    if not is_good:
        raise NotReadyError(f"{who}: its base URL is no http(s) URL; correct the setting")
    return place
