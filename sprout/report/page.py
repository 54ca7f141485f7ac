"""The HTML report: one page that needs nothing else, with no text of a prompt. Pure.

There is no script, and its policy forbids every request; each chart has a table beside it, for
keyboards and readers.
"""

from collections.abc import Iterable, Iterator, Sequence
from html import escape

from sprout import __version__
from sprout.grid.reading import AVERAGES
from sprout.report import charts, notes, rows, words
from sprout.report import page_markup as markup
from sprout.report.facts import By, Report
from sprout.report.group import Group
from sprout.report.origins import Origin
from sprout.report.page_style import STYLE
from sprout.report.units import count, counted, grams, percent, points, shares, watt_hours

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"

MAX_BARS = 24  # groups in the chart of savings
MAX_GROUP_ROWS = 400

_TITLES: dict[By, str] = {
    "level": "By level",
    "task": "By task",
    "model": "By model",
    "zone": "By zone",
    "day": "By day",
}


def render(report: Report) -> str:
    """Return the page."""
    title = f"Sprout report: {markup.text(words.period(report))}"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="color-scheme" content="light dark">\n<link rel="icon" href="data:,">\n'
        f"<title>{title}</title>\n<style>{STYLE}</style>\n"
        f"</head>\n<body>\n{''.join(_body(report))}</body>\n</html>\n"
    )


def _body(report: Report) -> Iterator[str]:
    links = [("overview", "Overview"), ("sources", "Sources"), ("method", "Method")]
    if not report.is_empty:
        links.insert(1, ("groups", "Groups"))
    if len(report.timeline) > 1:
        links.insert(1, ("time", "Over time"))
    items = "".join(f'<li><a href="#{name}">{text}</a></li>' for name, text in links)
    made = markup.text(f"{report.made_at:%Y-%m-%d %H:%M} UTC by sprout {__version__}")
    yield (
        '<a class="skip" href="#overview">Skip to the overview</a>\n'
        f'<header><p class="eyebrow">Sprout report</p><h1>{markup.text(words.period(report))}</h1>'
        f'<p class="quiet">Made {made}{_since(report)}. All times are UTC.</p>'
        f'<nav aria-label="Sections"><ul>{items}</ul></nav></header>\n<main>\n'
    )
    yield _overview(report)
    yield _notes(report)
    if len(report.timeline) > 1:
        yield _over_time(report)
    if not report.is_empty:
        yield _groups(report)
    yield _sources(report)
    yield _method()
    yield (
        "</main>\n<footer><p>Made by Sprout from its own store; no text of a prompt or an answer "
        "is in this page, and it asks for nothing from any network.</p></footer>\n"
    )


def _since(report: Report) -> str:
    if report.until is not None:  # the heading says it
        return ""
    return f", of what finished since {report.since:%Y-%m-%d %H:%M}" if report.since else ""


def _overview(report: Report) -> str:
    tiles = "".join(_tile(*each) for each in _tiles(report))
    told = "".join(
        f"<tr><th scope='row'>{markup.text(fact.name)}</th>"
        f"<td>{markup.text(fact.text)}{markup.badges(fact.marks)}</td></tr>"
        for fact in words.facts(report)
    )
    details = (
        "<section class='long'><h2>In words</h2><table class='words'>"
        f"<tbody>{told}</tbody></table></section>\n"
    )
    return f'<dl class="tiles" id="overview">{tiles}</dl>\n{details}'


