"""What evaluations found, for people and programs: `sprout evaluate` and its --show."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import Any

from sprout.cli import wiring
from sprout.cli.output import Out
from sprout.cli.preference import known_preference
from sprout.config.sources import Config
from sprout.quality import interval
from sprout.quality.diagnostics import Diagnostics, diagnose
from sprout.quality.judge import Card
from sprout.quality.pairwise import Pairwise
from sprout.quality.ruling import evidence
from sprout.quality.trust import MOST_UNREAD, TRUST_BELOW_P
from sprout.report import facts, words
from sprout.report.cells import mark_of
from sprout.report.facts import Period
from sprout.report.group import Group
from sprout.report.terminal_fit import fitted
from sprout.report.units import JOULES_PER_WH, grams
from sprout.state import reports
from sprout.state.evaluations import Evaluations
from sprout.state.store import Store
from sprout.state.verdicts import KnownJudge, Verdicts

NUM_HISTORY = 10
_COST = (
    "metered_j",
    "busy_s",
    "zone",
    "g_per_kwh",
    "intensity_source",
    "intensity_kind",
    "intensity_factor",
    "operational_g",
    "embodied_g",
    "price_usd",
)
SHOWN_CHARS = 60


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
    trusted: bool


def show(out: Out, config: Config) -> None:
    """Show what every judge found, and the evaluations so far."""
    with Store.open(config.settings.state) as store:
        power = wiring.open_power(config)
        known = wiring.know(store, config, power, None)
        judges = Verdicts(store).judges()
        rows = [row for judge in judges for row in _rows(known, judge)]
        out.data["rows"] = [asdict(row) for row in rows]
        out.data["judges"] = [_judge_data(known, judge) for judge in judges]
        history = Evaluations(store).newest(NUM_HISTORY)
        out.data["history"] = history
        _tell_rows(out, rows)
        for judge in judges:
            _tell_judge(out, known, judge)
        for past in history:
            state = "finished" if past["finished_at"] else "unfinished"
            out.text(
                f"evaluation  {past['started_at'][:16]} {state}: {past['num_drawn']} prompts "
                f"({past['source']}) by {past['judge']}, {_carbon(past)}; {past['reason']}"
            )
        _tell_cost(out, known)
        _tell_steering(out, known)


def report(out: Out, store: Store, known: wiring.Known, card: Card, evaluation_id: str) -> None:
    """Show what this judge has found so far, with all its verdicts of before."""
    known = replace(known, store=store)
    judge = next(each for each in Verdicts(store).judges() if each.key == card.key)
    rows = _rows(known, judge)
    out.data["rows"] = [asdict(row) for row in rows]
    out.data["judge"] = _judge_data(known, judge)
    past = Evaluations(store).summary(evaluation_id)
    out.data["cost"] = past and {name: past[name] for name in _COST}
    _tell_rows(out, rows)
    _tell_judge(out, known, judge)
    if past is not None:  # pruned meanwhile otherwise
        joules = past["metered_j"] / JOULES_PER_WH
        is_estimated = known.is_energy_estimated
        marked = f"{known.conditions.energy_method}{', estimated' if is_estimated else ''}"
        out.text(f"this evaluation  {joules:.3g} Wh ({marked}), {_carbon(past)}")
    _tell_cost(out, known)
    _tell_steering(out, known)


def _carbon(past: Mapping[str, Any]) -> str:
    """Return what an evaluation emitted, and at which intensity."""
    mass = grams(past["operational_g"] + past["embodied_g"])
    return f"{mass}CO2eq at {past['g_per_kwh']:.0f} g/kWh ({mark_of(past['intensity_source'])})"


def _rows(known: wiring.Known, judge: KnownJudge) -> list[Row]:
    """Return the preference of each level, of all prompts and of each class, by one judge."""
    levels = known.directives.levels
    keys = [directive.key for directive in known.directives.directives]
    rulings = Verdicts(known.store).rulings(known.conditions.model, keys, judge_key=judge.key)
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
                judge.name, judge.is_trusted,
            )
            for level, mean, each in zip(levels, shares.mean, ends, strict=True)
        ]  # fmt: skip
    return rows


def _diagnose(known: wiring.Known, judge: KnownJudge) -> Diagnostics:
    keys = [directive.key for directive in known.directives.directives]
    rulings = Verdicts(known.store).rulings(known.conditions.model, keys, judge_key=judge.key)
    return diagnose(rulings, keys[0], keys[1:])


def _judge_data(known: wiring.Known, judge: KnownJudge) -> dict[str, object]:
    found, spending = _diagnose(known, judge), Verdicts(known.store).spending(judge.key)
    names = {directive.key: directive.level for directive in known.directives.directives}
    first = found.first_slot
    return {
        "judge": judge.name,
        "judge_key": judge.key,
        "kind": judge.kind,
        "trusted": judge.is_trusted,
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
        "spending": asdict(spending),
    }


def _tell_rows(out: Out, rows: list[Row]) -> None:
    cells = [
        (
            "all" if row.task is None else row.task or "none",
            row.level,
            f"{row.preference:.3f}",
            f"{row.low:.3f}",
            f"{row.high:.3f}",
            str(row.n),
            row.judge,
            "yes" if row.trusted else "NO",
        )
        for row in rows
    ]
    if not cells:
        out.text("no verdicts yet about this model at these levels: `sprout evaluate`")
        return
    headers = ("task", "level", "preferred", "95 % low", "high", "n", "judge", "trusted")
    out.table(fitted(headers, cells, "share of prompts whose best answer it is"))


def _tell_judge(out: Out, known: wiring.Known, judge: KnownJudge) -> None:
    found, spending = _diagnose(known, judge), Verdicts(known.store).spending(judge.key)
    names = {directive.key: directive.level for directive in known.directives.directives}
    if judge.kind != "reference":
        out.text(trust_line(judge))
    if found.num_none:
        out.text(f"no level matched the reference: {found.num_none} prompts, counted apart")
    if found.num_failed:
        out.text(_unread_line(found, Verdicts(known.store).unparsed(judge.key)))
    if judge.kind != "reference" and found.first_slot is not None:
        first = found.first_slot
        out.text(
            f"first slot chosen  {100 * first.rate:.0f} % ({100 * first.interval.low:.0f}-"
            f"{100 * first.interval.high:.0f}; without position bias {100 * first.expected:.0f})"
        )
    for pair in found.pairwise:
        out.text(_pair_line(names[pair.key], pair))
    if spending.num_prompt_tokens is not None:
        price = "price unknown" if spending.price_usd is None else f"{spending.price_usd:.4f} USD"
        out.text(
            f"asked so far  {spending.num_asked} questions, {spending.num_prompt_tokens} + "
            f"{spending.num_new_tokens or 0} tokens, {price}"
        )


def trust_line(judge: KnownJudge) -> str:
    """Return how far a judge is trusted, and why."""
    trust = judge.trust
    if trust is None:
        return f"{judge.name} was not tested on all control pairs yet: its verdicts steer nothing"
    did = (
        f"of {trust.num_pairs} control pairs {trust.num_right} right in both orders, "
        f"{trust.num_wrong} wrong, {trust.num_split} contradictory, {trust.num_failed} unread "
        f"(p = {trust.p_value:.2g})"
    )
    if judge.is_trusted:
        return f"{judge.name} is trusted: {did}"
    return (
        f"{judge.name} is NOT trusted: {did}; needed: p < {TRUST_BELOW_P:g} and at most "
        f"{100 * MOST_UNREAD:.0f} % unread. It is asked nothing else, and steers nothing"
    )


def _unread_line(found: Diagnostics, words: str | None) -> str:
    share = found.num_failed / found.num_asked
    such = "" if words is None else f", such as {' '.join(words.split())[-SHOWN_CHARS:]!r}"
    leaning = "; the shares are of the rest, and may lean" if share > MOST_UNREAD else ""
    return (
        f"no verdict in {found.num_failed} of {found.num_asked} answers ({100 * share:.0f} %: "
        f"refused, or not in the form that was asked for{such}){leaning}"
    )


def _pair_line(level: str, pair: Pairwise) -> str:
    ends = "" if pair.interval is None else f" ({pair.interval.low:.2f}-{pair.interval.high:.2f})"
    flips = "" if pair.flip_rate is None else f", flips {100 * pair.flip_rate:.0f} %"
    ratio = "" if pair.length_ratio is None else f", {pair.length_ratio:.2f} times as long"
    equal = (
        "" if pair.length_controlled is None else f", at equal length {pair.length_controlled:.2f}"
    )
    return (
        f"{level} against L0  {pair.num_wins} won, {pair.num_ties} tied, {pair.num_losses} lost: "
        f"{pair.rate:.2f}{ends}{equal}{flips}{ratio}"
    )


def _tell_cost(out: Out, known: wiring.Known) -> None:
    """Say what evaluating cost in all, against what directives saved."""
    model, table = known.conditions.model, Evaluations(known.store)
    joules, cost_g = table.total_cost(model)
    marks = list(dict.fromkeys(map(mark_of, table.intensity_sources(model))))
    served = _served(known)
    saved = served.saved
    out.data["all_evaluations"] = {
        "metered_j": joules,
        "carbon_g": cost_g,
        "intensity_marks": marks,
        "saved_g": saved.saved_g,
        "saved_half_width_g": saved.half_width_g,
        "saved_num_counted": saved.num_counted,
        "saved_num_unknown": saved.num_unknown,
    }
    at = f" (intensity {', '.join(marks)})" if marks else ""
    cost = f"{grams(cost_g)}CO2eq of this machine{at}"
    out.text(f"all evaluations  {cost}; directives saved: {words.saved(saved)}")


def _served(known: wiring.Known) -> Group:
    """Return what this model served, counted as a report counts it."""
    model, now = known.conditions.model, wiring.utc_now()
    with reports.reading(known.store, None) as reading:
        cells = (
            cell
            for cell in reading.cells("day")
            if cell.circumstances is not None and cell.circumstances.model == model
        )
        return facts.make(cells, reading.known(now), Period(now, None, "day", ())).total


def _tell_steering(out: Out, known: wiring.Known) -> None:
    """Say what the optimizer takes."""
    found = known_preference(
        known.store,
        known.directives,
        known.conditions,
        wiring.utc_now(),
        known.config.settings,
    )
    out.data |= {"preference_source": found.source, "is_preference_prior": found.is_prior}
    out.text(f"`sprout optimize` takes  {found.source}")
