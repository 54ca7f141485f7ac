import json
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plain_records import NOW, admission, prompt, served

from sprout.batch.answers import answer_line
from sprout.batch.outfile import (
    LineFile,
    check_errors_file,
    check_torn_line,
    drop_torn_line,
    errors_path,
    first_answers,
    keep_last_lines,
    read_lines,
    remove,
    run_of,
)
from sprout.batch.prompts import MAX_LINE_BYTES
from sprout.errors import DiskError, OutputExistsError, PermissionDeniedError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "answers.jsonl"


def line(name: str, text: str = "An answer.", run_id: str = "run-1") -> str:
    return answer_line(served(admission(prompt(name)), text=text), run_id, "m", NOW)


def write(path: Path, lines: Sequence[str]) -> Path:
    path.write_text("".join(f"{each}\n" for each in lines), encoding="utf-8")
    return path


def ids(path: Path) -> list[str]:
    return [value["custom_id"] for value in read_lines(path, "run-1")]


@contextmanager
def without_privileges() -> Iterator[None]:
    """Root may write everywhere: be nobody for a while."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


# LineFile


def test_lines_are_there_as_soon_as_they_are_appended(path: Path) -> None:
    file = LineFile(path, starts_empty=True)
    file.append(["one", "zwei ü"])
    assert path.read_text(encoding="utf-8") == "one\nzwei ü\n"
    file.append([])
    file.append(["three"])
    assert path.read_text(encoding="utf-8") == "one\nzwei ü\nthree\n"
    file.close()


def test_a_file_is_continued_or_started_anew(path: Path) -> None:
    write(path, ["old"])
    for starts_empty, expected in ((False, "old\nnew\n"), (True, "new\n")):
        file = LineFile(path, starts_empty=starts_empty)
        file.append(["new"])
        file.close()
        assert path.read_text(encoding="utf-8") == expected


def test_a_folder_in_the_place_of_the_file_is_a_disk_error(tmp_path: Path) -> None:
    with pytest.raises(DiskError, match="Is a directory") as raised:
        LineFile(tmp_path, starts_empty=True)
    assert raised.value.exit_code == 74


def test_a_folder_that_is_not_there_is_a_disk_error(tmp_path: Path) -> None:
    with pytest.raises(DiskError, match="No such file"):
        LineFile(tmp_path / "nowhere" / "answers.jsonl", starts_empty=True)


def test_a_file_that_may_not_be_written_is_no_permission(path: Path) -> None:
    write(path, [line("a")])
    path.chmod(0o444)
    with without_privileges():
        for starts_empty in (False, True):
            with pytest.raises(PermissionDeniedError, match="may not be written") as raised:
                LineFile(path, starts_empty=starts_empty)
            assert raised.value.exit_code == 77
        with pytest.raises(PermissionDeniedError):
            drop_torn_line(path)
    assert ids(path) == ["a"]


# A process of its own: no file of it may grow beyond 1000 bytes.
FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from sprout.errors import DiskError
from sprout.batch.outfile import LineFile

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
file = LineFile(Path(sys.argv[1]), starts_empty=True)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    for number in range(100):
        file.append([f"{number:049d}"])
        done = number + 1
except DiskError as error:
    print(done, error)
file.close()
"""


def test_a_full_disk_is_a_disk_error_that_keeps_what_is_finished(path: Path) -> None:
    command = [sys.executable, "-c", FULL_DISK, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    # a line has 50 bytes: 20 of them are 1000
    assert done.stdout.startswith(f"20 {path} cannot be written: File too large")
    assert "run the same command again" in done.stdout
    drop_torn_line(path)
    assert len(path.read_text(encoding="utf-8").splitlines()) == 20


def test_a_line_that_a_full_disk_cut_is_torn_and_dropped(path: Path) -> None:
    script = FULL_DISK.replace("1000, 1000", "1020, 1020")
    subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, check=True)
    assert path.stat().st_size == 1020
    drop_torn_line(path)
    assert path.stat().st_size == 1000


