"""Reads a folder of recorded traces as a world to replay.

Files are CSV with a header, plain or gzipped; a name may carry a suffix before `.csv`:

    grid*.csv             region, datetime_utc, direct_g_per_kwh [, lca_g_per_kwh]; hourly, in order
    requests.csv          dataset, index, level, energy_kwh, time_s: a request at each level; the
                          level 7B is a second model without directive
    judgements.csv        dataset, preferred_level: one row a judged prompt (0 is L0)
    composition*.csv      a column a task, a row an hour, shares that sum to 1; without it every
                          task is as frequent
    accuracy.csv          dataset, prompt_index, level, correct (0 or 1); for --quality accuracy
    hourly_inputs*.csv    hour, then preference_l0, ..., energy_kwh_l0, ..., time_s_l0, ...; for
                          --inputs hourly
    judgements_7b*.csv    dataset, prompt_index, prefers_7b; for model-opt

These are the tables published with the EMNLP 2024 paper. Whatever else is in the folder is left
alone. A request that lacks a level is left out; of each task the first 5,000 are taken, as the
authors' simulator does.
"""

import csv
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from sprout.carbon import PAPER_LIFETIME_S, PAPER_NODE_G
from sprout.clock import in_utc
from sprout.errors import InputError, NoInputError
from sprout.files.reading import read_lines
from sprout.planning.frontier import IntArray
from sprout.planning.problem import FloatArray
from sprout.replay.world import HourlyInputs, Requests, Variants, World

MAX_REQUESTS = 5000
SECOND_MODEL = "7B"
HOUR = timedelta(hours=1)
COLUMNS = {"direct": "direct_g_per_kwh", "lifecycle": "lca_g_per_kwh"}


def read_world(folder: Path, *, quality: str = "preference", factor: str = "direct") -> World:
    """Return the world that a folder holds.

    Args:
        quality: "preference" (judgements.csv) or "accuracy" (accuracy.csv).
        factor: "direct" or "lifecycle", which column of the grid.

    Raises:
        NoInputError: the folder or a file that is needed is not there.
        InputError: a file is not what it should be; the message says where.
    """
    if not folder.is_dir():
        raise NoInputError(
            f"no folder {folder} with traces to replay (`man 7 sprout-replay` says more)"
        )
    requests = _requests(folder)
    levels = tuple(sorted({level for _, level in requests} - {SECOND_MODEL}, key=_in_order))
    read = _accuracy if quality == "accuracy" else _judgements
    credits_ = read(folder, levels)
    tasks = tuple(sorted({task for task, _ in requests} & credits_.keys()))
    if not tasks:
        raise InputError(f"{folder}: no task has both requests and {quality}")
    tables = [_aligned(requests, task, levels) for task in tasks]
    energies, times = (tuple(table[..., i] for table in tables) for i in (0, 1))
    patterns, pool = _pool([credits_[task] for task in tasks])
    composition, notes = _composition(folder, tasks)
    return World(
        tasks=tasks,
        levels=levels,
        intensity_g_per_kwh=_grid(folder, COLUMNS[factor]),
        composition=composition,
        weight=None,
        energy_kwh=np.array([energy.mean(axis=0) for energy in energies]),
        time_s=np.array([time.mean(axis=0) for time in times]),
        patterns=patterns,
        pool=pool,
        quality=quality,
        embodied_g_per_s=PAPER_NODE_G / PAPER_LIFETIME_S,
        requests=Requests(energies, times),
        variants=_variants(folder, requests, tasks),
        hourly=_hourly(folder, levels),
        notes=notes,
    )


def _find(folder: Path, stem: str) -> Path | None:
    """Return the file of a table: `stem.csv`, or the first `stem*.csv`, gzipped or not."""
    for pattern in (f"{stem}.csv", f"{stem}.csv.gz", f"{stem}_*.csv", f"{stem}_*.csv.gz"):
        found = sorted(folder.glob(pattern))
        if found:
            return found[0]
    return None


