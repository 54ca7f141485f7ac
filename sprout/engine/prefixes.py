"""Which token prefix is worth decoding once and copying: pure arithmetic on token arrays.

Sharing the first L tokens of a request with n others that wait, when the first H of them are
in the cache already, saves n (L - H) tokens of decoding and costs one KV row.
"""

from collections.abc import Iterable

import numpy as np

from sprout.engine.sequence import Prefix, Tokens

MIN_EXTRA_TOKENS = 16
"""A prefix shorter than this beyond what is cached is not worth a row."""

MIN_TOKENS_SAVED = 64
"""Nor is one that saves fewer tokens than this in all: the step it waits for costs as much."""


def common_length(a: Tokens, b: Tokens) -> int:
    """Return how many leading tokens two prompts share."""
    n = min(len(a), len(b))
    differs = a[:n] != b[:n]
    first = int(differs.argmax()) if n else 0
    return first if n and differs[first] else n


def longest_match(tokens: Tokens, prefixes: Iterable[Prefix]) -> Prefix | None:
    """Return the longest prefix that the prompt begins with, leaving it at least one token."""
    best = None
    for prefix in prefixes:
        n = len(prefix.tokens)
        fits = n < len(tokens) and (best is None or n > len(best.tokens))
        if fits and np.array_equal(tokens[:n], prefix.tokens):
            best = prefix
    return best


def worthwhile_length(tokens: Tokens, others: Iterable[Tokens], num_cached: int) -> int | None:
    """Return how many leading tokens to share with the waiting prompts, or None for no gain.

    Args:
        tokens: the prompt about to be admitted.
        others: the prompts that wait behind it.
        num_cached: leading tokens that an existing prefix already covers.
    """
    longest = len(tokens) - 1  # the last token is decoded by the request: its logits are wanted
    lengths = sorted((min(common_length(tokens, o), longest) for o in others), reverse=True)
    best_length, best_saved = None, MIN_TOKENS_SAVED - 1
    for rank, length in enumerate(lengths, start=1):
        extra = length - num_cached
        if extra < MIN_EXTRA_TOKENS:
            break
        if rank * extra > best_saved:
            best_length, best_saved = length, rank * extra
    return best_length