# torn lines


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=4), st.data())
def test_a_kill_at_any_byte_loses_only_the_line_it_tore(
    path: Path, texts: list[str], data: st.DataObject
) -> None:
    lines = [line(f"p{number}", text).encode() + b"\n" for number, text in enumerate(texts)]
    whole = b"".join(lines)
    cut = data.draw(st.integers(0, len(whole)))
    path.write_bytes(whole[:cut])
    drop_torn_line(path)
    ends = [len(b"".join(lines[:count])) for count in range(len(lines) + 1)]
    num_complete = max(count for count, end in enumerate(ends) if end <= cut)
    assert path.read_bytes() == b"".join(lines[:num_complete])
    assert ids(path) == [f"p{number}" for number in range(num_complete)]


def test_every_cut_through_a_file_leaves_whole_lines(path: Path) -> None:
    whole = b"one\ntwo\n\nfour\n"
    expected = [0, 0, 0, 0, 4, 4, 4, 4, 8, 9, 9, 9, 9, 9, 14]
    for cut, size in enumerate(expected):
        path.write_bytes(whole[:cut])
        drop_torn_line(path)
        assert path.read_bytes() == whole[:size], cut


@pytest.mark.parametrize("length", [65_535, 65_536, 65_537, 200_000])
@pytest.mark.parametrize("before", [b"", b"first\n"])
def test_a_torn_line_longer_than_one_read_is_dropped_too(
    path: Path, length: int, before: bytes
) -> None:
    path.write_bytes(before + b"x" * length)
    drop_torn_line(path)
    assert path.read_bytes() == before


def test_a_newline_just_before_the_last_read_is_found(path: Path) -> None:
    for length in range(65_530, 65_540):
        path.write_bytes(b"first\n" + b"x" * length)
        drop_torn_line(path)
        assert path.read_bytes() == b"first\n"


def test_a_file_of_whole_lines_is_not_touched(path: Path) -> None:
    write(path, [line("a")])
    before = path.stat().st_mtime_ns
    drop_torn_line(path)
    assert path.stat().st_mtime_ns == before


def test_a_file_that_is_not_there_cannot_be_mended(path: Path) -> None:
    for mend in (drop_torn_line, lambda path: check_torn_line(path, "run-1")):
        with pytest.raises(DiskError, match="No such file"):
            mend(path)


def test_every_beginning_of_a_line_of_the_run_may_be_torn(path: Path) -> None:
    whole = line("a").encode() + b"\n"
    for cut in range(len(whole) + 1):
        for zeros in (b"", bytes(100)):  # of a power loss
            path.write_bytes(whole + whole[:cut] + zeros)
            check_torn_line(path, "run-1")
            assert ids(path) == ["a", "a"][: whole[:cut].count(b"\n") + 1]


@pytest.mark.parametrize(
    "foreign",
    [b"my thesis", b'{"title": "my thesis"}', b"{ ", line("b", run_id="run-2").encode()],
)
def test_what_is_no_torn_line_of_the_run_is_refused_and_left_alone(
    path: Path, foreign: bytes
) -> None:
    for before in (b"", line("a").encode() + b"\n"):
        path.write_bytes(before + foreign)
        with pytest.raises(OutputExistsError, match="no torn line of the unfinished run run-1"):
            check_torn_line(path, "run-1")
        assert path.read_bytes() == before + foreign


def test_a_run_is_told_by_whole_lines_alone(path: Path) -> None:
    path.write_text(line("a") + "\n" + line("b")[:40])
    assert run_of(path) == "run-1"
    path.write_text(line("a"))
    with pytest.raises(OutputExistsError, match="no whole line"):
        run_of(path)


# read_lines


def test_the_lines_of_the_run_are_read_back_in_order(path: Path) -> None:
    assert ids(write(path, [line("b"), line("a"), line("b")])) == ["b", "a", "b"]


def test_an_empty_file_has_no_lines(path: Path) -> None:
    path.touch()
    assert ids(path) == []


