"""What a judge is shown, and what its words mean. Pure.

Two readings of the same answers. "best": all levels in an order shuffled by a seed, and which is
best? It gives the preference of the paper. "pair": L0 and one other level, in both orders; a judge
that contradicts itself has called a tie. Answers with the same text stand in one slot and share
what it wins, so nobody is asked to tell them apart.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from sprout.quality.judge import Card, Question

Reading = Literal["best", "pair", "control"]

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

BEST_TEMPLATE = """\
Below are an instruction and several answers to it. Choose the answer that a careful reader would \
prefer: correct first of all, complete as far as the instruction asks, to the point, and no longer \
than it needs to be. The order of the answers means nothing.

# Instruction
{prompt}

{answers}

# Which answer is the best?
Reply with its label alone, one of: {labels}"""
"""Version 1. Its text is part of a judge's key, so another wording is another judge."""


@dataclass(frozen=True, slots=True)
class Ballot:
    """One question to a judge.

    Args:
        levels: for each slot the levels whose answer stands there, in the order shown.
        answers: for each slot its text.
    """

    reading: Reading
    levels: tuple[tuple[str, ...], ...]
    answers: tuple[str, ...]

    @property
    def needs_judge(self) -> bool:
        """Whether there is anything to choose."""
        return len(self.answers) > 1

    @property
    def answers_hash(self) -> str:
        """Return 32 hex digits of the answers and their order."""
        return hashlib.sha256(json.dumps(self.answers).encode()).hexdigest()[:32]


def best_ballot(answers: Mapping[str, str], prompt_hash: str, seed: int) -> Ballot:
    """Return the k-way question about answers by level, shuffled by seed and prompt."""
    slots = _slots(answers)
    order = _rng(seed, prompt_hash).permutation(len(slots)).tolist()
    return _ballot("best", [slots[i] for i in order])


def pair_ballots(answers: Mapping[str, str], base: str, other: str) -> tuple[Ballot, ...]:
    """Return the question about two levels in both orders; one of one slot for equal answers."""
    slots = _slots({level: answers[level] for level in (base, other)})
    if len(slots) == 1:
        return (_ballot("pair", slots),)
    return (_ballot("pair", slots), _ballot("pair", slots[::-1]))


def credits_of(ballot: Ballot, chosen: Sequence[int]) -> dict[str, float]:
    """Return the one unit of credit, in equal parts to the levels of the chosen slots."""
    winners = [level for slot in chosen for level in ballot.levels[slot]]
    return {level: 1 / len(winners) for level in winners}


def labels(num_slots: int) -> tuple[str, ...]:
    """Return what the slots are called: A, B, C."""
    return tuple(LETTERS[:num_slots])


def question_text(card: Card, question: Question) -> str:
    """Return the text that asks a judge; braces in prompts and answers stay what they are."""
    names = labels(len(question.answers))
    parts = {
        "prompt": question.prompt.strip(),
        "answers": "\n\n".join(
            f"# Answer {name}\n{text.strip() or '(empty)'}"
            for name, text in zip(names, question.answers, strict=True)
        ),
        "labels": ", ".join(names),
    }
    return re.sub(r"\{(prompt|answers|labels)\}", lambda found: parts[found[1]], card.template)


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


_LABEL = r"\(?\s*(?:[A-Z]|\d{1,2})\s*\)?"
_NOUN = r"(?:output|answer|option|response|choice|label)"
_MARK = r"[\s*_`\"'.:#>\[\]-]*"
_BARE = re.compile(rf"^{_MARK}(?:{_NOUN}{_MARK})?({_LABEL}){_MARK}$", re.IGNORECASE)
_AFTER = (
    rf"(?:\s+\w+){{0,2}}?\s*(?:is|:|=|goes to)?\s*[*_`\"']*(?:{_NOUN}\s+)?"
    r"[*_`\"'(]*([A-Z]|\d{1,2})\b(?![\w'])"
)
# the surest words first: what is said to be best outdoes what is only mentioned
_NAMED = (
    re.compile(
        rf"\b(?:best|better|winner|prefer|choose|choice|verdict)\b{_AFTER}"
        rf"|\b{_NOUN}\s+[*_`\"'(]*([A-Z]|\d{{1,2}})[*_`\"')]*\s+is\s+(?:the\s+)?(?:best|better)\b",
        re.IGNORECASE,
    ),
    re.compile(rf"\b{_NOUN}\s*[*_`]*\(\s*([A-Z]|\d{{1,2}})\s*\)|\banswer\b{_AFTER}", re.IGNORECASE),
)
_REFUSAL = re.compile(
    r"\b(?:I(?:'m| am) (?:sorry|unable|not able)|I (?:can(?:no|')t|won't|will not|refuse)|"
    r"cannot (?:judge|compare|assist|help)|as an AI)\b",
    re.IGNORECASE,
)
_FENCE = re.compile(r"```[a-zA-Z]*+\s*+(.*?)```", re.DOTALL)
_READ_CHARS = 2000
_KEYS = ("best", "choice", "answer", "winner", "label", "output", "verdict", "preferred")


def _slots(answers: Mapping[str, str]) -> list[tuple[tuple[str, ...], str]]:
    """Return (levels, text) of each distinct answer, in the order of the levels."""
    slots: dict[str, list[str]] = {}
    for level, text in answers.items():
        slots.setdefault(text.strip(), []).append(level)
    return [(tuple(levels), text) for text, levels in slots.items()]


def _ballot(reading: Reading, slots: Sequence[tuple[tuple[str, ...], str]]) -> Ballot:
    return Ballot(reading, tuple(slot[0] for slot in slots), tuple(slot[1] for slot in slots))


def _rng(seed: int, name: str) -> np.random.Generator:
    digest = hashlib.sha256(f"{seed} {name}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))


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
    text = " ".join(text.split())
    if len(text) > 2 * _READ_CHARS:  # the patterns take time with the square of a length
        text = f"{text[:_READ_CHARS]} ... {text[-_READ_CHARS:]}"
    bare = _BARE.match(text)
    if bare:
        return {_clean(bare[1])}
    for pattern in _NAMED:
        found = {_clean(label) for match in pattern.findall(text) for label in match if label}
        # "a" is a word far more often than a label: in prose only capitals count
        named = {label for label in found if not label.islower()}
        if named:
            return named
    return set()


def _clean(label: str) -> str:
    return label.strip("() \t\n")


def _slot(label: str) -> int | None:
    if label.isdigit():
        return int(label) - 1 if int(label) > 0 else None
    return LETTERS.find(label.upper()) if label.isascii() else None  # IGNORECASE knows more of them
