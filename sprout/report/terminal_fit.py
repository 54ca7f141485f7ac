"""Tables that fit the screen without cutting a number.

Where a table is wider than the screen, its columns follow in parts, each with the columns that say
what a row is about. Only those and texts are wrapped.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table

from sprout.report.foreign import showable

MAX_WHOLE = 24
"""Characters of a cell that stays on one line; a longer one is a text."""

_KEYS = ("level", "task", "policy")


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


def fitted(
    headers: Sequence[str], rows: Iterable[Sequence[str]], title: str, ends: Collection[int] = ()
) -> Table:
    """Return a table of texts.

    Args:
        headers: the first, and a level, task or policy after it, say what a row is about; each
            other one says alone what its column holds.
        ends: numbers of the rows that a line follows.
    """
    listed = list(rows)
    columns = [_Column(header, [row[i] for row in listed]) for i, header in enumerate(headers)]
    num_keys = 2 if headers[1] in _KEYS else 1
    keys, others = columns[:num_keys], columns[num_keys:]

    def make(width: int) -> Iterator[Table]:
        for number, shown in enumerate(_parts(keys, others, width)):
            yield _table([*keys, *shown], num_keys, width, title if number == 0 else None, ends)

    return FittedTable(make)


@dataclass(frozen=True, slots=True)
class _Column:
    header: str
    cells: Sequence[str]

    @property
    def is_text(self) -> bool:
        """Whether it has cells that may be wrapped."""
        return any(_width(cell) > MAX_WHOLE for cell in self.cells)

    @property
    def width(self) -> int:
        """Return that of the longest cell or word of the header; of a text, what it needs."""
        return min(max(map(_width, (*self.cells, *self.header.split()))), MAX_WHOLE)


def _width(text: str) -> int:
    return max(map(cell_len, showable(text).split("\n")))


def _total(widths: Iterable[int]) -> int:
    """Return how wide a table is, with a line and two blanks for each column."""
    return 1 + sum(width + 3 for width in widths)


def _parts(
    keys: Sequence[_Column], others: Sequence[_Column], width: int
) -> Iterator[list[_Column]]:
    """Yield the other columns, as many at a time as fit beside the keys; at least one."""
    shown: list[_Column] = []
    for column in others:
        if shown and _total(each.width for each in (*keys, *shown, column)) > width:
            yield shown
            shown = []
        shown.append(column)
    yield shown


def _table(
    columns: Sequence[_Column], num_keys: int, width: int, title: str | None, ends: Collection[int]
) -> Table:
    table = Table(title=title, title_justify="left")
    # where headers find no room on one line, keys and texts give way, never a number
    has_room = _total(max(each.width, cell_len(each.header)) for each in columns) <= width
    for number, column in enumerate(columns):
        wraps = number < num_keys or column.is_text
        table.add_column(
            column.header,
            justify="left" if wraps else "right",
            overflow="fold",
            width=None if wraps or has_room else column.width,
        )
    for number, row in enumerate(zip(*(column.cells for column in columns), strict=True)):
        table.add_row(*row, end_section=number in ends)
    return table
