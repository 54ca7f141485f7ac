"""What must be known to read a report's numbers rightly: the same in every format. Pure."""

from collections.abc import Iterator

from sprout.report.facts import Report
from sprout.report.saved import Saved
from sprout.report.units import count, counted, percent, shares

NOTHING = "nothing was served in this period: `sprout run prompts.jsonl` serves a batch"


def of(report: Report) -> tuple[str, ...]:
    """Return what must be known to read the numbers rightly."""
    return (*of_carbon(report), *_of_choices(report))


def of_carbon(report: Report) -> tuple[str, ...]:
    """Return those of them that concern what was emitted, not what was saved."""
    return tuple(_of_carbon(report))


def _of_carbon(report: Report) -> Iterator[str]:
    if report.is_empty:
        yield NOTHING
    yield from _mixed(report)
    if report.num_open:
        yield (
            f"prompts that were begun and are not finished: {count(report.num_open)}; a run is "
            "under way, or was stopped (with -o the same command continues it)"
        )
    if report.num_ahead:
        yield (
            f"requests that finished later than now: {count(report.num_ahead)}; the clock was set "
            "back since, and they are counted where it stood then"
        )


def _mixed(report: Report) -> Iterator[str]:
    total = report.total
    if 0 < total.estimated_j < total.energy_j:
        yield (
            f"{percent(total.estimated_j, total.energy_j)} of the energy is estimated, the rest is "
            "measured: totals mix both"
        )
    if len(total.marks) > 1:
        yield f"intensities are of several kinds: {shares(total.marks)} of the answers"
    if len(details := sorted({str(each.detail) for each in report.intensity})) > 1:
        yield f"intensities count different emissions ({'; '.join(details)}): totals mix them"
    if len({each.name for each in report.embodied}) > 1:
        yield "embodied carbon was counted by several presets, which differ up to 60-fold"


def _of_choices(report: Report) -> Iterator[str]:
    saved = report.total.saved
    if saved.saved_g is not None:
        yield from _partly_saved(saved)
    if saved.num_pinned:
        yield f"answers that pin their directive count in no saving: {count(saved.num_pinned)}"
    if any(each.is_prior for each in report.preference):
        yield "preference is a prior, of another model's answers: nobody judged this model's"


def _partly_saved(found: Saved) -> Iterator[str]:
    if found.num_unknown:
        yield (
            f"saved speaks of {counted(found.num_counted, 'answer')}; it is unknown of "
            f"{count(found.num_unknown)}, since no comparable request was served at L0"
        )
    if found.num_borrowed:
        yield (
            f"{counted(found.num_borrowed, 'answer')} of a task with too few requests at L0: the "
            "mean of its earlier ones, or of all tasks, stands in"
        )
