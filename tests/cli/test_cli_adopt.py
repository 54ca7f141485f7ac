"""A run goes on although its store is lost or damaged: the output file is the truth."""

import shutil
from pathlib import Path

import pytest
from cli.program import (
    REPLAY,
    Result,
    ids,
    levels,
    read_lines,
    select,
    sprout,
    write_lines,
)


def run(prompts: Path, out: Path, *options: object) -> Result:
    return sprout("run", prompts, *REPLAY, "-o", out, *options)


@pytest.fixture
def half(prompts: Path, store: Path, out: Path) -> bytes:
    """Four of ten prompts are answered, then the store is lost; what the output file holds."""
    assert run(prompts, out, "--limit", 4).code == 0
    for path in store.parent.glob("sprout.db*"):
        path.unlink()
    return out.read_bytes()


def test_without_its_store_a_run_is_continued_only_when_that_is_asked_for(
    prompts: Path, out: Path, half: bytes
) -> None:
    found = run(prompts, out)
    assert found.code == 73
    assert "--adopt to continue it" in found.stderr
    assert out.read_bytes() == half


def test_an_adopted_file_is_continued_and_its_rows_are_restored(
    prompts: Path, store: Path, out: Path, half: bytes
) -> None:
    assert run(prompts, out, "--adopt", "--dry-run", "--json").data["num_skipped"] == 4
    found = run(prompts, out, "--adopt", "--json")
    assert found.code == 0
    assert (found.data["num_skipped"], found.data["num_served"]) == (4, 6)
    assert out.read_bytes().startswith(half)
    lines = read_lines(out)
    assert sorted(ids(lines)) == sorted(f"q{n}" for n in range(10))
    assert len({line["id"].rpartition("-")[0] for line in lines}) == 1
    rows = select(store, "SELECT prompt_id, level, energy_j FROM completions")
    assert {row[0]: row[1] for row in rows} == levels(lines)
    told_j = sum(line["sprout"]["energy_j"] for line in lines)
    assert sum(row[2] for row in rows) == pytest.approx(told_j, rel=1e-9)
    ((metered_j, idle_j, finished_at),) = select(
        store, "SELECT metered_j, idle_j, finished_at FROM runs"
    )
    assert metered_j - idle_j >= told_j * (1 - 1e-9)  # what was restored was metered once
    assert finished_at is not None
    assert run(prompts, out).code == 73  # finished, and known again


def test_a_file_that_was_whole_is_adopted_as_finished(prompts: Path, out: Path) -> None:
    assert run(prompts, out).code == 0
    before = out.read_bytes()
    found = run(prompts, out, "--state", "other.db", "--adopt", "--json")
    assert (found.code, found.data["num_served"]) == (0, 0)
    assert out.read_bytes() == before


def test_a_torn_line_is_dropped_before_a_file_is_adopted(
    prompts: Path, out: Path, half: bytes
) -> None:
    out.write_bytes(half + b'{"id": "run-')
    assert run(prompts, out, "--adopt").code == 0
    assert len(read_lines(out)) == 10


@pytest.mark.parametrize("foreign", ["my thesis", '{"id": "run-1-1", "custom_id": "a"}'])
def test_what_no_run_wrote_is_not_adopted(
    foreign: str, prompts: Path, out: Path, half: bytes
) -> None:
    for content in (half + f"{foreign}\n".encode(), f"{foreign}\n".encode()):
        out.write_bytes(content)
        found = run(prompts, out, "--adopt")
        assert found.code == 73
        assert "cannot be adopted" in found.stderr
        assert out.read_bytes() == content


@pytest.mark.parametrize("foreign", [b'{"title": "my thesis", "pages": 9}', b"{"])
def test_what_no_run_wrote_and_no_newline_ends_is_left_alone(
    foreign: bytes, prompts: Path, out: Path, half: bytes
) -> None:
    for content in (foreign, half + b"my thesis" + foreign):
        out.write_bytes(content)
        assert run(prompts, out, "--adopt").code == 73
        assert out.read_bytes() == content


def test_lines_of_two_runs_are_not_adopted(prompts: Path, out: Path, half: bytes) -> None:
    other = Path("other.jsonl")
    assert run(prompts, other, "--limit", 1).code == 0
    out.write_bytes(half + other.read_bytes())
    found = run(prompts, out, "--adopt", "--state", "new.db")
    assert found.code == 73
    assert "out.jsonl:5:" in found.stderr


def test_a_copy_of_a_file_that_the_store_knows_is_not_adopted(prompts: Path, out: Path) -> None:
    assert run(prompts, out, "--limit", 4).code == 0
    shutil.copy(out, "copy.jsonl")
    found = run(prompts, Path("copy.jsonl"), "--adopt")
    assert found.code == 73
    assert "under another name" in found.stderr


def test_adopting_what_the_store_knows_is_going_on(prompts: Path, out: Path) -> None:
    assert run(prompts, out, "--limit", 4).code == 0
    assert run(prompts, out, "--adopt", "--json").data["num_skipped"] == 4
    fresh = Path("fresh.jsonl")
    assert run(prompts, fresh, "--adopt").code == 0
    assert len(read_lines(fresh)) == 10


def test_an_adopted_run_keeps_deadlines_of_its_lines(out: Path, store: Path) -> None:
    prompts = write_lines(
        Path("prompts.jsonl"),
        [
            {"id": f"q{n}", "prompt": f"Question {n}?", "deadline": "2020-01-01T00:00:00Z"}
            for n in range(4)
        ],
    )
    assert run(prompts, out, "--limit", 2).code == 0
    store.unlink()
    assert run(prompts, out, "--adopt").code == 0
    assert len(read_lines(out)) == 4


def test_doctor_tells_of_a_damaged_store_and_what_becomes_of_the_answers(
    prompts: Path, store: Path, out: Path
) -> None:
    assert run(prompts, out).code == 0
    checks = sprout("doctor", *REPLAY, "--json").data["checks"]
    assert [check["detail"] for check in checks if check["name"] == "store"] == [f"{store}, whole"]
    # rows of an index are swapped for zeros, which only reading all of it finds
    ((page,),) = select(store, "SELECT rootpage FROM sqlite_master WHERE name = 'texts_by_run'")
    ((size,),) = select(store, "PRAGMA page_size")
    data = bytearray(store.read_bytes())
    end = page * size
    data[end - 200 : end] = bytes(200)
    store.write_bytes(bytes(data))
    found = sprout("doctor", *REPLAY)
    assert found.code == 78
    assert "damaged" in found.stdout
    assert "--adopt" in found.stdout.replace("\n", " ")


def test_a_row_out_of_its_place_stops_a_run_before_it_answers_anything_twice(
    prompts: Path, store: Path, out: Path
) -> None:
    assert run(prompts, out, "--limit", 6).code == 0
    before = out.read_bytes()
    ((run_id,),) = select(store, "SELECT run_id FROM runs")
    data = store.read_bytes()
    key = f"{run_id}q3".encode()
    assert data.count(key) >= 1
    store.write_bytes(data.replace(key, b"x" + key[1:]))
    found = run(prompts, out)
    assert found.code == 74
    assert "damaged" in found.stderr
    assert out.read_bytes() == before
    for path in store.parent.glob("sprout.db*"):
        path.rename(path.with_name(f"damaged-{path.name}"))
    assert run(prompts, out, "--adopt").code == 0
    assert out.read_bytes().startswith(before)
    assert sorted(ids(read_lines(out))) == sorted(f"q{n}" for n in range(10))
