"""Why a counter cannot be read: what failed and what to do, kept apart for `sprout doctor`."""

from typing import ClassVar, Literal

from sprout.errors import MeterError, PermissionDeniedError


class CounterMissingError(MeterError):
    """A counter is not there, or it does not answer.

    Args:
        detail: what failed, with the value; no full stop.
        fix: what to do; no full stop.
    """

    status: ClassVar[Literal["missing"]] = "missing"

    def __init__(self, detail: str, fix: str) -> None:
        super().__init__(f"{detail}: {fix}")
        self.detail = detail
        self.fix = fix


class CounterDeniedError(PermissionDeniedError):
    """A counter is there, but this user may not read it.

    Args:
        detail: what failed, with the value; no full stop.
        fix: what to do; no full stop.
    """

    status: ClassVar[Literal["denied"]] = "denied"

    def __init__(self, detail: str, fix: str) -> None:
        super().__init__(f"{detail}: {fix}")
        self.detail = detail
        self.fix = fix
