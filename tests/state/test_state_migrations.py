import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import plain_records
import pytest
from plain_records import UNDER

from sprout.grid.intensity import Intensity, Series
from sprout.state import grid_log, migrations
from sprout.state.completions import Completions, Past
from sprout.state.grid_log import Asked, GridLog
from sprout.state.intensities import Intensities
from sprout.state.migrations import MIGRATIONS
from sprout.state.plans import Plans
from sprout.state.profiles import Profiles
from sprout.state.store import Store

FOLDER = Path(migrations.__file__).parent
FIRST_TABLES = {
    "baselines",
    "completions",
    "directives",
    "intensities",
    "plans",
    "profiles",
    "runs",
    "texts",
}
TABLES = FIRST_TABLES | {"answers", "evaluations", "judges", "reservoir", "verdicts"}
NEWER = {"circumstances", "grid_backtests", "grid_fetches", "grid_spans", "tallies"}
DUMPS = {"v1.sql": FIRST_TABLES, "v8.sql": TABLES | NEWER}
APPLIED = "_sqlite_migrations"
OURS = "sql IS NOT NULL AND name NOT LIKE '%sqlite_%'"


@pytest.fixture(params=DUMPS)
def dump(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def old_path(dump: str, tmp_path: Path) -> Path:
    """A store as an earlier version left it."""
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(sql_of(dump))
    return path


def sql_of(dump: str) -> str:
    return Path(__file__).with_name(dump).read_text(encoding="utf-8")


def schema(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    rows = connection.execute(f"SELECT name, sql FROM sqlite_schema WHERE {OURS} ORDER BY name")
    return [(name, " ".join(sql.split())) for name, sql in rows]


def rows_of(path: Path, table: str) -> list[dict[str, object]]:
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2")]


def test_an_empty_store_gets_every_table_and_each_is_strict(tmp_path: Path) -> None:
    with Store.open(tmp_path / "s.db") as store, store.read() as connection:
        rows = connection.execute("SELECT name, strict FROM pragma_table_list").fetchall()
    tables = {name: strict for name, strict in rows if "sqlite_" not in name}
    assert tables == dict.fromkeys(TABLES | NEWER, 1)


def test_a_value_of_the_wrong_type_is_refused_by_the_table(tmp_path: Path) -> None:
    with (
        Store.open(tmp_path / "s.db") as store,
        pytest.raises(sqlite3.IntegrityError, match="TEXT value in REAL"),
        store.write() as connection,
    ):
        connection.execute("INSERT INTO baselines VALUES ('m', 'rapl', 'much', 1, '')")


def test_the_comments_of_the_columns_are_kept(tmp_path: Path) -> None:
    with Store.open(tmp_path / "s.db") as store, store.read() as connection:
        sql = dict(connection.execute("SELECT name, sql FROM sqlite_schema").fetchall())
    assert "-- gCO2eq per kWh" in sql["intensities"]
    assert "-- NULL: not finished; and so everything below" in sql["completions"]


def test_migrations_make_what_earlier_versions_made_by_them(dump: str) -> None:
    with (
        closing(sqlite3.connect(":memory:")) as made,
        closing(sqlite3.connect(":memory:")) as dumped,
    ):
        dumped.executescript(sql_of(dump))
        for (name,) in dumped.execute(f"SELECT name FROM {APPLIED} ORDER BY id"):
            for statement in MIGRATIONS[name]:
                made.execute(statement)
        assert schema(made) == schema(dumped)


def test_every_migration_of_the_folder_is_applied_in_the_order_of_their_names(
    tmp_path: Path,
) -> None:
    assert sorted(path.stem for path in FOLDER.glob("m*.py")) == list(MIGRATIONS)
    Store.open(tmp_path / "s.db").close()
    assert [row["name"] for row in rows_of(tmp_path / "s.db", APPLIED)] == list(MIGRATIONS)


def test_opening_a_store_that_is_up_to_date_loads_no_pandas(tmp_path: Path) -> None:
    Store.open(tmp_path / "s.db").close()
    script = (
        "import sys; from pathlib import Path; from sprout.state.store import Store; "
        "Store.open(Path(sys.argv[1])).close(); "
        "print({'pandas', 'sqlite_utils', 'numpy'} & set(sys.modules))"
    )
    found = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "s.db"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.strip() == "set()"


def test_a_dump_has_rows_in_every_table(dump: str, old_path: Path) -> None:
    with closing(sqlite3.connect(old_path)) as connection:
        names = {name for name, sql in schema(connection) if sql.startswith("CREATE TABLE")}
    assert names == DUMPS[dump]
    assert all(rows_of(old_path, table) for table in names)


def test_a_store_of_an_earlier_version_is_brought_up_to_date_with_its_rows(
    dump: str, old_path: Path, tmp_path: Path
) -> None:
    before = {table: rows_of(old_path, table) for table in DUMPS[dump]}
    with Store.open(old_path) as store, store.read() as connection:
        migrated = schema(connection)
    assert [row["name"] for row in rows_of(old_path, APPLIED)] == list(MIGRATIONS)
    with Store.open(tmp_path / "fresh.db") as store, store.read() as connection:
        assert migrated == schema(connection)
    for table, rows in before.items():
        after = rows_of(old_path, table)
        # what there was is there; newer columns may have come
        assert len(after) == len(rows)
        assert all(old.items() <= new.items() for old, new in zip(rows, after, strict=True)), table


@pytest.mark.parametrize("dump", ["v1.sql"], indirect=True)
def test_what_the_first_release_wrote_is_read_today(old_path: Path) -> None:
    with Store.open(old_path) as store:
        profiles = Profiles(store)
        assert Completions(store, "run-1").recall("waiting") == Past(
            "0f6fa6c3afcdbcd58726f58fa83d1965",
            "L0",
            "plan-20260101T120000Z-84bb3394",
            is_answered=False,
        )
        plan = Plans(store).latest("run-1")
        assert plan is not None
        assert plan.id == "plan-20260101T120000Z-84bb3394"
        assert sum(plan.shares) == pytest.approx(1)
        assert (plan.policy, plan.classes) == ("sprout", ())
        assert profiles.costs(UNDER)[plain_records.KEYS["L1"], "qa"].num_requests == 2
        found = Intensities(store).covering(Series("DE", "average", "lifecycle"), plain_records.NOW)
        assert found == plain_records.intensity(250.5)


def again(path: Path, migration: str) -> None:
    """Let a store forget one migration that only changes rows, so that it is applied to them."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM _sqlite_migrations WHERE name = ?", (migration,))


def test_what_eia_gave_under_late_hours_is_fetched_anew_and_nothing_else(tmp_path: Path) -> None:
    path, now = tmp_path / "s.db", plain_records.NOW
    eia, neso = Asked("eia", "US-CISO", "lifecycle"), Asked("neso", "GB", "direct")
    with Store.open(path) as store:
        log = GridLog(store)
        late = plain_records.intensity(zone="US-CISO", source="eia_production_mix")
        Intensities(store).add([late, plain_records.intensity(zone="US-CISO")])
        Intensities(store).add([plain_records.intensity(zone="GB", source="neso")])
        for asked in (eia, neso):
            log.succeeded(asked, now)
            log.add_span(asked, now - timedelta(days=30), now, now)
            series = Series(asked.zone, "average", "lifecycle")
            log.add_backtest(grid_log.Tested(series, now, now, now, 1, 0.1, 0.2, 0.3, (0.1,)))
    again(path, "m007_eia_hours")
    with Store.open(path) as store:
        log = GridLog(store)
        assert log.state(eia).fetched_at is None
        assert log.spans(eia) == set()
        assert log.backtest(Series("US-CISO", "average", "lifecycle")) is None
        assert log.state(neso).fetched_at == now
        assert len(log.spans(neso)) == 1
        assert log.backtest(Series("GB", "average", "lifecycle")) is not None
    left = [(row["zone"], row["source"]) for row in rows_of(path, "intensities")]
    assert sorted(left) == [("GB", "neso"), ("US-CISO", "electricitymaps_csv")]


def test_a_regions_forecasts_of_what_was_over_become_its_history(tmp_path: Path) -> None:
    path, now = tmp_path / "s.db", plain_records.NOW

    def told(zone: str, start: int, source: str = "neso") -> Intensity:
        """A forecast of half an hour that begins `start` minutes from when it was fetched."""
        when = now + timedelta(minutes=start)
        row = plain_records.intensity(
            200, when, duration_s=1800, zone=zone, source=source, is_forecast=True
        )
        return replace(row, fetched_at=now)

    with Store.open(path) as store:
        Intensities(store).add(
            [
                *(told("GB-13", start) for start in (-60, -30, -15, 0)),
                *(told("gb-rg10", start) for start in (-30, 30)),
                *(told(zone, -30) for zone in ("GB", "uk")),
                told("GB-14", -30, source="electricity_maps"),
            ]
        )
    again(path, "m008_regions")
    Store.open(path).close()
    rows = rows_of(path, "intensities")
    over = [
        (row["zone"], row["start_utc"], row["is_estimated"])
        for row in rows
        if not row["is_forecast"]
    ]
    assert sorted(over, key=str) == [
        ("GB-13", "2026-01-01T11:00:00.000Z", 1),
        ("GB-13", "2026-01-01T11:30:00.000Z", 1),
        ("gb-rg10", "2026-01-01T11:30:00.000Z", 1),
    ]
    assert len(rows) == 9
