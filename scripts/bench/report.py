#!/usr/bin/env python3
"""`sprout report` on a store of 1,000,000 completions: seconds, peak memory, size of the page.

The store holds a year of nightly runs in three zones, six tasks, two models, energy that is
measured in one half and estimated in the other. Goals: under 2 s and 200 MB, and a page under 1 MB.
"""

import argparse
import math
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from sqlite3 import Connection

from measure import SPROUT, run

from sprout.clock import to_text
from sprout.state import tallies
from sprout.state.store import Store

NUM_RUNS = 365
GOAL_S, GOAL_MB, GOAL_PAGE_MB = 2.0, 200.0, 1.0

_COMPLETIONS = """
    WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :count),
    r AS MATERIALIZED (SELECT i, abs(random()) % 1000 / 1000.0 AS u, abs(random()) % 100 AS v,
        abs(random()) % 6 AS t, :start + i * 6 AS s FROM n),
    q AS MATERIALIZED (SELECT i, u, v, t, s, CASE WHEN abs(random()) % 100 < 100 - :dirty THEN 0
        ELSE 1 + abs(random()) % 2 END AS l FROM r)
    INSERT INTO completions SELECT :run, printf('line-%06d', i), lower(hex(randomblob(16))),
        'task-' || t, 'L' || l, 'key-of-L' || l,
        CASE WHEN v < 98 THEN :run || '-plan' END,
        strftime('%Y-%m-%dT%H:%M:%S.000Z', s, 'unixepoch'),
        strftime('%Y-%m-%dT%H:%M:%S.000Z', s + 30, 'unixepoch'), NULL, 'stop', 40 + t,
        cast((200 - 60 * l) * u AS INTEGER), (20 - 6 * l) * (u + 0.2),
        (2 - 0.6 * l) * (u + 0.2), 20.0, :g + s / 3600 % 24 * 10,
        (20 - 6 * l) * (u + 0.2) / 3.6e6 * 1.2 * (:g + s / 3600 % 24 * 10),
        (2 - 0.6 * l) * (u + 0.2) * 0.001, :circumstance FROM q
"""


def fill(store: Store, count: int, *, is_finished: bool) -> None:
    """Write a store of about so many completions."""
    start = datetime(2025, 1, 1, 1, tzinfo=UTC)
    with store.write() as connection:
        for number in range(12):
            _add_circumstances(connection, number)
        for number in range(NUM_RUNS):
            run_id, began = f"run-{number:04d}", start + number * timedelta(days=1)
            finished = to_text(began + timedelta(hours=5)) if is_finished else None
            connection.execute(
                "INSERT INTO runs (run_id, started_at, finished_at, input, model, machine, zone,"
                " energy_method, pue, embodied_preset, embodied_g_per_s, metered_j, idle_j)"
                " VALUES (?, ?, ?, 'prompts.jsonl', 'model', 'machine', 'DE', 'rapl', 1.2,"
                " 'server', 0.001, 40000, 900)",
                (run_id, to_text(began), finished),
            )
            dirty = round(50 + 45 * math.sin(number / 58) * math.cos(number / 3))
            values = {
                "count": count // NUM_RUNS,
                "start": int(began.timestamp()),
                "run": run_id,
                "circumstance": number % 12 + 1,
                "g": 180 + dirty,
                "dirty": dirty,
            }
            connection.execute(_COMPLETIONS, values)
            if is_finished:
                tallies.keep(connection, run_id)


def _add_circumstances(connection: Connection, number: int) -> None:
    zone, method = ("DE", "FR", "GB")[number % 3], ("rapl", "tdp_estimate")[number // 3 % 2]
    source = ("eia (measured)", "eia (forecast)", "yearly average")[number % 3]
    connection.execute(
        "INSERT INTO circumstances VALUES (?, NULL, ?, ?, 'machine', 8, 2, 0, 256, ?, 1.2,"
        " 'server', 0.001, 'made up', ?, ?, 'average', 'lifecycle')",
        (number + 1, f"fingerprint-{number % 2}", f"model-{number % 2}", method, zone, source),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--completions", type=int, default=1_000_000)
    parser.add_argument("--unfinished", action="store_true", help="no run has finished")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        state, page = Path(name) / "sprout.db", Path(name) / "report.html"
        with Store.open(state) as store:
            fill(store, arguments.completions, is_finished=not arguments.unfinished)
        print(f"store {state.stat().st_size / 1e6:.0f} MB")
        for words in (["report"], ["report", "--format", "html", "--output", page]):
            found = min((run([SPROUT, *words], state) for _ in range(3)), key=lambda f: f.wall_s)
            print(
                f"sprout {' '.join(map(str, words[:3]))}: {found.wall_s:.2f} s (goal: {GOAL_S}), "
                f"peak {found.peak_mb:.0f} MB (goal: {GOAL_MB:.0f})"
            )
        print(f"page {page.stat().st_size / 1e6:.2f} MB (goal: {GOAL_PAGE_MB})")


if __name__ == "__main__":
    main()
