"""Where prompts come from: a file or standard input, read as a stream."""

import os
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO

from sprout.chat import Sampling
from sprout.config import Settings
from sprout.directives import DirectiveSet
from sprout.errors import DiskError, NoInputError, PermissionDeniedError
from sprout.prompts import Prompt, Rejected, read
from sprout.state.ids import IdSet


class Lines:
    """The lines of a source, as far as the limit; counts what was read.

    Args:
        file: opened for reading bytes.
        size: in bytes; None for a pipe.
        limit: read at most so many lines; None reads all.
    """

    def __init__(self, file: BinaryIO, size: int | None, limit: int | None) -> None:
        self._file = file
        self._limit = limit
        self.size = size
        self.num_bytes = 0
        self.num_lines = 0

    def __iter__(self) -> Iterator[bytes]:
        lines: Iterable[bytes] = self._file
        try:
            for line in lines if self._limit is None else islice(lines, self._limit):
                self.num_bytes += len(line)
                self.num_lines += 1
                yield line
        except OSError as error:
            where = f"line {self.num_lines + 1} of the prompts"
            raise DiskError(f"{where} cannot be read: {error.strerror}") from error

    @property
    def is_exhausted(self) -> bool:
        """Whether nothing is left behind the limit."""
        return self._limit is None or not self._file.readline()

    @property
    def num_expected(self) -> int | None:
        """How many lines there are in all, guessed from the bytes read; None for a pipe."""
        if self.size is None or not self.num_bytes:
            return None
        guess = round(self.num_lines * self.size / self.num_bytes)
        return guess if self._limit is None else min(guess, self._limit)


@contextmanager
def open_lines(name: str, limit: int | None) -> Iterator[Lines]:
    """Open a file, or standard input for "-".

    Raises:
        NoInputError: it is not there, or empty.
        PermissionDeniedError: it may not be read.
    """
    if name == "-":
        yield Lines(sys.stdin.buffer, None, limit)
        return
    with ExitStack() as stack:
        try:
            file = stack.enter_context(Path(name).open("rb"))
        except PermissionError as error:
            raise PermissionDeniedError(f"{name} may not be read") from error
        except OSError as error:
            raise NoInputError(f"no prompts file {name}: {error.strerror}") from error
        found = os.fstat(file.fileno())
        size = found.st_size if stat.S_ISREG(found.st_mode) else None
        if size == 0:
            raise NoInputError(f"{name} is empty: one JSON object per line is expected")
        yield Lines(file, size, limit)


@contextmanager
def open_prompts(
    name: str, limit: int | None, settings: Settings, directives: DirectiveSet
) -> Iterator[tuple[Lines, Iterator[Prompt | Rejected]]]:
    """Open a source as lines and as the prompts in them.

    Raises:
        NoInputError: it holds nothing but blank lines.
    """
    defaults = Sampling(max_tokens=settings.max_tokens, temperature=settings.temperature)
    levels = [directive.level for directive in directives.directives]
    with open_lines(name, limit) as lines, closing(IdSet()) as ids:
        rows = read(lines, defaults=defaults, levels=levels, is_new_id=ids.add)
        first = next(rows, None)
        if first is None:
            shown = "standard input" if name == "-" else name
            raise NoInputError(f"{shown} holds no prompts: one JSON object per line is expected")
        yield lines, chain((first,), rows)
