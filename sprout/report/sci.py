"""A report in the terms of ISO/IEC 21031:2024 (SCI) and the template of SCI for AI. Pure.

    SCI = (O + M) per R,   O = E * I

The parts are what the requests, the runs' idle and lost time, and evaluations emitted; they sum to
the score, for R = one answered request and for R = one generated token.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sprout import __version__
from sprout.carbon import JOULES_PER_KWH
from sprout.clock import to_text
from sprout.report import notes, words
from sprout.report.cells import Evaluating, Metered
from sprout.report.facts import Report
from sprout.report.origins import Origin
from sprout.report.units import digits, grams

NOT_STATED = "not stated: set `{}` in sprout.toml"


@dataclass(frozen=True, slots=True)
class Who:
    """Who reports on what; None where it was not set."""

    application: str | None
    url: str | None
    organisation: str | None
    contact: str | None


@dataclass(frozen=True, slots=True)
class Part:
    """One component of the score.

    Args:
        term: O (operational) or M (embodied).
        kind: measured | modelled | sourced, as the template has it.
        per_request_g, per_token_g: None when there is no request, or no token.
    """

    name: str
    term: str
    kind: str
    method: str
    carbon_g: float
    per_request_g: float | None
    per_token_g: float | None


@dataclass(frozen=True, slots=True)
class Coefficient:
    """One number that the score rests on."""

    name: str
    description: str
    value: float
    unit: str
    source: str


@dataclass(frozen=True, slots=True)
class Sci:
    """The report; every field of the template is there, in its order."""

    application: str
    version: str
    description: str
    url: str
    organisation: str
    accountable: str
    contact: str
    measured_on: str
    timespan: str
    summary: str
    boundary: str
    num_requests: int
    num_tokens: int
    carbon_g: float
    per_request_g: float | None
    per_token_g: float | None
    rationale: str
    parts: tuple[Part, ...]
    coefficients: tuple[Coefficient, ...]
    methods: tuple[tuple[str, str], ...]
    evidence: str
    notes: tuple[str, ...]


def make(report: Report, who: Who) -> Sci:
    """Return the report."""
    total = report.total
    num, tokens = total.num_answered, total.num_new_tokens
    parts = tuple(_Parts(num, tokens).of(report))
    carbon_g = sum(part.carbon_g for part in parts)
    per_request_g = carbon_g / num if num else None
    return Sci(
        application=who.application or "LLM batches served by Sprout",
        version=f"sprout {__version__}",
        description=(
            "Batches of prompts answered by a large language model on own hardware, each prompt "
            f"at a directive level chosen for carbon. Models: {_names(report)}."
        ),
        url=who.url or NOT_STATED.format("application_url"),
        organisation=who.organisation or NOT_STATED.format("organisation"),
        accountable=who.organisation or NOT_STATED.format("organisation"),
        contact=who.contact or NOT_STATED.format("contact"),
        measured_on=to_text(report.made_at),
        timespan=words.period(report),
        summary=_summary(report, per_request_g),
        boundary=(
            "Consumer boundary of SCI for AI: inference by a model that is already trained. "
            "Included: energy of the processors that the energy method sees, while requests were "
            "served and while the runs were idle, times PUE; embodied carbon of the reserved "
            "hardware for its busy time; evaluations of answers. Excluded: training, data, "
            "loading the model and measuring its levels, storage, network, clients; embodied "
            "carbon of idle hardware. No offsets, certificates or power purchase agreements are "
            "counted."
        ),
        num_requests=num,
        num_tokens=tokens,
        carbon_g=carbon_g,
        per_request_g=per_request_g,
        per_token_g=carbon_g / tokens if tokens else None,
        rationale=(
            "R is one answered request, which is what users get; SCI for AI proposes one token, "
            "which is given too. The score per token rises when answers become shorter, even as "
            "less carbon is emitted: compare per request."
        ),
        parts=parts,
        coefficients=tuple(_coefficients(report)),
        methods=tuple(_methods(report)),
        evidence=(
            "one row for each request in the store (tables completions, circumstances, runs, "
            "plans): `sprout report --format json`, sprout-state(5)"
        ),
        notes=notes.of_carbon(report),
    )


@dataclass(frozen=True, slots=True)
class _Parts:
    num: int
    tokens: int

    def of(self, report: Report) -> Iterator[Part]:
        for each in report.energy:
            method = f"energy by {each.name} ({each.mark}), shared among requests by tokens"
            yield self.part(
                f"requests, {each.name}", "O", _kind({each.mark}), method, each.carbon_g
            )
        if report.runs.num_runs:
            method = "counters' difference less the requests' energy, at the runs' intensities"
            kind = _kind({each.mark for each in report.energy})
            idle_g = report.runs.operational_g
            yield self.part("idle and unfinished work", "O", kind, method, idle_g)
        for each in report.embodied:
            method = (
                f"busy seconds times {digits(each.mean or 0.0)} g/s ({each.detail or each.name})"
            )
            yield self.part(f"hardware, {each.name}", "M", "sourced", method, each.carbon_g)
        if report.evaluating is not None:
            yield from self.of_evaluations(report.evaluating)

    def of_evaluations(self, found: Evaluating) -> Iterator[Part]:
        for each in found.energy:
            method = (
                f"energy by {each.name} ({each.mark}), at the intensity when each evaluation began "
                f"({found.intensity_marks})"
            )
            kind = _kind({each.mark})
            yield self.part(f"evaluations, {each.name}", "O", kind, method, each.operational_g)
        method = "busy seconds times the rate of embodied carbon, as for requests"
        yield self.part("evaluations", "M", "sourced", method, found.embodied_g)

    def part(self, name: str, term: str, kind: str, method: str, carbon_g: float) -> Part:
        return Part(
            name=name,
            term=term,
            kind=kind,
            method=method,
            carbon_g=carbon_g,
            per_request_g=carbon_g / self.num if self.num else None,
            per_token_g=carbon_g / self.tokens if self.tokens else None,
        )


def _kind(marks: set[str]) -> str:
    """Return the template's word for operational carbon by energy of these marks."""
    return "measured" if marks == {"measured"} else "modelled"


