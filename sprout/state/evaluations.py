"""Evaluations in the store: what they drew, what they cost, and what directives saved meanwhile."""

import json
from dataclasses import astuple, dataclass
from datetime import datetime
from typing import Any

from sprout.batch.answers import Grid
from sprout.carbon import Footprint
from sprout.clock import to_text
from sprout.state.store import Store
from sprout.state.values import from_json, from_text


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One use of `sprout evaluate`.

    Args:
        source: served | bundled | path of a file.
        reason: why it ran then.
        drawn: hashes of the prompts to judge.
        grid: the intensity when it started.
    """

    id: str
    judge_key: str
    model: str
    levels_key: str
    source: str
    reason: str
    drawn: tuple[str, ...]
    started_at: datetime
    machine: str
    energy_method: str
    grid: Grid


class Evaluations:
    """Reads and writes the table `evaluations`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def unfinished(
        self, judge_key: str, model: str, compared: str, source: str
    ) -> tuple[str, tuple[str, ...]] | None:
        """Return id and drawn prompts of the newest such evaluation, when it is unfinished."""
        with self._store.read() as connection:
            row = connection.execute(
                "SELECT evaluation_id, drawn, finished_at FROM evaluations WHERE judge_key = ?"
                " AND model = ? AND levels_key = ? AND source = ?"
                " ORDER BY started_at DESC, rowid DESC LIMIT 1",
                (judge_key, model, compared, source),
            ).fetchone()
        if row is None or row[2] is not None:
            return None
        return row[0], tuple(from_json(row[1]))

    def start(self, evaluation: Evaluation) -> None:
        """Record a new evaluation."""
        with self._store.write() as connection:
            connection.execute(
                "INSERT INTO evaluations (evaluation_id, judge_key, model, levels_key, source,"
                " reason, drawn, started_at, machine, energy_method, zone, g_per_kwh,"
                " intensity_source, intensity_kind, intensity_factor, metered_j, busy_s,"
                " operational_g, embodied_g)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0, 0)",
                (
                    evaluation.id,
                    evaluation.judge_key,
                    evaluation.model,
                    evaluation.levels_key,
                    evaluation.source,
                    evaluation.reason,
                    json.dumps(evaluation.drawn),
                    to_text(evaluation.started_at),
                    evaluation.machine,
                    evaluation.energy_method,
                    *astuple(evaluation.grid),
                ),
            )

    def continue_at(self, evaluation_id: str, grid: Grid) -> None:
        """Say of an evaluation that goes on by what: not the intensity of its beginning alone."""
        with self._store.write() as connection:
            connection.execute(
                "UPDATE evaluations SET intensity_source = 'several (mixed)',"
                " intensity_kind = NULL, intensity_factor = NULL"
                " WHERE evaluation_id = ? AND intensity_source IS NOT NULL AND (zone,"
                " intensity_source, intensity_kind, intensity_factor) IS NOT (?, ?, ?, ?)",
                (evaluation_id, grid.zone, grid.source, grid.kind, grid.factor_type),
            )

    def add_cost(
        self, evaluation_id: str, metered_j: float, busy_s: float, footprint: Footprint
    ) -> None:
        """Add joules, busy seconds and grams to an evaluation."""
        with self._store.write() as connection:
            connection.execute(
                "UPDATE evaluations SET metered_j = metered_j + ?, busy_s = busy_s + ?,"
                " operational_g = operational_g + ?, embodied_g = embodied_g + ?"
                " WHERE evaluation_id = ?",
                (
                    metered_j,
                    busy_s,
                    footprint.operational_g,
                    footprint.embodied_g,
                    evaluation_id,
                ),
            )

    def finish(self, evaluation_id: str, now: datetime) -> None:
        """Mark an evaluation as finished."""
        with self._store.write() as connection:
            connection.execute(
                "UPDATE evaluations SET finished_at = ? WHERE evaluation_id = ?",
                (to_text(now), evaluation_id),
            )

    def last_finished(self, model: str) -> datetime | None:
        """Return when an evaluation of this model last finished."""
        with self._store.read() as connection:
            (text,) = connection.execute(
                "SELECT max(finished_at) FROM evaluations WHERE model = ?", (model,)
            ).fetchone()
        return None if text is None else from_text(text)

    def newest(self, count: int) -> list[dict[str, Any]]:
        """Return the newest evaluations with their judge and the number of their verdicts."""
        with self._store.read() as connection:
            rows = connection.execute(
                f"{_SUMMARY} GROUP BY e.evaluation_id ORDER BY e.started_at DESC, e.rowid DESC"
                " LIMIT ?",
                (count,),
            ).fetchall()
        return [dict(row) for row in rows]

    def summary(self, evaluation_id: str) -> dict[str, Any] | None:
        """Return one evaluation as `newest` has it; None when it was pruned."""
        with self._store.read() as connection:
            row = connection.execute(
                f"{_SUMMARY} WHERE e.evaluation_id = ? GROUP BY e.evaluation_id", (evaluation_id,)
            ).fetchone()
        return None if row is None else dict(row)

    def total_cost(self, model: str) -> tuple[float, float]:
        """Return the joules and the grams of all evaluations of a model."""
        with self._store.read() as connection:
            row = connection.execute(
                "SELECT coalesce(sum(metered_j), 0.0), coalesce(sum(operational_g + embodied_g),"
                " 0.0) FROM evaluations WHERE model = ?",
                (model,),
            ).fetchone()
        return float(row[0]), float(row[1])

    def intensity_sources(self, model: str) -> list[str | None]:
        """Return the sources, with their marks, of the intensities that these grams rest on."""
        with self._store.read() as connection:
            rows = connection.execute(
                "SELECT DISTINCT intensity_source FROM evaluations WHERE model = ?"
                " ORDER BY intensity_source",
                (model,),
            ).fetchall()
        return [row[0] for row in rows]


_SUMMARY = (
    "SELECT e.evaluation_id, e.judge_key, j.name AS judge, j.is_trusted, e.source, e.reason,"
    " e.started_at, e.finished_at, json_array_length(e.drawn) AS num_drawn, e.model,"
    " e.energy_method, e.zone, e.g_per_kwh, e.intensity_source, e.intensity_kind,"
    " e.intensity_factor, e.metered_j, e.busy_s, e.operational_g, e.embodied_g,"
    " count(v.prompt_hash) AS num_verdicts, sum(v.price_usd) AS price_usd"
    " FROM evaluations e JOIN judges j USING (judge_key)"
    " LEFT JOIN verdicts v ON v.evaluation_id = e.evaluation_id"
)
