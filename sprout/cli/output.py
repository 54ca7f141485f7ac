"""The only place that prints: results to standard output, everything else to standard error.

With --json standard output is one object, also when a command fails:
{"sprout": version, "command", "status": ok | partial | error, "data", "errors"}.

Texts of others (answers, ids, zones, file names, what a provider says) may hold control characters.
People see them spelled out, on a terminal and in every message; in files and pipes results stay as
they are.
"""

import codecs
import io
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TextIO

from sprout import __version__
from sprout.errors import DiskError, SproutError
from sprout.report.foreign import showable

if TYPE_CHECKING:
    from rich.table import Table

PARTIAL = 3
INTERRUPTED = 130
READER_LEFT = 141  # as a shell says of a program that SIGPIPE ended
TERMINATED = 143
FILE_WIDTH = 120  # columns of a table that goes to a file or a pipe


class ReaderLeftError(DiskError):
    """Whoever read standard output left; answers may be lost on the way."""


class ReportedExit(SystemExit):
    """The end of a command that has said all there is to say."""


@dataclass(slots=True)
class Out:
    """Says things in the way that was asked for.

    Args:
        shows: results are what the command is for; else they tell what it did.
        is_json: print the envelope to standard output.
        is_quiet: only errors; results too where the command is for them.
        is_verbose: summaries and notes also when standard error is not a terminal.
    """

    name: str
    is_json: bool = False
    is_quiet: bool = False
    is_verbose: bool = False
    shows: bool = True
    data: dict[str, object] = field(default_factory=dict)

    @property
    def is_talkative(self) -> bool:
        """Whether a person is there to read notes; cron mails every line."""
        return not self.is_quiet and (self.is_verbose or _is_terminal(sys.stderr))

    @property
    def shows_progress(self) -> bool:
        """Whether to draw progress on standard error."""
        return not self.is_quiet and not self.is_json and _is_terminal(sys.stderr)

    @property
    def _shows_results(self) -> bool:
        """Whether people get results; with --json the data stand for them."""
        return not self.is_json and (self.shows or not self.is_quiet)

    def note(self, text: str) -> None:
        """Say something that is good to know."""
        if self.is_talkative:
            _say(showable(f"{text}\n"))

    def error(self, text: str) -> None:
        """Say that something failed; never silenced."""
        _say(showable(f"sprout {self.name}: {text}\n"))

    def warning(self, text: str) -> None:
        """Say that something is not safe as it is; cron shall mail it."""
        if not self.is_quiet:
            _say(showable(f"sprout {self.name}: warning: {text}\n"))

    def line(self, text: str) -> None:
        """Print one line of results.

        Raises:
            DiskError: standard output is closed or full.
        """
        shown = showable(text) if _is_terminal(sys.stdout) else text
        _print(f"{shown}\n")

    def json(self, text: str) -> None:
        """Print JSON as results: in ASCII where standard output is not UTF-8, as JSON has to be.

        Raises:
            DiskError: standard output is closed or full.
        """
        self.line(text if _takes_utf_8(sys.stdout) else _in_ascii(text))

    def table(self, table: "Table") -> None:
        """Show a result to people."""
        if self._shows_results:
            _print(_render(table, stderr=False))

    def summary(self, *parts: "Table | str") -> None:
        """Show a summary on standard error."""
        if self.is_talkative:
            for part in parts:
                _say(_render(part, stderr=True))

    def text(self, text: str) -> None:
        """Show a line of a result to people."""
        if self._shows_results:
            self.line(text)

    def finish(self, code: int = 0, errors: tuple[str, ...] = ()) -> NoReturn:
        """End the command, printing the envelope when it was asked for."""
        status = {0: "ok", PARTIAL: "partial"}.get(code, "error")
        if self.is_json:
            self.json(envelope(self.name, status, self.data, code, errors))
        raise ReportedExit(code)


@contextmanager
def command(
    name: str,
    *,
    json: bool = False,
    quiet: bool = False,
    verbose: bool = False,
    shows: bool = True,
) -> Iterator[Out]:
    """Run a command's body, turning our errors into one message and their exit code.

    Args:
        shows: the command is for what it shows, so that --quiet leaves that.
    """
    out = Out(name, json, quiet, verbose, shows)
    try:
        yield out
        out.finish()
    except KeyboardInterrupt:
        _fail(out, "interrupted", INTERRUPTED)
    except Exception as error:
        # C modules that are interrupted while they load say that they cannot be loaded
        if _comes_of_interrupt(error):
            _fail(out, "interrupted", INTERRUPTED)
        if not isinstance(error, SproutError):
            raise
        if isinstance(error, ReaderLeftError) and shows:
            # `| head` has seen enough: of what is there to be read that is no failure to tell
            raise ReportedExit(READER_LEFT) from None
        _fail(out, str(error), error.exit_code)


def _comes_of_interrupt(error: BaseException | None) -> bool:
    """Return whether an interrupt is among the causes of an error."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def envelope(
    name: str, status: str, data: Mapping[str, object], code: int, errors: tuple[str, ...]
) -> str:
    """Return the JSON object that stands for a whole command."""
    return json.dumps(
        {
            "sprout": __version__,
            "command": name,
            "status": status,
            "data": data,
            "errors": [{"exit_code": code, "message": message} for message in errors],
        },
        ensure_ascii=False,
        default=str,
    )


def _fail(out: Out, message: str, code: int) -> NoReturn:
    out.error(message)
    try:
        out.finish(code, (message,))
    except DiskError:
        raise ReportedExit(code) from None


def _print(text: str) -> None:
    """Write to standard output."""
    if sys.stdout is None:
        raise DiskError("standard output is closed")
    encoding = sys.stdout.encoding or "utf-8"
    try:
        # what the encoding lacks is spelled out too: a file name need not be text at all
        sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
        sys.stdout.flush()
    except BrokenPipeError as error:
        _abandon(sys.stdout)
        message = "standard output was closed; what was written is complete"
        raise ReaderLeftError(message) from error
    except OSError as error:
        _abandon(sys.stdout)
        raise DiskError(f"standard output cannot be written: {error.strerror}") from error


def _say(text: str) -> None:
    """Write to standard error; that nobody listens there is no reason to stop."""
    if sys.stderr is None:
        return
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except OSError:
        _abandon(sys.stderr)


def _abandon(stream: TextIO) -> None:
    """Point a stream at nothing, so that the interpreter's last flush does not fail."""
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())


def _takes_utf_8(stream: TextIO | None) -> bool:
    """Return whether a stream writes any character as JSON wants it."""
    return stream is None or codecs.lookup(stream.encoding or "utf-8").name == "utf-8"


def _in_ascii(text: str) -> str:
    """Return JSON with every character that is not ASCII spelled out."""
    return "".join(char if char.isascii() else json.dumps(char)[1:-1] for char in text)


def _is_terminal(stream: TextIO | None) -> bool:
    """Return whether a person reads the stream; None: it was closed before we began."""
    return stream is not None and stream.isatty()


def _render(part: "Table | str", *, stderr: bool) -> str:
    """Return text with the colours and the width that fit the stream."""
    from sprout.report.terminal_console import PlainConsole

    is_terminal = _is_terminal(sys.stderr if stderr else sys.stdout)
    console = PlainConsole(
        file=io.StringIO(),
        force_terminal=is_terminal,
        width=None if is_terminal else FILE_WIDTH,
    )
    with console.capture() as captured:
        console.print(part, highlight=False)
    return captured.get()
