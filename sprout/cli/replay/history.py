"""This store's own history as a world to replay: the hours that served, in every known zone."""

from collections import defaultdict
from dataclasses import replace

import numpy as np

from sprout.cli import wiring
from sprout.cli.grid.asking import series
from sprout.config import Settings
from sprout.directives import DirectiveSet
from sprout.errors import NotReadyError
from sprout.grid.intensity import Series
from sprout.planning.classes import judged_tasks
from sprout.planning.problem import FloatArray
from sprout.quality.preference import Preference, Shares
from sprout.replay.world import World
from sprout.state.history import History, ServedHour
from sprout.state.profiles import Profiles
from sprout.state.store import Store

POOL_SIZE = 10_000  # judged prompts that stand for known shares


def read_world(store: Store, settings: Settings) -> World:
    """Return what this store served as a world.

    Energy counts by the PUE, busy seconds by the embodied carbon of the runs that served, whatever
    the settings are today. Its hours are those in which requests were admitted. A zone is a region
    when its intensity is known in all of them.

    Raises:
        NotReadyError: nothing was served, or a level never was.
    """
    history = History(store)
    hours = history.hours()
    if not hours:
        raise NotReadyError("this store has no history to replay: `sprout run` makes one")
    known = wiring.level_set(settings, "")
    directives = _served(history, known)
    preference = _preference(store, settings, known)
    tasks = tuple(sorted({row.task for row in hours}))
    names = tuple(sorted({row.hour for row in hours}))
    counts = np.zeros((len(names), len(tasks)))
    for row in hours:
        counts[names.index(row.hour), tasks.index(row.task)] += row.num_requests
    energy_kwh, time_s = _costs(history, tasks, directives)
    intensity, ranges = _grid(history, hours, names, settings)
    mark = f"preference from {preference.source}"
    return World(
        tasks=tuple(task or "(no task)" for task in tasks),
        levels=tuple(d.level for d in directives.directives),
        intensity_g_per_kwh=intensity,
        composition=counts / counts.sum(axis=1, keepdims=True),
        weight=counts.sum(axis=1),
        energy_kwh=energy_kwh,
        time_s=time_s,
        patterns=np.eye(len(directives.directives)),
        pool=_pool(preference, tasks, directives),
        quality="preference",
        embodied_g_per_s=history.embodied_g_per_s() or 0.0,  # without a busy second nothing is due
        ranges=ranges,
        is_parallel=True,
        notes=(mark, f"{len(names)} hours with {int(counts.sum())} requests"),
    )


def _served(history: History, directives: DirectiveSet) -> DirectiveSet:
    """Return the levels without those of variants that no plan has served yet."""
    served = {row.directive_key for row in history.levels()}
    kept = (each for each in directives.directives if each.variant is None or each.key in served)
    return replace(directives, directives=tuple(kept))


def _preference(store: Store, settings: Settings, directives: DirectiveSet) -> Preference:
    """Return what judges said of the model measured last; the paper's shares until then."""
    known = Profiles(store).known_conditions()
    if not known:
        return wiring.prior_preference(directives)
    (conditions, _, _), *_ = known
    return wiring.preference(store, directives, conditions, wiring.utc_now(), settings)


def _costs(
    history: History, tasks: tuple[str, ...], directives: DirectiveSet
) -> tuple[FloatArray, FloatArray]:
    """Return energy and time [c, v]; of all tasks where a task was not served at every level."""
    rows = history.levels()
    by_level: dict[str, list[tuple[int, float, float]]] = defaultdict(list)
    own: dict[tuple[str, str], tuple[float, float]] = {}
    for row in rows:
        by_level[row.directive_key].append((row.num_requests, row.energy_kwh, row.busy_s))
        own[row.task, row.directive_key] = row.energy_kwh, row.busy_s
    missing = [d.level for d in directives.directives if d.key not in by_level]
    if missing:
        raise NotReadyError(
            f"level {', '.join(missing)} of {directives.name} was never served by a plan: "
            "there is no cost to replay (--directives names another set)"
        )
    overall = []
    for directive in directives.directives:
        count, energy, seconds = np.array(by_level[directive.key]).T
        overall.append((float(count @ energy / count.sum()), float(count @ seconds / count.sum())))
    table = np.array(
        [
            [own[task, d.key] for d in directives.directives]
            if all((task, d.key) in own for d in directives.directives)
            else overall
            for task in tasks
        ]
    )
    return table[..., 0], table[..., 1]


def _grid(
    history: History, hours: list[ServedHour], names: tuple[str, ...], settings: Settings
) -> tuple[dict[str, FloatArray], dict[str, tuple[float, float]]]:
    """Return each zone's intensity in the served hours, and the range it is judged against."""
    wanted = series(settings) or Series("", "average", "lifecycle")
    stored = history.grid(wanted.kind, wanted.factor_type)
    used: dict[str, dict[str, float]] = defaultdict(dict)
    for row in hours:
        used[row.zone].setdefault(row.hour, row.g_per_kwh)
    found, ranges = {}, {}
    for zone in dict.fromkeys((*used, *stored)):
        known = used.get(zone, {}) | stored.get(zone, {})
        if all(name in known for name in names):
            found[zone] = np.array([known[name] for name in names])
            ranges[zone] = min(known.values()), max(known.values())
    if not found:
        raise NotReadyError(
            "no zone's intensity is known in every hour that served: `sprout grid import` a CSV"
        )
    return found, ranges


def _pool(
    preference: Preference, tasks: tuple[str, ...], directives: DirectiveSet
) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """Return prompts whose verdicts are in proportion to what is known of each task."""
    judged = judged_tasks(preference)
    return np.array(
        [
            _prompts(
                preference.by_class[task] if task in judged else preference.overall, directives
            )
            for task in tasks
        ]
    )


def _prompts(shares: Shares, directives: DirectiveSet) -> list[int]:
    mean = np.array([shares.of(d.level) or 0.0 for d in directives.directives])
    if mean[0] <= 0:
        raise NotReadyError("L0 has no preference that the others could be held against")
    ends = np.round(np.cumsum(mean) / mean.sum() * POOL_SIZE).astype(int)
    return np.repeat(np.arange(len(mean)), np.diff(ends, prepend=0)).tolist()
