"""What each judge found of the levels of a model, and how it judges."""

from collections import Counter
from dataclasses import asdict, dataclass
from datetime import timedelta

from sprout.cli import wiring
from sprout.clock import to_text
from sprout.quality import interval
from sprout.quality.diagnostics import Diagnostics, diagnose
from sprout.quality.ruling import Ruling, evidence
from sprout.state.verdicts import KnownJudge, Spending, Verdicts


@dataclass(frozen=True, slots=True)
class Row:
    """A level's preference in one class. `task` is None for all of them together."""

    task: str | None
    level: str
    preference: float
    low: float
    high: float
    n: int
    judge: str
    judge_key: str
    trusted: bool


@dataclass(frozen=True, slots=True)
class Finding:
    """What one judge found, and how; `label` tells it from others of the same name."""

    judge: KnownJudge
    label: str
    rows: list[Row]
    diagnostics: Diagnostics
    spending: Spending


def findings(known: wiring.Known) -> list[Finding]:
    """Return what every judge found of this model at these levels."""
    keys = [directive.key for directive in known.directives.directives]
    table = Verdicts(known.store)
    judges, found = table.judges(), []
    num_so_called = Counter(judge.name for judge in judges)
    for judge in judges:
        rulings = table.rulings(known.conditions.model, keys, judge_key=judge.key)
        found.append(
            Finding(
                judge,
                judge.name if num_so_called[judge.name] == 1 else f"{judge.name} {judge.key[:8]}",
                _rows(known, judge, rulings),
                diagnose(rulings, keys[0], keys[1:]),
                table.spending(judge.key),
            )
        )
    return found


def _rows(known: wiring.Known, judge: KnownJudge, rulings: list[Ruling]) -> list[Row]:
    """Return the preference of each level, of all prompts and of each class, by one judge."""
    levels = known.directives.levels
    keys = [directive.key for directive in known.directives.directives]
    half_life = timedelta(days=known.config.settings.verdict_half_life_d)
    found = evidence(rulings, keys, wiring.utc_now(), half_life)
    rows = []
    for task in (None, *sorted(set(found.tasks))):
        part = found if task is None else found.of_class(task)
        if not part.num_prompts:
            continue
        shares = part.shares(levels)
        ends = interval.of_shares(part.credits_, part.weights)
        rows += [
            Row(
                task, level, min(1.0, float(mean)), each.low, each.high, part.num_prompts,
                judge.name, judge.key, judge.is_trusted,
            )
            for level, mean, each in zip(levels, shares.mean, ends, strict=True)
        ]  # fmt: skip
    return rows


def judge_data(known: wiring.Known, finding: Finding) -> dict[str, object]:
    """Return a judge and how it judges, for programs."""
    judge, found = finding.judge, finding.diagnostics
    names = {directive.key: directive.level for directive in known.directives.directives}
    first = found.first_slot
    return {
        "judge": judge.name,
        "judge_key": judge.key,
        "kind": judge.kind,
        "trusted": judge.is_trusted,
        "tested_at": None if judge.tested_at is None else to_text(judge.tested_at),
        "control_pairs": asdict(judge.trust) | {"p_value": judge.trust.p_value}
        if judge.trust
        else None,
        "num_asked": found.num_asked,
        "num_failed": found.num_failed,
        "num_no_match": found.num_none,
        "first_slot": asdict(first) | {"rate": first.rate} if first else None,
        "pairwise": [
            asdict(pair) | {"level": names[pair.key], "flip_rate": pair.flip_rate}
            for pair in found.pairwise
        ],
        "spending": asdict(finding.spending),
    }
