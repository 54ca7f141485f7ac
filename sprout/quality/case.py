"""A prompt to be evaluated, and its answers. Pure."""

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Literal

from sprout.chat import Chat, Sampling

Origin = Literal["served", "file", "bundled"]
"""Where a prompt is from: what `run` served, a file of the user's, or the packaged prompts."""


@dataclass(frozen=True, slots=True)
class Case:
    """One prompt to evaluate.

    Args:
        prompt_hash: of what decides its answers at each level.
        task: the class that its verdicts count for.
        given_task: its label as served; empty where it had none and the class is a guess.
        reference: what is right, as the prompt line has it; None when nobody said.
    """

    prompt_hash: str
    chat: Chat
    sampling: Sampling
    task: str
    given_task: str
    reference: object
    origin: Origin

    @property
    def text(self) -> str:
        """Return the prompt as a judge is shown it: the last turn, after those before it."""
        if len(self.chat) == 1:
            return self.chat[0].content
        return "\n\n".join(f"[{message.role}]\n{message.content}" for message in self.chat)

    @property
    def reference_hash(self) -> str:
        """Return 16 hex digits of prompt and reference."""
        text = json.dumps([self.prompt_hash, self.reference], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model answered to one prompt at one directive."""

    prompt_hash: str
    directive_key: str
    text: str
    num_new_tokens: int


def prompt_hash(chat: Chat, sampling: Sampling) -> str:
    """Return 32 hex digits of chat and sampling, without level, task and id."""
    turns = [(message.role, message.content) for message in chat]
    text = json.dumps([turns, asdict(sampling)], ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
