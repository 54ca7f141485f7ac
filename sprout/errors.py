"""The errors that Sprout raises on purpose, each with its exit code.

    SproutError                1
    ├── UsageError             2   an option that makes no sense here
    ├── InputError            65   a prompt, CSV, TOML or GGUF file that cannot be read as such
    ├── NoInputError          66   a file that is not there, or empty
    ├── EngineError           69   the model does not load or does not run
    ├── MeterError            69   an energy counter that was asked for is not there
    ├── OutputExistsError     73   the output file belongs to somebody else or is finished
    ├── DiskError             74   a full disk, an I/O error, a damaged store
    ├── TryLaterError         75   a lock is held, the network or the grid is away
    ├── PermissionDeniedError 77   no permission, no key
    └── NotReadyError         78   not set up, not measured; the message names the command to run

A message says what failed, with the value, and what to do. Anything else that escapes is a bug:
it keeps its traceback and ends with exit code 1.
"""

from typing import ClassVar

_QUOTED_CHARS = 80


class SproutError(Exception):
    """Base of every error that Sprout raises on purpose."""

    exit_code: ClassVar[int] = 1


class UsageError(SproutError):
    """An option or a combination of options that makes no sense here."""

    exit_code = 2


class InputError(SproutError):
    """Input that was read but is not what it should be."""

    exit_code = 65


class NoInputError(SproutError):
    """Input that is not there."""

    exit_code = 66


class EngineError(SproutError):
    """The model does not load or does not run."""

    exit_code = 69


class MeterError(SproutError):
    """An energy counter that was asked for cannot be read."""

    exit_code = 69


class OutputExistsError(SproutError):
    """The output file is finished or was not written by this run."""

    exit_code = 73


class DiskError(SproutError):
    """A full disk, an I/O error or a damaged store."""

    exit_code = 74


class TryLaterError(SproutError):
    """Something that may work in a minute: a held lock, a stale grid."""

    exit_code = 75


class PermissionDeniedError(SproutError):
    """No permission on a file, or no key."""

    exit_code = 77


class NotReadyError(SproutError):
    """Not set up or not measured yet; the message names the command to run."""

    exit_code = 78


EXIT_CODES: dict[int, str] = {
    0: "done",
    1: "a bug: please report the traceback",
    2: "wrong usage of the command line",
    3: "finished, but some prompts failed; they are in the errors file",
    65: "bad data in an input file",
    66: "an input file is missing or empty",
    69: "the model or an energy counter is not available",
    73: "the output file is finished or foreign; see --overwrite",
    74: "disk full, I/O error or damaged store",
    75: "try later: a lock is held, a judge is away, or the grid is stale under --strict",
    77: "no permission, or no key",
    78: "not set up or not measured yet; the message names the command to run",
    130: "interrupted (SIGINT); the same command continues a run with -o, or an evaluation",
    141: "who read what the command shows left before its end, as `| head` does; nothing is said",
    143: "terminated (SIGTERM); the same command continues a run with -o, or an evaluation",
}
"""What each exit status means; the man pages print this table."""


def quoted(value: object) -> str:
    """Return a foreign value as a message may quote it; one of any depth by its kind alone."""
    if isinstance(value, dict | list):
        return "a table" if isinstance(value, dict) else "a list"
    text = repr(value)
    return text if len(text) <= _QUOTED_CHARS else f"{text[:_QUOTED_CHARS]}..."
