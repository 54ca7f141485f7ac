"""Limits for a chat template, which comes with a downloaded file: Jinja's sandbox bounds no work.

The sandbox keeps templates from Python's insides and ranges below 100,000. Nested loops, macros
that call themselves, doubled strings and powers still take for ever, or all memory. So every line
that runs is counted, the clock is looked at, and the process may grow only so much meanwhile;
single operations that no count interrupts (powers and products of long integers) are bounded.
"""

import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from jinja2.exceptions import SecurityError
from jinja2.ext import loopcontrols
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

MAX_STEPS = 300_000
"""Lines of Python that a template may run; a chat of 1,001 messages takes up to 80,000."""
MAX_COMPILING_STEPS = 30 * MAX_STEPS
MAX_S = 10.0
MAX_GROWTH_BYTES = 64 << 20
MAX_INTEGER_BITS = 4096
MAX_ROUNDED_DIGITS = 100
_STATM = Path("/proc/self/statm")


class TooMuchError(Exception):
    """A template does more than any honest one."""


class Sandbox(ImmutableSandboxedEnvironment):
    """Jinja's sandbox, with integers that stay short."""

    intercepted_binops = frozenset({"*", "**"})

    def __init__(self) -> None:
        super().__init__(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
        self._round = self.filters["round"]
        self.filters["round"] = self._short_round

    def call_binop(self, context: Context, operator: str, left: object, right: object) -> object:
        """Multiply, or raise to a power, where the result is a short number."""
        if isinstance(left, int) and isinstance(right, int):
            bits = left.bit_length() * abs(right) if operator == "**" else _bits(left, right)
            if bits > MAX_INTEGER_BITS:
                raise SecurityError(f"{operator} makes too long an integer")
        return super().call_binop(context, operator, left, right)

    def _short_round(self, value: object, precision: int = 0, method: str = "common") -> object:
        if not abs(precision) <= MAX_ROUNDED_DIGITS:
            raise SecurityError("round to too many digits")
        return self._round(value, precision, method)


@contextmanager
def confined(num_chars: int, max_steps: int = MAX_STEPS) -> Iterator[None]:
    """Run the block within the limits.

    Args:
        num_chars: of text that it is given, whose copies it may hold.

    Raises:
        TooMuchError: it took too long.
        MemoryError: it took too much memory.
    """
    left = max_steps
    end_s = time.perf_counter() + MAX_S

    def count(_frame: FrameType, _event: str, _arg: object) -> Any:  # noqa: ANN401 - itself
        nonlocal left
        left -= 1
        if left < 0 or time.perf_counter() > end_s:
            raise TooMuchError("it does too much work")
        return count

    traced_before = sys.gettrace()
    with _limited_memory(MAX_GROWTH_BYTES + 32 * num_chars):
        sys.settrace(count)
        try:
            yield
        finally:
            sys.settrace(traced_before)


@contextmanager
def _limited_memory(num_bytes: int) -> Iterator[None]:
    """Let the process grow by so much while the block runs; where that cannot be had, by all."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    try:
        pages = int(_STATM.read_text(encoding="ascii").split()[0])
    except OSError:
        yield
        return
    limit = pages * resource.getpagesize() + num_bytes
    if soft != resource.RLIM_INFINITY:
        limit = min(limit, soft)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _bits(left: int, right: int) -> int:
    return left.bit_length() + right.bit_length()
