"""A report for programs: JSON with stable keys, and CSV rows with stable columns. Pure."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from sprout.clock import to_text
from sprout.report import foreign, notes, words
from sprout.report.cells import Evaluating
from sprout.report.facts import By, Report
from sprout.report.group import Group
from sprout.report.preferred import Preferred
from sprout.report.saved import COUNTERFACTUAL, INTERVAL

SCHEMA_VERSION = 1

COLUMNS: dict[str, str] = {
    "by": "grouping of the row: total, day, task, level, model or zone",
    "key": "what the row is about; empty: no task; MODEL (VARIANT): what the variant answered; in "
    "CSV ' stands before what looks a formula",
    "num_answered": "answered requests",
    "num_failed": "requests that failed alone",
    "prompt_tokens": "tokens read",
    "new_tokens": "tokens written",
    "energy_j": "joules, the requests' share of the metered energy, without PUE",
    "estimated_energy_j": "of them, those that rest on a power model",
    "busy_s": "the requests' share of the engine's busy seconds",
    "intensity_g_per_kwh": "mean over requests, in gCO2eq/kWh; empty: nothing answered",
    "intensity_marks": "answers by kind of intensity, such as measured=10 forecast=2",
    "operational_g": "gCO2eq, with PUE",
    "embodied_g": "gCO2eq",
    "carbon_g": "gCO2eq, both together",
    "saved_g": "gCO2eq saved against all-L0; empty: unknown",
    "saved_half_width_g": f"half of its interval {INTERVAL}; empty: unknown",
    "saved_percent": "percent of what all-L0 would have emitted; empty: unknown",
    "baseline_g": "gCO2eq that all-L0 would have emitted; empty: unknown",
    "saved_num_counted": "answers that saved_g speaks of",
    "saved_num_unknown": "answers whose saving is unknown: no comparable request at L0",
    "saved_num_borrowed": "counted answers held against other tasks' or earlier requests at L0",
    "num_pinned": "answers that pin their directive, in no saving",
    "baseline_requests": "requests at L0 that the means rest on",
    "levels": "answers by level, such as L0=10 L1=14",
}
"""Columns of the CSV form, and keys of each group in the JSON form, with their meaning."""


def rows(report: Report, bys: tuple[By, ...]) -> Iterator[list[str]]:
    """Yield the CSV form: a header, the total, and a row for each group of each grouping."""
    yield list(COLUMNS)
    yield [_cell(value) for value in _group("total", report.total).values()]
    for by in bys:
        for group in report.groups[by]:
            yield [_cell(value) for value in _group(by, group).values()]


def data(report: Report) -> dict[str, object]:
    """Return the JSON form."""
    return {
        "schema_version": SCHEMA_VERSION,
        "made_at": to_text(report.made_at),
        "since": None if report.since is None else to_text(report.since),
        "until": None if report.until is None else to_text(report.until),
        "first": report.first,
        "last": report.last,
        "total": _group("total", report.total),
        "groups": {by: [_group(by, g) for g in groups] for by, groups in report.groups.items()},
        "step": report.step,
        "timeline": [_group(report.step, group) for group in report.timeline],
        "provenance": {
            "energy": [asdict(each) for each in report.energy],
            "intensity": [asdict(each) for each in report.intensity],
            "embodied": [asdict(each) for each in report.embodied],
            "pue": [asdict(each) for each in report.pue],
            "preference": [_preferred(each) for each in report.preference],
            "counterfactual": COUNTERFACTUAL,
            "interval": INTERVAL,
            "method": words.METHOD,
        },
        "runs": asdict(report.runs),
        "evaluating": None if report.evaluating is None else _evaluating(report.evaluating),
        "waited": None if report.waited is None else asdict(report.waited),
        "num_open": report.num_open,
        "num_ahead": report.num_ahead,
        "num_rejected": report.num_rejected,
        "notes": list(notes.of(report)),
    }


def _group(by: str, group: Group) -> dict[str, Any]:
    saved = group.saved
    is_known = saved.saved_g is not None
    values = (
        by,
        group.key,
        group.num_answered,
        group.num_failed,
        group.num_prompt_tokens,
        group.num_new_tokens,
        group.energy_j,
        group.estimated_j,
        group.busy_s,
        group.intensity_g_per_kwh,
        dict(group.marks),
        group.operational_g,
        group.embodied_g,
        group.carbon_g,
        saved.saved_g,
        saved.half_width_g,
        saved.percent,
        saved.baseline_g if is_known else None,
        saved.num_counted,
        saved.num_unknown,
        saved.num_borrowed,
        saved.num_pinned,
        saved.num_baseline_requests,
        dict(group.levels),
    )
    return dict(zip(COLUMNS, values, strict=True))


def _evaluating(found: Evaluating) -> dict[str, object]:
    return {
        "num_evaluations": found.num_evaluations,
        "metered_j": found.metered_j,
        "busy_s": found.busy_s,
        "operational_g": found.operational_g,
        "embodied_g": found.embodied_g,
        "energy": [asdict(each) | {"mark": each.mark} for each in found.energy],
        "intensity": [
            {
                "name": each.name,
                "mark": each.mark,
                "kind": each.kind,
                "factor": each.factor,
                "operational_g": each.operational_g,
            }
            for each in found.intensity
        ],
    }


def _preferred(found: Preferred) -> dict[str, object]:
    return {
        "model": found.model,
        "fingerprint": found.fingerprint,
        "task": found.task,
        "source": found.source,
        "is_prior": found.is_prior,
        "kept": found.kept,
        "half_width": found.half_width,
        "num_answered": found.num_answered,
    }


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, dict):
        return foreign.cell(" ".join(f"{name}={number}" for name, number in value.items()))
    if isinstance(value, str):
        return foreign.cell(value)
    return repr(value)
