"""Progress on a terminal: one line that lives on standard error, and nothing elsewhere."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from sprout.cli.output import Out


class Progress(Protocol):
    """Shows how far a command is."""

    def update(self, done: int, total: int | None, text: str) -> None:
        """Show `done` of `total` (None: not known yet) and a few words."""


class _Silent:
    def update(self, done: int, total: int | None, text: str) -> None:
        """Show nothing."""


@contextmanager
def progress(out: Out, what: str, *, prints: bool = False) -> Iterator[Progress]:
    """Show progress while the block runs, if somebody is watching.

    Args:
        prints: the block prints results: on a terminal they would run into the progress line.
    """
    if not out.shows_progress or (prints and sys.stdout is not None and sys.stdout.isatty()):
        yield _Silent()
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as RichProgress
    from rich.table import Column

    whole = Column(no_wrap=True)  # on 80 columns the bar gives way, never a number
    columns = (
        TextColumn(what),
        BarColumn(bar_width=20),
        MofNCompleteColumn(table_column=whole),
        TextColumn("{task.fields[text]}"),
        TextColumn("eta"),
        TimeRemainingColumn(table_column=whole),
    )
    # Rich would send standard output the way of its own console, that is to standard error.
    console = Console(stderr=True)
    with RichProgress(*columns, console=console, transient=True, redirect_stdout=False) as bar:
        task = bar.add_task(what, total=None, text="")

        class _Bar:
            def update(self, done: int, total: int | None, text: str) -> None:
                bar.update(task, completed=done, total=total, text=text)

        yield _Bar()