def _names(report: Report) -> str:
    return ", ".join(group.key for group in report.groups.get("model", ())) or "none"


def _summary(report: Report, per_request_g: float | None) -> str:
    if per_request_g is None:
        return "No request was answered in this period: there is no score."
    is_measured = all(each.mark == "measured" for each in _energy(report))
    estimated = "measured" if is_measured else "an estimate"
    return (
        f"{grams(per_request_g)}CO2eq per answered request; energy is {estimated}, "
        f"intensity is {_kinds(report)}, location-based; embodied carbon is sourced."
    )


def _energy(report: Report) -> tuple[Origin | Metered, ...]:
    """Return where all energy in the score comes from: that of requests and of evaluations."""
    judging = report.evaluating
    return report.energy if judging is None else (*report.energy, *judging.energy)


def _kinds(report: Report) -> str:
    details = {each.detail or "" for each in report.intensity}
    return f"{'; '.join(sorted(report.total.marks))} ({'; '.join(sorted(details))})"


def _coefficients(report: Report) -> Iterator[Coefficient]:
    total = report.total
    yield Coefficient("R", "answered requests", float(total.num_answered), "requests", "counted")
    yield Coefficient("R", "generated tokens", float(total.num_new_tokens), "tokens", "counted")
    for each in report.energy:
        kwh = each.energy_j / JOULES_PER_KWH
        yield Coefficient("E", "energy of requests, without PUE", kwh, "kWh", words.named(each))
    beyond_kwh = (report.runs.idle_j + report.runs.lost_j) / JOULES_PER_KWH
    beyond = "energy of idle time and unfinished work, without PUE"
    yield Coefficient("E", beyond, beyond_kwh, "kWh", _sources(report.energy))
    if (judging := report.evaluating) is not None:
        for method in judging.energy:
            kwh = method.energy_j / JOULES_PER_KWH
            told = "energy of evaluations, without PUE"
            yield Coefficient("E", told, kwh, "kWh", words.named(method))
    for each in report.pue:
        yield Coefficient(
            "PUE", "overhead of the data centre", each.mean or 1.0, "1", "set (default 1)"
        )
    for each in report.intensity:
        description = f"carbon intensity of {each.name}, {each.detail}, mean over requests"
        yield Coefficient("I", description, each.mean or 0.0, "gCO2eq/kWh", words.named(each))
    for each in report.embodied:
        source = each.detail or f"preset {each.name}"
        yield Coefficient(
            "TE/EL", "embodied carbon per busy second", each.mean or 0.0, "gCO2eq/s", source
        )
    by = "measured by the engine"
    yield Coefficient("TiR", "busy seconds of requests", total.busy_s, "s", by)
    if judging is not None:
        yield Coefficient("TiR", "busy seconds of evaluations", judging.busy_s, "s", by)


def _methods(report: Report) -> Iterator[tuple[str, str]]:
    yield "C", "sum of O and M over all parts"
    yield "O", words.METHOD
    yield (
        "M",
        "sourced: busy seconds times a rate (TE / EL, for the share that is reserved)",
    )
    yield (
        "E",
        f"{_sources(_energy(report))}; read from counters where marked measured, else modelled",
    )
    yield "I", f"sourced: {_sources(report.intensity)}; location-based"


def _sources(origins: Iterable[Origin | Metered]) -> str:
    return ", ".join(dict.fromkeys(map(words.named, origins))) or "none"
