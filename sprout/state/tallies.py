"""Sums over completions by run, hour, task and level: what reports read in place of the rows.

A finished run changes no more, so it is summed up once, when it finishes; opening it again forgets
its sums. Runs without sums (running, or stopped) are summed up when somebody asks.
"""

from sqlite3 import Connection

_SUMS = """
    SELECT run_id, circumstance_id, substr(finished_at, 1, 13) AS hour, task, level, directive_key,
        plan_id IS NULL AS is_pinned, count(*) - count(error) AS num_answered,
        count(error) AS num_failed,
        coalesce(sum(num_prompt_tokens), 0) AS num_prompt_tokens,
        coalesce(sum(num_new_tokens), 0) AS num_new_tokens,
        total(energy_j) AS energy_j, total(energy_j * energy_j) AS energy_j2,
        total(busy_s) AS busy_s, total(busy_s * busy_s) AS busy_s2,
        total(energy_j * busy_s) AS energy_busy_js, total(g_per_kwh) AS g_per_kwh,
        total(operational_g) AS operational_g, total(embodied_g) AS embodied_g
    FROM completions WHERE finished_at IS NOT NULL AND {where}
    GROUP BY run_id, circumstance_id, hour, task, level, directive_key, is_pinned
"""


def keep(connection: Connection, run_id: str) -> None:
    """Sum up a run; inside a transaction."""
    forget(connection, run_id)
    connection.execute(f"INSERT INTO tallies {_SUMS.format(where='run_id = ?')}", (run_id,))


def forget(connection: Connection, run_id: str) -> None:
    """Drop the sums of a run that goes on; inside a transaction."""
    connection.execute("DELETE FROM tallies WHERE run_id = ?", (run_id,))


def live(connection: Connection, run_id: str | None = None) -> None:
    """Make the temporary view `cells`: the sums of finished runs, and of those that are not.

    Args:
        run_id: of the latter this one alone; None: all.
    """
    connection.execute("PRAGMA threads = 4")  # sorting is most of the work
    connection.execute("DROP VIEW IF EXISTS temp.cells")
    connection.execute("DROP TABLE IF EXISTS temp.live")
    unsummed = (
        "run_id IN (SELECT run_id FROM runs WHERE ifnull(run_id = ?, TRUE)"
        " EXCEPT SELECT run_id FROM tallies)"
    )
    connection.execute(f"CREATE TEMP TABLE live AS {_SUMS.format(where=unsummed)}", (run_id,))
    connection.execute(
        "CREATE TEMP VIEW cells AS SELECT * FROM main.tallies UNION ALL SELECT * FROM temp.live"
    )
