"""Which directives of a library are worth being levels for a model. Pure.

Until a judge has compared answers only the tokens are known, so nothing can be said of a front of
tokens against preference. What is proposed is a ladder: L0, the directive that makes the model
write least, and the one in between, among those that save tokens by two standard errors.
"""

import json
import math
from collections.abc import Mapping

from sprout.costs import Cost
from sprout.directives import Directive, DirectiveSet


def propose(library: DirectiveSet, costs: Mapping[str, Cost]) -> list[Directive]:
    """Return L0 and at most two directives, the longer answers first.

    Args:
        costs: by level, measured on the same prompts.
    """
    base = library.directives[0]
    base_cost = costs[base.level]
    shorter = [d for d in library.directives[1:] if _writes_less(costs[d.level], base_cost)]
    if not shorter:
        return [base]
    shortest = min(shorter, key=lambda d: costs[d.level].new_tokens.mean)
    low, high = costs[shortest.level].new_tokens.mean, base_cost.new_tokens.mean
    middle_tokens = math.sqrt(max(low, 1.0) * high)
    middle = min(
        shorter, key=lambda d: abs(math.log(costs[d.level].new_tokens.mean / middle_tokens))
    )
    return [base, *([middle] if middle is not shortest else []), shortest]


def to_toml(chosen: list[Directive], model_name: str) -> str:
    """Return a directive set file with these levels, renamed L0, L1, ..."""
    lines = [
        f"# proposed by `sprout profile --search` for {model_name}, by tokens alone",
        "# A level without `paper_level` has no prior: it is only explored until a judge has",
        '# measured it. Add paper_level = "L1" or "L2" to let the paper\'s preference stand in.',
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


def _quoted(text: str) -> str:
    """Return a TOML string: JSON's but for pairs of surrogates and DEL, which TOML forbids."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _writes_less(cost: Cost, base: Cost) -> bool:
    error = cost.standard_error(cost.new_tokens)
    base_error = base.standard_error(base.new_tokens)
    if error is None or base_error is None or cost.new_tokens.mean < 1:
        return False
    return base.new_tokens.mean - cost.new_tokens.mean > 2 * math.hypot(error, base_error)
