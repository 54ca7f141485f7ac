"""What plans weigh levels by: the verdicts of trusted judges, or the paper's shares until then."""

from dataclasses import replace
from datetime import datetime, timedelta

from sprout.config.settings import Settings
from sprout.costs import Conditions
from sprout.directives import PAPER_PREFERENCE, PRIOR_SOURCE, DirectiveSet
from sprout.quality.classes import OTHER
from sprout.quality.preference import Preference, prior
from sprout.quality.ruling import Evidence, evidence
from sprout.state.completions import served_counts
from sprout.state.store import Store
from sprout.state.verdicts import Verdicts

MIN_JUDGED = 20
"""Judged prompts that are worth fewer than this, as they fade, steer nothing: a handful of verdicts
is worse than a prior. Nor are they weighed by what is served where that leaves so few."""


def known_preference(
    store: Store,
    directives: DirectiveSet,
    conditions: Conditions,
    now: datetime,
    settings: Settings,
) -> Preference:
    """Return what trusted judges said of this model's answers; the paper's shares until then.

    Verdicts about packaged prompts count only while too few others are there: they are nobody's
    traffic. Until a judge has compared the variants too, what it said of the model's own levels
    stands; no prior stands in for variants, so that they are explored and nothing more.
    """
    found = _judged(store, directives, conditions, now, settings)
    own = directives.of_model()
    if not found.is_prior or own == directives:
        return found
    alone = _judged(store, own, conditions, now, settings)
    return found if alone.is_prior else replace(alone, source=f"{alone.source}; no variants")


def _judged(
    store: Store,
    directives: DirectiveSet,
    conditions: Conditions,
    now: datetime,
    settings: Settings,
) -> Preference:
    """Return what trusted judges said who compared exactly these levels, or the prior."""
    keys = [directive.key for directive in directives.directives]
    table, half_life = Verdicts(store), timedelta(days=settings.verdict_half_life_d)
    rulings, about = table.rulings(conditions.model, keys), "prompts"
    own = [ruling for ruling in rulings if ruling.origin != "bundled"]
    found = evidence(own, keys, now, half_life)
    if found.worth >= MIN_JUDGED:
        rulings = own
    elif len(own) < len(rulings):
        found, about = evidence(rulings, keys, now, half_life), "prompts, packaged ones included"
    if found.worth < MIN_JUDGED:
        return _prior(directives, _why_prior(table, conditions.model, keys, found))
    overall = found.as_served(served_counts(store, conditions.model))
    if overall.worth < MIN_JUDGED:
        overall, about = found, f"{about}, weighed alike (too few are of what is served)"
    names = {judge.key: judge.name for judge in table.judges()}
    by = ", ".join(sorted({names[ruling.judge_key] for ruling in rulings}))
    classes = sorted(set(found.tasks) - {OTHER, ""})
    return Preference(
        overall=overall.shares(directives.levels),
        by_class={task: found.of_class(task).shares(directives.levels) for task in classes},
        source=f"judged by {by}: {found.num_prompts} {about}",
        is_prior=False,
        parts=overall.parts,
    )


def _prior(directives: DirectiveSet, why: str = "") -> Preference:
    """Return the paper's shares for the levels that say which of its levels they stand for."""
    shares = {
        d.level: PAPER_PREFERENCE[d.paper_level]
        for d in directives.directives
        if d.paper_level is not None
    }
    return Preference(prior(shares), {}, PRIOR_SOURCE + why, is_prior=True)


def _why_prior(table: Verdicts, model: str, keys: list[str], found: Evidence) -> str:
    """Return in brackets what keeps verdicts that there are from standing in the prior's place."""
    if found.num_prompts:
        faded = f", faded to the worth of {found.worth}" if found.worth < found.num_prompts else ""
        return f" ({found.num_prompts} prompts are judged{faded}; from {MIN_JUDGED} on they count)"
    doubted = table.doubted(model, keys)
    return f" (not trusted, so not counted: {', '.join(doubted)})" if doubted else ""
