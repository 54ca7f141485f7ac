"""What many completions have in common, in the store: one row for all that share it."""

from dataclasses import astuple
from sqlite3 import Connection

from sprout.batch.answers import Counting, Grid

CONDITIONS = (
    "u.model, u.machine, u.parallel, u.threads, u.gpu_layers, u.max_tokens, u.energy_method"
)
"""Of a row u: what costs depend on, in the order of `sprout.costs.Conditions`."""

ALIKE = f"u.run_id IS NULL AND ({CONDITIONS}) = (?, ?, ?, ?, ?, ?, ?)"
"""What is true of a row u of such conditions, which were recorded."""

_COLUMNS = (
    "run_id",
    "model",
    "model_name",
    "machine",
    "parallel",
    "threads",
    "gpu_layers",
    "max_tokens",
    "energy_method",
    "pue",
    "embodied_preset",
    "embodied_g_per_s",
    "embodied_detail",
    "zone",
    "intensity_source",
    "intensity_kind",
    "intensity_factor",
)
_FIND = "SELECT circumstance_id FROM circumstances WHERE " + " AND ".join(
    f"{name} IS ?" for name in _COLUMNS
)
_ADD = (
    f"INSERT INTO circumstances ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' for _ in _COLUMNS)})"
)
_AS_THE_RUN = (
    "SELECT model, machine, pue, embodied_preset, embodied_g_per_s FROM runs WHERE run_id = ?"
)


class Ids:
    """Finds the row of what is common to requests of one run, or adds it; inside a transaction.

    Args:
        counting: None where only the run itself can tell: its conditions were not recorded, so its
            costs are held against no other run's.
    """

    def __init__(self, connection: Connection, run_id: str, counting: Counting | None) -> None:
        self._connection = connection
        self._run_id = run_id
        self._counting = counting
        self._known: dict[tuple[object, ...], int | None] = {}

    def of(self, grid: Grid, energy_method: str) -> int | None:
        """Return the id for a request that was served so; None where nobody can tell."""
        told = (grid.zone, grid.source, grid.kind, grid.factor_type)
        key = (*told, energy_method)
        if key not in self._known:
            counted = self._counted(energy_method)
            self._known[key] = self._find((*counted, *told)) if counted else None
        return self._known[key]

    def _counted(self, energy_method: str) -> tuple[object, ...]:
        if self._counting is None:
            run = self._connection.execute(_AS_THE_RUN, (self._run_id,)).fetchone()
            if run is None:
                return ()
            model, machine, *rest = run
            unknown = (None, None, None, None)
            return (self._run_id, model, None, machine, *unknown, energy_method, *rest, None)
        model, machine, *used, _ = astuple(self._counting.conditions)
        rate = self._counting.embodied
        return (
            None,
            model,
            self._counting.model_name,
            machine,
            *used,
            energy_method,
            self._counting.pue,
            rate.preset,
            rate.g_per_s,
            rate.detail,
        )

    def _find(self, values: tuple[object, ...]) -> int:
        row = self._connection.execute(_FIND, values).fetchone()
        if row is not None:
            return int(row[0])
        added = self._connection.execute(_ADD, values).lastrowid
        assert added is not None  # noqa: S101 - an INSERT that did not raise has one
        return added
