from contextlib import closing

from hypothesis import given
from hypothesis import strategies as st

from sprout.state.ids import IdSet


def test_an_id_is_new_once() -> None:
    with closing(IdSet()) as ids:
        assert [ids.add(name) for name in ("a", "b", "a", "A", "a", "")] == [
            True,
            True,
            False,
            True,
            False,
            True,
        ]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))))
def test_it_tells_what_a_set_of_strings_tells(names: list[str]) -> None:
    seen: set[str] = set()
    with closing(IdSet()) as ids:
        for name in names:
            assert ids.add(name) == (name not in seen)
            seen.add(name)


def test_two_sets_know_nothing_of_each_other() -> None:
    with closing(IdSet()) as one, closing(IdSet()) as two:
        assert one.add("a")
        assert two.add("a")


def test_a_hundred_thousand_ids_are_told_apart() -> None:
    with closing(IdSet()) as ids:
        assert all(ids.add(f"line-{number:06d}") for number in range(100_000))
        assert not ids.add("line-000000")
        assert not ids.add("line-099999")
