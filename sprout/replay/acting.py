"""What each scheme does on a stage, as shares [s, t, c, v]. Pure.

c is 1 where one mix serves all tasks.
"""

import zlib
from dataclasses import replace

import numpy as np

from sprout.planning import policies
from sprout.planning.outlook import Outlook, by_frontier
from sprout.planning.policies import POLICIES
from sprout.planning.problem import FloatArray, Problem
from sprout.replay.foresight import FORESIGHTS
from sprout.replay.stage import Stage, limits_of, position_of
from sprout.replay.told import Told, outlook_of, outlook_of_one, told_by_class, told_pooled
from sprout.replay.world import HourlyInputs, Requests

WINDOW_HOURS = 24

ORACLE_REQUESTS = 1000
"""Requests an hour whose energy ORACLE knows one by one."""

SMALLEST_SHARE = 1e-12


def shares_by(stage: Stage, name: str) -> FloatArray:
    """Return the shares of any scheme but oracle and model-opt."""
    policy = POLICIES[name]
    if name == "sprout-sta":
        return _static_shares(stage)
    if policy.spans_window:
        return _window_shares(stage, name)
    if policy.knows_classes:
        told = told_by_class(stage, accumulates=policy.is_robust)
    else:
        told = told_pooled(stage, stage.held)
    outlook = outlook_of(stage, told, apart=policy.knows_classes)
    return shares_of(outlook, name, stage.num_seeds)


def shares_of(outlook: Outlook, name: str, num_seeds: int) -> FloatArray:
    """Return what a scheme chooses as shares; a task without demand in an hour has none."""
    amount = policies.choose(name, outlook, by_frontier).amount
    demand = outlook.problem.demand[..., None]
    shares = np.divide(amount, demand, out=np.zeros_like(amount), where=demand > 0)
    return shares.reshape(num_seeds, -1, *shares.shape[1:])


def _static_shares(stage: Stage) -> FloatArray:
    """Return SPROUT_STA's: means over the coming hours, at one intensity."""
    told = told_pooled(stage, np.arange(len(stage.intensity_g_per_kwh)))
    num_seeds, num_hours = stage.num_seeds, len(stage.intensity_g_per_kwh)
    mean = told.preference.reshape(num_seeds, num_hours, 1, -1).mean(axis=1)
    at = np.array([stage.static_g_per_kwh])
    composition = stage.composition.mean(axis=0, keepdims=True)
    still = replace(
        stage,
        intensity_g_per_kwh=at,
        position=position_of(at, stage.low_high, stage.options),
        told_mix=composition,
    )
    shares = shares_of(outlook_of(still, Told(mean, None), apart=False), "sprout-sta", num_seeds)
    return np.broadcast_to(shares, (num_seeds, num_hours, *shares.shape[2:]))


def _window_shares(stage: Stage, name: str) -> FloatArray:
    """Return the shares of a scheme whose floor holds over a day.

    Every hour solves again for what is left of its day, with the newest preference, the coming
    hours' intensity and the task mix that this hour is told. What past hours had beyond their
    floors counts, by what was believed of preferences when they served.
    """
    apart = POLICIES[name].knows_classes
    accumulates = POLICIES[name].is_robust
    told = (
        told_by_class(stage, accumulates=accumulates) if apart else told_pooled(stage, stage.held)
    )
    num_seeds, num_hours = stage.num_seeds, len(stage.intensity_g_per_kwh)
    whole = outlook_of(stage, told, apart=apart)
    preference = told.preference.reshape(num_seeds, num_hours, *told.preference.shape[1:])
    by_hour = (num_seeds, num_hours, *told.preference.shape[1:])
    energy_kwh = np.broadcast_to(whole.problem.energy_kwh, whole.problem.shape).reshape(by_hour)
    time_s = np.broadcast_to(whole.problem.time_s, whole.problem.shape).reshape(by_hour)
    demand = whole.problem.demand.reshape(by_hour[:3])
    covariance = told.covariance
    if covariance is not None:
        covariance = covariance.reshape(num_seeds, num_hours, *covariance.shape[1:])
    believe = FORESIGHTS[stage.options.foresight]
    record = stage.world.intensity_g_per_kwh[stage.region]
    shares, earned = np.zeros(by_hour), np.zeros(num_seeds)
    past = np.zeros((num_seeds, *by_hour[2:]))
    for hour in range(num_hours):
        first = hour - hour % WINDOW_HOURS
        last = min(first + WINDOW_HOURS, num_hours)
        left = last - hour
        now = preference[:, hour]
        believed = believe(record, stage.options.start_hour + hour, left)
        if hour == first:
            earned, past = np.zeros_like(earned), np.zeros_like(past)  # yesterday's floor is over

        def ahead(values: FloatArray, left: int = left) -> FloatArray:
            return np.repeat(values, left, axis=0)

        outlook = Outlook(
            problem=Problem(
                energy_kwh=ahead(energy_kwh[:, hour]),
                time_s=ahead(time_s[:, hour]),
                preference=ahead(now),
                intensity_g_per_kwh=np.tile(believed, num_seeds),
                embodied_g_per_s=stage.world.embodied_g_per_s,
                demand=ahead(demand[:, hour]),
            ),
            position=np.tile(position_of(believed, stage.low_high, stage.options), num_seeds),
            limits=limits_of(stage.options),
            window=np.repeat(np.arange(num_seeds), left),
            covariance=None if covariance is None else ahead(covariance[:, hour]),
            earned=earned,
            past=past,
            reference_g_per_kwh=stage.reference_g_per_kwh,
        )
        shares[:, hour] = shares_of(outlook, name, num_seeds)[:, 0]
        beyond = demand[:, hour, :, None] * shares[:, hour]
        beyond[:, :, 0] -= stage.factor[hour] * demand[:, hour]
        earned = earned + (beyond * now).sum(axis=(1, 2))
        past = past + beyond
    return shares


