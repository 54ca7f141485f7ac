"""A judge behind an OpenAI-compatible chat completions endpoint.

POST {base URL}/chat/completions with model, messages, temperature 0 and max_tokens; read from the
answer: choices[0].message.content or .refusal, finish_reason, usage.prompt_tokens,
usage.completion_tokens, and usage.cost in USD where the endpoint states one. Not promised: that
the endpoint gives the same verdict twice.

A busy or failing endpoint is asked again, at most MAX_TRIES times in all, after the time that
Retry-After names or else twice as long as before. The key travels in the Authorization header only:
it is no part of the judge's card, of any message, or of the store.
"""

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import requests
import urllib3

from sprout.errors import NotReadyError, PermissionDeniedError, SproutError, TryLaterError
from sprout.keys import scrub
from sprout.quality.comparison import MARKED_TEMPLATE, question_text
from sprout.quality.judge import Card, Opinion, Question, Usage
from sprout.quality.wording import choice_in

MAX_TRIES = 5
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
MAX_NEW_TOKENS = 1024
"""A label takes 3; the rest is for models that think first."""
TOKENS_PER_PRICE = 1e6
_BUSY = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_REFUSED = frozenset({400, 413, 422})
_LLAMA_CPP_TOO_LONG = "exceed_context_size_error"  # with status 400; with 500 in some builds
_TOO_LONG = (
    _LLAMA_CPP_TOO_LONG,
    "available context size",  # llama.cpp before it had a type of its own
    "context_length_exceeded",  # OpenAI, llama-cpp-python
    "context length",  # vLLM, SGLang, LM Studio
    "maximum model length",  # vLLM, in other places
    "context window",
    "too long",
)
_SHOWN_CHARS = 200
_CHUNK_BYTES = 1 << 16
_MAX_BODY_BYTES = 16 << 20
_KEPT_CHARS = 1 << 16  # of a judge's words
_MAX_COUNT = 2**31 - 1
_MAX_USD = 1e6


@dataclass(frozen=True, slots=True)
class Address:
    """Where an endpoint is and how it is asked.

    Args:
        base_url: up to and without "/chat/completions".
        key: sent as a bearer token; None sends none.
        timeout_s: for the connection, and for the whole answer after it.
        usd_per_million: (of prompt tokens, of new tokens); None when the price is not known.
    """

    base_url: str
    model: str
    key: str | None = field(repr=False)
    timeout_s: float
    usd_per_million: tuple[float, float] | None = None


def card(address: Address) -> Card:
    """Return who an endpoint's model is as a judge; the key is no part of it."""
    settings: dict[str, str | int | float] = {
        "url": address.base_url.rstrip("/"),
        "model": address.model,
        "temperature": 0,
        "max_tokens": MAX_NEW_TOKENS,
    }
    return Card(f"endpoint:{address.model}", "endpoint", MARKED_TEMPLATE, settings)


@dataclass(frozen=True, slots=True)
class _Reply:
    """What came back, read to its end."""

    status_code: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode(errors="replace")


