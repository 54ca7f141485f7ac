"""Tables on narrow screens: numbers stay whole, and every part says what its rows are about."""

from io import StringIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plain_records import a_plan
from report.report_stores import read, write_mixed
from rich.table import Table

from sprout.report import terminal, terminal_report
from sprout.report.terminal_console import PlainConsole
from sprout.report.terminal_fit import fitted
from sprout.state.store import Store

HEADERS = (
    "level",
    "task",
    "requests",
    "energy J",
    "energy ± SE",
    "energy of L0",
    "busy s",
    "busy ± SE",
    "new tokens",
)
NUMBERS = ("12", "2.39e-05", "1.2e-06", "100 %", "0.723", "0.0012", "123456")
ROWS = [
    (level, task, *NUMBERS)
    for level in ("L0", "L2", "q8_0/L2")
    for task in ("all", "summarization")
]
WIDTHS = (40, 80, 120)


def lines(*parts: Table | str, width: int) -> list[str]:
    console = PlainConsole(file=StringIO(), width=width, color_system=None)
    for part in parts:
        console.print(part, highlight=False)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue().splitlines()


def cells(shown: list[str]) -> list[list[str]]:
    return [[c.strip() for c in line.strip("│").split("│")] for line in shown if line[0] == "│"]


@pytest.mark.parametrize("width", WIDTHS)
def test_no_number_of_a_profile_is_cut_or_folded(width: int) -> None:
    shown = lines(fitted(HEADERS, ROWS, "cost of a request"), width=width)
    assert max(map(len, shown)) <= width
    assert "…" not in "".join(shown)
    found = cells(shown)
    for row in ROWS:
        # each part has the level and the task; together they have every number once
        parts = [cell[2:] for cell in found if cell[:2] == list(row[:2])]
        assert [number for part in parts for number in part] == list(row[2:])


def test_a_table_that_fits_is_in_one_part() -> None:
    found = cells(lines(fitted(HEADERS, ROWS, "cost"), width=120))
    assert found == [list(row) for row in ROWS]


def test_headers_break_between_words_where_there_is_no_room() -> None:
    wide, narrow = (lines(fitted(HEADERS, ROWS, "cost"), width=width) for width in (120, 72))
    assert "energy ± SE ┃ energy of L0 ┃ busy s" in wide[2]
    assert "┃  energy ┃ energy ┃" in narrow[2]
    assert "┃    ± SE ┃  of L0 ┃" in narrow[3]


def test_a_line_follows_the_rows_that_end_a_section() -> None:
    shown = lines(
        fitted(("level", "J"), [("L0", "1"), ("L1", "2"), ("L2", "3")], "t", {1}), width=40
    )
    assert [line[0] for line in shown[4:]] == ["│", "│", "├", "│", "└"]


@given(
    width=st.integers(20, 130),
    rows=st.lists(
        st.tuples(st.text("abc/_ 0", min_size=1, max_size=60), st.floats(0, 1e9), st.floats(0, 1)),
        min_size=1,
        max_size=4,
    ),
)
def test_nothing_is_left_out_on_any_screen(
    width: int, rows: list[tuple[str, float, float]]
) -> None:
    texts = [(name, f"{big:.3g}", f"{small:.2g}") for name, big, small in rows]
    shown = lines(fitted(("level", "J", "± SE"), texts, "t"), width=width)
    assert max(map(len, shown)) <= width
    assert "…" not in "".join(shown)
    for _, big, small in texts:
        assert any(big in row for row in cells(shown))
        assert any(small in row for row in cells(shown))


@pytest.mark.parametrize("width", WIDTHS)
def test_reports_and_plans_are_whole_on_narrow_screens(tmp_path: Path, width: int) -> None:
    with Store.open(tmp_path / "s.db") as store:
        write_mixed(store, 8)
        report = read(store)
    parts = (
        *terminal_report.tables(report, "model"),
        terminal.plan_table(a_plan()),
        terminal.classes_table(a_plan()),
    )
    shown = lines(*parts, width=width)
    assert max(map(len, shown)) <= width
    text = "".join(shown)
    assert "…" not in text
    assert "large (q8_0)" in text
    assert f"{a_plan().levels[0].preference:.3f}" in text
    assert any(row[0] == "q8_0/L2" and "%" in row[-1] for row in cells(shown))  # of the chart
