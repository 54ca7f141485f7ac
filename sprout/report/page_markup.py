"""The page's tables and marks, with every text escaped. Pure."""

from collections.abc import Iterable, Sequence
from html import escape

_SURE = {"measured", "judged"}
_PLAIN = {"fixed", "set", "counterfactual"}


def table(
    caption: str,
    headers: Sequence[str],
    rows: Iterable[Sequence[str]],
    lasts: Sequence[str] = (),
    kind: str = "numbers",
) -> str:
    """Return a table of texts.

    Args:
        lasts: further cells, one a row, that are HTML already.
        kind: "words" are flush left and wrapped.
    """
    head = "".join(f'<th scope="col">{text(header)}</th>' for header in headers)
    body = "".join(
        f'<tr><th scope="row">{text(first)}</th>'
        + "".join(f"<td>{text(cell)}</td>" for cell in rest)
        + (f"<td>{lasts[number]}</td>" if lasts else "")
        + "</tr>"
        for number, (first, *rest) in enumerate(rows)
    )
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(caption)}">'
        f'<table class="{kind}">'
        f"<caption class='hidden'>{text(caption)}</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def badges(marks: Iterable[str]) -> str:
    """Return marks, coloured by how sure they are."""
    kinds = (
        (mark, "sure" if mark in _SURE else "plain" if mark in _PLAIN else "unsure")
        for mark in marks
    )
    return " ".join(f'<span class="mark {kind}">{text(mark)}</span>' for mark, kind in kinds)


def text(plain: str) -> str:
    """Return a text that is no markup, whatever it holds."""
    return escape(plain, quote=True).replace("CO2eq", "CO<sub>2</sub>eq").replace(" %", "&nbsp;%")
