"""Tables that fit the screen without cutting a number.

Where a table is wider than the screen, its columns follow in parts, each with the columns that say
what a row is about. Only texts are wrapped.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table

from sprout.report.foreign import showable

MAX_WHOLE = 24
"""Characters of a cell that stays on one line; a longer one is a text."""

_KEYS = ("level", "task")
_OF_THE_ONE_BEFORE = ("± ", "of ", "at ")


class FittedTable(Table):
    """A table that is made when the width of the screen is known.

    Args:
        make: returns what is shown on so many columns.
    """

    def __init__(self, make: Callable[[int], Iterable[Table]]) -> None:
        super().__init__()
        self._make = make

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield what fits the screen."""
        del console
        yield from self._make(options.max_width)


def fitted(headers: Sequence[str], rows: Iterable[Sequence[str]], title: str) -> Table:
    """Return a table of texts; the first column, levels and tasks say what a row is about."""
    columns = tuple(_columns(headers, [tuple(row) for row in rows]))
    return FittedTable(lambda width: _parts(columns, title, width))


@dataclass(frozen=True, slots=True)
class _Column:
    """One column.

    Args:
        header: as it stands after the column that it says more of.
        full_header: as it stands anywhere else.
        wraps: the cells are texts.
        width: of the longest cell or word of the header; of a text, that it needs at least.
    """

    header: str
    full_header: str
    cells: tuple[str, ...]
    is_key: bool
    wraps: bool
    width: int


def _columns(headers: Sequence[str], rows: Sequence[tuple[str, ...]]) -> Iterable[_Column]:
    leader, is_key = "", True
    for position, header in enumerate(headers):
        is_key = position == 0 or (is_key and header in _KEYS)
        full = f"{leader} {header}" if header.startswith(_OF_THE_ONE_BEFORE) else header
        if full == header:
            leader = header
        cells = tuple(row[position] for row in rows)
        width = max([*map(_width, cells), *map(_width, full.split())], default=1)
        yield _Column(header, full, cells, is_key, width > MAX_WHOLE, min(width, MAX_WHOLE))


def _width(text: str) -> int:
    return max(map(cell_len, showable(text).split("\n")))


def _parts(columns: tuple[_Column, ...], title: str, width: int) -> Iterable[Table]:
    """Yield the table, or one after the other what of it fits the screen."""
    keys = [column for column in columns if column.is_key]
    shown: list[_Column] = []
    for column in columns[len(keys) :]:
        if shown and _total([*keys, *shown, column]) > width:
            yield _part(keys, shown, title, width)
            shown, title = [], ""
        shown.append(column)
    yield _part(keys, shown, title, width)


def _total(columns: Iterable[_Column]) -> int:
    """Return how wide a table is, with a line and two blanks for each column."""
    return 1 + sum(column.width + 3 for column in columns)


def _part(keys: Sequence[_Column], shown: Sequence[_Column], title: str, width: int) -> Table:
    part = Table(title=title or None, title_justify="left")
    columns = [*keys, *shown]
    headers = [*(key.header for key in keys), *_headers(shown)]
    widths = [max(c.width, _width(h)) for c, h in zip(columns, headers, strict=True)]
    has_room = sum(widths) + 3 * len(widths) < width  # for headers on one line
    for column, header, whole in zip(columns, headers, widths, strict=True):
        part.add_column(
            header,
            justify="left" if column.is_key or column.wraps else "right",
            overflow="fold",
            # keys give way first, and only texts wrap
            width=None if column.is_key or column.wraps else whole if has_room else column.width,
        )
    for row in zip(*(column.cells for column in columns), strict=True):
        part.add_row(*row)
    return part


def _headers(shown: Sequence[_Column]) -> Iterable[str]:
    """Yield the headers; the first says what it is about, if the one before is in another part."""
    has_leader = False
    for column in shown:
        has_leader = has_leader or column.header == column.full_header
        yield column.header if has_leader else column.full_header
