"""The facts of a report as sentences, each with its marks: the same in every format. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sprout.report.cells import Metered, RunEnergy, Waited
from sprout.report.facts import Report
from sprout.report.origins import Origin
from sprout.report.preferred import Preferred
from sprout.report.saved import COUNTERFACTUAL, INTERVAL, Saved
from sprout.report.units import (
    count,
    counted,
    digits,
    grams,
    percent,
    points,
    seconds,
    shares,
    watt_hours,
)

CAR_G_PER_KM = 400 / 1.609344
CAR_SOURCE = "US EPA, EPA-420-F-23-014 (2023): 400 g of CO2 from the tailpipe for each mile"

METHOD = (
    "carbon_g = energy_j / 3.6e6 x PUE x intensity_g_per_kwh + busy_s x embodied_g_per_s, for each "
    "request, with the intensity in force when it was admitted (SCI, ISO/IEC 21031). Energy is the "
    "request's share of what the counters saw, by tokens processed. Intensity is location-based. "
    "Embodied carbon is counted for busy time. Not counted: RAM, disks and network, unless the "
    "energy method sees them; cooling, unless PUE says so; loading the model; measuring its "
    "levels; training; clients."
)
SAVED_METHOD = (
    "Level L0 is the bare prompt; the other levels add an instruction to be brief. Preference is "
    "how often judges found a level's answer the best; kept is that of what was served, as a part "
    "of L0's. "
    f"Saved is counted against {COUNTERFACTUAL}: of the same model, machine, engine settings, "
    f"energy method and task. ± is {INTERVAL}. Lines that pin their directive count nowhere."
)


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of the overview.

    Args:
        marks: what kind of number it is: measured, estimated, modelled, forecast, prior...
    """

    name: str
    text: str
    marks: tuple[str, ...] = ()


def period(report: Report) -> str:
    """Return what time the report is about: all that was asked for, if that has an end."""
    first = None if report.first is None else _moment(report.first)
    since = None if report.since is None else f"{report.since:%Y-%m-%d %H:%M}"
    if report.until is not None:
        begin = since or first
        return f"{f'{begin} to' if begin else 'before'} {report.until:%Y-%m-%d %H:%M} UTC"
    if first is None or report.last is None:
        return "nothing yet" if since is None else f"since {since} UTC"
    last = _moment(report.last)
    return f"{first} UTC" if first == last else f"{first} to {last} UTC"


def facts(report: Report) -> tuple[Fact, ...]:
    """Return the overview."""
    return tuple(_facts(report))


def _facts(report: Report) -> Iterator[Fact]:
    total = report.total
    yield Fact("served", _served(report))
    if report.is_empty:
        return
    yield Fact(
        "tokens", f"{count(total.num_prompt_tokens)} read, {count(total.num_new_tokens)} written"
    )
    if total.num_answered:
        yield Fact("levels", shares(total.levels))
    yield Fact("energy", _energy(report), _marks(report.energy))
    if total.intensity_g_per_kwh is not None:
        yield Fact("grid", _grid(report), _marks(report.intensity))
    yield Fact("carbon", _carbon(report), marks_of_carbon(report))
    if beside := _beside(report.runs):
        told = f"{beside}: {grams(report.runs.operational_g)}CO2eq, not in the carbon above"
        yield Fact("idle, lost", told, _marks((*report.energy, *report.intensity)))
    yield Fact("saved", saved(total.saved), ("counterfactual",))
    for each in overall(report):
        yield Fact(
            "preference", preference(each, report), ("prior",) if each.is_prior else ("judged",)
        )
    if report.waited is not None:
        yield Fact("waiting", _waited(report.waited), ("counterfactual",))
    judging = report.evaluating
    yield Fact("evaluating", _evaluating(report), () if judging is None else judging.marks)
    if total.carbon_g >= CAR_G_PER_KM / 1000:
        yield Fact("equivalent", f"{_car(total.carbon_g)} in a passenger car ({CAR_SOURCE})")


def _served(report: Report) -> str:
    total = report.total
    failed = f", {count(total.num_failed)} failed" if total.num_failed else ""
    rejected = f", {counted(report.num_rejected, 'line')} rejected" if report.num_rejected else ""
    answered = f"{count(total.num_answered)} answered{failed}{rejected}"
    return f"{answered}; engine busy {seconds(total.busy_s)}" if total.num_answered else answered


def _energy(report: Report) -> str:
    total = report.total
    parts = _parts([(named(each), each.energy_j) for each in report.energy])
    return f"{watt_hours(total.energy_j)}{': ' if parts else ''}{parts}"


def _beside(runs: RunEnergy) -> str:
    """Return what runs drew beside the requests' own energy, and what it emitted; "": nothing."""
    idle = [f"{watt_hours(runs.idle_j)} idle"] if runs.idle_j else []
    lost = [f"{watt_hours(runs.lost_j)} lost to unfinished work"] if runs.lost_j else []
    return ", ".join([*idle, *lost])


