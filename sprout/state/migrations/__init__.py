"""The schema, as migrations that are only ever appended: a module for each, in order.

They hold statements and import nothing of ours, so that no later change of the program changes what
they did. Units stand in the column names; times are UTC ISO-8601 text ending in Z; NULL means not
known, never zero. The comments inside each table are kept by SQLite: `.schema` shows them.

sqlite_utils is imported only to migrate: it brings pandas along where that is installed, a sixth of
a second on every start.
"""

from collections.abc import Callable
from sqlite3 import Connection
from typing import TYPE_CHECKING

from sprout.state.migrations import (
    m001_first_schema,
    m002_grid,
    m003_quality,
    m004_reports,
    m005_deadlines,
    m006_variants,
    m007_eia_hours,
    m008_regions,
    m009_gaps,
)

if TYPE_CHECKING:
    from sqlite_utils import Database

MIGRATIONS: dict[str, tuple[str, ...]] = {
    module.__name__.rpartition(".")[2]: module.STATEMENTS
    for module in (
        m001_first_schema,
        m002_grid,
        m003_quality,
        m004_reports,
        m005_deadlines,
        m006_variants,
        m007_eia_hours,
        m008_regions,
        m009_gaps,
    )
}
"""The statements of every migration by its name, in order."""


def migrate(connection: Connection) -> None:
    """Apply the migrations that a store has not seen; inside a transaction it joins that."""
    from sqlite_utils import Database, Migrations

    migrations = Migrations("sprout")
    for name, statements in MIGRATIONS.items():
        migrations(name=name)(_applying(statements))
    migrations.apply(Database(connection, execute_plugins=False))


def _applying(statements: tuple[str, ...]) -> Callable[["Database"], None]:
    def apply(db: "Database") -> None:
        for statement in statements:
            db.execute(statement)

    return apply