def oracle(stage: Stage) -> tuple[FloatArray, FloatArray]:
    """Return ORACLE's shares, and its carbon [s, t] in parts of all-L0's.

    It has every hour's own preference. Its programme says how many requests a level gets, and it
    gives them to the requests that save most.
    """
    shares, ratios = [], []
    requests = stage.world.requests
    if requests is None:
        raise ValueError("single requests were not recorded")
    told = told_pooled(stage, np.arange(len(stage.intensity_g_per_kwh)))
    preference = told.preference.reshape(stage.num_seeds, -1, told.preference.shape[-1])
    for seed in range(stage.num_seeds):
        rng = np.random.default_rng((seed, zlib.crc32(stage.region.encode()), 1))
        energy_kwh, time_s = _draw_requests(requests, stage.composition, rng)
        outlook = outlook_of_one(
            HourlyInputs(preference[seed], energy_kwh.mean(axis=1), time_s.mean(axis=1)),
            stage.intensity_g_per_kwh,
            stage.position,
            stage.world.embodied_g_per_s,
            stage.options,
        )
        chosen = shares_of(outlook, "oracle", 1)[0]
        cost_g = (
            stage.intensity_g_per_kwh[:, None, None] * energy_kwh
            + stage.world.embodied_g_per_s * time_s
        )
        shares.append(chosen)
        base_g = cost_g[:, :, 0].mean(axis=1)
        spent_g = best_g(cost_g, chosen[:, 0])
        ratios.append(np.divide(spent_g, base_g, out=np.ones_like(base_g), where=base_g > 0))
    return np.array(shares), np.array(ratios)


def _draw_requests(
    requests: Requests, composition: FloatArray, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Return energy and time [t, n, v] of requests drawn by each hour's task mix."""
    starts = np.cumsum([0, *map(len, requests.energy_kwh)])
    task = np.concatenate(
        [
            np.repeat(np.arange(len(row)), row)
            for row in rng.multinomial(ORACLE_REQUESTS, composition)
        ]
    )
    sizes = np.diff(starts)
    chosen = starts[task] + (rng.random(len(task)) * sizes[task]).astype(int)
    shape = (len(composition), ORACLE_REQUESTS, -1)
    return (
        np.concatenate(requests.energy_kwh)[chosen].reshape(shape),
        np.concatenate(requests.time_s)[chosen].reshape(shape),
    )


def best_g(cost_g: FloatArray, shares: FloatArray) -> FloatArray:
    """Return [t], the mean carbon when a level's share goes to the requests that save most.

    Args:
        cost_g: [t, n, v], every request at every level.
        shares: [t, v], of which at most two are positive, as in a programme with one floor.
    """
    mean_g = cost_g.mean(axis=1)
    used = shares > SMALLEST_SHARE
    dear = np.where(used, mean_g, -np.inf).argmax(axis=1)
    cheap = np.where(used, mean_g, np.inf).argmin(axis=1)
    rows = np.arange(len(shares))
    saving_g = cost_g[rows, :, dear] - cost_g[rows, :, cheap]
    saving_g = -np.sort(-saving_g, axis=1)
    moved = np.where(dear == cheap, 0.0, shares[rows, cheap]) * saving_g.shape[1]
    reached = np.concatenate((np.zeros((len(rows), 1)), np.cumsum(saving_g, axis=1)), axis=1)
    whole = np.minimum(np.floor(moved + 1e-9).astype(int), saving_g.shape[1])
    after = np.minimum(whole + 1, saving_g.shape[1])
    part = np.clip(moved - whole, 0.0, 1.0)
    saved_g = reached[rows, whole] + part * (reached[rows, after] - reached[rows, whole])
    best: FloatArray = mean_g[rows, dear] - saved_g / saving_g.shape[1]
    return best