class EndpointJudge:
    """Asks an endpoint.

    Args:
        sleep: waits for so many seconds.
        now: the current time, for a Retry-After that names a date.
    """

    def __init__(
        self, address: Address, sleep: Callable[[float], None], now: Callable[[], datetime]
    ) -> None:
        self._address = address
        self._sleep = sleep
        self._now = now
        self._session = requests.Session()
        self._card = card(address)

    @property
    def card(self) -> Card:
        """Who it is; not the key."""
        return self._card

    def ask(self, question: Question) -> Opinion:
        """Return its opinion.

        Raises:
            TryLaterError: the endpoint is away, too slow or busy, also when asked again.
            PermissionDeniedError: it wants another key.
            NotReadyError: it does not know the model, or refuses such requests.
        """
        response = self._ask_patiently(question_text(self._card, question))
        if _is_too_long(response):
            return Opinion(self._excerpt(response), (), "too_long")
        if response.status_code != requests.codes.ok:
            raise self._refused(response)
        try:
            body: Any = json.loads(response.body)
            choice, usage = body["choices"][0], body.get("usage") or {}
            message = choice["message"]
            content, refusal = message.get("content"), message.get("refusal")
            ending = choice.get("finish_reason")
            used = self._usage(usage)
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise TryLaterError(
                f"{self._place} did not answer in the form of chat completions: "
                f"{self._excerpt(response)!r}"
            ) from error
        said = content if isinstance(content, str) and content else refusal or ""
        raw = self._clean(str(said))
        if refusal or ending == "content_filter":
            return Opinion(raw, (), "refused", used)
        slot = choice_in(raw, len(question.answers)) if ending != "length" else None
        if slot is None:
            return Opinion(raw, (), "unparsed", used)
        return Opinion(raw, (slot,), None, used)

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    @property
    def _place(self) -> str:
        return f"the judge at {self._address.base_url}"

    def _ask_patiently(self, text: str) -> _Reply:
        """Return the endpoint's answer, asking again while it is busy or away."""
        pause_s, reason = FIRST_PAUSE_S, ""
        for number in range(1, MAX_TRIES + 1):
            try:
                response = self._post(text)
            except requests.Timeout:
                wait_s, reason = pause_s, f"no answer within {self._address.timeout_s:g} s"
            except requests.RequestException as error:
                wait_s, reason = pause_s, _plain(error)
            else:
                if response.status_code not in _BUSY or _is_too_long(response):
                    return response
                wait_s = _retry_after_s(response, self._now()) or pause_s
                reason = f"status {response.status_code}: {self._excerpt(response)}"
            if number < MAX_TRIES:
                self._sleep(min(wait_s, LONGEST_PAUSE_S))
                pause_s *= 2
        raise TryLaterError(
            f"{self._place} does not answer after {MAX_TRIES} tries ({reason}): verdicts so far "
            "are stored; run the same again later"
        )

    def _post(self, text: str) -> _Reply:
        """Return the reply; `timeout_s` is for all of it, however slowly it drips."""
        address = self._address
        give_up_s = time.perf_counter() + address.timeout_s
        with self._session.post(
            f"{address.base_url.rstrip('/')}/chat/completions",
            json={
                "model": address.model,
                "messages": [{"role": "user", "content": text}],
                "temperature": 0,
                "max_tokens": MAX_NEW_TOKENS,
            },
            # as an object, so that no ~/.netrc takes the header's place
            auth=_Bearer(address.key),
            timeout=address.timeout_s,
            allow_redirects=False,  # a key is for one place only
            stream=True,
        ) as response:
            body = b""
            while chunk := _next_chunk(response):
                body += chunk
                if time.perf_counter() > give_up_s:
                    raise requests.ReadTimeout
                if len(body) > _MAX_BODY_BYTES:
                    raise requests.ConnectionError("an answer without end")
            return _Reply(response.status_code, response.headers, body)

    def _refused(self, response: _Reply) -> SproutError:
        status, said = response.status_code, self._excerpt(response)
        if status in {requests.codes.unauthorized, requests.codes.forbidden}:
            return PermissionDeniedError(
                f"{self._place} refuses the key (status {status}): set SPROUT_JUDGE_KEY"
            )
        return NotReadyError(
            f"{self._place} refuses the request (status {status}: {said}): check `judge_url` and "
            f"`judge_model` ({self._address.model})"
        )

    def _excerpt(self, response: _Reply) -> str:
        # scrubbed before it is cut, which could leave the half of a key
        return " ".join(self._clean(response.text)[:_SHOWN_CHARS].split()) or "nothing"

    def _clean(self, text: str) -> str:
        """Return a text of the endpoint's that can be stored, without the key if it echoes that."""
        whole = text[:_KEPT_CHARS].encode(errors="replace").decode()  # no halves of pairs
        return scrub(whole, filter(None, (self._address.key,)))

    def _usage(self, usage: dict[str, Any]) -> Usage:
        asked, new = _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))
        stated, prices = usage.get("cost"), self._address.usd_per_million
        price: float | None = None
        if isinstance(stated, int | float) and 0 <= stated <= _MAX_USD:
            price = float(stated)
        if price is None and prices is not None and asked is not None and new is not None:
            price = (asked * prices[0] + new * prices[1]) / TOKENS_PER_PRICE
        return Usage(asked, new, price)


def _next_chunk(response: requests.Response) -> bytes:
    """Return what has come, waiting for no more than the next bytes; empty at the end."""
    try:
        return bytes(response.raw.read1(_CHUNK_BYTES, decode_content=True))
    except urllib3.exceptions.TimeoutError as error:
        raise requests.ReadTimeout from error
    except urllib3.exceptions.HTTPError as error:
        raise requests.ConnectionError(str(error)) from error


class _Bearer(requests.auth.AuthBase):
    def __init__(self, key: str | None) -> None:
        self._key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._key is not None:
            request.headers["Authorization"] = f"Bearer {self._key}"
        return request


def _retry_after_s(response: _Reply, now: datetime) -> float | None:
    """Return the seconds that the endpoint asks to wait; None when it does not say."""
    said = response.headers.get("Retry-After", "")
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


def _is_too_long(response: _Reply) -> bool:
    """Return whether the endpoint refuses a question because of its length."""
    text = response.text.lower()
    if response.status_code == requests.codes.server_error:
        return _LLAMA_CPP_TOO_LONG in text  # what else fails there is worth another try
    return response.status_code in _REFUSED and any(said in text for said in _TOO_LONG)


def _plain(error: requests.RequestException) -> str:
    """Return what went wrong without the library's wrapping."""
    cause: BaseException = error
    while cause.__cause__ is not None or cause.__context__ is not None:
        cause = cause.__cause__ or cause.__context__ or cause
    return str(cause)[:_SHOWN_CHARS] or type(error).__name__


def _count(value: object) -> int | None:
    return value if type(value) is int and 0 <= value <= _MAX_COUNT else None
