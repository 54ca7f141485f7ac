"""Why a counter cannot be read: what failed and what to do, kept apart for `sprout doctor`."""

from typing import ClassVar, Literal

from sprout.errors import MeterError, PermissionDeniedError, SproutError


class CounterError(SproutError):
    """A counter cannot be read.

    Args:
        detail: what failed, with the value; no full stop.
        fix: what to do; no full stop.
    """

    status: ClassVar[Literal["missing", "denied"]]

    def __init__(self, detail: str, fix: str) -> None:
        super().__init__(f"{detail}: {fix}")
        self.detail = detail
        self.fix = fix


class CounterMissingError(CounterError, MeterError):
    """A counter is not there, or it does not answer."""

    status = "missing"


class CounterDeniedError(CounterError, PermissionDeniedError):
    """A counter is there, but this user may not read it."""

    status = "denied"
