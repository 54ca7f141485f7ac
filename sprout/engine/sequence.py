"""Rows of the KV cache: requests being answered, and prefixes that several of them share."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Tokens = npt.NDArray[np.int32]


@dataclass(slots=True, eq=False)
class Prefix:
    """A token prefix kept in a row of its own and copied into the requests that begin with it.

    Args:
        tokens: the shared tokens.
        slot: its row in the KV cache.
        num_cached: how many of them are decoded.
        waiting: ids of the requests that wait for it; they share its energy.
        num_users: running requests that refer to it; it is evicted only at 0.
        last_used: the scheduler's step count at the latest admission that used it.
    """

    tokens: Tokens
    slot: int
    num_cached: int = 0
    waiting: list[str] = field(default_factory=list)
    num_users: int = 0
    last_used: int = 0

    @property
    def is_ready(self) -> bool:
        """Whether every token of it is decoded."""
        return self.num_cached == len(self.tokens)


@dataclass(slots=True, eq=False)
class Sequence:
    """One request on its way through the engine.

    Args:
        tokens: the prompt's tokens, at least one.
        max_new_tokens: at most this many are generated.
        slot: its row in the KV cache; None while it waits.
        num_cached: tokens of prompt and answer whose keys and values are in the cache.
        new_tokens: the answer so far; its last token is not cached yet.
        shares_prefix: whether it may share one; not after its own could not be decoded.
    """

    id: str
    tokens: Tokens
    max_new_tokens: int
    slot: int | None = None
    num_cached: int = 0
    prefix: Prefix | None = None
    new_tokens: list[int] = field(default_factory=list)
    shares_prefix: bool = True

    @property
    def num_reserved(self) -> int:
        """KV cells that it may come to need in all."""
        return len(self.tokens) + self.max_new_tokens

    @property
    def is_decoding(self) -> bool:
        """Whether its prompt is done and each step adds one token."""
        return bool(self.new_tokens)

    @property
    def waits_for_prefix(self) -> bool:
        """Whether its shared prefix is still being decoded."""
        return self.prefix is not None and self.num_cached == 0 and not self.prefix.is_ready
