"""What evaluations found, for people and programs: `sprout evaluate` and its --show."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from sprout.cli import wiring
from sprout.cli.evaluate.findings import Finding, findings, judge_data
from sprout.cli.output import Out
from sprout.cli.preference import known_preference
from sprout.config.sources import Config
from sprout.quality.diagnostics import Diagnostics
from sprout.quality.judge import Card
from sprout.quality.pairwise import Pairwise
from sprout.quality.trust import MOST_UNREAD, TRUST_BELOW_P
from sprout.report import facts, words
from sprout.report.cells import mark_of
from sprout.report.facts import Period
from sprout.report.group import Group
from sprout.report.terminal_fit import fitted
from sprout.report.units import digits, grams, watt_hours
from sprout.state import reports
from sprout.state.evaluations import Evaluations
from sprout.state.store import Store
from sprout.state.verdicts import KnownJudge, Spending, Verdicts

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


def show(out: Out, config: Config) -> None:
    """Show what every judge found, and the evaluations so far."""
    with Store.open(config.settings.state) as store:
        power = wiring.open_power(config)
        known = wiring.know(store, config, power, None)
        found = findings(known)
        out.data["rows"] = [asdict(row) for finding in found for row in finding.rows]
        out.data["judges"] = [judge_data(known, finding) for finding in found]
        history = Evaluations(store).newest(NUM_HISTORY)
        out.data["history"] = history
        _tell_rows(out, found, ": `sprout evaluate`")
        for finding in found:
            _tell_judge(out, known, finding)
        labels = {finding.judge.key: finding.label for finding in found}
        for past in history:
            state = "finished" if past["finished_at"] else "unfinished"
            by = labels.get(past["judge_key"], past["judge"])
            out.text(
                f"evaluation  {past['started_at'][:16]}Z {state}: {past['num_drawn']} prompts "
                f"({past['source']}) by {by}, {_carbon(past)}; {past['reason']}"
            )
        _tell_cost(out, known)
        _tell_steering(out, known)


def report(out: Out, store: Store, known: wiring.Known, card: Card, evaluation_id: str) -> None:
    """Show what this judge has found so far, with all its verdicts of before."""
    known = replace(known, store=store)
    finding = next(each for each in findings(known) if each.judge.key == card.key)
    out.data["rows"] = [asdict(row) for row in finding.rows]
    out.data["judge"] = judge_data(known, finding)
    past = Evaluations(store).summary(evaluation_id)
    out.data["cost"] = past and {name: past[name] for name in _COST}
    _tell_rows(out, [finding])
    _tell_judge(out, known, finding)
    if past is not None:  # pruned meanwhile otherwise
        is_estimated = known.is_energy_estimated
        marked = f"{known.conditions.energy_method}{', estimated' if is_estimated else ''}"
        used = watt_hours(past["metered_j"])
        out.text(f"this evaluation  {used} ({marked}), {_carbon(past)}")
    _tell_cost(out, known)
    _tell_steering(out, known)


def _carbon(past: Mapping[str, Any]) -> str:
    """Return what an evaluation emitted, and at which intensity."""
    mass = grams(past["operational_g"] + past["embodied_g"])
    return f"{mass}CO2eq at {past['g_per_kwh']:.0f} g/kWh ({mark_of(past['intensity_source'])})"


def _tell_rows(out: Out, found: list[Finding], advice: str = "") -> None:
    cells = [
        (
            "all" if row.task is None else row.task or "none",
            row.level,
            f"{row.preference:.3f}",
            f"{row.low:.3f}",
            f"{row.high:.3f}",
            str(row.n),
            finding.label,
            "yes" if row.trusted else "NO",
        )
        for finding in found
        for row in finding.rows
    ]
    if not cells:
        out.text(f"no verdicts yet about this model at these levels{advice}")
        return
    headers = ("task", "level", "preferred", "95 % low", "high", "n", "judge", "trusted")
    out.table(fitted(headers, cells, "share of prompts whose best answer it is"))


def _tell_judge(out: Out, known: wiring.Known, finding: Finding) -> None:
    judge, found = finding.judge, finding.diagnostics
    names = {directive.key: directive.level for directive in known.directives.directives}
    if judge.kind != "reference":
        out.text(trust_line(judge, finding.label))
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
    if judge.kind == "endpoint" and finding.spending.num_asked:
        out.text(_spending_line(finding.spending))


def _spending_line(spending: Spending) -> str:
    """Return what an endpoint's questions came to, as far as it said, and of how many it did."""

    def told(what: str, num: int) -> str:
        return what if num == spending.num_asked else f"{what} for {num} of them"

    tokens, price = "tokens unknown", "price unknown"
    if spending.num_prompt_tokens is not None:
        new = "unknown" if spending.num_new_tokens is None else str(spending.num_new_tokens)
        tokens = told(f"{spending.num_prompt_tokens} + {new} tokens", spending.num_counted)
    if spending.price_usd is not None:
        price = told(f"{digits(spending.price_usd)} USD", spending.num_priced)
    return f"asked so far  {spending.num_asked} questions, {tokens}, {price}"


def trust_line(judge: KnownJudge, label: str) -> str:
    """Return how far a judge is trusted, and why."""
    trust, tested_at = judge.trust, judge.tested_at
    if trust is None or tested_at is None:
        return f"{label} was not tested on all control pairs yet: its verdicts steer nothing"
    did = (
        f"tested {tested_at:%Y-%m-%d}: of {trust.num_pairs} control pairs {trust.num_right} right "
        f"in both orders, {trust.num_wrong} wrong, {trust.num_split} contradictory, "
        f"{trust.num_failed} unread (p = {trust.p_value:.2g})"
    )
    if judge.is_trusted:
        return f"{label} is trusted, {did}"
    return (
        f"{label} is NOT trusted, {did}; needed: p < {TRUST_BELOW_P:g} and at most "
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
