"""Where prompts come from: a file or standard input, read as a stream."""

import os
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from sprout.errors import NoInputError, PermissionDeniedError


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
        for line in lines if self._limit is None else islice(lines, self._limit):
            self.num_bytes += len(line)
            self.num_lines += 1
            yield line

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
    try:
        with Path(name).open("rb") as file:
            found = os.fstat(file.fileno())
            size = found.st_size if stat.S_ISREG(found.st_mode) else None
            if size == 0:
                raise NoInputError(f"{name} is empty: one JSON object per line is expected")
            yield Lines(file, size, limit)
    except (FileNotFoundError, IsADirectoryError) as error:
        raise NoInputError(f"no prompts file {name}: {error.strerror}") from error
    except PermissionError as error:
        raise PermissionDeniedError(f"{name} may not be read") from error
