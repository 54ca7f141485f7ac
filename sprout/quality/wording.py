"""The label that a judge's words name. Pure.

A wrong verdict is worse than none, so prose is not interpreted: a judge keeps to a form, and
whatever else it says is unparsed. The question to an endpoint asks for the first form; the others
are what models write in its place. B stands for any label, and for "Answer B" and "Output (b)".

    [[B]]                 a line or a sentence of its own, wherever it stands
    Verdict: B            the last line or sentence; so "**Best answer:** B", "My choice is: B"
    {"best": "B"}         all that it says, or in a code fence behind other words
    B, (b), **B**, "B"    all that it says

What is thought before </think> does not count. Forms that name different labels name none, nor does
a label that was not shown. Digits are no labels: a number may answer the task, or be a score.
"""

import json
import re

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def choice_in(raw: str, num_slots: int) -> int | None:
    """Return the slot that a judge's words name; None when they name none or several."""
    text = _spoken(raw).strip()
    named = _named(text)
    if named:
        named |= {each["label"] for each in _MARKED.finditer(text)}
    labels = {each.upper() for each in named}
    slot = LETTERS.find(labels.pop()) if len(labels) == 1 else -1
    return slot if 0 <= slot < num_slots else None


_NOUN = r"(?:answer|output|option|response|choice|label|candidate)(?![a-z])"
_WORD = (
    rf"(?:{_NOUN}|my|the|final|overall|best|better|preferred|winning|winner|verdict|decision|"
    r"preference|selection|is)"
)
_OPEN, _CLOSE = r"[\s*_`\"'#>(\[]*+", r"[\s*_`\"'.)\]]*+"
_LABEL = rf"(?:{_NOUN}{_OPEN})?+(?P<label>[A-Z])"
_FLAGS = re.IGNORECASE | re.ASCII  # of all letters, the sign of kelvin would be a K
_VERDICT = re.compile(
    rf"{_OPEN}(?P<head>(?:{_WORD}[\s*_]*+){{1,5}}:{_OPEN})?{_LABEL}{_CLOSE}", _FLAGS
)
_MARKED = re.compile(rf"\[\[\s*+{_LABEL}\s*+\]\]", _FLAGS)
_STATEMENT_END = re.compile(r"\n|(?<=[.!?])[*_\"')]*+\s+")
_FENCED = re.compile(r"[^`]*```\w*+\s*+(\{.*\})\s*```", re.DOTALL)
_KEYS = frozenset({"best", "choice", "answer", "winner", "label", "output", "verdict", "preferred"})
_NO_LABEL = "?"


def _spoken(raw: str) -> str:
    """Return what a judge said once it had thought; empty when it never came to that."""
    spoken = raw.rpartition("</think>")[2]
    return "" if "<think>" in spoken else spoken


def _named(text: str) -> set[str]:
    """Return the labels that a text names in one of the forms."""
    fenced = _FENCED.fullmatch(text)
    try:
        value = json.loads(fenced[1] if fenced else text, object_pairs_hook=tuple)
    except (ValueError, RecursionError):
        value = None
    if isinstance(value, tuple):  # an object: each of its pairs, also those of the same key
        return {_label(each) for key, each in value if key.lower() in _KEYS}
    return {_label(text)} if _VERDICT.fullmatch(text) else _stated(text)


def _label(value: object) -> str:
    """Return the label that is all of a value, or what is none."""
    found = _VERDICT.fullmatch(value) if isinstance(value, str) else None
    return found["label"] if found else _NO_LABEL


def _stated(text: str) -> set[str]:
    """Return the labels that lines or sentences name, if one of these is a verdict."""
    found = [_VERDICT.fullmatch(each) for each in _STATEMENT_END.split(text)]
    last = found[-1]
    is_told = any(each and _MARKED.search(each[0]) for each in found)
    if not is_told and not (last and last["head"]):
        return set()
    return {
        each["label"]
        for each in found
        if each and (each is last or each["head"] or _MARKED.search(each[0]))
    }
