"""An SCI report as Markdown. Pure."""

from collections.abc import Iterable

from sprout.report import foreign
from sprout.report.sci import Part, Sci
from sprout.report.units import grams


def render(sci: Sci) -> str:
    """Return the report for people."""
    lines = [
        f"# SCI report: {foreign.markdown(sci.application)}",
        "",
        f"**{_score(sci.per_request_g)} per request** (R: one answered request), "
        f"{_score(sci.per_token_g)} per generated token.",
        "",
        foreign.markdown(sci.summary),
        "",
        *_table(
            ("Field", "Value"),
            (
                ("Application", sci.application),
                ("Version", sci.version),
                ("Description", sci.description),
                ("URL", sci.url),
                ("Organisation", sci.organisation),
                ("Accountable", sci.accountable),
                ("Contact", sci.contact),
                ("Measured on", sci.measured_on),
                ("Timespan", sci.timespan),
                ("Evidence", sci.evidence),
            ),
        ),
        "## Boundary",
        "",
        sci.boundary,
        "",
        "## Functional unit",
        "",
        sci.rationale,
        "",
        "## Parts of the score",
        "",
        *_table(
            ("Part", "Term", "Kind", "gCO2eq", "g per request", "g per token", "Method"),
            (
                *((p.name, p.term, p.kind, *_scores(p), p.method) for p in sci.parts),
                ("**sum**", "C", "", *_scores(sci), ""),
            ),
        ),
        "## Coefficients",
        "",
        *_table(
            ("Name", "Description", "Value", "Unit", "Source"),
            ((c.name, c.description, _exact(c.value), c.unit, c.source) for c in sci.coefficients),
        ),
        "## Methods",
        "",
        *_table(("Component", "Method"), sci.methods),
    ]
    if sci.notes:
        lines += ["## Notes", "", *(f"- {foreign.markdown(note)}" for note in sci.notes), ""]
    return "\n".join(lines)


def _table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    lines = [header, ("---",) * len(header), *rows]
    return [*(f"| {' | '.join(map(foreign.markdown, line))} |" for line in lines), ""]


def _scores(scored: Part | Sci) -> tuple[str, str, str]:
    return _exact(scored.carbon_g), _exact(scored.per_request_g), _exact(scored.per_token_g)


def _score(g: float | None) -> str:
    return "no score" if g is None else f"{grams(g)}CO2eq"


def _exact(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"
