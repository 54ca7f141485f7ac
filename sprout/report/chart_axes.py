"""Where things lie in a chart: axes, grid lines, moments; in px of an SVG. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape

from sprout.report.group import Group
from sprout.report.timeline import interval

WIDTH = 920
LEFT, RIGHT, TOP = 84, 16, 12
PLOT = WIDTH - LEFT - RIGHT
MARKS_X = 6
MAX_BAR = 44.0


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


def svg(name: str, title: str, lines: Sequence[str], height: int, *, pads: bool = True) -> str:
    """Return a chart of these elements; `pads` leaves room for axes."""
    full = height + (TOP + 26 if pads else 0)
    return (
        f'<svg role="img" aria-labelledby="{name}-title" viewBox="0 0 {WIDTH} {full}" '
        f'class="chart" id="{name}-chart"><title id="{name}-title">{escape(title)}</title>'
        f"{''.join(lines)}</svg>"
    )


def grid(height: int, top: float, unit: str) -> Iterator[str]:
    """Yield the lines of five values from 0 to the top, three of them with their number."""
    for part in range(5):
        value = top * part / 4
        at = y(value, top, height)
        kind = "axis" if part == 0 else "grid"
        yield f'<line class="{kind}" x1="{LEFT}" y1="{at:.1f}" x2="{WIDTH - RIGHT}" y2="{at:.1f}"/>'
        if part % 2 == 0:
            named = f" {unit}" if part == 4 else ""  # noqa: PLR2004 - the uppermost says the unit
            yield f'<text class="tick" x="{LEFT - 8}" y="{at + 4:.1f}">{_tick(value)}{named}</text>'


def times(timeline: Sequence[Group], height: int) -> Iterator[str]:
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
    """Yield moments of the period at equal steps from midnight: full hours, or midnights."""
    step = (end - start) / MARKS_X
    hours = (timedelta(hours=h) for h in (1, 2, 3, 6, 12) if step <= timedelta(hours=h))
    size = next(hours, timedelta(days=max(1, round(step / timedelta(days=1)))))
    moment = start.replace(hour=0)
    while moment < end:
        if moment >= start:
            yield moment
        moment += size


def y(value: float, top: float, height: int) -> float:
    """Return how far down a value lies; `top` is the value at the upper edge."""
    return TOP + height - (value / top * height if top else 0.0)


def nice(value: float) -> float:
    """Return a round number that is at least as large."""
    if value <= 0:
        return 1.0
    size = 1.0
    while size > value:
        size /= 10
    while size * 10 <= value:
        size *= 10
    return next(size * f for f in (1, 1.2, 1.6, 2, 2.4, 3.2, 4, 5, 6, 8, 10) if size * f >= value)


def _tick(value: float) -> str:
    is_whole = value >= 10 or value == round(value)  # noqa: PLR2004
    return f"{value:,.0f}" if is_whole else f"{value:.2g}"
