"""The judge that compares with a known right answer. Pure; it asks nobody and costs nothing.

A prompt's `reference` says how it is matched:

    42, "1,250"        numeric: the last number of the answer (the one behind "####" where there is
                       one, as GSM8K writes it) equals it
    "B"                multiple choice: the letter that the answer names, as MMLU is scored
    "Paris"            text: the answer holds it as whole words, letter case and punctuation aside
    ["Paris", "paree"] any of these
    {"exact": "Paris"} the whole answer is it; also {"number": ..}, {"choice": ..}, {"text": ..}

Every level that matches shares the one unit of credit. That no level matches is told apart: it says
something of the model and nothing of the levels.
"""

import re
import unicodedata
from collections.abc import Callable
from decimal import Decimal, InvalidOperation

from sprout.batch.promptline import MAX_REFERENCE_DEPTH, is_deeper
from sprout.errors import InputError
from sprout.quality.judge import Card, Opinion, Question

_NUMBER = re.compile(r"[-+\u2212]?\d[\d,]*(?:\.\d+)?(?:[eE][-+]?\d+)?|[-+\u2212]?\.\d+")
_CHOICES = "ABCDEFGHIJ"
# "A" is an article and "I" a pronoun where another word follows, as in "I'd say" and "A dolphin"
_LETTER = (
    r"(?-i:[B-HJ]|[AI](?!'\w|\s+(?!(?:and|or|as|because|since|is|but|not|due)\b)[a-z]))(?!\w|'\w)"
)
_GAP = r"[^A-Za-z0-9(]{0,20}+"  # bounded: an answer may have lines of blanks
_SAID_CHOICE = re.compile(
    rf"\b(?:answer|choice|option|correct)\b{_GAP}(?:(?:is|was|would be)\b{_GAP})?"
    rf"(?:I (?:think|believe|guess|would say)\b(?: that)?{_GAP})?"
    rf"(?:(?:option|choice|answer)\b{_GAP})?\(?\**({_LETTER})"
    r"(?!\W{0,4}\s(?:is|was) (?:not|wrong|incorrect)\b)",
    re.IGNORECASE,
)
_LEADING_CHOICE = re.compile(rf"^[\s*_(\"'\[]*(?!I,)({_LETTER})(?=[\s*_.):,\]\"']|$)(?!\s+[a-z])")
_BRACKETED_CHOICE = re.compile(r"\(([A-J])\)|\b([A-J])\)")


class ReferenceJudge:
    """Names every answer that matches the prompt's reference."""

    card = Card("reference", "reference", "", {"version": 1})  # of the rules above

    def ask(self, question: Question) -> Opinion:
        """Return the slots that match.

        Raises:
            ValueError: the question has no reference.
        """
        if question.reference is None:
            raise ValueError("a question without a reference cannot be judged by one")
        is_match = matcher(question.reference)
        chosen = tuple(i for i, answer in enumerate(question.answers) if is_match(answer))
        return Opinion(raw=f"matches: {list(chosen)}", chosen=chosen)


def matcher(reference: object) -> Callable[[str], bool]:
    """Return what tells whether an answer matches.

    Raises:
        InputError: no answer can be compared with such a reference.
    """
    if is_deeper(reference, MAX_REFERENCE_DEPTH):  # of a store, from before lines were refused
        raise InputError(
            f"a reference is nested more than {MAX_REFERENCE_DEPTH} deep: no answer is compared "
            "with it"
        )
    match reference:
        case bool():
            pass
        case list() if reference:
            either = [matcher(each) for each in reference]
            return lambda answer: any(is_match(answer) for is_match in either)
        case dict() if len(reference) == 1:
            ((kind, value),) = reference.items()
            if kind in _MATCHERS and isinstance(value, str | int | float):
                return _typed(str(kind), str(value))
        case int() | float():
            return _typed("number", str(reference))
        case str() if reference.strip():
            return _typed(_kind_of(reference.strip()), reference)
    raise InputError(
        f"the reference {str(reference)[:60]!r} cannot be compared with an answer: write a text, a "
        'number, a letter, a list of these, or {"exact": "..."}'
    )


def is_number(answer: str, wanted: str) -> bool:
    """Return whether the final number of an answer is the wanted one."""
    marked = answer.rpartition("####")
    found = _NUMBER.findall(marked[2])
    if not found:
        return False
    number = _decimal(found[0] if marked[1] else found[-1])
    return number is not None and number == _decimal(wanted)


def is_choice(answer: str, wanted: str) -> bool:
    """Return whether the letter that an answer names is the wanted one."""
    return choice_of(answer) == wanted.strip("() \n").upper()


def choice_of(answer: str) -> str | None:
    """Return the letter of a multiple choice that an answer settles on; None for none."""
    answer = answer.replace("\u2019", "'")
    said = _SAID_CHOICE.findall(answer)
    if said:
        return str(said[-1])
    leading = _LEADING_CHOICE.match(answer)
    if leading:
        return leading[1]
    bracketed = {first or second for first, second in _BRACKETED_CHOICE.findall(answer)}
    return bracketed.pop() if len(bracketed) == 1 else None


def holds_text(answer: str, wanted: str) -> bool:
    """Return whether an answer holds the wanted text as whole words."""
    return f" {normalised(wanted)} " in f" {normalised(answer)} "


def is_exact(answer: str, wanted: str) -> bool:
    """Return whether the whole answer is the wanted text."""
    return normalised(answer) == normalised(wanted)


def normalised(text: str) -> str:
    """Return a text without letter case, punctuation, accents of form, articles, extra space."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    spaced = "".join(" " if unicodedata.category(char)[0] in "PS" else char for char in folded)
    return " ".join(word for word in spaced.split() if word not in {"a", "an", "the"})


_MATCHERS: dict[str, Callable[[str, str], bool]] = {
    "exact": is_exact,
    "text": holds_text,
    "number": is_number,
    "choice": is_choice,
}


def _kind_of(text: str) -> str:
    if _NUMBER.fullmatch(text):
        return "number"
    return "choice" if len(text.strip("()")) == 1 and text.strip("()") in _CHOICES else "text"


def _typed(kind: str, wanted: str) -> Callable[[str], bool]:
    compare = _MATCHERS[kind]
    if kind == "number" and _decimal(wanted) is None:
        raise InputError(f"the reference {wanted!r} is no number")
    if kind in {"text", "exact"} and not normalised(wanted):
        raise InputError(f"the reference {wanted!r} has no words to look for")
    return lambda answer: compare(answer, wanted)


def _decimal(text: str) -> Decimal | None:
    try:
        return Decimal(text.strip().replace(",", "").replace("\u2212", "-"))
    except InvalidOperation:
        return None
