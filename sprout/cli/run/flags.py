"""The flags of a run that are no settings."""

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sprout.batch import outfile
from sprout.cli.run.waiting import finish_by
from sprout.cli.source import is_pipe
from sprout.errors import DiskError, UsageError


@dataclass(frozen=True, slots=True)
class RunFlags:
    """The flags of a run that are no settings.

    Args:
        output: where answers go; None for standard output.
    """

    source: str
    output: Path | None
    errors: Path | None
    limit: int | None
    intensity: float | None
    finish_by: str | None
    overwrites: bool
    retries_errors: bool
    adopts: bool
    learns: bool
    shares_prefixes: bool
    is_strict: bool

    @property
    def file(self) -> Path | None:
        """Where answers are kept; None for standard output, a pipe or a device.

        Only what is kept can be continued.
        """
        return None if self.output is None or is_pipe(str(self.output)) else self.output

    def check_consistent(self) -> None:
        """Refuse to begin anew where an output file was to be continued.

        Raises:
            UsageError: there is no such file, or it is to be replaced as well.
        """
        if not (self.retries_errors or self.adopts):
            return
        if self.file is None:
            raise UsageError("--retry-errors and --adopt continue a file: name it with -o")
        if self.overwrites:
            raise UsageError("--overwrite begins anew, --retry-errors and --adopt continue: choose")

    @property
    def errors_path(self) -> Path | None:
        """Where failed lines go; None: they are only said."""
        return self.errors or (outfile.errors_path(self.file) if self.file else None)

    def finish_by_moment(self, now: datetime) -> tuple[datetime, bool] | None:
        """Return when to be finished, and whether that is counted from `now`; None: at once.

        Raises:
            UsageError: the time is none, or the prompts cannot be read more than once.
        """
        if self.finish_by is None:
            return None
        if is_pipe(self.source):
            raise UsageError("--finish-by needs a file of prompts: a pipe is read only once")
        return finish_by(self.finish_by, now)


def place_of(name: str | None) -> Path | None:
    """Return one path of a file to write, and so one lock and one run, however it is spelled.

    A link keeps its target. What /dev/stdout leads to may have no other name; `-` is standard
    output.

    Raises:
        DiskError: a folder is named that is not there.
    """
    if name is None or name == "-":
        return None
    if name.endswith("/") and not os.path.isdir(name):  # noqa: PTH112 - Path raises
        raise DiskError(f"there is no folder {name}: make it, and name a file in it")
    return Path(name) if is_pipe(name) else Path(os.path.realpath(name))
