"""SIGINT and SIGTERM: the first one asks to stop at the next step, a second one insists."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from sprout.cli.output import INTERRUPTED, TERMINATED, Out

LOOK_EVERY_S = 0.2  # whether a signal came, while nothing else is done


class Interrupt:
    """Remembers the signal that came."""

    def __init__(self) -> None:
        self.exit_code: int | None = None

    def came(self) -> bool:
        """Return whether a signal asked to stop."""
        return self.exit_code is not None

    def end_if_came(self, out: Out) -> None:
        """End a command that has begun nothing yet, when a signal asks to stop."""
        if self.exit_code is not None:
            out.error("stopped before anything was begun")
            out.finish(self.exit_code, ("interrupted",))

    def sleep(self, duration_s: float) -> None:
        """Sleep so long, or until a signal asks to stop."""
        end_s = time.perf_counter() + duration_s
        while not self.came() and (left_s := end_s - time.perf_counter()) > 0:
            # Python goes on sleeping behind a signal that raises nothing
            time.sleep(min(left_s, LOOK_EVERY_S))


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
