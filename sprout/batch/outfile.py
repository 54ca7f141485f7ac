"""The output file and the errors file of a run: append-only, resumable, never another's.

The output file is the truth about what is finished. A line is complete when it ends in a newline; a
kill can leave a torn last line, which is cut off before anything is appended, and after all that is
in the file was found to be the run's own. Lines are flushed as they are written; fsync runs at most
once a second.
"""

import errno
import json
import os
import time
from collections.abc import Collection, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from sprout.batch.answers import is_error_line, parse_line
from sprout.batch.prompts import MAX_LINE_BYTES, bounded_lines
from sprout.errors import OutputExistsError
from sprout.files.writing import replacing, translated

FSYNC_EVERY_S = 1.0
_NOTHING_TO_SYNC = {errno.EINVAL, errno.ENOTSUP}  # /dev/null and the like


class LineFile:
    """A file that lines are appended to."""

    def __init__(self, path: Path, *, starts_empty: bool) -> None:
        self.path = path
        try:
            # unbuffered: after a failed write nothing lingers that would fail again on closing
            self._file = path.open("wb" if starts_empty else "ab", buffering=0)
        except OSError as error:
            raise translated(path, error) from error
        self._synced_s = time.perf_counter()

    def append(self, lines: list[str]) -> None:
        """Append and flush lines; at most once a second also to the disk."""
        if not lines:
            return
        try:
            data = memoryview("".join(f"{line}\n" for line in lines).encode())
            while data:
                data = data[self._file.write(data) :]
            if time.perf_counter() - self._synced_s >= FSYNC_EVERY_S:
                self._sync()
        except OSError as error:
            raise translated(self.path, error) from error

    def close(self) -> None:
        """Write everything to the disk and close."""
        try:
            self._sync()
            self._file.close()
        except OSError as error:
            raise translated(self.path, error) from error

    def _sync(self) -> None:
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            if error.errno not in _NOTHING_TO_SYNC:
                raise
        self._synced_s = time.perf_counter()


def errors_path(output: Path) -> Path:
    """Return where the failed lines of an output file go."""
    return output.with_name(output.name + ".errors.jsonl")


def check_errors_file(path: Path) -> None:
    """Refuse to replace a file that is no errors file of ours.

    Raises:
        OutputExistsError: it holds something else.
    """
    if not path.is_file():  # not there, or a device or pipe, which is written and never replaced
        return
    try:
        with path.open("rb") as file:
            line = next(bounded_lines(file), b"")
    except OSError as error:
        raise translated(path, error) from error
    is_torn = not line.endswith(b"\n") and _begins(line, "run")  # by a kill
    if line and not is_torn and not is_error_line(line):
        raise OutputExistsError(
            f"{path} exists and is no errors file of `sprout run`: choose another --errors file, "
            "or --overwrite"
        )


def remove(path: Path) -> None:
    """Remove a file that may not be there; a device or a pipe stays."""
    try:
        if path.is_file():
            path.unlink(missing_ok=True)
    except OSError as error:
        raise translated(path, error) from error


def check_torn_line(path: Path, run_id: str) -> None:
    """Refuse a file that does not end in a newline, nor in the beginning of a line of this run.

    Raises:
        OutputExistsError: somebody else's words would be lost with what is cut off.
    """
    try:
        with path.open("rb+") as file:  # what may not be written is refused here too
            file.seek(_end_of_lines(file))
            torn = file.read(len(_beginning(run_id)))
    except OSError as error:
        raise translated(path, error) from error
    if not _begins(torn, run_id):
        raise OutputExistsError(
            f"{path} ends in what is no torn line of the unfinished run {run_id}: "
            "choose another -o file, or --overwrite"
        )


def drop_torn_line(path: Path) -> None:
    """Cut off what follows the last newline."""
    try:
        with path.open("rb+") as file:
            end = _end_of_lines(file)
            if end != file.seek(0, os.SEEK_END):
                file.truncate(end)
    except OSError as error:
        raise translated(path, error) from error


def _end_of_lines(file: BinaryIO) -> int:
    """Return where the last whole line of a file ends, in bytes."""
    position = file.seek(0, os.SEEK_END)
    while position:
        start = max(0, position - (1 << 16))
        file.seek(start)
        found = file.read(position - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        position = start
    return 0


def _beginning(run_id: str) -> bytes:
    """Return how every line begins that a run writes."""
    return json.dumps({"id": f"{run_id}-"}, ensure_ascii=False).encode()[:-2]


def _begins(torn: bytes, run_id: str) -> bool:
    """Return whether a torn line is a run's: a kill can leave any part of one, also none.

    A power loss can leave zeros in the place of what was written last.
    """
    begun = torn.rstrip(b"\0")
    return begun.startswith(_beginning(run_id)) or _beginning(run_id).startswith(begun)


def read_lines(path: Path, run_id: str) -> Iterator[dict[str, Any]]:
    """Yield the whole lines of an output file that this run wrote.

    Raises:
        OutputExistsError: a line is not this run's.
    """
    for number, value in _numbered_lines(path):
        if value is None or not value["id"].startswith(f"{run_id}-"):
            raise OutputExistsError(
                f"{path}:{number}: not a line of the unfinished run {run_id}: "
                "choose another -o file, or --overwrite"
            )
        yield value


def run_of(path: Path) -> str:
    """Return the one run that wrote every whole line of an output file.

    Raises:
        OutputExistsError: a line is none of `sprout run`, or of another run than the first.
    """
    run_id = None
    for number, value in _numbered_lines(path):
        found = None if value is None else str(value["id"]).rpartition("-")[0]
        run_id = run_id or found
        if not found or found != run_id:
            raise OutputExistsError(
                f"{path}:{number}: not a line of one run with those before: it cannot be adopted"
            )
    if run_id is None:
        raise OutputExistsError(
            f"{path} holds no whole line, so no run can be told of it: choose another -o file, or "
            "--overwrite"
        )
    return run_id


def first_answers(path: Path, limit: int) -> dict[str, str]:
    """Return the content hashes of prompts by id, of the first `limit` lines of an output file."""
    lines = (value for _, value in islice(_numbered_lines(path), limit) if value is not None)
    return {value["custom_id"]: value["response"]["request_id"] for value in lines}


def keep_last_lines(path: Path, ids: Collection[str]) -> int:
    """Keep only the last line of each of these ids: their prompts changed and were answered again.

    The file is replaced at once, so a kill leaves the old or the new one.

    Returns:
        How many lines were dropped.
    """
    found = [
        (value["custom_id"], number)
        for number, value in _numbered_lines(path)
        if value is not None and value["custom_id"] in ids
    ]
    last = dict(found)
    dropped = {number for name, number in found if number != last[name]}
    try:
        with path.open("rb") as file, replacing(path) as new:
            new.writelines(line for n, line in enumerate(file, start=1) if n not in dropped)
    except OSError as error:
        raise translated(path, error) from error
    return len(dropped)


def _numbered_lines(path: Path) -> Iterator[tuple[int, dict[str, Any] | None]]:
    """Yield the whole lines of a file; None for one that is not ours."""
    try:
        with path.open("rb") as file:
            for number, line in enumerate(bounded_lines(file), start=1):
                if not line.endswith(b"\n") and len(line) <= MAX_LINE_BYTES:
                    return
                yield number, parse_line(line)
    except OSError as error:
        raise translated(path, error) from error
