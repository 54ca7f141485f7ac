"""SIGINT and SIGTERM: the first one asks to stop at the next step, a second one insists."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from sprout.cli.output import INTERRUPTED, TERMINATED


class Interrupt:
    """Remembers the signal that came."""

    def __init__(self) -> None:
        self.exit_code: int | None = None

    def came(self) -> bool:
        """Return whether a signal asked to stop."""
        return self.exit_code is not None


@contextmanager
def catching() -> Iterator[Interrupt]:
    """Turn the first SIGINT or SIGTERM inside the block into a request to stop."""
    interrupt = Interrupt()

    def handle(number: int, _frame: FrameType | None) -> None:
        interrupt.exit_code = TERMINATED if number == signal.SIGTERM else INTERRUPTED
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interrupt
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
