"""How people see runs, plans and profiles: units in the headers, marks in the cells."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict

from rich.table import Table

from sprout.clock import to_text
from sprout.directives import in_order
from sprout.grid.reading import GridReading
from sprout.planning.estimate import Estimate
from sprout.planning.plan import Plan
from sprout.report import words
from sprout.report.summary import RunSummary, Tally
from sprout.report.terminal_fit import fitted
from sprout.report.units import grams, seconds, watt_hours


def progress_words(tally: Tally, saved_g: float | None, rate: float) -> str:
    """Return tokens/s, grams so far and saved so far, for the progress line."""
    saved = f", {grams(saved_g)} saved" if saved_g is not None else ""
    return f"{rate:.0f} tok/s, {grams(tally.carbon_g)}CO2eq{saved}"


def plan_table(plan: Plan) -> Table:
    """Return the mix and what it was chosen by, per request."""
    rows = [
        (
            level.level,
            f"{100 * level.share:.1f} %",
            f"{level.energy_j:.3g}",
            "unknown" if level.energy_se_j is None else f"{level.energy_se_j:.2g}",
            f"{level.busy_s:.3g}",
            f"{level.new_tokens:.0f}",
            f"{1000 * level.carbon_g:.3g}",
            "unknown" if level.preference is None else f"{level.preference:.3f}",
            f"{level.num_requests}",
        )
        for level in plan.levels
    ]
    headers = ("level", "share", "J", "J ± SE", "busy s", "tokens", "mgCO2eq", "preferred", "n")
    return fitted(headers, rows, "mix of levels; cost per request, measured on n")


def classes_table(plan: Plan) -> Table:
    """Return the mix of each task class, with what it does to the class's own preference."""
    rows = [
        (
            each.task if each.task is not None else "(others)",
            f"{100 * each.demand:.0f} %",
            *(f"{100 * share:.1f} %" for share in each.shares),
            f"{each.preference:.3f}",
            f"{each.base_preference:.3f}",
            "none" if each.floor is None else f"{each.floor:.3f}",
            "prior" if each.num_judged is None else f"{each.num_judged:.0f}",
        )
        for each in plan.classes
    ]
    levels = tuple(level.level for level in plan.levels)
    headers = ("task", "demand", *levels, "preferred", "of L0", "floor", "judged")
    return fitted(headers, rows, f"mix of each task ({plan.policy})")


def plan_lines(plan: Plan) -> list[str]:
    """Return what the plan expects and where its inputs come from."""
    outcome, grid = plan.outcome, plan.grid
    percent = round(100 * (1 - outcome.carbon_g / outcome.baseline_g)) if outcome.baseline_g else 0
    price = (
        "not solved"
        if outcome.floor_price_g is None
        else f"{grams(outcome.floor_price_g)} per preference point"
    )
    margin = f" + margin {outcome.margin:.3f}" if outcome.margin else ""
    window = "" if outcome.window_h is None else f" over {outcome.window_h:.3g} h"
    return [
        f"expected  {grams(outcome.carbon_g)}CO2eq per request, {grams(outcome.baseline_g)} at "
        f"all-L0 ({abs(percent)} % {'more' if percent < 0 else 'less'})",
        f"preference  {outcome.preference:.3f}{window}, L0 {outcome.base_preference:.3f}, floor "
        f"{outcome.floor:.3f}{margin}; price of quality {price}",
        f"policy  {plan.policy}",
        f"grid  {plan.g_per_kwh:.0f} g/kWh in {grid.intensity.zone}, {grid.described_source}; "
        f"range {grid.range.low_g_per_kwh:.0f}-"
        f"{grid.range.high_g_per_kwh:.0f} ({grid.range.source})",
        f"energy  {plan.energy_method}{' (estimated)' if plan.is_energy_estimated else ''}",
        f"preference from  {plan.preference_source}",
        f"valid until  {plan.valid_until:%Y-%m-%d %H:%M} UTC",
        *(f"note  {note}" for note in plan.notes),
    ]


