"""Progress on a terminal: one line that lives on standard error, and nothing elsewhere."""

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
def progress(out: Out, what: str) -> Iterator[Progress]:
    """Show progress while the block runs, if somebody is watching."""
    if not out.shows_progress:
        yield _Silent()
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as RichProgress

    columns = (
        SpinnerColumn(),
        TextColumn(what),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TextColumn("{task.fields[text]}"),
        TimeElapsedColumn(),
        TextColumn("eta"),
        TimeRemainingColumn(),
    )
    with RichProgress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None, text="")

        class _Bar:
            def update(self, done: int, total: int | None, text: str) -> None:
                bar.update(task, completed=done, total=total, text=text)

        yield _Bar()
