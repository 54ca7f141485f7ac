"""What a judge is shown, and what its choice is worth. Pure.

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
from sprout.quality.wording import LETTERS

Reading = Literal["best", "pair", "control"]

_QUESTION = """\
Below are an instruction and several answers to it. Choose the answer that a careful reader would \
prefer: correct first of all, complete as far as the instruction asks, to the point, and no longer \
than it needs to be. The order of the answers means nothing.

# Instruction
{prompt}

{answers}

# Which answer is the best?
Reply with its label """

LABEL_TEMPLATE = _QUESTION + "alone, one of: {labels}"
"""For a judge whose next token is its choice."""

MARKED_TEMPLATE = _QUESTION + "in double square brackets and nothing else, one of: {marks}"
"""For a judge whose words are read.

A template is part of a judge's key: one that is changed makes another judge.
"""


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
        "marks": ", ".join(f"[[{name}]]" for name in names),
    }
    return re.sub(
        r"\{(prompt|answers|labels|marks)\}", lambda found: parts[found[1]], card.template
    )


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
