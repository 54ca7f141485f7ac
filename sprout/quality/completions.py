"""An OpenAI-compatible chat completions endpoint, asked with patience.

POST {base URL}/chat/completions with model, messages, temperature 0 and max_tokens; read from the
answer: choices[0].message.content or .refusal, finish_reason, usage.prompt_tokens,
usage.completion_tokens, and usage.cost in USD where the endpoint states one. A model that takes no
max_tokens, or no temperature, as those of OpenAI that reason, is asked with max_completion_tokens
and by its own temperature. Not promised: that the endpoint says the same twice.

One that is away, busy or failing, or answers something else, is asked again, at most MAX_TRIES
times in all, after the time that Retry-After names or else twice as long as before. One that wants
more than LONGEST_PAUSE_S is left alone. The key is no part of any message or completion.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Any, Self

from sprout.config.keys import scrub
from sprout.errors import NotReadyError, PermissionDeniedError, SproutError, TryLaterError
from sprout.quality.http import Http, NoReplyError, Reply
from sprout.quality.judge import Fault, Usage

MAX_NEW_TOKENS = 1024
"""A label takes 3; the rest is for models that think first."""

MAX_TRIES = 5
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
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
_UNSUPPORTED = ("unsupported_parameter", "unsupported_value")  # OpenAI, with the parameter's name
_FILTERED = ("content_filter", "content_policy_violation")  # Azure, OpenAI
_SHOWN_CHARS = 200
_KEPT_CHARS = 1 << 16
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


@dataclass(frozen=True, slots=True)
class Completion:
    """What the model said.

    Args:
        fault: why that is no answer: it refused, had no room for the question, or was cut off.
    """

    text: str
    fault: Fault | None
    usage: Usage


class Completions:
    """Asks one endpoint.

    Args:
        sleep: waits for so many seconds.
        now: the current time, for a Retry-After that names a date.
    """

    def __init__(
        self, address: Address, sleep: Callable[[float], None], now: Callable[[], datetime]
    ) -> None:
        self.address = address
        self._http = Http(address.base_url, address.key, address.timeout_s)
        self._sleep = sleep
        self._now = now
        self._options: dict[str, int] = {"temperature": 0, "max_tokens": MAX_NEW_TOKENS}
        self._place = f"the judge at {address.base_url}"

    def ask(self, text: str) -> Completion:
        """Return what it says to a text.

        Raises:
            TryLaterError: it is away, too slow or busy, also when asked again.
            PermissionDeniedError: it wants another key.
            NotReadyError: it does not know the model, or refuses such requests.
        """
        pause_s, reason = 0.0, ""
        for number in range(MAX_TRIES):
            if number:
                self._sleep(pause_s)
            pause_s = FIRST_PAUSE_S * 2**number
            try:
                reply = self.post(text)
            except NoReplyError as error:
                reason = str(error)
                continue
            if self._adapts(reply):
                pause_s = 0.0
                continue
            completion = self._read(reply)
            if completion is not None:
                return completion
            is_other = reply.status == HTTPStatus.OK
            reason = "no chat completion" if is_other else f"status {reply.status}"
            reason += f": {self._excerpt(reply)}"
            pause_s = reply.retry_after_s(self._now()) or pause_s
            if pause_s > LONGEST_PAUSE_S:
                raise self._away(f"wants to be asked again in {pause_s:.0f} s ({reason})")
        raise self._away(f"does not answer after {MAX_TRIES} tries ({reason})")

    def post(self, text: str) -> Reply:
        """Return the reply to one request.

        Raises:
            NoReplyError: there is none.
        """
        messages = [{"role": "user", "content": text}]
        body = {"model": self.address.model, "messages": messages, **self._options}
        return self._http.post("/chat/completions", body)

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def _adapts(self, reply: Reply) -> bool:
        """Return whether a parameter was refused that can be left out; it is, from then on."""
        try:
            told = json.loads(reply.body)["error"]
            code, name = told["code"], told["param"]
        except (ValueError, LookupError, TypeError, RecursionError):
            return False
        if code not in _UNSUPPORTED or name not in ("temperature", "max_tokens"):
            return False
        if self._options.pop(name, None) is None:
            return False
        if name == "max_tokens":
            self._options["max_completion_tokens"] = MAX_NEW_TOKENS
        return True

    def _read(self, reply: Reply) -> Completion | None:
        """Return what a reply says; None for one that is worth another try."""
        fault = _fault(reply)
        if fault is not None:
            return Completion(self._excerpt(reply), fault, Usage())
        if reply.status == HTTPStatus.OK:
            return self._completion(reply)
        if reply.status in _BUSY:
            return None
        raise self._refused(reply)

    def _completion(self, reply: Reply) -> Completion | None:
        """Return what a chat completion says; None for what is none."""
        try:
            body: Any = json.loads(reply.body)
            choices, usage = body["choices"], self._usage(body.get("usage"))
            if choices == []:
                return Completion("", None, usage)
            message, ending = choices[0]["message"], choices[0].get("finish_reason")
            content, refusal = message.get("content"), message.get("refusal")
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            return None
        fault: Fault | None = "unparsed" if ending == "length" else None
        if refusal or ending == "content_filter":
            fault = "refused"
        said = content if isinstance(content, str) and content else refusal or ""
        return Completion(self._clean(str(said)), fault, usage)

    def _usage(self, told: object) -> Usage:
        """Return what was used, as far as what is told of it can be believed."""
        usage = told if isinstance(told, dict) else {}
        asked, new = _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))
        price, prices = _dollars(usage.get("cost")), self.address.usd_per_million
        if price is None and prices is not None and asked is not None and new is not None:
            price = (asked * prices[0] + new * prices[1]) / TOKENS_PER_PRICE
        return Usage(asked, new, price)

    def _away(self, what: str) -> TryLaterError:
        return TryLaterError(
            f"{self._place} {what}: verdicts so far are stored; run the same again later"
        )

    def _refused(self, reply: Reply) -> SproutError:
        if reply.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            return PermissionDeniedError(
                f"{self._place} refuses the key (status {reply.status}): set SPROUT_JUDGE_KEY"
            )
        return NotReadyError(
            f"{self._place} refuses the request (status {reply.status}: {self._excerpt(reply)}): "
            f"check `judge_url` and `judge_model` ({self.address.model})"
        )

    def _excerpt(self, reply: Reply) -> str:
        # scrubbed before it is cut, which could leave the half of a key
        return " ".join(self._clean(reply.text)[:_SHOWN_CHARS].split()) or "nothing"

    def _clean(self, text: str) -> str:
        """Return a text of the endpoint's that can be stored, without the key if it echoes that."""
        whole = text[:_KEPT_CHARS].encode(errors="replace").decode()  # no halves of pairs
        return scrub(whole, filter(None, (self.address.key,)))


def _fault(reply: Reply) -> Fault | None:
    """Return what the endpoint has against this one question; None when it says nothing of it."""
    text = reply.text.lower()
    if reply.status == HTTPStatus.INTERNAL_SERVER_ERROR:
        # what else fails there is worth another try
        return "too_long" if _LLAMA_CPP_TOO_LONG in text else None
    if reply.status not in _REFUSED:
        return None
    if any(said in text for said in _FILTERED):
        return "refused"
    return "too_long" if any(said in text for said in _TOO_LONG) else None


def _count(value: object) -> int | None:
    return value if type(value) is int and 0 <= value <= _MAX_COUNT else None


def _dollars(value: object) -> float | None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return float(value) if 0 <= value <= _MAX_USD else None
