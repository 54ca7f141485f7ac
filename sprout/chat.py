"""What a request asks of a model: a chat and how to sample its answer."""

from dataclasses import dataclass
from typing import Literal

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a chat."""

    role: Role
    content: str


Chat = tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Sampling:
    """How an answer is decoded; `temperature` 0 is greedy.

    Args:
        max_tokens: at most this many new tokens.
        temperature: >= 0.
        top_p: nucleus mass in (0, 1]; 1 keeps every token.
        top_k: keep the k likeliest tokens; 0 keeps every token.
        min_p: drop tokens below this fraction of the likeliest one's probability; 0 keeps all.
        seed: of the sampler; None derives one from the request's id, so that a rerun repeats.
        stop: the answer ends before the first of these strings.
    """

    max_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    seed: int | None = None
    stop: tuple[str, ...] = ()
