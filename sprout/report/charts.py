"""Charts as inline SVG: no script, no network; hover gives values, a table beside gives all. Pure.

Colours are CSS classes, so that a page decides them for light, dark and print.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape

from sprout.directives import parted
from sprout.report.group import Group
from sprout.report.timeline import interval
from sprout.report.units import count, grams, percent

WIDTH = 920
LEFT, RIGHT, TOP = 64, 16, 12
PLOT = WIDTH - LEFT - RIGHT
MARKS_X = 6
MAX_BAR = 44.0
NUM_COLOURS = 6
PATTERNS = (
    '<pattern id="v0" width="6" height="6" patternUnits="userSpaceOnUse" '
    'patternTransform="rotate(45)"><rect class="thread" width="2.4" height="6"/></pattern>',
    '<pattern id="v1" width="6" height="6" patternUnits="userSpaceOnUse">'
    '<circle class="thread" cx="3" cy="3" r="1.7"/></pattern>',
    '<pattern id="v2" width="6" height="6" patternUnits="userSpaceOnUse">'
    '<rect class="thread" width="6" height="2.4"/></pattern>',
)


@dataclass(frozen=True, slots=True)
class Stretch:
    """One group of the timeline with where it lies, from 0 to 1 of the chart's width."""

    group: Group
    left: float
    width: float

    @property
    def x(self) -> float:
        """Return the left end in px, a gap between neighbours left free."""
        full = self.width * PLOT
        return LEFT + self.left * PLOT + (full - self.bar) / 2

    @property
    def bar(self) -> float:
        """Return how wide to draw it, in px."""
        full = self.width * PLOT
        return min(MAX_BAR, max(0.6, full - min(2.0, full * 0.25)))

    @property
    def label(self) -> str:
        """Return when it was."""
        return self.group.key.replace("T", " ") + (":00 UTC" if "T" in self.group.key else "")


def stretches(timeline: Sequence[Group]) -> list[Stretch]:
    """Return where each group lies, gaps kept."""
    if not timeline:
        return []
    times = [interval(group.key) for group in timeline]
    start, end = times[0][0], times[-1][1]
    whole = end - start
    return [
        Stretch(group, (begin - start) / whole, (finish - begin) / whole)
        for group, (begin, finish) in zip(timeline, times, strict=True)
    ]


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
    found = [s for s in stretches(timeline) if s.group.intensity_g_per_kwh is not None]
    top = _nice(max((s.group.intensity_g_per_kwh or 0.0 for s in found), default=0.0))
    height = 150
    lines = [*_grid(height, top, "g/kWh"), *_times(timeline, height)]
    path, dots, end = "", [], -1.0
    for s in found:
        value = s.group.intensity_g_per_kwh or 0.0
        y = _y(value, top, height)
        follows = abs(s.left - end) < s.width / 2  # otherwise there is a gap, which stays one
        path += f"{'L' if follows else 'M'}{s.x + s.bar / 2:.1f} {y:.1f}"
        end = s.left + s.width
        tip = f"{s.label}: {value:.0f} g/kWh ({', '.join(s.group.marks)})"
        dots.append(_dot(s, y, tip, height))
    lines += [f'<path class="line" d="{path}"/>', *dots]
    return _svg("intensity", "Grid intensity over time, in gCO2eq/kWh", lines, height)


def mix(timeline: Sequence[Group], levels: Sequence[str]) -> str:
    """Return each level's part of the answers over time."""
    height = 170
    lines = [f"<defs>{''.join(PATTERNS)}</defs>", *_grid(height, 100.0, "%")]
    lines += _times(timeline, height)
    look = looks(levels)
    for s in stretches(timeline):
        below = 0
        for level in levels:
            num = s.group.levels.get(level, 0)
            if num:
                bottom = _y(100 * below / s.group.num_answered, 100.0, height)
                top = _y(100 * (below + num) / s.group.num_answered, 100.0, height)
                part = percent(num, s.group.num_answered)
                tip = f"{s.label}: {level} {part} of {count(s.group.num_answered)}"
                lines.append(_bar(s, top, bottom, look[level], tip))
            below += num
    return _svg("mix", "Part of the answers at each level over time, in percent", lines, height)


def carbon(timeline: Sequence[Group]) -> str:
    """Return what was emitted over time, and what all-L0 would have emitted."""
    height = 170
    placed = stretches(timeline)
    tops = [max(s.group.carbon_g, _all_l0_g(s.group) or 0.0) for s in placed]
    highest = max(tops, default=0.0)
    unit, scale = _unit(highest)
    top = _nice(highest / scale)
    lines = [*_grid(height, top, unit), *_times(timeline, height)]
    for s in placed:
        group = s.group
        zero = _y(0.0, top, height)
        between = _y(group.operational_g / scale, top, height)
        upper = _y(group.carbon_g / scale, top, height)
        would_g = _all_l0_g(group)
        if would_g is not None and would_g > group.carbon_g:
            y = _y(would_g / scale, top, height)
            tip = f"{s.label}: {grams(would_g)}CO2eq had all been at L0"
            lines.append(_bar(s, y, upper, "ghost", tip))
        tip = f"{s.label}: {grams(group.operational_g)}CO2eq operational"
        lines.append(_bar(s, between, zero, "operational", tip))
        tip = f"{s.label}: {grams(group.embodied_g)}CO2eq embodied"
        lines.append(_bar(s, upper, between, "embodied", tip))
    return _svg("carbon", f"Carbon over time, in {unit}CO2eq", lines, height)


