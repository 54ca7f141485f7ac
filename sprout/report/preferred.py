"""The preference that a mix kept, by what is known of each level today. Pure.

    kept = sum of n[v] q[v] / sum of n[v] / q[L0]

1 is what all-L0 would have had. With the covariance C of q the variance of the ratio is g C g,
where g[v] = x[v] / q0 - [v is L0] kept / q0 (delta method).
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

ELSE = "(other tasks)"
Z_95 = 1.96  # of the normal distribution, two-sided


@dataclass(frozen=True, slots=True)
class Preferred:
    """The preference kept by a model's answers, relative to all-L0.

    Args:
        model, fingerprint: its name and its identity: names may change.
        task: the class; None for all tasks together, ELSE for those without a class.
        shares: by directive key, how often an answer was judged best; the first is L0's.
        covariance: of the shares, in their order; None when nobody can say.
        source: who judged what, or that it is a prior.
        kept, half_width: None until a mix is known, or when a level was never judged; the half
            width also when there is no covariance, unless all was served at L0.
    """

    model: str
    fingerprint: str
    task: str | None
    shares: Mapping[str, float]
    covariance: tuple[tuple[float, ...], ...] | None
    source: str
    is_prior: bool
    kept: float | None = None
    half_width: float | None = None
    num_answered: int = 0


def normalised(known: Preferred, counts: Mapping[str, int]) -> Preferred:
    """Return the same with what answers at these levels kept; `counts` by directive key."""
    num = sum(counts.values())
    found = replace(known, num_answered=num)
    base = next(iter(known.shares.values()), 0.0)
    if not num or base <= 0 or any(key not in known.shares for key in counts):
        return found
    mix = [counts.get(key, 0) / num for key in known.shares]
    kept = sum(x * q for x, q in zip(mix, known.shares.values(), strict=True)) / base
    if known.covariance is None:
        return replace(found, kept=kept, half_width=0.0 if mix[0] == 1 else None)
    slope = [(x - (kept if i == 0 else 0.0)) / base for i, x in enumerate(mix)]
    variance = sum(
        slope[i] * slope[j] * each
        for i, row in enumerate(known.covariance)
        for j, each in enumerate(row)
    )
    return replace(found, kept=kept, half_width=Z_95 * math.sqrt(max(0.0, variance)))


def covariance_of(shares: Sequence[float], num_judged: float) -> tuple[tuple[float, ...], ...]:
    """Return the covariance of shares of so many judged prompts, of which each prefers one level.

    (diag(q) - q q') / n; prompts whose credit is divided among ties vary less.
    """
    return tuple(
        tuple(((p if i == j else 0.0) - p * q) / num_judged for j, q in enumerate(shares))
        for i, p in enumerate(shares)
    )


def by_class(
    known: Sequence[Preferred], counts: Mapping[str, Mapping[str, int]]
) -> tuple[Preferred, ...]:
    """Return what was kept of all tasks together, then of each class that has preferences.

    All together weigh each class by its answers and by what its L0 is preferred:

        kept = sum of n[c] q0[c] kept[c] / sum of n[c] q0[c]

    Args:
        known: of all tasks together, then of each class, if there are any.
        counts: answers by task and directive key.
    """
    overall, *classes = known
    if not classes:
        return (normalised(overall, _summed(counts.values())),)
    named = {each.task: each for each in classes}
    grouped: dict[str | None, list[Mapping[str, int]]] = {}
    for task, mix in counts.items():
        grouped.setdefault(task if task in named else ELSE, []).append(mix)
    num = sum(_summed(counts.values()).values())
    if not grouped.keys() <= named.keys():
        return (replace(overall, num_answered=num),)
    found = [normalised(named[task], _summed(mixes)) for task, mixes in grouped.items()]
    weights = [each.num_answered * next(iter(each.shares.values()), 0.0) for each in found]
    kept = _weighted([each.kept for each in found], weights)
    halves = [
        None if each.half_width is None else each.half_width * weight
        for each, weight in zip(found, weights, strict=True)
    ]
    known_halves = [half for half in halves if half is not None]
    half_width = None
    if kept is not None and len(known_halves) == len(halves):
        half_width = math.hypot(*known_halves) / sum(weights)
    return (
        replace(overall, kept=kept, half_width=half_width, num_answered=num),
        *sorted(found, key=lambda each: str(each.task)),
    )


def _weighted(values: Sequence[float | None], weights: Sequence[float]) -> float | None:
    known = [value for value in values if value is not None]
    if len(known) < len(values) or sum(weights) <= 0:
        return None
    return sum(v * w for v, w in zip(known, weights, strict=True)) / sum(weights)


def _summed(mixes: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for mix in mixes:
        for key, num in mix.items():
            total[key] = total.get(key, 0) + num
    return total
