"""Which directives of a library are worth being levels for a model. Pure.

Only directives that save tokens by two standard errors are proposed. Once a judge has compared the
library's answers (`sprout evaluate --directives library`), these are the ones on the front of
tokens against preference: the upper hull, since a mix of two others beats whatever lies below it.
Until then only the tokens are known, and what is proposed is a ladder: L0, the directive that makes
the model write least, and the one in between.
"""

import json
import math
from collections.abc import Mapping

from sprout.costs import Cost
from sprout.directives import Directive, DirectiveSet
from sprout.quality.preference import Shares


def propose(
    library: DirectiveSet, costs: Mapping[str, Cost], shares: Shares | None = None
) -> list[Directive]:
    """Return L0 and the directives that are worth being levels, the longer answers first.

    Args:
        costs: by level, measured on the same prompts.
        shares: the preference for every directive of the library; None: nobody judged them.
    """
    base = library.directives[0]
    base_cost = costs[base.level]
    shorter = [d for d in library.directives[1:] if _writes_less(costs[d.level], base_cost)]
    if not shorter:
        return [base]
    if shares is not None:
        return [base, *_front(base, shorter, costs, shares)]
    shortest = min(shorter, key=lambda d: costs[d.level].new_tokens.mean)
    low, high = costs[shortest.level].new_tokens.mean, base_cost.new_tokens.mean
    middle_tokens = math.sqrt(max(low, 1.0) * high)
    middle = min(
        shorter, key=lambda d: abs(math.log(costs[d.level].new_tokens.mean / middle_tokens))
    )
    return [base, *([middle] if middle is not shortest else []), shortest]


def _front(
    base: Directive, shorter: list[Directive], costs: Mapping[str, Cost], shares: Shares
) -> list[Directive]:
    """Return the directives on the upper hull of (tokens, preference), the longer answers first."""
    points = [
        (costs[each.level].new_tokens.mean, preference, each)
        for each in (base, *shorter)
        if (preference := shares.of(each.level)) is not None
    ]
    hull: list[tuple[float, float, Directive]] = []
    for point in sorted(points, key=lambda each: (each[0], -each[1])):
        if hull and point[1] <= hull[-1][1]:
            continue  # more tokens for no more preference
        while len(hull) > 1 and not _bends_down(hull[-2], hull[-1], point):
            hull.pop()
        hull.append(point)
    return [directive for _, _, directive in reversed(hull) if directive is not base]


def _bends_down(
    first: tuple[float, float, Directive],
    middle: tuple[float, float, Directive],
    last: tuple[float, float, Directive],
) -> bool:
    """Return whether `middle` is preferred to a mix of the other two that writes as much."""
    (x0, y0, _), (x1, y1, _), (x2, y2, _) = first, middle, last
    return (y1 - y0) * (x2 - x0) > (y2 - y0) * (x1 - x0)


def to_toml(chosen: list[Directive], model_name: str, known_by: str = "tokens alone") -> str:
    """Return a directive set file with these levels, renamed L0, L1, ..."""
    lines = [
        f"# proposed by `sprout profile --search` for {_printable(model_name)}, "
        f"by {_printable(known_by)}",
        "# A level without `paper_level` has no prior: it is only explored until a judge has",
        '# compared the levels of this set (`sprout evaluate`). Add paper_level = "L1" or "L2" to',
        "# let the paper's preference stand in.",
        "[proposed]",
        f"about = {_quoted(f'short answers for {model_name}')}",
    ]
    for number, directive in enumerate(chosen):
        lines += ["", "[[proposed.directives]]", f'level = "L{number}"']
        lines.append(f"text = {_quoted(directive.text)}")
        if directive.text:
            lines.append(f'placement = "{directive.placement}"')
        if directive.max_tokens is not None:
            lines.append(f"max_tokens = {directive.max_tokens}")
        if number == 0:
            lines.append('paper_level = "L0"')
    return "\n".join(lines) + "\n"


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)


def _quoted(text: str) -> str:
    """Return a TOML string: JSON's but for surrogates and DEL, which TOML forbids."""
    unicode = text.encode(errors="replace").decode()  # a file's name may be any bytes
    return json.dumps(unicode, ensure_ascii=False).replace("\x7f", "\\u007f")


def _writes_less(cost: Cost, base: Cost) -> bool:
    error = cost.standard_error(cost.new_tokens)
    base_error = base.standard_error(base.new_tokens)
    if error is None or base_error is None or cost.new_tokens.mean < 1:
        return False
    return base.new_tokens.mean - cost.new_tokens.mean > 2 * math.hypot(error, base_error)
