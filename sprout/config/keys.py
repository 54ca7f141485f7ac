"""Keys of grid providers: held so that no message, record or traceback shows them by accident.

Which key is called what, and where it may come from, is in `sprout.config`.
"""

from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, quote_plus

from sprout.errors import InputError, PermissionDeniedError

HIDDEN = "***"


@dataclass(frozen=True, slots=True)
class Key:
    """A secret and where it came from; only `value` shows it."""

    value: str = field(repr=False)
    source: str

    def __str__(self) -> str:
        return HIDDEN


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys that were found, by name."""

    found: Mapping[str, Key] = field(default_factory=dict)

    def get(self, name: str) -> str:
        """Return a key.

        Raises:
            InputError: no header could carry it; the message does not show it.
            PermissionDeniedError: it is not set; the message names where it may be.
        """
        if name not in self.found:
            raise PermissionDeniedError(
                f"no {name}: set SPROUT_{name.upper()}, `{name}` in sprout.toml (mode 0600), "
                f"or the systemd credential {name}"
            )
        key = self.found[name]
        if not key.value or not key.value.isascii() or not key.value.isprintable():
            raise InputError(f"{key.source}: `{name}` is empty, or has characters that no key has")
        return key.value

    def values(self) -> tuple[str, ...]:
        """Return every secret, to be looked for in what others wrote."""
        return tuple(key.value for key in self.found.values())


def scrub(text: str, secrets: Iterable[str]) -> str:
    """Return a text of somebody else's with every secret in it replaced, however it is encoded."""
    known = [secret for secret in secrets if secret]
    forms = {form for secret in known for form in _forms(secret)}
    forms |= {_base64(f"{user}:{password}") for user in known for password in known}
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, HIDDEN)
    return text


def _forms(secret: str) -> set[str]:
    return {secret, quote(secret, safe=""), quote_plus(secret), _base64(secret)}


def _base64(text: str) -> str:
    return b64encode(text.encode()).decode()
