"""Charts as inline SVG: no script, no network; hover gives values, a table beside gives all. Pure.

Colours are CSS classes, so that a page decides them for light, dark and print.
"""

from collections.abc import Sequence
from html import escape

from sprout.directives import parted
from sprout.report import chart_axes as axes
from sprout.report.group import Group
from sprout.report.units import count, grams, percent, points

NUM_COLOURS = 6
PATTERNS = (
    '<pattern id="v0" width="6" height="6" patternUnits="userSpaceOnUse" '
    'patternTransform="rotate(45)"><rect class="thread" width="2.4" height="6"/></pattern>',
    '<pattern id="v1" width="6" height="6" patternUnits="userSpaceOnUse">'
    '<circle class="thread" cx="3" cy="3" r="1.7"/></pattern>',
    '<pattern id="v2" width="6" height="6" patternUnits="userSpaceOnUse">'
    '<rect class="thread" width="6" height="2.4"/></pattern>',
)


def looks(levels: Sequence[str]) -> dict[str, str]:
    """Return the CSS classes of each level: its colour is the directive's, its pattern the file's.

    Levels of the model itself have no pattern. Six colours and three patterns, then they repeat.
    """
    variants = list(dict.fromkeys(parted(level)[0] for level in levels if parted(level)[0]))
    directives = list(dict.fromkeys(parted(level)[1] for level in levels))

    def look(variant: str, directive: str) -> str:
        colour = f"l{directives.index(directive) % NUM_COLOURS}"
        return f"{colour} v{variants.index(variant) % len(PATTERNS)}" if variant else colour

    return {level: look(*parted(level)) for level in levels}


def intensity(timeline: Sequence[Group]) -> str:
    """Return the grid's intensity over time."""
    found = [s for s in axes.stretches(timeline) if s.group.intensity_g_per_kwh is not None]
    top = axes.nice(max((s.group.intensity_g_per_kwh or 0.0 for s in found), default=0.0))
    height = 150
    lines = [*axes.grid(height, top, "g/kWh"), *axes.times(timeline, height)]
    path, dots, end = "", [], -1.0
    for s in found:
        value = s.group.intensity_g_per_kwh or 0.0
        y = axes.y(value, top, height)
        follows = abs(s.left - end) < s.width / 2  # otherwise there is a gap, which stays one
        path += f"{'L' if follows else 'M'}{s.x + s.bar / 2:.1f} {y:.1f}"
        end = s.left + s.width
        tip = f"{s.label}: {value:.0f} g/kWh ({', '.join(s.group.marks)})"
        dots.append(_dot(s, y, tip, height))
    lines += [f'<path class="line" d="{path}"/>', *dots]
    return axes.svg("intensity", "Grid intensity over time, in gCO2eq/kWh", lines, height)


def mix(timeline: Sequence[Group], levels: Sequence[str]) -> str:
    """Return each level's part of the answers over time."""
    height = 170
    lines = [f"<defs>{''.join(PATTERNS)}</defs>", *axes.grid(height, 100.0, "%")]
    lines += axes.times(timeline, height)
    look = looks(levels)
    for s in axes.stretches(timeline):
        below = 0
        for level in levels:
            num = s.group.levels.get(level, 0)
            if num:
                bottom = axes.y(100 * below / s.group.num_answered, 100.0, height)
                top = axes.y(100 * (below + num) / s.group.num_answered, 100.0, height)
                part = percent(num, s.group.num_answered)
                tip = f"{s.label}: {level} {part} of {count(s.group.num_answered)}"
                lines.append(_bar(s, top, bottom, look[level], tip))
            below += num
    return axes.svg("mix", "Part of the answers at each level over time, in percent", lines, height)


def carbon(timeline: Sequence[Group]) -> str:
    """Return what was emitted over time, and what all-L0 would have emitted."""
    height = 170
    placed = axes.stretches(timeline)
    tops = [max(s.group.carbon_g, _all_l0_g(s.group) or 0.0) for s in placed]
    highest = max(tops, default=0.0)
    unit, scale = _unit(highest)
    top = axes.nice(highest / scale)
    lines = [*axes.grid(height, top, unit), *axes.times(timeline, height)]
    for s in placed:
        group = s.group
        zero = axes.y(0.0, top, height)
        between = axes.y(group.operational_g / scale, top, height)
        upper = axes.y(group.carbon_g / scale, top, height)
        would_g = _all_l0_g(group)
        if would_g is not None and would_g > group.carbon_g:
            y = axes.y(would_g / scale, top, height)
            tip = f"{s.label}: {grams(would_g)}CO2eq had all been at L0"
            lines.append(_bar(s, y, upper, "ghost", tip))
        tip = f"{s.label}: {grams(group.operational_g)}CO2eq operational"
        lines.append(_bar(s, between, zero, "operational", tip))
        tip = f"{s.label}: {grams(group.embodied_g)}CO2eq embodied"
        lines.append(_bar(s, upper, between, "embodied", tip))
    return axes.svg("carbon", f"Carbon over time, in {unit}CO2eq", lines, height)


