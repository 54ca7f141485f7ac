"""What every engine takes and gives."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from sprout.accounting import Step
from sprout.chat import Chat, Sampling
from sprout.directives import TemplateTraits

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True, slots=True)
class Request:
    """One chat to answer. `level` is what a recording is looked up by; a model ignores it."""

    id: str
    chat: Chat
    sampling: Sampling
    level: str


@dataclass(frozen=True, slots=True)
class Completion:
    """One finished request.

    Args:
        text: the answer; empty when the request failed.
        finish_reason: None when the request failed.
        error: why it failed alone (a prompt longer than the context, say); None when it did not.
        started_s, ended_s: perf_counter seconds of joining the batch and of the last token.
    """

    id: str
    text: str
    finish_reason: FinishReason | None
    num_prompt_tokens: int
    num_new_tokens: int
    started_s: float
    ended_s: float
    error: str | None = None


@dataclass(frozen=True, slots=True)
class StepResult:
    """What one engine step did: its interval and token shares, and the requests it finished.

    `step` is None when nothing was decoded (only requests that failed at once).
    """

    step: Step | None
    completions: tuple[Completion, ...]


class Engine(Protocol):
    """Answers requests, many at a time."""

    @property
    def traits(self) -> TemplateTraits:
        """What the model's chat template does with system prompts."""

    @property
    def num_wanted(self) -> int:
        """Requests that the engine would like to have queued now; 0 when it has enough."""

    @property
    def is_busy(self) -> bool:
        """Whether any submitted request is unfinished."""

    def submit(self, request: Request) -> None:
        """Queue a request."""

    def step(self) -> StepResult:
        """Advance every running request by one batch."""

    def abandon(self) -> None:
        """Forget every request that is not finished."""

    def close(self) -> None:
        """Free what the engine holds."""


class Chooser(Protocol):
    """Chooses among options by what it would say next."""

    def option_logits(self, chat: Chat, options: Sequence[str]) -> tuple[float, ...]:
        """Return the log-probability of each option as the next token of the chat."""

    def close(self) -> None:
        """Free what it holds."""