@pytest.mark.parametrize(
    "foreign",
    [
        line("x", run_id="run-2"),
        line("x", run_id="run-10"),  # begins like run-1
        "text",
        "",
        "{}",
        json.dumps({"custom_id": "x", "sprout": {"level": "L0"}}),
    ],
)
def test_a_foreign_line_is_refused_with_its_place(path: Path, foreign: str) -> None:
    write(path, [line("a"), foreign, line("b")])
    with pytest.raises(OutputExistsError, match=r"answers\.jsonl:2: not a line") as raised:
        ids(path)
    assert raised.value.exit_code == 73


def test_the_first_answers_are_told_by_the_content_of_their_prompts(path: Path) -> None:
    write(path, [line("a"), "no line of ours", line("b"), line("c")])
    known = {name: prompt(name).content_hash for name in "abc"}
    assert first_answers(path, 9) == known
    assert first_answers(path, 3) == {name: known[name] for name in "ab"}


# keep_last_lines


def test_only_the_last_line_of_a_changed_prompt_is_kept(path: Path) -> None:
    lines = [line("a", "old"), line("b"), line("a", "newer"), line("c"), line("a", "newest")]
    assert keep_last_lines(write(path, lines), {"a"}) == 2
    assert path.read_text(encoding="utf-8").splitlines() == [lines[1], lines[3], lines[4]]


def test_lines_of_other_prompts_are_kept_however_often(path: Path) -> None:
    lines = [line("a"), line("b"), line("b"), "no line of ours", line("a")]
    keep_last_lines(write(path, lines), {"a", "nobody"})
    assert path.read_text(encoding="utf-8").splitlines() == lines[1:]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.sampled_from("abcd"), max_size=12),
    st.sets(st.sampled_from("abcd")),
)
def test_each_changed_id_is_left_once_at_its_last_place(
    path: Path, names: list[str], changed: set[str]
) -> None:
    rows = [line(name, str(number)) for number, name in enumerate(names)]
    keep_last_lines(write(path, rows), changed)
    kept = [
        row
        for number, (name, row) in enumerate(zip(names, rows, strict=True))
        if name not in changed or name not in names[number + 1 :]
    ]
    assert path.read_text(encoding="utf-8").splitlines() == kept
    assert [each.name for each in path.parent.glob("*answers*")] == [path.name]


def test_a_replacement_that_does_not_fit_leaves_the_old_file_alone(path: Path) -> None:
    lines = [line("a", "x" * 1000), line("b", "x" * 1000), line("a", "y" * 1000)]
    write(path, lines)
    script = (
        "import resource, signal, sys\n"
        "from pathlib import Path\n"
        "from sprout.batch.outfile import keep_last_lines\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1500, 1500))\n"
        "keep_last_lines(Path(sys.argv[1]), {'a'})\n"
    )
    command = [sys.executable, "-c", script, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "sprout.errors.DiskError" in done.stderr
    assert path.read_text(encoding="utf-8").splitlines() == lines
    assert [each.name for each in path.parent.iterdir() if each.is_file()] == [path.name]


def test_a_file_that_is_gone_cannot_be_mended(path: Path) -> None:
    with pytest.raises(DiskError, match="No such file"):
        keep_last_lines(path, {"a"})


def test_failed_lines_go_beside_the_answers() -> None:
    assert errors_path(Path("/data/out.jsonl")) == Path("/data/out.jsonl.errors.jsonl")


def test_a_device_or_a_pipe_is_never_removed(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"  # neither a file nor a folder, as /dev/null is
    os.mkfifo(pipe)
    check_errors_file(pipe)
    remove(pipe)
    assert pipe.is_fifo()


def test_a_line_beyond_all_answers_is_foreign_and_never_read_whole(path: Path) -> None:
    with write(path, [line("a")]).open("ab") as file:
        file.truncate(path.stat().st_size + 8 * MAX_LINE_BYTES)  # sparse
        file.seek(0, os.SEEK_END)
        file.write(f"\n{line('b')}\n".encode())
    tracemalloc.start()
    try:
        with pytest.raises(OutputExistsError, match=r"answers\.jsonl:2: not a line"):
            ids(path)
        with pytest.raises(OutputExistsError, match="no errors file"):
            check_errors_file(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * MAX_LINE_BYTES