def saved(groups: Sequence[Group], name: str) -> str:
    """Return what each group saved of all-L0, with its interval, as horizontal bars."""
    known = [g for g in groups if g.saved.percent is not None and g.saved.num_baseline_requests]
    row, left = 30, 164
    height = row * len(known) + 8
    ends = [(g.saved.percent or 0.0) + (g.saved.half_width_percent or 0.0) for g in known]
    lows = [(g.saved.percent or 0.0) - (g.saved.half_width_percent or 0.0) for g in known]
    low, high = min([0.0, *lows]), max([10.0, *ends])
    plot = axes.WIDTH - left - 130

    def at(value: float) -> float:
        return left + (value - low) / (high - low) * plot

    lines = [f'<line class="axis" x1="{at(0):.1f}" y1="4" x2="{at(0):.1f}" y2="{height - 4}"/>']
    for number, group in enumerate(known):
        share, half = group.saved.percent or 0.0, group.saved.half_width_percent
        y = 4 + row * number
        x, end = sorted((at(0), at(share)))
        key = group.key or "(none)"
        spread = "interval unknown" if half is None else f"± {half:.1f}"
        tip = f"{key}: {share:.1f} % saved ({spread}), {grams(group.saved.saved_g or 0.0)}CO2eq"
        lines.append(
            f'<text class="name" x="{left - 10}" y="{y + 18}">{escape(_short(key))}</text>'
            f'<rect class="saved" x="{x:.1f}" y="{y + 5}" width="{max(1.0, end - x):.1f}" '
            f'height="18" rx="3">'
            f"<title>{escape(tip)}</title></rect>"
        )
        if half is not None:
            a, b = at(share - half), at(share + half)
            lines.append(
                f'<path class="whisker" d="M{a:.1f} {y + 14}H{b:.1f}M{a:.1f} {y + 9}v10'
                f'M{b:.1f} {y + 9}v10"/>'
            )
        label = f"{points(share)} %" if half is None else f"{points(share)} ± {points(half)} %"
        lines.append(
            f'<text class="value" x="{at(max(share + (half or 0.0), 0.0)) + 8:.1f}" '
            f'y="{y + 18}">{label}</text>'
        )
    return axes.svg(
        f"saved-{name}",
        "Part of all-L0's carbon that was saved, with the 95 % interval of L0's mean",
        lines,
        height,
        pads=False,
    )


def _all_l0_g(group: Group) -> float | None:
    saved_g = group.saved.saved_g
    return None if saved_g is None else group.carbon_g + saved_g


def _bar(s: axes.Stretch, top: float, bottom: float, kind: str, tip: str) -> str:
    place = f'x="{s.x:.1f}" y="{top:.1f}" width="{s.bar:.1f}" height="{max(0.0, bottom - top):.1f}"'
    colour, _, pattern = kind.partition(" ")
    over = f'<rect class="over" fill="url(#{pattern})" {place}/>' if pattern else ""
    return f'<rect class="{colour}" {place}><title>{escape(tip)}</title></rect>{over}'


def _dot(s: axes.Stretch, y: float, tip: str, height: int) -> str:
    """Return a mark on the line, with a place to hover as high as the chart."""
    dot = (
        f'<circle cx="{s.x + s.bar / 2:.1f}" cy="{y:.1f}" r="{min(3.0, max(1.2, s.bar / 3)):.1f}"/>'
    )
    place = (
        f'<rect class="place" x="{s.x:.1f}" y="{axes.TOP}" width="{s.bar:.1f}" height="{height}"/>'
    )
    return f'<g class="dot"><title>{escape(tip)}</title>{place}{dot}</g>'


def _unit(g: float) -> tuple[str, float]:
    for unit, size in (("kg", 1e3), ("g", 1.0), ("mg", 1e-3)):
        if g >= size:
            return unit, size
    return "µg", 1e-6


def _short(text: str) -> str:
    return text if len(text) <= 20 else text[:19] + "…"  # noqa: PLR2004 - there is no more room
