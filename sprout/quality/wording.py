"""What the words of a judge mean: the label that they name, and whether they refuse. Pure.

A wrong verdict is worse than none, so that prose is read by what it says outright, and else not at
all. Four ways of saying it, the surest first; a lower one is heard where those above say nothing:

    chosen    "The best answer is B", "I prefer B to A", "B is the best", "B wins"
    compared  "B is better than A", "A is worse than B", "B > A"; what a "but" follows says nothing
    right     "Answer B is correct", "The answer is B"
    leading   "B, because it is complete", "Between A and B, B."

Questions say nothing. What is denied ("B is not the best", "I don't think that B is better") takes
B from what is named elsewhere. Several labels name none.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def choice_in(raw: str, num_slots: int) -> int | None:
    """Return the slot that a judge's words name; None when they name none or several.

    Understood: a letter or a number from 1, bare or as "Output (2)", "Answer: B", "**B**"; the
    same in a JSON value, in or out of a code fence; a sentence that says which is best. A letter
    or number beyond the slots names none: a wrong label is no choice, and never a tie.
    """
    text = _unfenced(raw.strip())
    try:
        named = _json_choice(json.loads(text))
    except (ValueError, RecursionError):
        named = _text_choices(text)
    if len(named) != 1:
        return None
    slot = _slot(named.pop())
    return slot if slot is not None and slot < num_slots else None


def is_refusal(raw: str) -> bool:
    """Return whether a judge said that it will not judge."""
    return bool(_REFUSAL.search(raw[:200]))


@dataclass(frozen=True, slots=True)
class _Claim:
    """What a text says of labels.

    Args:
        labels: that are better than the others, or than those in `beaten` where it names any.
        is_denied: whether it says that they are not.
        is_qualified: whether a "but" comes behind it.
    """

    labels: frozenset[str]
    beaten: frozenset[str]
    is_denied: bool
    is_qualified: bool


_NOUN = r"(?:outputs?|answers?|options?|responses?|choices?|labels?|candidates?)"
_OPEN, _CLOSE = r"[*_`\"'(\[]{0,4}", r"[*_`\"')\]]{0,4}"
# "a" is a word far more often than a label: in prose only capitals count
_LETTER = r"(?<!\w)(?<!\w['.])(?-i:[A-Z]|[0-9]{1,2})(?!\w|'\w|\.\d|%)"
_NAME = rf"(?:{_NOUN}\s*)?{_OPEN}(?:{_NOUN}\s+)?{_LETTER}{_CLOSE}"
_AND = r"\s*(?:/|&|,?\s*\b(?:and|or|nor)\b)\s*(?:the\s+)?"
_SUBJECT = rf"(?P<who>{_NAME}(?:{_AND}{_NAME}){{0,8}}+)"
# "I prefer A, B is too long": the second one begins another clause
_OBJECT = (
    rf"(?P<who>{_NAME}(?:(?:{_AND}|\s*,\s*){_NAME}(?!\s+(?:is|was|has|does|lacks)\b)){{0,8}}+)"
)
# what may follow a label for it to be one, and not an article or the number of something
_ENDS = (
    r"(?=\s*(?:[.,;:!?(\[\u2014\u2013]|-\s|$)|\s+(?:because|since|as|for|over|due|by|and|or|in|with|but|to|"
    r"rather|than|instead|overall|here|though|although|while|whereas|given|wins)\b)"
)
_COPULA = r"(?:\s+(?:is|are|was|were|seems|seem|appears|looks|would\s+be|must\s+be)(?:n't)?\b|'s)"
_DEGREE = (
    r"(?P<degree>(?:\s+(?:the|a|an|my|our|very|clearly|much|far|slightly|bit|significantly|by|"
    r"definitely|also|still|not|never|hardly|no|means|overall|thus|therefore|really|obviously|"
    r"simply|just|probably|likely|marginally|somewhat|generally|always|to\s+be|considerably|easily|"
    r"little|lot|even|clear|only|undoubtedly|arguably|certainly|indeed|single|of)\b){0,5})"
)
_VIRTUE = (
    r"(?:accurate|complete|helpful|correct|concise|precise|thorough|useful|informative|relevant|"
    r"direct|appropriate|faithful|convincing)"
)
_SETTLES = (
    rf"(?=\s*(?:[.,;:!?)(\u2014\u2013]|-\s|$)|\s+(?:because|since|as|for|of|due|by|in\s+my|overall|here|and|"
    rf"one|among|given|{_NOUN})\b)"
)
# "not", and what makes a sentence a condition or speaks of the second best
_DENIAL = r"(?:not|never|neither|nor|no|none|nothing|hardly|cannot|isn't|aren't|wasn't|don't|n't)"
_DENIED = re.compile(
    rf"(?:\b(?:{_DENIAL}|if|whether|unless|were|second|next|third|than|doubt|without|least|once)"
    r"|n't)(?:[\s-]+[\w']+){0,2}[\s-]*$",
    re.IGNORECASE,
)
_DENIES = re.compile(rf"\b{_DENIAL}\b|n't", re.IGNORECASE)
_BUT = re.compile(
    r"\b(?:but|however|although|though|yet|except|unless|whereas|while|nevertheless|nonetheless|if)"
    r"\b(?!\s+(?:both|only|not\s+by))",
    re.IGNORECASE,
)


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.IGNORECASE)


_CHOSEN = (
    # "the best answer is B", "I'd go with B": a noun needs its "is" or ":"
    _pattern(
        r"\b(?P<word>(?:prefer|choose|chose|pick|select|favou?r|go(?:ing)?\s+with|vote\s+for|opt\s+for|best)"
        r"|(?:better|winner|choice|verdict|decision|preference|selection|winning|preferred))\b"
        rf"(?P<degree>(?:(?:\s|[*_`\"':=>])+(?:{_NOUN}|the|my|is|isn't|not|was|be|would|one|here|"
        r"clearly|overall|definitely|therefore|thus|still|by\s+far|of\s+all|of\s+them|among\s+them|"
        r"for\s+me|goes\s+to|of\s+the\s+(?:two|three|four|\d)|final|verdict|label|to\s+be|must|"
        rf"has)\b){{0,6}})(?P<colon>(?:\s|[*_`\"':=>])*){_OBJECT}{_ENDS}"
    ),
    # "B is the best", "B is my choice", "B wins"
    _pattern(
        rf"{_SUBJECT}{_COPULA}{_DEGREE}\s+{_OPEN}(?:best|winner|preferred|preferable|favou?rite|"
        rf"choice|top|pick){_CLOSE}{_SETTLES}"
    ),
    _pattern(rf"{_SUBJECT}{_DEGREE}\s+(?:wins|win)\b"),
)
_COMPARED = (
    _pattern(
        rf"{_SUBJECT}{_COPULA}{_DEGREE}\s+{_OPEN}(?:better|superior|stronger|preferable|preferred|"
        rf"more\s+{_VIRTUE}){_CLOSE}(?:\s+(?:{_NOUN}|one|overall))?"
        rf"(?:\s+(?:than|to|over|compared\s+(?:to|with))\b(?:\s+the)?\s+(?P<other>{_NAME})?|{_SETTLES})"
    ),
    _pattern(
        rf"{_SUBJECT}{_DEGREE}\s+(?:beats?|outperforms?|surpass(?:es)?|outdoes|defeats?|edges\s+out)"
        rf"\s+(?P<other>{_NAME})"
    ),
    _pattern(rf"(?P<who>{_NAME})\s*>{{1,2}}\s*(?P<other>{_NAME})"),
    _pattern(
        rf"(?P<other>{_NAME}){_COPULA}{_DEGREE}\s+{_OPEN}(?:worse|inferior|weaker|less\s+{_VIRTUE})"
        rf"{_CLOSE}(?:\s+(?:{_NOUN}|one))?\s+(?:than|to)\s+(?P<who>{_NAME})"
    ),
)
_RIGHT = (
    _pattern(rf"{_SUBJECT}{_COPULA}{_DEGREE}\s+{_OPEN}(?:correct|right)\b{_CLOSE}(?:\s+{_NOUN})?"),
    _pattern(
        # "the answer is 4" speaks of the task
        r"\banswer(?P<degree>\s+(?:is|would\s+be|isn't)(?:\s+not)?\b|\s*[:=])"
        rf"[\s*_`\"']*(?![0-9]){_OBJECT}{_ENDS}"
    ),
)
_LEADING = (
    _pattern(
        r"^(?:[\s*_`\"'.:#>\[-]|(?:I(?:'d| would) say|I think|I believe|Sure|Definitely|Clearly|So|"
        r"Therefore|Thus|Final answer|My answer|Verdict|Choice|Winner)\b[\s,:*]*){0,8}"
        rf"(?P<who>{_NAME}(?:(?:{_AND}|\s*,\s*){_NAME}){{0,8}}+)"
        r"(?=\s*(?:[.,:!\u2014\u2013]|-\s|$)|\s+(?:because|since|as|due)\b)"
    ),
    _pattern(
        rf"\bbetween\b[^.,:;]{{0,80}},\s*(?:I(?:'d| would) say\s+)?(?P<who>{_NAME})"
        r"(?=\s*(?:[.!,;]|$)|\s+(?:because|since|as)\b)"
    ),
)
# "A: too long, B: fine" is a list, and names none
_LISTED = _pattern(rf"(?P<who>{_LETTER}){_CLOSE}\s*(?:[:\u2014\u2013]|-\s)")

_LETTERS_IN = re.compile(_LETTER)
_SENTENCE_END = re.compile(r"(?<=[.!?;])[*_\"')]*\s+")

_LABEL = r"\(?\s*(?:[A-Z]|\d{1,2})\s*\)?"
_MARK = r"[\s*_`\"'.:#>\[\]-]*"
_BARE = re.compile(rf"^{_MARK}(?:{_NOUN}{_MARK})?({_LABEL}){_MARK}$", re.IGNORECASE)
_REFUSAL = re.compile(
    r"\b(?:I(?:'m| am) (?:sorry|unable|not able)|I (?:can(?:no|')t|won't|will not|refuse)|"
    r"cannot (?:judge|compare|assist|help)|as an AI)\b",
    re.IGNORECASE,
)
_FENCE = re.compile(r"```[a-zA-Z]*+\s*+(.*?)```", re.DOTALL)
_READ_CHARS = 2000
_KEYS = ("best", "choice", "answer", "winner", "label", "output", "verdict", "preferred")
_NEEDS_IS = _pattern(r"better|winner|winning|choice|verdict|decision|preference|selection")
_IS = _pattern(r"\b(?:is|isn't|be|was|goes\s+to)\b|[:=>]")


def _unfenced(text: str) -> str:
    """Return what stands in the only code fence of a text, or the text."""
    found = _FENCE.findall(text)
    return found[0].strip() if len(found) == 1 else text


def _json_choice(value: object) -> set[str]:
    """Return the labels that a JSON value names."""
    if isinstance(value, dict):
        known = [value[key] for key in value if str(key).lower() in _KEYS]
        named = known or list(value.values())
        return _json_choice(named[0]) if len(named) == 1 else set()
    if isinstance(value, list):
        return _json_choice(value[0]) if len(value) == 1 else set()
    if isinstance(value, bool) or not isinstance(value, str | int):
        return set()
    return _text_choices(str(value))


def _text_choices(text: str) -> set[str]:
    """Return the labels that a text names as the best; of a long one, at its beginning or end."""
    if bare := _BARE.match(" ".join(text.split())):
        return {bare[1].strip("() \t\n")}
    if len(text) > 2 * _READ_CHARS:  # the patterns take time with the square of a length
        text = f"{text[:_READ_CHARS]} ... {text[-_READ_CHARS:]}"
    sentences = _statements(text)
    stated = " ".join(sentences)
    chosen = list(_claims(_CHOSEN, stated))
    compared = list(_claims(_COMPARED, stated))
    right = list(_claims(_RIGHT, stated))
    denied = {
        each for claim in (*chosen, *compared, *right) if claim.is_denied for each in claim.labels
    }
    named = _best_of(chosen, compared, right, _leading(sentences))
    return set() if named & denied else named


def _statements(text: str) -> list[str]:
    """Return the sentences of a text without questions; a label alone on its line is one."""
    lines = [line.strip() for line in text.replace("\u2019", "'").split("\n") if line.strip()]
    for place in (0, -1) if lines else ():
        if _BARE.match(lines[place]):
            lines[place] = f". {lines[place]}. "
    joined = " ".join(" ".join(lines).split())
    return [each for each in _SENTENCE_END.split(joined) if "?" not in each[-3:]]


def _claims(patterns: Sequence[re.Pattern[str]], text: str) -> Iterator[_Claim]:
    """Yield what a text says in the words of some patterns."""
    for pattern in patterns:
        for found in pattern.finditer(text):
            groups = {
                "word": None,
                "degree": None,
                "colon": None,
                "other": None,
            } | found.groupdict()
            said = (groups["degree"] or "") + (groups["colon"] or "")
            if groups["word"] and _NEEDS_IS.match(groups["word"]) and not _IS.search(said):
                continue
            yield _Claim(
                labels=frozenset(_LETTERS_IN.findall(found["who"])),
                beaten=frozenset(_LETTERS_IN.findall(groups["other"] or "")),
                is_denied=bool(_DENIES.search(found[0]) or _DENIED.search(text[: found.start()])),
                is_qualified=bool(_BUT.search(text, found.end())),
            )


def _best_of(
    chosen: Sequence[_Claim],
    compared: Sequence[_Claim],
    right: Sequence[_Claim],
    leading: set[str],
) -> set[str]:
    """Return the labels that are named by the surest of what was said."""
    best = {label for claim in chosen if not claim.is_denied for label in claim.labels}
    winning = [claim for claim in compared if not (claim.is_denied or claim.is_qualified)]
    if best:
        # "I would choose B, but A is better"
        against = [claim for claim in winning if not claim.beaten or claim.beaten & best]
        return best.union(*(claim.labels for claim in against))
    beaten = {label for claim in winning for label in claim.beaten}
    better = {label for claim in winning for label in claim.labels} - beaten
    if winning:
        # "B. A is better written than it"
        return better | (leading if len(leading) == 1 else set())
    if any(claim.is_qualified for claim in compared):
        return set()
    if any(claim.is_qualified and not claim.is_denied for claim in right):
        return set()
    return {label for claim in right if not claim.is_denied for label in claim.labels} or leading


def _leading(sentences: Sequence[str]) -> set[str]:
    """Return the labels that stand at the head of a sentence, as all of what it says."""
    found = [match for each in sentences for pattern in _LEADING if (match := pattern.search(each))]
    listed = [match for each in sentences for match in _LISTED.finditer(each)]
    return {label for match in (*found, *listed) for label in _LETTERS_IN.findall(match["who"])}


def _slot(label: str) -> int | None:
    if label.isdigit():
        return int(label) - 1 if int(label) > 0 else None
    return LETTERS.find(label.upper()) if label.isascii() else None  # IGNORECASE knows more of them
