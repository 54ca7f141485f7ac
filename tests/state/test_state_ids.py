import resource
import subprocess
import sys
from contextlib import closing

from hypothesis import given
from hypothesis import strategies as st

from sprout.state.ids import IdMap, IdSet


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


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@given(st.lists(st.tuples(st.sampled_from("abc"), TEXTS)))
def test_a_map_tells_the_latest_value(pairs: list[tuple[str, str]]) -> None:
    latest: dict[str, str] = {}
    with closing(IdMap()) as values:
        for name, value in pairs:
            values.put(name, value)
            latest[name] = value
            assert [values.get(each) for each in "abc"] == [latest.get(each) for each in "abc"]


def test_a_hundred_thousand_ids_are_told_apart() -> None:
    with closing(IdSet()) as ids:
        assert all(ids.add(f"line-{number:06d}") for number in range(100_000))
        assert not ids.add("line-000000")
        assert not ids.add("line-099999")


def test_no_room_for_temporary_files_is_a_disk_error() -> None:
    program = (
        "from sprout.errors import DiskError\nfrom sprout.state.ids import IdSet\n"
        "try:\n    ids = IdSet()\n    any(not ids.add(f'{n:0100}') for n in range(60_000))\n"
        "except DiskError as error:\n    print(error)\n"
    )
    limit = 1 << 20  # bytes of the largest file; the ids need six times as much
    found = subprocess.run(
        [sys.executable, "-c", program],
        check=True,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert found.stderr == ""
    assert "cannot be kept in the folder for temporary files" in found.stdout
    assert "TMPDIR" in found.stdout
