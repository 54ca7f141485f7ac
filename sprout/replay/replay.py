"""Replaying a recorded world under any scheme: section 5 of the paper, and beyond. Pure.

The world is what was recorded: the grid's intensity, the task mix of each hour, what requests of
each task cost at each level, and a pool of judged prompts. Truth is the pool: a task's preference
is its share of the pool. A scheme does not know the truth: each assessment (section 4) draws judged
prompts from the pool, with replacement and by the hour's task mix, and the scheme sees these alone.
Then it chooses as `sprout run` does, through `sprout.planning.policies`, told the task mix of the
hour or that of the hours before (`Options.knows_mix`).

    saved       1 - sum of the mix's carbon / sum of all-L0's
    preference  mean over hours of q x / q[L0], q the truth: what the paper reports
    below       share of hours whose true q x / q[L0] is more than a point below the hour's floor
                1 - position xi; of windows, for a scheme whose floor holds over a window
    worst class the least of q x / q[L0] of each task over all hours

Energy and time of a task and level are the recorded requests' means: a scheme knows them, since
every request it serves is measured. Seeds are independent draws; all schemes of a seed see the same
draws, so their differences are not chance.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sprout.planning.policies import POLICIES
from sprout.planning.problem import FloatArray
from sprout.replay.acting import WINDOW_HOURS, oracle, shares_by, shares_of
from sprout.replay.stage import Options, Stage, build
from sprout.replay.told import outlook_of_one
from sprout.replay.world import HourlyInputs, World

POINT = 0.01


@dataclass(frozen=True, slots=True, eq=False)
class Replayed:
    """What one scheme did in one region; arrays [s] hold one value per seed.

    Args:
        worst_class: [s], least preference of a task in percent of its own at L0; NaN where tasks
            are not told apart.
        class_percent: [c], mean over seeds of each task's; empty where tasks are not told apart.
        evaluation_g: carbon of answering the judged prompts at every level; the judge's is unknown.
        intensity_g_per_kwh: [t].
        mix: [t, v] of the first seed.
    """

    region: str
    policy: str
    saved_percent: FloatArray
    preference_percent: FloatArray
    below_floor_percent: FloatArray
    worst_class_percent: FloatArray
    class_percent: FloatArray
    num_evaluations: int
    evaluation_g: float
    base_g: float
    intensity_g_per_kwh: FloatArray
    mix: FloatArray


def replay(
    world: World, regions: tuple[str, ...], names: tuple[str, ...], options: Options
) -> Iterator[Replayed]:
    """Yield what each scheme does in each region, with judged prompts drawn from the pool.

    Raises:
        ValueError: a scheme needs what was not recorded.
    """
    for region in regions:
        stage = build(world, region, options)
        for name in names:
            yield _result(stage, name)


def needs(world: World, name: str, *, is_exact: bool) -> str | None:
    """Return what a scheme needs that this world lacks; None when it can be replayed."""
    if is_exact and (POLICIES[name].knows_classes or POLICIES[name].spans_window):
        return "hourly inputs of each task"
    if name == "oracle" and (is_exact or world.requests is None):
        return "every request at every level"
    if name == "model-opt" and (is_exact or world.variants is None):
        return "a second model's requests and judgements"
    return None


def _result(stage: Stage, name: str) -> Replayed:
    if name == "oracle":
        shares, ratio = oracle(stage)
        return _judged(stage, name, shares, carbon_ratio=ratio)
    if name == "model-opt":
        return _model_opt(stage)
    return _judged(stage, name, shares_by(stage, name))


def _judged(
    stage: Stage, name: str, shares: FloatArray, carbon_ratio: FloatArray | None = None
) -> Replayed:
    """Return what shares [s, t, c, v] come to in truth.

    Args:
        carbon_ratio: [s, t], carbon in parts of all-L0's; None takes the shares' own.
    """
    world, weight = stage.world, stage.weight
    shape = (stage.num_seeds, len(stage.intensity_g_per_kwh), *world.energy_kwh.shape)
    shares = np.broadcast_to(shares, shape)
    if stage.options.labels_right < 1:
        shares = np.einsum("cl,stlv->stcv", stage.labels, shares)
    composition = stage.composition
    cost_g = _cost_g(stage, world.energy_kwh, world.time_s)
    base_g = (composition * cost_g[:, :, 0]).sum(axis=1)
    if carbon_ratio is None:
        carbon_g = np.einsum("tc,tcv,stcv->st", composition, cost_g, shares)
    else:
        carbon_g = carbon_ratio * base_g
    by_class = np.einsum("scv,stcv->stc", stage.truth, shares) * composition
    base_by_class = stage.truth[:, None, :, 0] * composition
    kept, base = by_class.sum(axis=2), base_by_class.sum(axis=2)
    kept_by_class, all_by_class = (
        np.einsum("t,stc->sc", weight, values) for values in (by_class, base_by_class)
    )
    # a task that nobody asked for loses nothing
    per_class = np.ones_like(all_by_class)
    np.divide(kept_by_class, all_by_class, out=per_class, where=all_by_class > 0)
    num_evaluations = len(stage.assessed) if evaluates(name) else 0
    saved, preference, below = percents((carbon_g, base_g), (kept, base, stage.factor), weight)
    if POLICIES[name].spans_window:
        below = _days_below(kept, base, stage.factor)
    return Replayed(
        region=stage.region,
        policy=name,
        saved_percent=saved,
        preference_percent=preference,
        below_floor_percent=below,
        worst_class_percent=100 * per_class.min(axis=1),
        class_percent=100 * per_class.mean(axis=0),
        num_evaluations=num_evaluations,
        evaluation_g=_evaluation_g(stage, cost_g) if num_evaluations else 0.0,
        base_g=float(base_g @ weight / weight.sum()),
        intensity_g_per_kwh=stage.intensity_g_per_kwh,
        mix=np.einsum("tc,tcv->tv", composition, shares[0]),
    )


def _cost_g(stage: Stage, energy_kwh: FloatArray, time_s: FloatArray) -> FloatArray:
    """Return [t, c, v], the carbon of a request in each hour."""
    operational_g = stage.intensity_g_per_kwh[:, None, None] * energy_kwh
    return operational_g + stage.world.embodied_g_per_s * time_s


def percents(
    carbon_g: tuple[FloatArray, FloatArray],
    preference: tuple[FloatArray, FloatArray, FloatArray],
    weight: FloatArray,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return [s] each: what was saved, the preference kept, and the hours a point below the floor.

    Args:
        carbon_g: [s, t] of the mix and [t] of all-L0; NaN is saved where that is nothing.
        preference: [s, t] of the mix, that of L0, and the floor as a factor of it.
        weight: [t] of each hour.
    """
    (spent_g, base_g), (kept, base, factor) = carbon_g, preference
    all_base_g = float(base_g @ weight) or np.nan
    below = (kept < (factor - POINT) * base).mean(axis=1)
    kept_percent = 100 * (kept / base) @ weight / weight.sum()
    return 100 * (1 - spent_g @ weight / all_base_g), kept_percent, 100 * below