def _grid(report: Report) -> str:
    mean = report.total.intensity_g_per_kwh or 0.0
    origins = report.intensity
    differ = len({each.detail for each in origins}) > 1
    parts = [
        (f"{named(each)}, {each.detail}" if differ else named(each), each.num_answered)
        for each in origins
    ]
    return f"{mean:.0f} g/kWh, mean over requests: {_parts(parts, '; ' if differ else ', ')}"


def _carbon(report: Report) -> str:
    total = report.total
    pue = ", ".join(each.name for each in report.pue) or "not known"
    presets = ", ".join(dict.fromkeys(each.name for each in report.embodied)) or "no preset"
    each = total.per_answer(total.carbon_g)
    mean = f"; {grams(each)} per answer" if each is not None else ""
    return (
        f"{grams(total.carbon_g)}CO2eq = {grams(total.operational_g)} operational (PUE {pue}) + "
        f"{grams(total.embodied_g)} embodied ({presets}){mean}"
    )


def saved(found: Saved) -> str:
    """Return what requests saved, with its interval and what it is held against."""
    if found.saved_g is None:
        return _why_unknown(found)
    num = found.num_baseline_requests
    if num == 0:
        return "nothing: every request was served at L0"
    interval = "" if found.half_width_g is None else " (± its 95 % interval)"
    mean = "the one request" if num == 1 else f"the mean{interval} of {count(num)} requests"
    return f"{grams(found.saved_g)}CO2eq{_of_baseline(found)} against all-L0, by {mean} at L0"


def _why_unknown(found: Saved) -> str:
    if found.num_unknown:
        return "unknown: no comparable request was served at L0"
    if found.num_pinned:
        return "not counted: every answered line pins its directive"
    return "nothing was answered"


def saved_briefly(found: Saved) -> str:
    """Return a saving for a cell of a table."""
    if found.saved_g is None:
        return "unknown" if found.num_unknown else "not counted"
    if not found.num_baseline_requests:
        return "is the baseline"
    return f"{grams(found.saved_g)}{_of_baseline(found)}"


def _of_baseline(found: Saved) -> str:
    if found.percent is None:
        return ""
    half = found.half_width_percent
    spread = "" if half is None else f" ± {points(half)}"
    return f" ({points(found.percent)}{spread} %)"


def overall(report: Report) -> list[Preferred]:
    """Return the preference kept by each model, all tasks together."""
    return [each for each in report.preference if each.task is None]


def worst(report: Report, fingerprint: str) -> Preferred | None:
    """Return the class of tasks that kept least; None when no class has preferences of its own."""
    classes = (e for e in report.preference if e.fingerprint == fingerprint and e.task is not None)
    known = [each for each in classes if each.kept is not None]
    return min(known, key=lambda each: each.kept or 0.0, default=None)


def preference(found: Preferred, report: Report) -> str:
    """Return what of all-L0's preference a model's mix kept, and the task that kept least."""
    model = f"{found.model}: " if len(overall(report)) > 1 else ""
    if found.kept is None:
        return f"{model}unknown: a level was never judged ({found.source})"
    half = "interval unknown" if found.half_width is None else f"± {100 * found.half_width:.1f}"
    least = worst(report, found.fingerprint)
    task = ""
    if least is not None:
        task = f"; least for task {least.task or 'none'}: {100 * (least.kept or 0.0):.1f} %"
    return f"{model}{100 * found.kept:.1f} % of all-L0's ({half}){task}, {found.source}"


def _waited(found: Waited) -> str:
    return (
        f"{grams(found.moved_g)}CO2eq less than at the intensity of the beginning; "
        f"runs that may wait: {count(found.num_runs)}"
    )


def _evaluating(report: Report) -> str:
    found = report.evaluating
    if found is None:
        return "no evaluation is recorded"
    part = ""
    saved_g = report.total.saved.saved_g
    if saved_g is not None and saved_g > 0:
        part = f", {percent(found.carbon_g, saved_g)} of what was saved"
    methods = ", ".join(map(named, found.energy))
    return (
        f"{grams(found.carbon_g)}CO2eq, evaluations: {count(found.num_evaluations)} (energy by "
        f"{methods}; intensity {found.intensity_marks}){part}; not in the carbon above"
    )


def _car(carbon_g: float) -> str:
    km = carbon_g / CAR_G_PER_KM
    return f"{digits(km)} km" if km >= 1 else f"{digits(1000 * km)} m"


def _parts(sizes: Sequence[tuple[str, float]], between: str = ", ") -> str:
    """Return names with their parts of the whole; a single one alone."""
    if len(sizes) == 1:
        return sizes[0][0]
    total = sum(size for _, size in sizes)
    return between.join(f"{percent(size, total)} {name}" for name, size in sizes)


def named(origin: Origin | Metered) -> str:
    """Return a name with its mark, unless it says it itself."""
    return origin.name if origin.mark in origin.name else f"{origin.name} ({origin.mark})"


def marks_of_carbon(report: Report) -> tuple[str, ...]:
    """Return what kinds of numbers the requests' carbon rests on."""
    return _marks((*report.energy, *report.intensity, *report.embodied))


def _marks(origins: Iterable[Origin]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(origin.mark for origin in origins))


def _moment(key: str) -> str:
    return key.replace("T", " ") + ":00" if "T" in key else key
