"""The HTML report: one page that needs nothing else, with no text of a prompt. Pure.

There is no script, and its policy forbids every request; each chart has a table beside it, for
keyboards and readers.
"""

from collections.abc import Iterable, Iterator, Sequence
from html import escape

from sprout import __version__
from sprout.clock import to_text
from sprout.grid.reading import AVERAGES
from sprout.report import charts, notes, words
from sprout.report.facts import By, Report
from sprout.report.group import Group
from sprout.report.origins import Origin
from sprout.report.page_style import STYLE
from sprout.report.units import count, grams, percent, shares, watt_hours

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"

_SURE = {"measured", "judged"}
_PLAIN = {"fixed", "set", "counterfactual"}
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
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="color-scheme" content="light dark">\n<link rel="icon" href="data:,">\n'
        f"<title>Sprout report: {_text(words.period(report))}</title>\n<style>{STYLE}</style>\n"
        f"</head>\n<body>\n{''.join(_body(report))}</body>\n</html>\n"
    )


def _body(report: Report) -> Iterator[str]:
    links = [("overview", "Overview"), ("sources", "Sources"), ("method", "Method")]
    if not report.is_empty:
        links.insert(1, ("groups", "Groups"))
    if len(report.timeline) > 1:
        links.insert(1, ("time", "Over time"))
    items = "".join(f'<li><a href="#{name}">{text}</a></li>' for name, text in links)
    yield (
        '<a class="skip" href="#overview">Skip to the overview</a>\n'
        f'<header><p class="eyebrow">Sprout report</p><h1>{_text(words.period(report))}</h1>'
        f'<p class="quiet">Made {_text(to_text(report.made_at)[:16].replace("T", " "))} UTC by '
        f"sprout {_text(__version__)}{_since(report)}. All times are UTC.</p>"
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
    return f", of what finished since {report.since:%Y-%m-%d %H:%M}" if report.since else ""


def _overview(report: Report) -> str:
    tiles = "".join(_tile(*each) for each in _tiles(report))
    rows = "".join(
        f"<tr><th scope='row'>{_text(fact.name)}</th>"
        f"<td>{_text(fact.text)}{_badges(fact.marks)}</td></tr>"
        for fact in words.facts(report)
    )
    details = (
        "<section class='long'><h2>In words</h2><table class='words'>"
        f"<tbody>{rows}</tbody></table></section>\n"
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
        yield "Saved", "unknown", words.saved(total), ()
    else:
        half = saved.half_width_percent
        spread = "" if half is None else f" ± {words.points(half)}"
        text = (
            f"{grams(saved.saved_g or 0.0)}CO2eq against all-L0, the same prompts at the same hours"
        )
        yield "Saved", f"{words.points(saved.percent)}{spread} %", text, ("counterfactual",)
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
        f'<div class="tile"><dt>{_text(name)}</dt><dd><div class="big">{big}</div>'
        f'<div class="more">{_text(more)}</div>{_badges(marks)}</dd></div>'
    )


def _notes(report: Report) -> str:
    told = notes.of(report)
    if not told:
        return ""
    items = "".join(f"<li>{_text(note)}</li>" for note in told)
    return f'<section class="notes"><h2>To be known</h2><ul>{items}</ul></section>\n'


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
    items = "".join(f'<li><i class="{kind}"></i>{_text(name)}</li>' for kind, name in legend)
    shown = f'<ul class="legend">{items}</ul>' if items else ""
    return f"<figure><figcaption>{_text(caption)}</figcaption>{shown}{svg}</figure>"


def _time_table(report: Report) -> str:
    headers = (report.step, "g/kWh", "intensity", "answers", "levels", "energy", "CO2eq", "all-L0")
    rows = (
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
    return _table(f"Over time, by {report.step}, UTC", headers, rows)


def _groups(report: Report) -> str:
    levels = list(report.total.levels)
    parts = ['<section id="groups" class="long"><h2>Groups</h2>']
    for by in ("level", "task", "model", "zone"):
        groups = report.groups.get(by, ())
        most = sorted(groups, key=lambda group: -group.num_answered)[:MAX_GROUP_ROWS]
        shown = [group for group in groups if group in most]
        parts.append(f"<h3>{_TITLES[by]}</h3>")
        is_known = any(g.saved.num_baseline_requests for g in shown)
        if by in {"level", "task"} and is_known and len(shown) <= MAX_BARS:
            caption = "Saved, % of what all-L0 would have emitted, with its 95 % interval"
            parts.append(_figure(caption, [], charts.saved(shown, by)))
        parts.append(_group_table(by, shown, len(groups) - len(shown), levels))
    days = report.groups.get("day", ())
    table = _group_table("day", days, 0, levels)
    parts.append(f"<details><summary>By day</summary>{table}</details>")
    return "".join(parts) + "</section>\n"


def _group_table(by: By, groups: Sequence[Group], num_left_out: int, levels: Sequence[str]) -> str:
    headers = (by, "answers", "tokens", "energy", "CO2eq", "per answer", "saved", "levels")
    rows = (
        (
            group.key or "(none)",
            count(group.num_answered)
            + (f" + {count(group.num_failed)} failed" if group.num_failed else ""),
            count(group.num_new_tokens),
            watt_hours(group.energy_j) + _estimated(group),
            grams(group.carbon_g),
            "none"
            if group.per_answer(1) is None
            else grams(group.per_answer(group.carbon_g) or 0.0),
            words.saved_briefly(group.saved),
        )
        for group in groups
    )
    mixes = [_mini(group, levels) for group in groups]
    more = f"; {count(num_left_out)} smaller ones are in --format csv" if num_left_out else ""
    return _table(f"{_TITLES[by]}{more}", headers, rows, mixes)


def _mini(group: Group, levels: Sequence[str]) -> str:
    """Return a group's mix as a small bar, with the shares as its name."""
    parts = "".join(
        f'<i class="{look}" style="flex-grow:{group.levels[level]}"></i>'
        for level, look in charts.looks(levels).items()
        if group.levels.get(level)
    )
    told = escape(shares(group.levels) or "nothing answered")
    return f'<div class="mini" role="img" aria-label="{told}" title="{told}">{parts}</div>'


def _estimated(group: Group) -> str:
    if not group.is_energy_estimated:
        return ""
    if group.estimated_j < group.energy_j:
        return f" ({percent(group.estimated_j, group.energy_j)} est.)"
    return " est."


def _sources(report: Report) -> str:
    rows: list[tuple[str, ...]] = []
    for name, origins, total in (
        ("energy", report.energy, report.total.energy_j),
        ("intensity", report.intensity, float(report.total.num_answered)),
        ("PUE", report.pue, float(report.total.num_answered)),
        ("embodied carbon", report.embodied, report.total.embodied_g),
    ):
        rows += [_origin(name, each, total) for each in origins]
    for each in words.overall(report):
        mark = "prior" if each.is_prior else "judged"
        rows.append(("preference", each.source, mark, f"{count(each.num_answered)} answers"))
    head = "".join(
        f'<th scope="col">{_text(h)}</th>' for h in ("number", "from", "kind", "stands behind")
    )
    body = "".join(
        f'<tr><th scope="row">{_text(name)}</th><td>{_text(source)}</td><td>{_badges((mark,))}</td>'
        f"<td>{_text(weight)}</td></tr>"
        for name, source, mark, weight in rows
    )
    table = (
        f'<div class="scroll" tabindex="0" role="region" aria-label="Where each number comes from">'
        f'<table class="words"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )
    shown = table if rows else "<p>There is no number to trace yet.</p>"
    return f'<section id="sources"><h2>Where each number comes from</h2>{shown}</section>\n'


def _origin(name: str, origin: Origin, total: float) -> tuple[str, ...]:
    detail = f" ({origin.detail})" if origin.detail else ""
    match name:
        case "energy":
            part = f"{watt_hours(origin.energy_j)}, {percent(origin.energy_j, total)}"
        case "embodied carbon":
            part = f"{grams(origin.carbon_g)}, {percent(origin.carbon_g, total)}"
        case _:
            part = f"{count(origin.num_answered)} answers, {percent(origin.num_answered, total)}"
    mean = f": {origin.mean:.0f} g/kWh on average" if name == "intensity" else ""
    return name, f"{origin.name}{detail}{mean}", origin.mark, part


def _method() -> str:
    return (
        '<section id="method"><h2>How it is counted</h2>'
        f"<p>{_text(words.METHOD)}</p><p>{_text(words.SAVED_METHOD)}</p>"
        "<p>Marks: "
        f"{_badges(('measured',))} read from a counter, or published for the very hour; "
        f"{_badges(('estimated', 'modelled', 'forecast', *AVERAGES, 'prior'))} stands in "
        "for something that was not measured; "
        f"{_badges(('fixed', 'set'))} given by the user.</p></section>\n"
    )


def _table(
    caption: str,
    headers: Sequence[str],
    rows: Iterable[Sequence[str]],
    lasts: Sequence[str] = (),
) -> str:
    """Return a table of texts; `lasts` are further cells, one a row, that are HTML already."""
    head = "".join(f'<th scope="col">{_text(header)}</th>' for header in headers)
    body = "".join(
        f'<tr><th scope="row">{_text(first)}</th>'
        + "".join(f"<td>{_text(cell)}</td>" for cell in rest)
        + (f"<td>{lasts[number]}</td>" if lasts else "")
        + "</tr>"
        for number, (first, *rest) in enumerate(rows)
    )
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(caption)}"><table>'
        f"<caption class='hidden'>{_text(caption)}</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _badges(marks: Iterable[str]) -> str:
    kinds = (
        (mark, "sure" if mark in _SURE else "plain" if mark in _PLAIN else "unsure")
        for mark in marks
    )
    return " ".join(f'<span class="mark {kind}">{_text(mark)}</span>' for mark, kind in kinds)


def _text(text: str) -> str:
    return escape(text, quote=True).replace("CO2eq", "CO<sub>2</sub>eq").replace(" %", "&nbsp;%")