def _days_below(kept: FloatArray, base: FloatArray, factor: FloatArray) -> FloatArray:
    """Return [s], the percentage of windows that are a point below the floor of their hours."""
    first = np.arange(0, kept.shape[1], WINDOW_HOURS)
    kept, least = (
        np.add.reduceat(values, first, axis=1) for values in (kept, (factor - POINT) * base)
    )
    below: FloatArray = 100 * (kept < least).mean(axis=1)
    return below


def evaluates(name: str) -> bool:
    """Return whether a scheme needs judged prompts while it runs."""
    return name not in {"base", "co2-opt", "sprout-sta", "model-opt", "oracle"}


def _evaluation_g(stage: Stage, cost_g: FloatArray) -> float:
    """Return the carbon of answering every judged prompt at every level, in gCO2eq."""
    each_g = (stage.composition[..., None] * cost_g).sum(axis=(1, 2))
    return float(stage.options.num_judged * each_g[stage.assessed].sum())


def _model_opt(stage: Stage) -> Replayed:
    """Return MODEL_OPT: the model or a smaller one, both without directives."""
    variants = stage.world.variants
    if variants is None:
        raise ValueError("no second model was recorded")
    energy_kwh = stage.composition @ variants.energy_kwh
    time_s = stage.composition @ variants.time_s
    preference = np.broadcast_to(variants.preference, energy_kwh.shape)
    outlook = outlook_of_one(
        HourlyInputs(preference, energy_kwh, time_s),
        stage.intensity_g_per_kwh,
        stage.position,
        stage.world.embodied_g_per_s,
        stage.options,
    )
    shares = shares_of(outlook, "model-opt", 1)[0, :, 0]
    cost_g = outlook.problem.cost_g[:, 0]
    carbon_g, base_g = (shares * cost_g).sum(axis=1), cost_g[:, 0]
    kept, base, weight = shares @ variants.preference, variants.preference[0], stage.weight
    saved, kept_percent, below = (
        np.repeat(each, stage.num_seeds)
        for each in percents((carbon_g[None], base_g), (kept[None], base, stage.factor), weight)
    )
    return Replayed(
        region=stage.region,
        policy="model-opt",
        saved_percent=saved,
        preference_percent=kept_percent,
        below_floor_percent=below,
        worst_class_percent=np.full(stage.num_seeds, np.nan),
        class_percent=np.array([]),
        num_evaluations=0,
        evaluation_g=0.0,
        base_g=float(base_g @ weight / weight.sum()),
        intensity_g_per_kwh=stage.intensity_g_per_kwh,
        mix=shares,
    )