def _tiles(report: Report) -> Iterator[tuple[str, str, str, tuple[str, ...]]]:
    total, saved = report.total, report.total.saved
    failed = f"{count(total.num_failed)} failed; " if total.num_failed else ""
    more = f"{failed}{count(total.num_new_tokens)} tokens written"
    yield "Answers", count(total.num_answered), more, ()
    parts = f"{grams(total.operational_g)} operational + {grams(total.embodied_g)} embodied"
    big = f"{grams(total.carbon_g)}CO<sub>2</sub>eq"
    yield "Carbon", big, parts, words.marks_of_carbon(report)
    energy = tuple(dict.fromkeys(each.mark for each in report.energy))
    names = ", ".join(dict.fromkeys(each.name for each in report.energy)) or "nothing metered"
    yield "Energy", watt_hours(total.energy_j), f"without PUE; {names}", energy
    if saved.percent is None:
        yield "Saved", "unknown", words.saved(saved), ()
    else:
        half = saved.half_width_percent
        spread = "" if half is None else f" ± {points(half)}"
        text = (
            f"{grams(saved.saved_g or 0.0)}CO2eq against all-L0, the same prompts at the same hours"
        )
        yield "Saved", f"{points(saved.percent)}{spread} %", text, ("counterfactual",)
    for each in words.overall(report)[:1]:
        kept = "unknown" if each.kept is None else f"{100 * each.kept:.0f} %"
        mark = "prior" if each.is_prior else "judged"
        model = f"{each.model}: " if len(words.overall(report)) > 1 else ""
        yield "Preference kept", kept, f"{model}of all-L0's; {each.source}", (mark,)
    found = report.evaluating
    cost = "none recorded" if found is None else f"{grams(found.carbon_g)}CO<sub>2</sub>eq"
    marks = () if found is None else found.marks
    yield "Evaluating", cost, "carbon of judging answers, beside the above", marks


def _tile(name: str, big: str, more: str, marks: Iterable[str]) -> str:
    # `big` is ours: numbers, units and a <sub>
    return (
        f'<div class="tile"><dt>{markup.text(name)}</dt><dd><div class="big">{big}</div>'
        f'<div class="more">{markup.text(more)}</div>{markup.badges(marks)}</dd></div>'
    )


def _notes(report: Report) -> str:
    told = notes.of(report)
    if not told:
        return ""
    items = "".join(f"<li>{markup.text(note)}</li>" for note in told)
    return f'<section class="notes"><h2>Notes</h2><ul>{items}</ul></section>\n'


def _over_time(report: Report) -> str:
    levels = list(report.total.levels)
    timeline = report.timeline
    legend = [(look, level) for level, look in charts.looks(levels).items()]
    carbon = [
        ("operational", "operational"),
        ("embodied", "embodied"),
        ("ghost", "more, had all been at L0"),
    ]
    return (
        f'<section id="time"><h2>Over time, by {report.step}</h2>'
        + _figure("Grid intensity, g/kWh", [], charts.intensity(timeline))
        + _figure("Mix of levels, % of the answers", legend, charts.mix(timeline, levels))
        + _figure("Carbon", carbon, charts.carbon(timeline))
        + "<details><summary>The charts as a table</summary>"
        + f"{_time_table(report)}</details></section>\n"
    )


def _figure(caption: str, legend: Sequence[tuple[str, str]], svg: str) -> str:
    items = "".join(f'<li><i class="{kind}"></i>{markup.text(name)}</li>' for kind, name in legend)
    shown = f'<ul class="legend">{items}</ul>' if items else ""
    return f"<figure><figcaption>{markup.text(caption)}</figcaption>{shown}{svg}</figure>"


def _time_table(report: Report) -> str:
    headers = (report.step, "g/kWh", "intensity", "answers", "levels", "energy", "CO2eq", "all-L0")
    cells = (
        (
            group.key.replace("T", " "),
            "" if group.intensity_g_per_kwh is None else f"{group.intensity_g_per_kwh:.0f}",
            ", ".join(group.marks),
            count(group.num_answered),
            shares(group.levels),
            watt_hours(group.energy_j),
            grams(group.carbon_g),
            "unknown"
            if group.saved.saved_g is None
            else grams(group.carbon_g + group.saved.saved_g),
        )
        for group in report.timeline
    )
    return markup.table(f"Over time, by {report.step}, UTC", headers, cells)


