import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sprout.engine.prefixes import (
    MIN_EXTRA_TOKENS,
    MIN_TOKENS_SAVED,
    common_length,
    longest_match,
    worthwhile_length,
)
from sprout.engine.sequence import Prefix, Tokens

PROMPTS = st.lists(st.integers(0, 1), max_size=12)
# Runs of one token each, so that prompts share long beginnings.
LONG_PROMPTS = st.lists(
    st.tuples(st.integers(0, 1), st.integers(1, 30)), min_size=1, max_size=5
).map(lambda runs: [token for token, length in runs for _ in range(length)])


def array(tokens: list[int]) -> Tokens:
    return np.array(tokens, dtype=np.int32)


def shared(a: list[int], b: list[int]) -> int:
    return max(n for n in range(min(len(a), len(b)) + 1) if a[:n] == b[:n])


@given(PROMPTS, PROMPTS)
def test_the_common_length_is_that_of_the_longest_equal_beginning(
    a: list[int], b: list[int]
) -> None:
    assert common_length(array(a), array(b)) == shared(a, b)


@given(PROMPTS, st.lists(PROMPTS.filter(bool), max_size=6))
def test_the_longest_match_leaves_the_prompt_a_token(
    prompt: list[int], others: list[list[int]]
) -> None:
    prefixes = [Prefix(array(other), slot) for slot, other in enumerate(others)]
    found = longest_match(array(prompt), prefixes)
    lengths = [len(o) for o in others if len(o) < len(prompt) and prompt[: len(o)] == o]
    assert (len(found.tokens) if found else 0) == max(lengths, default=0)
    assert found is None or prompt[: len(found.tokens)] == found.tokens.tolist()


def saved(prompt: list[int], others: list[list[int]], length: int, num_cached: int) -> int:
    sharers = sum(shared(prompt, other) >= length for other in others)
    return sharers * (length - num_cached)


@given(LONG_PROMPTS, st.lists(LONG_PROMPTS, max_size=6), st.integers(0, 40))
def test_the_worthwhile_length_saves_the_most_tokens(
    prompt: list[int], others: list[list[int]], num_cached: int
) -> None:
    length = worthwhile_length(array(prompt), map(array, others), num_cached)
    possible = range(num_cached + MIN_EXTRA_TOKENS, len(prompt))  # a last token stays
    most = max((saved(prompt, others, n, num_cached) for n in possible), default=0)
    if most < MIN_TOKENS_SAVED:
        assert length is None
    else:
        assert length is not None
        assert length in possible
        assert saved(prompt, others, length, num_cached) == most


def test_two_equal_prompts_share_all_but_the_last_token() -> None:
    prompt = array([1] * 100)
    assert worthwhile_length(prompt, [prompt], 0) == 99


def test_a_short_head_is_worth_a_row_when_many_wait() -> None:
    others = [array([1] * 20 + [i]) for i in range(2, 6)]
    assert worthwhile_length(array([1] * 20 + [9]), others[:3], 0) is None  # 3 * 20 < 64
    assert worthwhile_length(array([1] * 20 + [9]), others, 0) == 20  # 4 * 20 >= 64
    assert worthwhile_length(array([1] * 20 + [9]), others, 5) is None  # 15 more: below 16
