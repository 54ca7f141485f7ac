"""Groups as the rows of a table, the same on a terminal and on the page. Pure."""

from collections.abc import Sequence

from sprout.report import words
from sprout.report.group import Group
from sprout.report.units import count, grams, percent, shares, watt_hours

HEADERS = ("answers", "tokens", "energy", "CO2eq", "per answer", "saved", "levels")
"""What follows the key of a group."""


def largest(groups: Sequence[Group], num_most: int) -> list[Group]:
    """Return the groups with most answers, in the order that they have."""
    most = sorted(groups, key=lambda group: -group.num_answered)[:num_most]
    keys = {group.key for group in most}
    return [group for group in groups if group.key in keys]


def row(group: Group) -> tuple[str, ...]:
    """Return the key of a group and what HEADERS name."""
    each_g = group.per_answer(group.carbon_g)
    failed = f" + {count(group.num_failed)} failed" if group.num_failed else ""
    return (
        group.key or "(none)",
        f"{count(group.num_answered)}{failed}",
        count(group.num_new_tokens),
        f"{watt_hours(group.energy_j)}{_estimated(group)}",
        grams(group.carbon_g),
        "none" if each_g is None else grams(each_g),
        words.saved_briefly(group.saved),
        shares(group.levels),
    )


def _estimated(group: Group) -> str:
    if not group.is_energy_estimated:
        return ""
    is_mixed = group.estimated_j < group.energy_j
    return f" ({percent(group.estimated_j, group.energy_j)} est.)" if is_mixed else " est."
