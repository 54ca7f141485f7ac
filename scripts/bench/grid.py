#!/usr/bin/env python3
"""What a large store and a fresh cache cost; ratios of medians, both sides in turn.

Goals: a fetch with a fresh cache takes at most 1.5 times `sprout --version` plus opening the store;
a year of hours (8,760 rows) is imported in under a second; ten years of five zones (438,000 rows)
leave `sprout optimize` under 1.3 times its time on an empty store.
"""

import sqlite3
import statistics
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from measure import RECORDING, SPROUT, in_turn, run, show

ZONES = ("DE", "FR", "GB", "NL", "PL")
HEADER = (
    "Datetime (UTC),Country,Zone name,Zone id,Carbon intensity gCO₂eq/kWh (direct),"
    "Carbon intensity gCO₂eq/kWh (Life cycle),Data source,Data estimated"
)
OPEN = "import sys; from pathlib import Path; from sprout.state.store import Store; "


def write_year(path: Path, zone: str, start: datetime) -> None:
    lines = [HEADER]
    for hour in range(8760):
        when = start + timedelta(hours=hour)
        value = 300 + 100 * (hour % 2) + hour % 50
        lines.append(f"{when:%Y-%m-%d %H:%M:%S},X,X,{zone},{value},{value + 50},ENTSOE,false")
    path.write_text("\n".join(lines) + "\n")


def fetch_fresh(folder: Path) -> None:
    state = folder / "fresh.db"
    fetch = {
        "SPROUT_ZONE": "GB",
        "SPROUT_PROVIDER": "neso",
        "SPROUT_NESO_URL": "http://127.0.0.1:9",
    }
    opens = [sys.executable, "-c", f"{OPEN}Store.open(Path({str(state)!r}))"]
    run(opens)
    connection = sqlite3.connect(state)
    with connection:
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        connection.execute(
            "INSERT INTO grid_fetches VALUES ('neso', 'GB', 'direct', ?, NULL, NULL, NULL)", (now,)
        )
    connection.close()
    values = in_turn(
        15,
        lambda: run([SPROUT, "grid", "fetch"], state, **fetch).wall_s,
        lambda: run([SPROUT, "--version"]).wall_s,
        lambda: run(opens).wall_s,
        lambda: run([sys.executable, "-c", "pass"]).wall_s,
    )
    fetched = show("sprout grid fetch, fresh", values[0], "s")
    version = show("sprout --version", values[1], "s")
    opened = show("opening the store", values[2], "s")
    bare = show("starting Python", values[3], "s")
    opening = opened - bare
    print(f"ratio {fetched / (version + opening):.2f} to version + opening (goal: at most 1.5)")


def import_year(folder: Path) -> None:
    file = folder / "year.csv"
    write_year(file, "DE", datetime(2025, 1, 1, tzinfo=UTC))
    state = folder / "import.db"
    run([SPROUT, "status"], state)
    values = in_turn(5, lambda: run([SPROUT, "grid", "import", file], state).wall_s)
    show("grid import, 8760 rows, whole", values[0], "s")
    print("goal: under 1 s")


def optimize_large(folder: Path) -> None:
    small, large = folder / "small.db", folder / "large.db"
    for state in (small, large):
        run([SPROUT, "profile", "--model", RECORDING, "--idle", "0", "--repeats", "1"], state)
    this_hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    connection = sqlite3.connect(large)
    begin = this_hour - timedelta(hours=87_599)
    with connection:
        for zone in ZONES:
            connection.executemany(
                "INSERT INTO intensities VALUES"
                " ('csv', ?, ?, 3600, ?, 'average', 'lifecycle', 0, 0, NULL, ?)",
                (
                    (
                        zone,
                        f"{begin + timedelta(hours=hour):%Y-%m-%dT%H:%M:%S.000Z}",
                        300.0 + 100 * (hour % 2) + hour % 50,
                        "2026-01-01T00:00:00.000Z",
                    )
                    for hour in range(87_600)
                ),
            )
        (rows,) = connection.execute("SELECT count(*) FROM intensities").fetchone()
    connection.close()
    optimize: list[str | Path] = [SPROUT, "optimize", "--model", RECORDING, "--zone", "DE"]
    values = in_turn(15, lambda: run(optimize, small).wall_s, lambda: run(optimize, large).wall_s)
    print(f"{rows} rows, {large.stat().st_size / 2**20:.0f} MB")
    before = show("optimize, empty store", values[0], "s")
    after = show("optimize, ten years of five zones", values[1], "s")
    ratios = [b / a for a, b in zip(*values, strict=True)]
    print(f"ratio {after / before:.2f}, of pairs {statistics.median(ratios):.2f} (goal: below 1.3)")


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fetch_fresh(folder)
        import_year(folder)
        optimize_large(folder)


if __name__ == "__main__":
    main()