def _groups(report: Report) -> str:
    levels = list(report.total.levels)
    parts = ['<section id="groups" class="long"><h2>Groups</h2>']
    for by in ("level", "task", "model", "zone"):
        groups = report.groups.get(by, ())
        shown = rows.largest(groups, MAX_GROUP_ROWS)
        parts.append(f"<h3>{_TITLES[by]}</h3>")
        is_known = any(g.saved.num_baseline_requests for g in shown)
        if by in {"level", "task"} and is_known and len(shown) <= MAX_BARS:
            caption = (
                "Saved, % of what all-L0 would have emitted, with the 95 % interval of L0's mean"
            )
            parts.append(_figure(caption, [], charts.saved(shown, by)))
        parts.append(_group_table(by, shown, len(groups) - len(shown), levels))
    days = report.groups.get("day", ())
    table = _group_table("day", days, 0, levels)
    parts.append(f"<details><summary>By day</summary>{table}</details>")
    return "".join(parts) + "</section>\n"


def _group_table(by: By, groups: Sequence[Group], num_left_out: int, levels: Sequence[str]) -> str:
    mixes = [_mini(group, levels) for group in groups]
    more = f"; {count(num_left_out)} smaller ones are in --format csv" if num_left_out else ""
    cells = [rows.row(group)[:-1] for group in groups]  # the mix is drawn
    return markup.table(f"{_TITLES[by]}{more}", (by, *rows.HEADERS), cells, mixes)


def _mini(group: Group, levels: Sequence[str]) -> str:
    """Return a group's mix as a small bar, with the shares as its name."""
    parts = "".join(
        f'<i class="{look}" style="flex-grow:{group.levels[level]}"></i>'
        for level, look in charts.looks(levels).items()
        if group.levels.get(level)
    )
    told = escape(shares(group.levels) or "nothing answered")
    return f'<div class="mini" role="img" aria-label="{told}" title="{told}">{parts}</div>'


def _sources(report: Report) -> str:
    found: list[tuple[str, str, str, str]] = []
    for name, origins, total in (
        ("energy", report.energy, report.total.energy_j),
        ("intensity", report.intensity, float(report.total.num_answered)),
        ("PUE", report.pue, float(report.total.num_answered)),
        ("embodied carbon", report.embodied, report.total.embodied_g),
    ):
        found += [_origin(name, each, total) for each in origins]
    for each in words.overall(report):
        mark = "prior" if each.is_prior else "judged"
        found.append(("preference", each.source, counted(each.num_answered, "answer"), mark))
    title = "Where each number comes from"
    shown = "<p>There is no number to trace yet.</p>"
    if found:
        headers = ("number", "from", "stands behind", "kind")
        marks = [markup.badges(each[-1:]) for each in found]
        shown = markup.table(title, headers, (each[:-1] for each in found), marks, kind="words")
    return f'<section id="sources"><h2>{title}</h2>{shown}</section>\n'


def _origin(name: str, origin: Origin, total: float) -> tuple[str, str, str, str]:
    detail = f" ({origin.detail})" if origin.detail else ""
    match name:
        case "energy":
            part = f"{watt_hours(origin.energy_j)}, {percent(origin.energy_j, total)}"
        case "embodied carbon":
            part = f"{grams(origin.carbon_g)}, {percent(origin.carbon_g, total)}"
        case _:
            part = (
                f"{counted(origin.num_answered, 'answer')}, {percent(origin.num_answered, total)}"
            )
    mean = f": {origin.mean:.0f} g/kWh on average" if name == "intensity" else ""
    return name, f"{origin.name}{detail}{mean}", part, origin.mark


def _method() -> str:
    return (
        '<section id="method"><h2>How it is counted</h2>'
        f"<p>{markup.text(words.METHOD)}</p><p>{markup.text(words.SAVED_METHOD)}</p>"
        "<p>Marks: "
        f"{markup.badges(('measured',))} read from a counter, or published for the very hour; "
        f"{markup.badges(('estimated', 'modelled', 'forecast', *AVERAGES, 'prior'))} stands in "
        "for something that was not measured; "
        f"{markup.badges(('fixed', 'set'))} given by the user.</p></section>\n"
    )
