"""How people see a report on a terminal: an overview, small charts, one table, and what to know."""

import io

from rich.table import Table

from sprout.report import notes, rows, timeline, words
from sprout.report.facts import By, Report
from sprout.report.group import Group
from sprout.report.terminal_console import PlainConsole
from sprout.report.terminal_fit import FittedTable, fitted
from sprout.report.units import grams

BARS = "▁▂▃▄▅▆▇█"
CHART_COLUMNS = 60
MIN_CHART_COLUMNS = 8
MAX_EXTENT = len("up to 41.9 mgCO2eq")
BORDERS = 10  # of three columns
MAX_ROWS = 60
FILE_WIDTH = 120


def tables(report: Report, by: By) -> list[Table | str]:
    """Return all that is shown."""
    shown: list[Table | str] = [overview(report)]
    if len(report.timeline) > 1:
        shown.append(chart(report))
    if report.groups[by]:
        shown.append(grouped(report.groups[by], by))
    return [*shown, *(f"note  {note}" for note in notes.of(report))]


def plain(report: Report, by: By) -> str:
    """Return the same as text without colours."""
    console = PlainConsole(file=io.StringIO(), width=FILE_WIDTH, force_terminal=False)
    with console.capture() as captured:
        for part in tables(report, by):
            console.print(part, highlight=False)
    return captured.get()


def overview(report: Report) -> Table:
    """Return the facts, one a row."""
    title = f"report, {words.period(report)}"
    table = Table(title=title, title_justify="left", show_header=False, min_width=len(title))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for fact in words.facts(report):
        table.add_row(fact.name, fact.text)
    return table


def chart(report: Report) -> Table:
    """Return the mix over time against the intensity, as lines of bars."""
    return FittedTable(lambda width: [_chart(report, width)])


def _chart(report: Report, width: int) -> Table:
    labels = max(map(len, ("carbon", *report.total.levels)))
    num_most = width - labels - MAX_EXTENT - BORDERS
    table = Table(
        title=f"over time, by {report.step} (UTC)",
        title_justify="left",
        show_header=False,
    )
    table.add_column(overflow="fold")
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    columns = _columns(report, max(MIN_CHART_COLUMNS, min(num_most, CHART_COLUMNS)))
    intensity = [_intensity(groups) for groups in columns]
    table.add_row("g/kWh", _line(intensity), _extent(intensity, "g/kWh"))
    for level in report.total.levels:
        parts = [_share(groups, level) for groups in columns]
        table.add_row(level, _line(parts, top=100.0), _extent(parts, "%"))
    carbon = [sum(group.carbon_g for group in groups) if groups else None for groups in columns]
    known = [value for value in carbon if value is not None]
    table.add_row("carbon", _line(carbon, top=max(known)), f"up to {grams(max(known))}CO2eq")
    return table


def grouped(groups: tuple[Group, ...], by: By) -> Table:
    """Return one row for each group; beyond MAX_ROWS the ones with most answers."""
    shown = rows.largest(groups, MAX_ROWS)
    left_out = len(groups) - len(shown)
    more = f"; {left_out} more with --format csv" if left_out else ""
    end = -1 if by == "level" else None  # a level is its own mix
    headers: tuple[str, ...] = (by, *rows.HEADERS)
    return fitted(headers[:end], [rows.row(group)[:end] for group in shown], f"by {by}{more}")


def _columns(report: Report, num_most: int) -> list[list[Group]]:
    """Return the stretches of the timeline spread over the columns of a chart, gaps kept."""
    numbers = [timeline.number(group.key) for group in report.timeline]
    whole = numbers[-1] + 1 - numbers[0]
    num = min(num_most, whole)
    columns: list[list[Group]] = [[] for _ in range(num)]
    for number, group in zip(numbers, report.timeline, strict=True):
        columns[(number - numbers[0]) * num // whole].append(group)
    return columns


def _intensity(groups: list[Group]) -> float | None:
    known = [(g.intensity_g_per_kwh, g.num_answered) for g in groups]
    total = sum(num for _, num in known)
    return sum((value or 0.0) * num for value, num in known) / total if total else None


def _share(groups: list[Group], level: str) -> float | None:
    total = sum(group.num_answered for group in groups)
    return 100 * sum(group.levels.get(level, 0) for group in groups) / total if total else None


def _line(values: list[float | None], top: float | None = None) -> str:
    """Return bars from 0 to the highest, or to `top`; a blank where there is nothing."""
    highest = top or max((value for value in values if value is not None), default=0.0)
    return "".join(
        " "
        if value is None
        else BARS[round(value / highest * (len(BARS) - 1))]
        if highest
        else BARS[0]
        for value in values
    )


def _extent(values: list[float | None], unit: str) -> str:
    known = [value for value in values if value is not None]
    return f"{min(known):.0f}-{max(known):.0f} {unit}" if known else "nothing answered"
