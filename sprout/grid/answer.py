"""A provider's reply: its JSON, or what it refuses and why, without any secret. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sprout.config.keys import scrub
from sprout.errors import InputError, PermissionDeniedError, TryLaterError

OK = 200
NO_CONTENT = 204
UNAUTHORIZED = 401
REFUSED = frozenset({UNAUTHORIZED, 403})
NOT_FOUND = 404
UNKNOWN = frozenset({400, NOT_FOUND, 422})
MAX_MESSAGE = 200
MAX_ERROR_DEPTH = 4


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply that is not to be retried."""

    status: int
    content_type: str
    body: bytes = field(repr=False)
    who: str
    secrets: tuple[str, ...] = field(repr=False)

    @property
    def is_json(self) -> bool:
        """Whether the body is whole JSON."""
        return self._parsed()[0]

    def json(self) -> object:
        """Return the body.

        Raises:
            TryLaterError: it is not JSON, or was cut off.
        """
        is_json, value = self._parsed()
        if not is_json:
            raise TryLaterError(
                f"{self.who} answered {self.status} with something that is not whole JSON "
                f"({self.content_type or 'no content type'}, {len(self.body)} bytes): "
                "try again later"
            )
        return value

    def value(self, zone: str) -> Any:  # noqa: ANN401 - JSON
        """Return the body of a good reply; turn the usual refusals into errors.

        Raises:
            InputError: the zone is not known there.
            PermissionDeniedError: 401 or 403.
            TryLaterError: the reply is not JSON, or of a status that nobody documents.
        """
        if self.status == OK:
            return self.json()
        if self.status in UNKNOWN:
            raise InputError(
                f"{self.who} does not take zone {zone!r}: {self.message()}; "
                "`sprout grid zones` lists what it knows"
            )
        if self.status in REFUSED:
            raise PermissionDeniedError(f"{self.who} refused: {self.message()}")
        raise TryLaterError(f"{self.who} answered {self.status}: {self.message()}")

    def message(self) -> str:
        """Return what the provider says went wrong, on one short line, without any secret."""
        _, value = self._parsed()
        texts = _texts(value) if isinstance(value, dict) else []
        return clean("; ".join(texts), self.secrets) or f"HTTP {self.status}"

    def _parsed(self) -> tuple[bool, object]:
        try:
            return True, json.loads(self.body)
        except (ValueError, RecursionError):
            return False, None


def clean(text: str, secrets: Sequence[str]) -> str:
    """Return what a provider said, short, on one line and without any secret."""
    return " ".join(scrub(text, secrets).split())[:MAX_MESSAGE]


def _texts(value: Mapping[str, object], depth: int = 0) -> list[str]:
    """Return the sentences under the names that providers use for errors."""
    found: list[str] = []
    if depth > MAX_ERROR_DEPTH:
        return found
    for name in ("error", "message", "detail", "code"):
        part = value.get(name)
        if isinstance(part, dict):
            found += _texts(part, depth + 1)
        elif isinstance(part, str):
            found.append(part)
    return found