def saved(groups: Sequence[Group], name: str) -> str:
    """Return what each group saved of all-L0, with its interval, as horizontal bars."""
    known = [g for g in groups if g.saved.percent is not None and g.saved.num_baseline_requests]
    row, left = 30, 150
    height = row * len(known) + 8
    ends = [(g.saved.percent or 0.0) + (g.saved.half_width_percent or 0.0) for g in known]
    lows = [(g.saved.percent or 0.0) - (g.saved.half_width_percent or 0.0) for g in known]
    low, high = min([0.0, *lows]), max([10.0, *ends])
    plot = WIDTH - left - 130

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
        label = f"{share:.0f} %" + ("" if half is None else f" ± {half:.1f}")
        lines.append(
            f'<text class="value" x="{at(max(share + (half or 0.0), 0.0)) + 8:.1f}" '
            f'y="{y + 18}">{label}</text>'
        )
    return _svg(
        f"saved-{name}",
        "Part of all-L0's carbon that was saved, with its 95 % interval",
        lines,
        height,
        pads=False,
    )


def _all_l0_g(group: Group) -> float | None:
    saved_g = group.saved.saved_g
    return None if saved_g is None else group.carbon_g + saved_g


def _svg(name: str, title: str, lines: Sequence[str], height: int, *, pads: bool = True) -> str:
    full = height + (TOP + 26 if pads else 0)
    return (
        f'<svg role="img" aria-labelledby="{name}-title" viewBox="0 0 {WIDTH} {full}" '
        f'class="chart" id="{name}-chart"><title id="{name}-title">{escape(title)}</title>'
        f"{''.join(lines)}</svg>"
    )


def _bar(s: Stretch, top: float, bottom: float, kind: str, tip: str) -> str:
    place = f'x="{s.x:.1f}" y="{top:.1f}" width="{s.bar:.1f}" height="{max(0.0, bottom - top):.1f}"'
    colour, _, pattern = kind.partition(" ")
    over = f'<rect class="over" fill="url(#{pattern})" {place}/>' if pattern else ""
    return f'<rect class="{colour}" {place}><title>{escape(tip)}</title></rect>{over}'


def _dot(s: Stretch, y: float, tip: str, height: int) -> str:
    """Return a mark on the line, with a place to hover as high as the chart."""
    dot = (
        f'<circle cx="{s.x + s.bar / 2:.1f}" cy="{y:.1f}" r="{min(3.0, max(1.2, s.bar / 3)):.1f}"/>'
    )
    place = f'<rect class="place" x="{s.x:.1f}" y="{TOP}" width="{s.bar:.1f}" height="{height}"/>'
    return f'<g class="dot"><title>{escape(tip)}</title>{place}{dot}</g>'


def _grid(height: int, top: float, unit: str) -> Iterator[str]:
    for part in range(5):
        value = top * part / 4
        y = _y(value, top, height)
        kind = "axis" if part == 0 else "grid"
        yield f'<line class="{kind}" x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}"/>'
        if part % 2 == 0:
            named = f" {unit}" if part == 4 else ""  # noqa: PLR2004 - the uppermost says the unit
            yield f'<text class="tick" x="{LEFT - 8}" y="{y + 4:.1f}">{_tick(value)}{named}</text>'


def _times(timeline: Sequence[Group], height: int) -> Iterator[str]:
    """Yield at most MARKS_X + 1 names of moments below the chart."""
    if not timeline:
        return
    start, end = interval(timeline[0].key)[0], interval(timeline[-1].key)[1]
    is_fine = end - start <= timedelta(days=4)
    last_x = float("-inf")
    for moment in _moments(start, end):
        x = LEFT + (moment - start) / (end - start) * PLOT
        if x - last_x < 90 or x > WIDTH - RIGHT - 40:  # noqa: PLR2004 - names would touch
            continue
        last_x = x
        text = f"{moment:%b %-d, %H:%M}" if is_fine else f"{moment:%b %-d, %Y}"
        yield (
            f'<line class="axis" x1="{x:.1f}" y1="{TOP + height}" x2="{x:.1f}" '
            f'y2="{TOP + height + 5}"/><text class="time" x="{x:.1f}" '
            f'y="{TOP + height + 19}">{text}</text>'
        )


def _moments(start: datetime, end: datetime) -> Iterator[datetime]:
    step = (end - start) / MARKS_X
    for size in (timedelta(hours=h) for h in (1, 2, 3, 6, 12)):
        if step <= size:
            first = start.replace(hour=0)
            yield from (first + i * size for i in range(200) if start <= first + i * size < end)
            return
    days = max(1, round(step / timedelta(days=1)))
    first = start.replace(hour=0)
    yield from (
        first + i * timedelta(days=days)
        for i in range(MARKS_X + 2)
        if first + i * timedelta(days=days) < end
    )


def _y(value: float, top: float, height: int) -> float:
    return TOP + height - (value / top * height if top else 0.0)


def _nice(value: float) -> float:
    """Return a round number that is at least as large."""
    if value <= 0:
        return 1.0
    size = 1.0
    while size > value:
        size /= 10
    while size * 10 <= value:
        size *= 10
    return next(size * f for f in (1, 1.2, 1.6, 2, 2.4, 3.2, 4, 5, 6, 8, 10) if size * f >= value)


def _unit(g: float) -> tuple[str, float]:
    for unit, size in (("kg", 1e3), ("g", 1.0), ("mg", 1e-3)):
        if g >= size:
            return unit, size
    return "µg", 1e-6


def _tick(value: float) -> str:
    is_whole = value >= 10 or value == round(value)  # noqa: PLR2004
    return f"{value:,.0f}" if is_whole else f"{value:.2g}"


def _short(text: str) -> str:
    return text if len(text) <= 20 else text[:19] + "…"  # noqa: PLR2004 - there is no more room