def _rows(folder: Path, stem: str, columns: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield these columns of a table.

    Raises:
        NoInputError: there is no such table.
        InputError: it cannot be read, or lacks a column.
    """
    path = _find(folder, stem)
    if path is None:
        raise NoInputError(f"{folder}: no {stem}.csv or {stem}.csv.gz (`man 7 sprout-replay`)")
    reader = csv.reader(read_lines(path))
    try:
        header = next(reader, [])
        missing = [name for name in columns if name not in header]
        if missing:
            raise InputError(f"{path}: no column {', '.join(missing)}")
        places = [header.index(name) for name in columns]
        for row in reader:
            if len(row) != len(header):
                raise InputError(
                    f"{path}:{reader.line_num}: {len(row)} columns, the header has {len(header)}"
                )
            yield tuple(row[place] for place in places)
    except csv.Error as error:
        raise InputError(f"{path}:{reader.line_num}: not CSV ({error})") from error


def _in_order(level: str) -> tuple[int, str]:
    """Return what sorts L10 behind L2: verdicts name levels by their place."""
    return len(level), level


def _number(text: str, where: str, most: float = np.inf) -> float:
    try:
        value = float(text)
    except ValueError:
        value = np.nan
    if not (np.isfinite(value) and 0 <= value <= most):
        wanted = "of 0 or more" if most == np.inf else f"from 0 to {most:g}"
        raise InputError(f"{where}: {text!r} is no number {wanted}")
    return value


def _requests(folder: Path) -> dict[tuple[str, str], dict[int, tuple[float, float]]]:
    """Return energy and time of each request by (task, level) and index."""
    found: dict[tuple[str, str], dict[int, tuple[float, float]]] = defaultdict(dict)
    columns = ("dataset", "index", "level", "energy_kwh", "time_s")
    for task, index, level, energy, seconds in _rows(folder, "requests", columns):
        where = f"requests.csv, {task} {index} {level}"
        found[task, level][int(_number(index, where))] = (
            _number(energy, where),
            _number(seconds, where),
        )
    return found


def _aligned(
    requests: dict[tuple[str, str], dict[int, tuple[float, float]]],
    task: str,
    levels: tuple[str, ...],
) -> FloatArray:
    """Return [n, v, 2], energy and time of the task's requests that have every level."""
    tables = [requests.get((task, level), {}) for level in levels]
    shared = sorted(set.intersection(*(set(table) for table in tables)))[:MAX_REQUESTS]
    if not shared:
        raise InputError(f"requests.csv: no request of task {task} has every level")
    return np.array([[table[index] for table in tables] for index in shared])


def _judgements(folder: Path, levels: tuple[str, ...]) -> dict[str, FloatArray]:
    """Return the credits [n, v] of each task's judged prompts, all to the preferred level."""
    found: dict[str, list[int]] = defaultdict(list)
    for task, level in _rows(folder, "judgements", ("dataset", "preferred_level")):
        if level not in {str(number) for number in range(len(levels))}:
            raise InputError(f"judgements.csv: preferred_level {level!r} of {task} is no level")
        found[task].append(int(level))
    return {task: np.eye(len(levels))[rows] for task, rows in found.items()}


def _accuracy(folder: Path, levels: tuple[str, ...]) -> dict[str, FloatArray]:
    """Return [n, v], 1 where the answer of a prompt is correct at a level."""
    found: dict[str, dict[str, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    columns = ("dataset", "prompt_index", "level", "correct")
    for task, prompt, level, correct in _rows(folder, "accuracy", columns):
        found[task][prompt][level] = _number(correct, f"accuracy.csv, {task} {prompt}", 1)
    complete = {
        task: [
            [of[level] for level in levels] for of in prompts.values() if of.keys() >= set(levels)
        ]
        for task, prompts in found.items()
    }
    return {task: np.array(rows) for task, rows in complete.items() if rows}


def _pool(credits_: list[FloatArray]) -> tuple[FloatArray, IntArray]:
    """Return the kinds of credit [p, v], and which one each judged prompt has [c, n]."""
    patterns, kind = np.unique(np.concatenate(credits_), axis=0, return_inverse=True)
    kind = kind.reshape(-1)
    pool = np.full((len(credits_), max(map(len, credits_))), -1)
    start = 0
    for number, rows in enumerate(credits_):
        pool[number, : len(rows)] = kind[start : start + len(rows)]
        start += len(rows)
    return patterns, pool


def _composition(folder: Path, tasks: tuple[str, ...]) -> tuple[FloatArray, tuple[str, ...]]:
    """Return [t, c], and what people should know of it."""
    path = _find(folder, "composition")
    if path is None:
        return np.full((1, len(tasks)), 1 / len(tasks)), ("no composition.csv: tasks alike",)
    rows = [
        [_number(text, path.name) for text in row] for row in _rows(folder, "composition", tasks)
    ]
    if not rows:
        raise InputError(f"{path}: no hours")
    shares = np.array(rows)
    totals = shares.sum(axis=1, keepdims=True)
    if (totals <= 0).any():
        raise InputError(f"{path}: an hour without any of {', '.join(tasks)}")
    notes: tuple[str, ...] = ()
    if not np.allclose(totals, 1, atol=1e-6):
        notes = ("the task mix is that of the tasks that have all data, in proportion",)
    return shares / totals, notes


def _grid(folder: Path, column: str) -> dict[str, FloatArray]:
    """Return the hours of each region.

    Raises:
        InputError: one is missing, or out of order: all after it would stand for other hours.
    """
    found: dict[str, list[float]] = defaultdict(list)
    newest: dict[str, datetime] = {}
    for region, text, value in _rows(folder, "grid", ("region", "datetime_utc", column)):
        where = f"grid.csv, {region} at {text}"
        try:
            start = in_utc(datetime.fromisoformat(text))
        except (ValueError, OverflowError) as error:
            raise InputError(f"{where}: no time such as 2023-01-31 13:00:00") from error
        if region in newest and start - newest[region] != HOUR:
            raise InputError(f"{where}: not an hour after the region's row before it")
        newest[region] = start
        found[region].append(_number(value, where))
    if not found:
        raise InputError(f"{folder}: the grid has no rows")
    return {region: np.array(values) for region, values in found.items()}


def _hourly(folder: Path, levels: tuple[str, ...]) -> HourlyInputs | None:
    path = _find(folder, "hourly_inputs")
    if path is None:
        return None
    columns = tuple(
        f"{quantity}_{level.lower()}"
        for quantity in ("preference", "energy_kwh", "time_s")
        for level in levels
    )
    rows = np.array(
        [
            [_number(text, path.name) for text in row]
            for row in _rows(folder, "hourly_inputs", ("hour", *columns))
        ]
    )
    if not len(rows) or (rows[:, 0] != np.arange(len(rows))).any():
        raise InputError(f"{path}: the rows are not hours 0, 1, 2 and so on")
    preference, energy_kwh, time_s = np.split(rows[:, 1:], 3, axis=1)
    if not preference[:, 0].all():
        raise InputError(f"{path}: an hour in which {levels[0]} has no preference")
    return HourlyInputs(preference, energy_kwh, time_s)


def _variants(
    folder: Path,
    requests: dict[tuple[str, str], dict[int, tuple[float, float]]],
    tasks: tuple[str, ...],
) -> Variants | None:
    """Return the second model, where its requests and at least one task's judgements are there."""
    if _find(folder, "judgements_7b") is None or any(
        (task, SECOND_MODEL) not in requests for task in tasks
    ):
        return None
    prefers: dict[str, list[float]] = defaultdict(list)
    for task, text in _rows(folder, "judgements_7b", ("dataset", "prefers_7b")):
        prefers[task].append(_number(text, "judgements_7b.csv", 1))
    tables = np.array(
        [_aligned(requests, task, ("L0", SECOND_MODEL)).mean(axis=0) for task in tasks]
    )
    second = float(np.mean([np.mean(values) for values in prefers.values()]))
    judged = ", ".join(sorted(prefers))
    return Variants(
        energy_kwh=tables[..., 0],
        time_s=tables[..., 1],
        preference=np.array([1 - second, second]),
        note=f"model-opt: {SECOND_MODEL} was judged on {judged} alone, which stands for all tasks",
    )
