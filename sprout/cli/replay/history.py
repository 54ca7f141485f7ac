"""This store's own history as a world to replay: the hours that served, in every known zone."""

from collections.abc import Mapping
from dataclasses import asdict, replace

import numpy as np

from sprout.cli import wiring
from sprout.cli.preference import known_preference
from sprout.cli.replay import intensities
from sprout.config.settings import Settings
from sprout.costs import task_weights
from sprout.directives import DirectiveSet
from sprout.errors import NotReadyError
from sprout.planning.classes import MIN_MEASURED, judged_tasks
from sprout.planning.problem import FloatArray
from sprout.quality.preference import Preference, Shares
from sprout.replay.world import World
from sprout.state.history import (
    History,
    ServedAlike,
    ServedLevel,
    num_served,
    served_alike,
)
from sprout.state.store import Store

Row = tuple[str, str]
"""A directive key and a task."""

POOL_SIZE = 10_000  # judged prompts that stand for known shares
MAX_TOLD = 3  # of the ways in which others were served


def read_world(store: Store, settings: Settings, factor: str | None) -> World:
    """Return what this store served as a world.

    Only requests that were served alike count: by the same model, on the same machine, with the
    same settings. Of those that are served at all of today's levels the most are taken. Energy
    counts by the PUE, busy seconds by the embodied carbon of the runs that served, whatever the
    settings are today. Its hours are those in which requests were admitted. A zone is a region when
    its intensity is known in all of them.

    Args:
        factor: emission factors of the intensity; None takes the set ones, else as was served.

    Raises:
        NotReadyError: nothing was served, or a level never was, or no intensity is known.
    """
    found = served_alike(store)
    if not found:
        raise NotReadyError("this store has no history to replay: `sprout run` makes one")
    known = wiring.level_set(settings, "")
    keys = {each.key for each in known.directives if each.variant is None}
    chosen = next((each for each in found if keys <= each.directive_keys), found[0])
    under = chosen.under
    history = History(store, under)
    hours, served = history.hours(), history.levels()
    directives = _served(served, known)
    preference = known_preference(store, known, under, wiring.utc_now(), settings)
    tasks = tuple(sorted({row.task for row in hours}))
    names = tuple(sorted({row.hour for row in hours}))
    counts = np.zeros((len(names), len(tasks)))
    for row in hours:
        counts[names.index(row.hour), tasks.index(row.task)] += row.num_requests
    energy_kwh, time_s = _costs(served, tasks, directives)
    wanted = intensities.asked_for(hours, settings, factor)
    intensity = intensities.known(store, hours, names, wanted)
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
        ranges=intensities.ranges(store, tuple(intensity), wanted, names[-1]),
        is_parallel=True,
        notes=(
            f"preference from {preference.source}",
            f"intensities are {wanted.kind}/{wanted.factor_type}; "
            f"runs served by {intensities.sources(hours)}",
            f"{len(names)} hours with {chosen.num_requests} requests",
            f"{chosen.num_requests} requests served alike: {_told(_settings(chosen))}",
            *_left_out(num_served(store) - chosen.num_requests, chosen, found),
        ),
    )


def _left_out(num: int, chosen: ServedAlike, found: list[ServedAlike]) -> list[str]:
    """Return what people should know of requests that are not replayed."""
    if not num:
        return []
    parts = [
        f"{each.num_requests} with {_difference(chosen, each)}"
        for each in found
        if each is not chosen
    ]
    more = [f"and {len(parts) - MAX_TOLD} more kinds"] if len(parts) > MAX_TOLD else []
    told = "; ".join((*parts[:MAX_TOLD], *more)) or "under conditions that nobody recorded"
    return [f"left out: {num} requests that were served otherwise: {told}"]


def _difference(chosen: ServedAlike, other: ServedAlike) -> str:
    """Return in what others differ, such as "max_tokens 48"."""
    own = _settings(chosen)
    return _told({name: value for name, value in _settings(other).items() if value != own[name]})


def _settings(served: ServedAlike) -> dict[str, object]:
    """Return under what requests were served, as people know it."""
    facts = asdict(served.under)
    return facts | {"model": f"{served.model_name or 'unknown'} ({served.under.model})"}


def _told(facts: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in facts.items())


def _served(served: list[ServedLevel], directives: DirectiveSet) -> DirectiveSet:
    """Return the levels without those of variants that no plan has served yet."""
    keys = {row.directive_key for row in served}
    kept = (each for each in directives.directives if each.variant is None or each.key in keys)
    return replace(directives, directives=tuple(kept))


def _costs(
    served: list[ServedLevel], tasks: tuple[str, ...], directives: DirectiveSet
) -> tuple[FloatArray, FloatArray]:
    """Return energy and time [c, v]; of all tasks where a task was seldom served at a level."""
    keys = [directive.key for directive in directives.directives]
    num = {(row.directive_key, row.task): row.num_requests for row in served}
    known = {key for key, _ in num}
    missing = [d.level for d in directives.directives if d.key not in known]
    if missing:
        raise NotReadyError(
            f"no plan served level {', '.join(missing)} of {directives.name} with the same model, "
            "machine and settings as most requests: there is no cost to replay (`directives` names "
            "another set)"
        )
    mean = {(r.directive_key, r.task): np.array([r.energy_kwh, r.busy_s]) for r in served}
    overall = [_overall(num, mean, key, task_weights(num, keys)) for key in keys]
    table = np.array(
        [
            [mean[key, task] for key in keys]
            if min(num.get((key, task), 0) for key in keys) >= MIN_MEASURED
            else overall
            for task in tasks
        ]
    )
    return table[..., 0], table[..., 1]


def _overall(
    num: Mapping[Row, int], mean: Mapping[Row, FloatArray], key: str, weights: Mapping[str, float]
) -> FloatArray:
    """Return energy and time of a level over all tasks, by weights or else by their requests."""
    of_level = weights or {task: float(n) for (each, task), n in num.items() if each == key}
    parts = np.array(list(of_level.values()))
    total: FloatArray = parts @ np.array([mean[key, task] for task in of_level]) / parts.sum()
    return total


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