def run_summary(summary: RunSummary) -> list[Table | str]:
    """Return the closing table of a run and its marks."""
    tally, plan = summary.tally, summary.plan
    table = Table(title=f"{summary.run_id}", title_justify="left", show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    skipped = f", {tally.num_skipped} answered before" if tally.num_skipped else ""
    failed = f", {tally.num_failed} failed" if tally.num_failed else ""
    table.add_row("prompts", f"{tally.num_served} answered{skipped}{failed}")
    table.add_row("levels", _levels(tally))
    table.add_row("tokens", f"{tally.num_prompt_tokens} read, {tally.num_new_tokens} written")
    estimated = ", estimated" if summary.is_energy_estimated else ""
    method = f"{summary.energy_method}{estimated}"
    table.add_row("energy", f"{watt_hours(tally.energy_j)} ({method})")
    table.add_row("engine busy", seconds(tally.busy_s))
    if plan is not None:
        grid = plan.grid
        table.add_row("grid", f"{plan.g_per_kwh:.0f} g/kWh, {grid.intensity.zone} ({grid.mark})")
    table.add_row(
        "carbon",
        f"{grams(tally.carbon_g)}CO2eq = {grams(tally.operational_g)} operational (PUE "
        f"{summary.pue:g}) + {grams(tally.embodied_g)} embodied ({summary.embodied.preset})",
    )
    # two lines, at any width: how much, and what that rests on
    table.add_row("saved", _saved(summary).replace("all-L0, ", "all-L0,\n"))
    if summary.moved_g is not None:
        table.add_row(
            "waiting",
            f"{grams(summary.moved_g)}CO2eq less than at {summary.began_g_per_kwh:.0f} g/kWh, "
            "as when the run began",
        )
    if plan is not None:
        table.add_row("preference", plan.preference_source)
    return [table]


def estimate_data(plan: Plan, expected: Estimate) -> dict[str, object]:
    """Return what serving prompts by a plan would come to."""
    return asdict(expected) | {
        "intensity_g_per_kwh": plan.g_per_kwh,
        "intensity_mark": plan.grid.mark,
        "energy_method": plan.energy_method,
        "preference_source": plan.preference_source,
    }


def estimate_lines(plan: Plan, expected: Estimate) -> list[str]:
    """Return the same for people."""
    return [
        f"about {expected.new_tokens:.0f} new tokens, {seconds(expected.busy_s)}, "
        f"{watt_hours(expected.energy_j)}, {grams(expected.carbon_g)}CO2eq "
        f"({grams(expected.baseline_g)} at all-L0)",
        *plan_lines(plan),
    ]


def _levels(tally: Tally) -> str:
    total = sum(tally.levels.values())
    return ", ".join(
        f"{level} {tally.levels[level]} ({100 * tally.levels[level] / total:.0f} %)"
        for level in in_order(tally.levels)
    )


def _saved(summary: RunSummary) -> str:
    """Return what the mix saved, and how many of the baseline's requests are this run's."""
    num, num_own = summary.saved.num_baseline_requests, summary.tally.num_at_l0
    # what other prompts cost may be far from it
    whose = f", {num_own or 'none'} of them served here" if num_own < num else ""
    return f"{words.saved(summary.saved)}{whose}"


def plan_data(plan: Plan) -> dict[str, object]:
    """Return a plan for programs: the mix, what it is expected to do, and its inputs."""
    outcome, grid = plan.outcome, plan.grid
    return {
        "plan_id": plan.id,
        "made_at": to_text(plan.made_at),
        "valid_until": to_text(plan.valid_until),
        "policy": plan.policy,
        "levels": [asdict(level) for level in plan.levels],
        "classes": [asdict(each) for each in plan.classes],
        "carbon_g": outcome.carbon_g,
        "baseline_g": outcome.baseline_g,
        "preference": outcome.preference,
        "base_preference": outcome.base_preference,
        "floor": outcome.floor,
        "is_floor_met": outcome.is_floor_met,
        "floor_price_g": outcome.floor_price_g,
        "margin": outcome.margin,
        "window_h": outcome.window_h,
        "zone": grid.intensity.zone,
        "intensity_g_per_kwh": plan.g_per_kwh,
        "intensity_source": grid.intensity.source,
        "intensity_mark": grid.mark,
        "intensity_kind": grid.intensity.kind,
        "intensity_factor_type": grid.intensity.factor_type,
        "range_low_g_per_kwh": grid.range.low_g_per_kwh,
        "range_high_g_per_kwh": grid.range.high_g_per_kwh,
        "range_source": grid.range.source,
        "energy_method": plan.energy_method,
        "is_energy_estimated": plan.is_energy_estimated,
        "preference_source": plan.preference_source,
        "is_preference_prior": plan.is_preference_prior,
        "notes": list(plan.notes),
    }


def ahead_data(coming: Sequence[GridReading]) -> dict[str, object]:
    """Return the greenest and the dirtiest slot of the coming hours, in gCO2eq/kWh."""
    slots = [reading.intensity for reading in coming]
    low = min(slots, key=lambda slot: slot.g_per_kwh)
    high = max(slots, key=lambda slot: slot.g_per_kwh)
    return {
        "until": to_text(slots[-1].end),
        "num_slots": len(slots),
        "low_g_per_kwh": low.g_per_kwh,
        "low_at": to_text(low.start),
        "high_g_per_kwh": high.g_per_kwh,
        "high_at": to_text(high.start),
        "sources": sorted({slot.source for slot in slots}),
    }


def ahead_line(ahead: Mapping[str, object]) -> str:
    """Return the same for people."""
    return (
        f"ahead  {ahead['low_g_per_kwh']:.0f} g/kWh at {str(ahead['low_at'])[5:16]}, "
        f"{ahead['high_g_per_kwh']:.0f} at {str(ahead['high_at'])[5:16]}; known until "
        f"{str(ahead['until'])[5:16]} UTC"
    )


def words_table(rows: Iterable[tuple[str, ...]], headers: tuple[str, ...]) -> Table:
    """Return a table of texts that may be long: cells wrap, columns are flush left."""
    table = Table()
    for header in headers:
        table.add_column(header, overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table
