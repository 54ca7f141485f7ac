"""Generation directives: instructions that guide the model's generation (section 1 of the paper).

A level is one such text with its placement. A set orders its levels from L0, the bare request that
every saving is counted against; `directive_sets` reads them.

Variants are other files of the same model, more coarsely quantised ones say. Each makes a level of
each directive, so that variant and directive are chosen in one programme: `q4_0/L1` is L1 answered
by the variant q4_0.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import reduce
from typing import Literal

from sprout.chat import Chat, Message, Sampling

Placement = Literal["system", "suffix"]

BASELINE = "L0"

# Shares of prompts for which the level's answer was judged best, in the order alpaca, gsm8k, mmlu,
# naturalqa, scienceqa, triviaqa. Derived from the judgements published with the EMNLP 2024 paper.
PAPER_PREFERENCE: dict[str, float] = {
    "L0": (0.54 + 0.56 + 0.26 + 0.36 + 0.24 + 0.31) / 6,  # 2.27 / 6 = 0.378
    "L1": (0.26 + 0.26 + 0.38 + 0.40 + 0.35 + 0.42) / 6,  # 2.07 / 6 = 0.345
    "L2": (0.20 + 0.18 + 0.36 + 0.24 + 0.41 + 0.27) / 6,  # 1.66 / 6 = 0.277
}
PRIOR_SOURCE = "prior: Llama-2-13B-chat, GPT-4 judge"


@dataclass(frozen=True, slots=True)
class Directive:
    """One level.

    Args:
        level: its short name, unique in its set.
        text: the instruction; empty adds none.
        placement: "system" adds it to the system message, "suffix" to the last user turn.
        max_tokens: a ceiling on the answer's new tokens; None leaves the request's own.
        paper_level: the paper's level whose published preference stands in until a judge has
            measured this one; None is no prior.
        variant: fingerprint of the variant that answers; None is the model itself.
    """

    level: str
    text: str
    placement: Placement = "system"
    max_tokens: int | None = None
    paper_level: str | None = None
    variant: str | None = None

    @property
    def key(self) -> str:
        """Return the identity of measurements: 16 hex digits of what reaches which variant."""
        placement = self.placement if self.text else ""
        asked = [self.text, placement, self.max_tokens]
        answering = [] if self.variant is None else [self.variant]
        return hashlib.sha256(json.dumps(asked + answering).encode()).hexdigest()[:16]

    def limit(self, sampling: Sampling) -> Sampling:
        """Return the sampling of a request at this level: its own limit, or the lower ceiling."""
        if self.max_tokens is None or self.max_tokens >= sampling.max_tokens:
            return sampling
        return replace(sampling, max_tokens=self.max_tokens)


@dataclass(frozen=True, slots=True)
class DirectiveSet:
    """Levels to choose among; the first is L0, without text or ceiling."""

    name: str
    about: str
    directives: tuple[Directive, ...]

    @property
    def levels(self) -> tuple[str, ...]:
        """Return the names of the levels."""
        return tuple(directive.level for directive in self.directives)

    def with_variants(self, variants: Mapping[str, str]) -> "DirectiveSet":
        """Return the set with every directive at every variant too, those of the model first.

        No prior stands in for what a judge says of a variant: what is published is of none.

        Args:
            variants: the fingerprint of each variant's file, by name.
        """
        levels = tuple(
            replace(each, level=f"{name}/{each.level}", paper_level=None, variant=fingerprint)
            for name, fingerprint in variants.items()
            for each in self.directives
        )
        return replace(self, directives=self.directives + levels)

    def of_model(self) -> "DirectiveSet":
        """Return the set without variants."""
        own = tuple(each for each in self.directives if each.variant is None)
        return replace(self, directives=own)


def parted(level: str) -> tuple[str, str]:
    """Return (variant, directive) of a level's name; the variant of the model itself is empty."""
    variant, _, directive = level.rpartition("/")
    return variant, directive


def in_order(levels: Iterable[str]) -> list[str]:
    """Return names of levels in order, those of the model itself first."""
    return sorted(levels, key=parted)


@dataclass(frozen=True, slots=True)
class TemplateTraits:
    """What a model's chat template does with system messages.

    Args:
        default_system: the system prompt that it puts in when the chat has none; None puts in none.
        has_system_role: whether it accepts a system message at all.
    """

    default_system: str | None
    has_system_role: bool


def apply(directive: Directive, chat: Chat, template: TemplateTraits) -> Chat:
    """Return the chat that asks the model at this level.

    A system text follows the chat's own system message, or else the template's default one, which
    an added system message would silently replace: levels are to differ in the directive only.
    A template without system role gets all of it before the first user turn.
    """
    if not any(message.role == "user" for message in chat):
        raise ValueError("a chat needs a user message")
    if directive.text and directive.placement == "suffix":
        chat = _with_suffix(chat, directive.text)
        instruction = ""
    else:
        instruction = directive.text
    if template.has_system_role:
        return _with_system(chat, instruction, template.default_system) if instruction else chat
    return _without_system_role(chat, instruction)


def _with_suffix(chat: Chat, text: str) -> Chat:
    """Return the chat with `text` at the end of its last user turn."""
    last = max(i for i, message in enumerate(chat) if message.role == "user")
    return _replaced(chat, last, _joined(chat[last].content, text))


def _with_system(chat: Chat, text: str, default_system: str | None) -> Chat:
    """Return the chat with `text` at the end of its system message, made if it has none."""
    own = next((i for i, message in enumerate(chat) if message.role == "system"), None)
    if own is None:
        return (Message("system", _joined(default_system or "", text)), *chat)
    return _replaced(chat, own, _joined(chat[own].content, text))


def _without_system_role(chat: Chat, text: str) -> Chat:
    """Return the chat with its system messages and `text` at the start of its first user turn."""
    system = reduce(_joined, (m.content for m in chat if m.role == "system"), "")
    turns = tuple(message for message in chat if message.role != "system")
    first = next(i for i, message in enumerate(turns) if message.role == "user")
    return _replaced(turns, first, _joined(_joined(system, text), turns[first].content))


def _joined(before: str, after: str) -> str:
    """Return both texts with a blank line between them; an empty one leaves the other as it is."""
    return f"{before}\n\n{after}" if before and after else before or after


def _replaced(chat: Chat, index: int, content: str) -> Chat:
    """Return the chat with another content in the message at `index`."""
    return (*chat[:index], replace(chat[index], content=content), *chat[index + 1 :])
