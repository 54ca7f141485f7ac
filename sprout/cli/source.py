"""Where prompts come from: a file or standard input, read as a stream."""

import os
import select
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from sprout.batch.prompts import MAX_LINE_BYTES, Prompt, Rejected, bounded_lines, read
from sprout.chat import Sampling
from sprout.cli.interrupt import LOOK_EVERY_S
from sprout.config.settings import Settings
from sprout.errors import DiskError, InputError, NoInputError, PermissionDeniedError
from sprout.state.ids import IdSet

PIPE_BYTES = 1 << 16  # what a pipe holds on Linux
FILLS_AT_ONCE = MAX_LINE_BYTES // PIPE_BYTES  # by who does not want to wait: a writer may never end

Rows = Iterator[Prompt | Rejected | None]
"""What each line asks for, in order; None for a blank one."""

_COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd", b"PK\3\4")
"""How files of gzip, bzip2, xz, zstd and zip begin."""

Version = tuple[int, int, int, int]
"""What tells a file from another of its name, and from itself before it was edited."""


class Pipe:
    """The lines of a pipe, which can be asked whether the next one has come.

    A line that is too long comes as soon as that is known; what follows of it is dropped.

    Args:
        look: called now and then while a line is awaited; what it raises ends the waiting.
    """

    def __init__(self, descriptor: int, look: Callable[[], None] = lambda: None) -> None:
        self._descriptor = descriptor
        self._look = look
        self._buffer = bytearray()
        self._is_closed = False
        self._is_dropping = False

    def has_line(self) -> bool:
        """Return whether reading a line, or the end, would not wait."""
        for _ in range(FILLS_AT_ONCE):
            if self._holds_line or not self._is_ready(0):
                break
            self._fill()
        return self._holds_line

    def readline(self) -> bytes:
        """Wait for the next line and return it; empty at the end."""
        while not self._holds_line:
            self._look()
            if self._is_ready(LOOK_EVERY_S):
                self._fill()
        end = self._buffer.find(b"\n") + 1 or len(self._buffer)
        line = bytes(self._buffer[:end])
        del self._buffer[:end]
        self._is_dropping = not line.endswith(b"\n")
        return line

    def __iter__(self) -> Iterator[bytes]:
        while line := self.readline():
            yield line

    @property
    def _holds_line(self) -> bool:
        return self._is_closed or len(self._buffer) > MAX_LINE_BYTES or b"\n" in self._buffer

    def _is_ready(self, patience_s: float) -> bool:
        return bool(select.select([self._descriptor], [], [], patience_s)[0])

    def _fill(self) -> None:
        chunk = os.read(self._descriptor, PIPE_BYTES)
        self._is_closed = not chunk
        if self._is_dropping:
            _, newline, chunk = chunk.partition(b"\n")
            self._is_dropping = not newline
        self._buffer += chunk


class Lines:
    """The lines of a source, as far as the limit; counts what was read.

    Args:
        file: opened for reading bytes.
        size: in bytes; None for a pipe.
        limit: read at most so many lines; None reads all.
        version: of a file; None for a pipe.
    """

    def __init__(
        self,
        file: BinaryIO | Pipe,
        size: int | None,
        limit: int | None,
        version: Version | None = None,
    ) -> None:
        self._file = file
        self._lines = iter(file) if isinstance(file, Pipe) else bounded_lines(file)
        self._limit = limit if limit is None else min(limit, sys.maxsize)
        self.size = size
        self.version = version
        self.num_lines = 0
        self.has_read_ahead = False

    def __iter__(self) -> Iterator[bytes]:
        try:
            for line in islice(self._lines, self._limit):
                if not self.num_lines and line.startswith(_COMPRESSED):
                    raise InputError("the prompts are compressed: unpack them first")
                self.num_lines += 1
                yield line
        except OSError as error:
            where = f"line {self.num_lines + 1} of the prompts"
            raise DiskError(f"{where} cannot be read: {error.strerror}") from error

    def has_line(self) -> bool:
        """Return whether the next line can be had without waiting for who writes it."""
        if self.has_read_ahead or not isinstance(self._file, Pipe):
            return True
        # at the limit nobody is waited for: the end is what comes next
        return self.num_lines == self._limit or self._file.has_line()

    @property
    def is_exhausted(self) -> bool:
        """Whether nothing is left behind the limit; in a pipe more may come until it is closed."""
        if self._limit is None:
            return True
        if isinstance(self._file, Pipe) and not self._file.has_line():
            return False
        return next(self._lines, None) is None

    @property
    def num_expected(self) -> int | None:
        """How many lines there are in all, guessed from the bytes read; None for a pipe."""
        if isinstance(self._file, Pipe) or self.size is None or not self.num_lines:
            return None
        guess = round(self.num_lines * self.size / self._file.tell())
        return guess if self._limit is None else min(guess, self._limit)


