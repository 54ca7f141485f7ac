"""Where prompts come from: what a pipe says of its next line, and whom it waits for."""

import os
import subprocess
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sprout.batch.prompts import MAX_LINE_BYTES, Prompt, Rejected
from sprout.cli.source import Lines, Pipe, open_prompts, open_rows
from sprout.config.settings import Settings
from sprout.errors import NoInputError

LEVELS = ("L0",)
SETTINGS = Settings(state=Path("sprout.db"), threads=1)


class StoppedError(Exception):
    pass


@contextmanager
def pipe() -> Iterator[tuple[int, int]]:
    """Make a pipe; both ends are closed in the end."""
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb"), os.fdopen(writer, "wb"):
        yield reader, writer


@contextmanager
def named_pipe(path: Path) -> Iterator[int]:
    """Make a pipe in a folder; open for writing."""
    os.mkfifo(path)
    descriptor = os.open(path, os.O_RDWR)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def stop() -> None:
    raise StoppedError


def test_at_its_limit_a_pipe_is_over_though_it_is_open() -> None:
    with pipe() as (reader, writer):
        lines = Lines(Pipe(reader), None, 2)
        os.write(writer, b"a\nb\n")
        assert [lines.has_line() and line for line in lines] == [b"a\n", b"b\n"]
        assert lines.has_line()
        # more may come: who continues the run shall see it
        assert not lines.is_exhausted


def test_a_pipe_that_is_closed_at_its_limit_is_exhausted() -> None:
    reader, writer = os.pipe()
    os.write(writer, b"a\nb\n")
    os.close(writer)
    lines = Lines(Pipe(reader), None, 2)
    assert list(lines) == [b"a\n", b"b\n"]
    assert lines.is_exhausted
    os.close(reader)


def test_a_line_behind_the_limit_of_a_pipe_is_left() -> None:
    with pipe() as (reader, writer):
        os.write(writer, b"a\nb\n")
        lines = Lines(Pipe(reader), None, 1)
        assert list(lines) == [b"a\n"]
        assert not lines.is_exhausted


@pytest.mark.parametrize("ending", [b"", b"\n", b'\n{"prompt": "Hi"}\n'])
def test_a_line_that_never_ends_is_rejected_and_not_kept(tmp_path: Path, ending: bytes) -> None:
    """Of a pipe as of a file: memory stays flat, and the next line is served."""
    path = tmp_path / "lines.jsonl"
    path.write_bytes(b'{"prompt": "')
    os.truncate(path, 8 * MAX_LINE_BYTES)  # sparse
    with path.open("ab") as file:
        file.write(ending)
    with subprocess.Popen(["/bin/cat", path], stdout=subprocess.PIPE) as cat:
        assert cat.stdout is not None
        for name in (str(path), f"/dev/fd/{cat.stdout.fileno()}"):
            tracemalloc.start()
            try:
                with open_prompts(name, None, SETTINGS, LEVELS) as (_, found):
                    rows = list(found)
                _, peak = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
            assert peak < 4 * MAX_LINE_BYTES
            assert isinstance(rows[0], Rejected)
            assert (rows[0].line_no, rows[0].code) == (1, "too_long")
            assert [row.line_no for row in rows[1:]] == ([2] if b"Hi" in ending else [])


def test_who_asks_for_the_next_line_does_not_wait_for_a_writer_without_end() -> None:
    with Path("/dev/zero").open("rb") as zeros:
        lines = Lines(Pipe(zeros.fileno()), None, None)
        assert len(next(iter(lines))) > MAX_LINE_BYTES
        assert not lines.has_line()


def test_blank_lines_come_out_so_that_nobody_is_waited_for_behind_them(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    with named_pipe(path) as writer:
        os.write(writer, b'\n{"prompt": "Hi"}\n\n \n')
        with open_rows(str(path), None, SETTINGS, LEVELS) as (lines, rows):
            first = next(rows)
            assert isinstance(first, Prompt)
            assert first.line_no == 2
            found = []
            while lines.has_line():
                found.append(next(rows))
            assert found == [None, None]


def test_who_needs_not_know_sees_no_blank_lines(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    path.write_text('\n{"prompt": "a"}\n\n{"prompt": "b"}\n\n')
    with open_prompts(str(path), None, SETTINGS, LEVELS) as (_, rows):
        assert [row.line_no for row in rows] == [2, 4]


@pytest.mark.parametrize("written", [b"", b"\n\n", b'{"prompt": "half a'])
def test_who_waits_for_the_first_line_can_be_stopped(tmp_path: Path, written: bytes) -> None:
    path = tmp_path / "fifo"
    with named_pipe(path) as writer:
        os.write(writer, written)
        with pytest.raises(StoppedError), open_rows(str(path), None, SETTINGS, LEVELS, stop):
            pass


def test_who_waits_for_somebody_to_write_can_be_stopped(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    with pytest.raises(StoppedError), open_rows(str(path), None, SETTINGS, LEVELS, stop):
        pass


def test_a_pipe_that_was_closed_at_once_holds_no_prompts(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)

    def write_nothing() -> None:
        os.close(os.open(path, os.O_WRONLY))

    with (
        pytest.raises(NoInputError, match="holds no prompts"),
        open_rows(str(path), None, SETTINGS, LEVELS, write_nothing),
    ):
        pass
