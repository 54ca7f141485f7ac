from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sprout.engine.answer import Answer

TEXTS = st.text(alphabet="ab→🌱\n", max_size=40)
STOPS = st.lists(st.text(alphabet="ab→🌱\n", min_size=1, max_size=4), max_size=3).map(tuple)


def answer(pieces: list[bytes], stop: tuple[str, ...] = ()) -> tuple[str, int]:
    """Return the text, and how many pieces it took."""
    collected = Answer(stop)
    for num_pieces, piece in enumerate(pieces, start=1):
        if collected.append(piece):
            return collected.text, num_pieces
    return collected.text, len(pieces)


def test_a_character_may_be_split_across_tokens() -> None:
    assert answer([b"\xf0", b"\x9f\x8c", b"\xb1!"]) == ("🌱!", 3)


def test_a_last_character_cut_off_by_the_limit_is_left_out() -> None:
    assert answer([b"go \xe2\x86"]) == ("go ", 1)


def test_bytes_that_are_no_utf8_are_replaced() -> None:
    assert answer([b"a\xffb"]) == ("a\ufffdb", 1)


@pytest.mark.parametrize(
    ("pieces", "stop", "expected"),
    [
        ([b"one\nt", b"wo"], ("\n",), ("one", 1)),
        ([b"a E", b"N", b"D b"], ("END",), ("a ", 3)),
        ([b"a EN", b"OUGH"], ("END",), ("a ENOUGH", 2)),
        ([b"x\xe2\x86", b"\x92y"], ("→",), ("x", 2)),
        ([b"EEND"], ("END",), ("E", 1)),
        ([b"a b c"], ("c", "b"), ("a ", 1)),  # the first in the text, not in the list
        ([b"END"], ("END",), ("", 1)),
    ],
)
def test_the_answer_ends_before_the_first_stop_string(
    pieces: list[bytes], stop: tuple[str, ...], expected: tuple[str, int]
) -> None:
    assert answer(pieces, stop) == expected


@given(TEXTS, STOPS, st.lists(st.integers(0, 120)))
def test_the_text_is_what_came_before_the_first_stop_string(
    text: str, stop: tuple[str, ...], cuts: list[int]
) -> None:
    data = text.encode()
    borders = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
    pieces = [data[a:b] for a, b in pairwise(borders)]
    # Generation ends with the piece that completes a stop string.
    so_far = [b"".join(pieces[:n]) for n in range(1, len(pieces) + 1)]
    stopped = [seen for seen in so_far if any(word.encode() in seen for word in stop)]
    seen = stopped[0] if stopped else data
    ends = [seen.find(word.encode()) for word in stop if word.encode() in seen]
    expected = seen[: min(ends, default=len(seen))].decode()
    assert answer(pieces, stop)[0] == expected


@given(TEXTS, STOPS)
def test_bytewise_the_text_never_contains_a_stop_string(text: str, stop: tuple[str, ...]) -> None:
    cut, _ = answer([bytes([byte]) for byte in text.encode()], stop)
    assert text.startswith(cut)
    assert not any(word in cut for word in stop)