def is_pipe(name: str) -> bool:
    """Return whether a name is one of a pipe or a device, which can be read or written only once.

    What is not there or out of reach is none: opening it says why.
    """
    if name == "-":
        return True
    try:
        mode = Path(name).stat().st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


@contextmanager
def open_lines(
    name: str, limit: int | None, look: Callable[[], None] = lambda: None
) -> Iterator[Lines]:
    """Open a file, or standard input for "-".

    Args:
        look: called now and then while a pipe's line is awaited; may raise.

    Raises:
        NoInputError: it is not there, or empty.
        PermissionDeniedError: it may not be read.
        InputError: it is compressed; raised by reading.
    """
    if name == "-":
        yield Lines(_standard_input(look), None, limit)
        return
    with ExitStack() as stack:
        try:
            file = stack.enter_context(open(name, "rb", opener=_open_at_once))
        except PermissionError as error:
            raise PermissionDeniedError(f"{name} may not be read") from error
        except OSError as error:
            raise NoInputError(f"no prompts file {name}: {error.strerror}") from error
        found = os.fstat(file.fileno())
        size = found.st_size if stat.S_ISREG(found.st_mode) else None
        if size == 0:
            raise NoInputError(f"{name} is empty: one JSON object per line is expected")
        if size is None:
            yield Lines(Pipe(file.fileno(), look), None, limit)
        else:
            yield Lines(file, size, limit, _version(found))


def version_of(path: Path) -> Version | None:
    """Return the version of the file at a path; None when there is none within reach."""
    try:
        return _version(path.stat())
    except OSError:
        return None


def _version(found: os.stat_result) -> Version:
    return found.st_dev, found.st_ino, found.st_size, found.st_ctime_ns


def _open_at_once(path: str, flags: int) -> int:
    """Open a file, a named pipe too, without waiting until somebody writes into it."""
    descriptor = os.open(path, flags | os.O_NONBLOCK)
    os.set_blocking(descriptor, True)
    return descriptor


def _standard_input(look: Callable[[], None]) -> BinaryIO | Pipe:
    if sys.stdin is None:
        raise NoInputError("standard input is closed: name a file of prompts")
    try:
        return Pipe(sys.stdin.fileno(), look)
    except OSError:  # a stand-in without a file behind it
        return sys.stdin.buffer


@contextmanager
def open_rows(
    name: str,
    limit: int | None,
    settings: Settings,
    levels: Sequence[str],
    look: Callable[[], None] = lambda: None,
) -> Iterator[tuple[Lines, Rows]]:
    """Open a source as lines and as what they ask for.

    Args:
        levels: those that a line may pin.
        look: called now and then while the first line is awaited; may raise.

    Raises:
        NoInputError: it holds nothing but blank lines.
    """
    defaults = Sampling(max_tokens=settings.max_tokens, temperature=settings.temperature)
    with open_lines(name, limit, look) as lines, closing(IdSet()) as ids:
        rows = read(lines, defaults=defaults, levels=levels, is_new_id=ids.add)
        first = _first(rows, look)
        if first is None:
            shown = "standard input" if name == "-" else name
            raise NoInputError(f"{shown} holds no prompts: one JSON object per line is expected")
        lines.has_read_ahead = True
        yield lines, _behind(first, rows, lines)


@contextmanager
def open_prompts(
    name: str,
    limit: int | None,
    settings: Settings,
    levels: Sequence[str],
    look: Callable[[], None] = lambda: None,
) -> Iterator[tuple[Lines, Iterator[Prompt | Rejected]]]:
    """Open a source as `open_rows` does, for those who need not know of blank lines."""
    with open_rows(name, limit, settings, levels, look) as (lines, rows):
        yield lines, (row for row in rows if row is not None)


def _first(rows: Rows, look: Callable[[], None]) -> Prompt | Rejected | None:
    """Return what the first line asks for that is not blank; None when there is none."""
    for row in rows:
        look()
        if row is not None:
            return row
    return None


def _behind(first: Prompt | Rejected, rows: Rows, lines: Lines) -> Rows:
    lines.has_read_ahead = False
    yield first
    yield from rows
