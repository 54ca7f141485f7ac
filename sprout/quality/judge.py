"""What every judge takes and gives. Pure."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

Kind = Literal["reference", "local", "endpoint"]
Fault = Literal["unparsed", "refused", "too_long"]
"""Why a judge named nothing: words in no form, a refusal, or no room for the question."""


def key_of(definition: str) -> str:
    """Return the 16 hex digits that a judge of this definition has as its key."""
    return hashlib.sha256(definition.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Card:
    """Who a judge is: everything that could change its verdicts, and nothing secret.

    Args:
        name: for people, such as "local:SmolLM2-135M-Instruct".
        template: the text of the question, with {prompt}, {answers} and {labels} or {marks} in it.
        settings: model, address, temperature and the like.
    """

    name: str
    kind: Kind
    template: str
    settings: Mapping[str, str | int | float]

    @property
    def definition(self) -> str:
        """Return the card as JSON, keys in order."""
        known = {"template": self.template, "settings": dict(self.settings)}
        return json.dumps({"name": self.name, "kind": self.kind, **known}, sort_keys=True)

    @property
    def key(self) -> str:
        """Return 16 hex digits of it all; verdicts of other keys are another judge's."""
        return key_of(self.definition)

    @property
    def must_earn_trust(self) -> bool:
        """Whether it is tested on control pairs; comparing with a reference needs no test."""
        return self.kind != "reference"


@dataclass(frozen=True, slots=True)
class Question:
    """One prompt with the answers to choose among, in the order in which they are shown.

    Args:
        reference: what the prompt line says is right; None when it says nothing.
    """

    prompt: str
    answers: tuple[str, ...]
    reference: object = None


@dataclass(frozen=True, slots=True)
class Usage:
    """What one question cost at an endpoint; None is what it did not say."""

    num_prompt_tokens: int | None = None
    num_new_tokens: int | None = None
    price_usd: float | None = None


@dataclass(frozen=True, slots=True)
class Opinion:
    """What a judge said.

    Args:
        raw: its own words, or the numbers that the choice was read from.
        chosen: slots from 0 that it holds best; one for a judge that chooses, every match for a
            reference; empty when nothing matches, or with a fault.
        fault: why nothing was chosen; None when it was asked and answered properly.
    """

    raw: str
    chosen: tuple[int, ...]
    fault: Fault | None = None
    usage: Usage = Usage()


class Judge(Protocol):
    """Says which of several answers is best."""

    @property
    def card(self) -> Card:
        """Who it is."""

    def ask(self, question: Question) -> Opinion:
        """Return its opinion of one question."""
