"""The body of `sprout report`."""

import csv
import io
import json
import os
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Self

from sprout.cli.output import Out
from sprout.cli.present import utc_now
from sprout.clock import parse_age, parse_day
from sprout.config.settings import Settings
from sprout.errors import DiskError, UsageError
from sprout.files.writing import replace_file
from sprout.report import facts, tables
from sprout.report.facts import BYS, By, Period, Report
from sprout.state import reports
from sprout.state.store import Store

if TYPE_CHECKING:
    from sprout.report.sci import Sci

FORMS = ("text", "html", "sci", "csv", "json")
DEFAULT_BY: By = "level"


@dataclass(frozen=True, slots=True)
class Window:
    """A period, both ends rounded down to the hour; None: it is open there."""

    now: datetime
    begin: datetime | None
    end: datetime | None

    @classmethod
    def of(cls, since: str | None, start: str | None = None, end: str | None = None) -> Self:
        """Return the period of an age that ends now, or of days.

        Raises:
            UsageError: there is no such period.
        """
        now = utc_now()
        if since is None:
            begin = None if start is None else _whole_hour(parse_day(start))
        elif start is None and end is None:
            begin = _whole_hour(now - parse_age(since))
        else:
            raise UsageError("--since is a period that ends now: give it, or --from and --to")
        last = None if end is None else _whole_hour(parse_day(end))
        if begin is not None and last is not None and begin >= last:
            raise UsageError(f"--from {start} is not an hour before --to {end}")
        return cls(now, begin, last)


def _whole_hour(when: datetime) -> datetime:
    return when.replace(minute=0, second=0, microsecond=0)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked for, as it was written."""

    form: str
    by: str | None
    window: Window
    output: Path | None

    def bys(self) -> tuple[By, ...]:
        """Return the groupings that the form shows.

        Raises:
            UsageError: there is no such grouping.
        """
        chosen = tuple(by for by in BYS if by == self.by)
        if self.by is not None and not chosen:
            raise UsageError(f"--by {self.by}: choose one of {', '.join(BYS)}")
        match self.form:
            case "text":
                return chosen or (DEFAULT_BY,)
            case "html" | "sci":  # which show all that they have
                return BYS
            case _:
                return chosen or BYS


def report(out: Out, wanted: Wanted, settings: Settings) -> None:
    """Write or show the report."""
    if wanted.form not in FORMS:
        raise UsageError(f"--format {wanted.form}: choose one of {', '.join(FORMS)}")
    if wanted.form == "html" and wanted.output is None and not out.is_json:
        raise UsageError("--format html writes a page: name its file with -o FILE")
    if wanted.output is not None:
        check_place(wanted.output, settings)
    bys = wanted.bys()
    found = gather(settings, wanted.window, bys)
    text = _text(wanted.form, found, settings, bys)
    out.data |= _data(wanted.form, found, settings)
    if wanted.output is not None:
        replace_file(wanted.output, text if text is not None else _plain(found, bys[0]))
        out.note(f"{wanted.output} written")
    elif text is not None:
        out.text(text.rstrip("\n"))
    else:
        _show(out, found, bys[0])


def check_place(output: Path, settings: Settings) -> None:
    """Refuse to write over the store, or where no file can be.

    Raises:
        UsageError: it is the store.
        DiskError: there is no such folder, or it is one itself.
    """
    if os.path.realpath(output) == os.path.realpath(settings.state):
        raise UsageError(f"{output} is the store: write to another file")
    if output.is_dir():
        raise DiskError(f"{output} is a folder: name a file in it")
    if not output.parent.is_dir():
        raise DiskError(f"there is no folder {output.parent}: make it first")


def gather(settings: Settings, window: Window, bys: tuple[By, ...]) -> Report:
    """Return the facts of a period."""
    now, begin, end = window.now, window.begin, window.end
    with Store.open(settings.state) as store, reports.reading(store, begin, end) as reading:
        span = reading.span()
        step = facts.step_for(span.first, span.last) if span else "day"
        known = reading.known(now)
        return facts.make(reading.cells(step), known, Period(now, begin, step, bys, end))


def _text(form: str, found: Report, settings: Settings, bys: tuple[By, ...]) -> str | None:
    """Return the report in a form that is text; None for tables."""
    match form:
        case "html":
            from sprout.report import page

            return page.render(found)
        case "sci":
            from sprout.report import sci_markdown

            return sci_markdown.render(_sci(found, settings))
        case "csv":
            lines = io.StringIO()
            csv.writer(lines, lineterminator="\n").writerows(tables.rows(found, bys))
            return lines.getvalue()
        case "json":
            return json.dumps(tables.data(found), ensure_ascii=False, indent=2) + "\n"
    return None


def _data(form: str, found: Report, settings: Settings) -> dict[str, object]:
    return asdict(_sci(found, settings)) if form == "sci" else tables.data(found)


def _sci(found: Report, settings: Settings) -> "Sci":
    from sprout.report import sci

    who = sci.Who(
        application=settings.application,
        url=settings.application_url,
        organisation=settings.organisation,
        contact=settings.contact,
    )
    return sci.make(found, who)


def _plain(found: Report, by: By) -> str:
    from sprout.report import terminal_report

    return terminal_report.plain(found, by)


def _show(out: Out, found: Report, by: By) -> None:
    from sprout.report import terminal_report

    for part in terminal_report.tables(found, by):
        if isinstance(part, str):
            out.text(part)
        else:
            out.table(part)
