"""What goes to standard output, to standard error, to a terminal and to nobody."""

import json
import os
import re
import signal
import subprocess
import sys
import tomllib
from contextlib import suppress
from pathlib import Path
from select import select
from subprocess import PIPE

import pytest
from cli.program import (
    PATIENCE_S,
    REPLAY,
    Result,
    ids,
    read_lines,
    run_on_terminal,
    run_process,
    sprout,
    start,
    wait_until,
    write_lines,
    write_prompts,
)
from cli.program import select as select_rows

pytestmark = pytest.mark.slow  # almost every one starts processes of its own

MIB = 1 << 20
COLOURED = re.compile(r"\x1b\[(?:[0-9]+;)*(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])[;m]")


def test_off_a_terminal_a_run_into_a_file_says_nothing(prompts: Path, out: Path) -> None:
    found = run_process("run", prompts, *REPLAY, "-o", out)
    assert found == Result(0, "", "")
    assert len(read_lines(out)) == 10


def test_without_an_output_file_standard_output_holds_the_answers_alone(
    prompts: Path, out: Path
) -> None:
    found = sprout("run", prompts, *REPLAY)
    assert found.code == 0
    assert found.stderr == ""
    out.write_text(found.stdout, encoding="utf-8")
    assert sorted(ids(read_lines(out))) == sorted(f"q{n}" for n in range(10))


def test_verbose_prints_notes_and_summary_to_standard_error(prompts: Path, out: Path) -> None:
    found = sprout("run", prompts, *REPLAY, "-o", out, "-v")
    assert found.stdout == ""
    assert "10 answered" in found.stderr
    assert "first run with this model" in found.stderr
    assert "no zone is set: using the yearly average" in found.stderr
    assert "operational (PUE 1)" in found.stderr
    assert "embodied (server)" in found.stderr
    assert "prior: Llama-2-13B-chat" in found.stderr
    assert "\x1b" not in found.stderr


def test_quiet_wins_over_verbose_but_never_silences_a_failure() -> None:
    write_lines(Path("mixed.jsonl"), [{"prompt": "Hello?"}, "{"])
    found = sprout("run", "mixed.jsonl", *REPLAY, "-o", "out.jsonl", "-q", "-v")
    assert found.code == 3
    assert found.stdout == ""
    assert found.stderr.count("\n") == 2
    assert "mixed.jsonl:2:" in found.stderr


PROFILE = ("profile", *REPLAY, "--idle", 0, "--repeats", 1)
CSV = "time,g\n2025-01-01T00:00,300\n2025-01-01T01:00,310\n"


@pytest.mark.parametrize(
    "command",
    [
        ("init", "--config", "new.toml"),
        PROFILE,
        ("evaluate", *REPLAY, "-n", 3),
        ("evaluate", *REPLAY, "-n", 3, "--when-green"),
        ("grid", "use", "DE"),
        ("grid", "import", "x.csv", "--zone", "DE", "--time-column", "time", "--value-column", "g"),
        ("prune", "--older-than", "0d"),
        ("export", "prometheus", "-o", "x.prom"),
        ("report", "--format", "html", "-o", "x.html"),
    ],
    ids=lambda words: " ".join(map(str, words)),
)
def test_a_command_that_acts_says_nothing_when_it_shall_be_quiet(
    command: tuple[str, ...], prompts: Path
) -> None:
    Path("x.csv").write_text(CSV)
    sprout("run", prompts, *REPLAY, "-o", "out.jsonl")
    found = sprout(*command, "--quiet")
    assert found == Result(0, "", "")
    told = sprout(*command, "--quiet", "--json", *(["--force"] if command[0] == "init" else []))
    assert told.data
    assert told.stderr == ""


@pytest.mark.parametrize(
    "command",
    [
        ("run", "prompts.jsonl", "--check"),
        ("run", "prompts.jsonl", *REPLAY, "--dry-run"),
        ("evaluate", *REPLAY, "--show"),
        ("prune", "--older-than", "0d", "--dry-run"),
        ("optimize", *REPLAY),
        ("report",),
        ("status",),
        ("doctor", *REPLAY),
        ("grid", "sources"),
    ],
    ids=lambda words: " ".join(map(str, words)),
)
def test_what_a_command_is_to_show_is_shown_when_it_shall_be_quiet(
    command: tuple[str, ...], prompts: Path
) -> None:
    sprout("run", prompts, *REPLAY, "-o", "out.jsonl")
    found = sprout(*command, "--quiet")
    assert found.code == 0
    assert found.stdout
    assert found.stderr == ""


def test_answers_and_a_proposed_set_are_no_talk(prompts: Path) -> None:
    found = sprout("run", prompts, *REPLAY, "--quiet")
    assert found.stdout.count('"custom_id"') == 10
    assert found.stderr == ""
    proposed = sprout(*PROFILE, "--search", "--quiet")
    assert tomllib.loads(proposed.stdout)
    assert proposed.stderr == ""


@pytest.mark.parametrize("command", [("status",), ("doctor", *REPLAY), ("optimize", *REPLAY)])
def test_off_a_terminal_there_is_no_colour(command: tuple[str, ...], prompts: Path) -> None:
    sprout("run", prompts, *REPLAY, "-o", "out.jsonl")
    found = sprout(*command)
    assert found.code == 0
    assert found.stdout
    assert "\x1b" not in found.stdout
    assert found.stderr == ""


def test_a_table_in_a_file_keeps_its_numbers_whole(prompts: Path) -> None:
    found = sprout("profile", prompts, *REPLAY, "--idle", 0, "--repeats", 2)
    assert "…" not in found.stdout


# on a terminal


def test_a_terminal_sees_progress_and_a_summary_and_no_answers(out: Path) -> None:
    prompts = write_prompts(Path("many.jsonl"), 1000)
    found = run_on_terminal("run", prompts, *REPLAY, env={})
    assert found.code == 0
    for words in ("serving", "1000/1000", "tok/s", "saved", "eta", "1000 answered"):
        assert words in found.stderr
    assert COLOURED.search(found.stderr)
    assert "custom_id" not in found.stderr
    out.write_text(found.stdout, encoding="utf-8")
    assert len(read_lines(out)) == 1000


def test_no_color_is_honoured_on_a_terminal(prompts: Path, out: Path) -> None:
    found = run_on_terminal("run", prompts, *REPLAY, "-o", out, env={"NO_COLOR": "1"})
    assert "10 answered" in found.stderr
    assert not COLOURED.search(found.stderr)


def test_quiet_is_quiet_on_a_terminal_too(prompts: Path, out: Path) -> None:
    found = run_on_terminal("run", prompts, *REPLAY, "-o", out, "-q", env={})
    assert found == Result(0, "", "")


# nobody listens


def test_a_closed_pipe_ends_a_run_with_one_message(prompts: Path) -> None:
    process = start("run", prompts, *REPLAY, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    stderr = process.stderr.read().decode()
    process.stderr.close()
    assert process.wait(PATIENCE_S) == 74
    assert stderr.count("\n") == 1
    assert "standard output was closed" in stderr


@pytest.mark.parametrize(
    "command",
    [("status",), ("status", "--json"), ("grid", "sources"), ("report", "--format", "sci")],
)
def test_a_reader_that_has_seen_enough_ends_what_is_shown_in_silence(
    command: tuple[str, ...],
) -> None:
    with start(*command, stdout=PIPE, stderr=PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(PATIENCE_S) == 141


def test_a_full_disk_under_standard_output_ends_a_command_with_one_message() -> None:
    with Path("/dev/full").open("wb") as full:
        process = start("status", stdout=full, stderr=subprocess.PIPE)
        _, stderr = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 74
    assert stderr.count(b"\n") == 1
    assert b"No space left" in stderr


def test_nobody_at_standard_error_is_no_reason_to_stop(out: Path) -> None:
    write_lines(Path("mixed.jsonl"), ["{", {"id": "good", "prompt": "Hello?"}, "["])
    process = start("run", "mixed.jsonl", *REPLAY, "-o", out, stderr=subprocess.PIPE)
    assert process.stderr is not None
    process.stderr.close()
    assert process.wait(PATIENCE_S) == 3
    assert ids(read_lines(out)) == ["good"]


def test_a_stream_that_was_never_open_is_no_bug(prompts: Path, out: Path) -> None:
    shell = ("sh", "-c", 'exec "$@" 1>&- 2>&-', "sh")
    found = run_process("run", prompts, *REPLAY, "-o", out, prefix=shell)
    assert found == Result(0, "", "")
    without_output = ("sh", "-c", 'exec "$@" 1>&-', "sh")
    found = run_process("--version", prefix=without_output)
    assert found.code == 74
    assert found.stderr == "sprout --version: standard output is closed\n"


def test_blank_lines_keep_no_answer_back() -> None:
    with start("run", "-", "--no-learn", *REPLAY, stdin=PIPE, stdout=PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b'{"prompt": "How are you?", "id": "a"}\n\n\n')
        process.stdin.flush()
        assert select([process.stdout], [], [], PATIENCE_S)[0], "the answer is kept back"
        assert json.loads(process.stdout.readline())["custom_id"] == "a"
        process.stdin.close()
        assert process.wait(PATIENCE_S) == 0


def test_a_limit_ends_a_run_whose_writer_goes_on(out: Path) -> None:
    command = ("run", "-", "--no-learn", *REPLAY, "-o", out, "--limit", 2)
    with start(*command, stdin=PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(b'{"prompt": "How are you?"}\n{"prompt": "Who are you?"}\n')
        process.stdin.flush()
        assert process.wait(PATIENCE_S) == 0
    assert len(read_lines(out)) == 2


@pytest.mark.parametrize(
    "command", [("run", "-"), ("evaluate", "-", "--judge", "reference")], ids=["run", "evaluate"]
)
def test_a_signal_is_heard_while_the_first_line_is_awaited(
    command: tuple[str, ...], store: Path
) -> None:
    with start(*command, *REPLAY, stdin=PIPE, stderr=PIPE) as process:
        wait_until(store.exists, process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 143
        assert process.stderr is not None
        assert b"stopped before anything was begun" in process.stderr.read()
    assert select_rows(store, "SELECT count(*) FROM runs") == [(0,)]


def test_a_pipe_gets_its_answers_while_its_writer_is_still_thinking() -> None:
    command = [sys.executable, "-m", "sprout", "run", "-", "--no-learn", *REPLAY]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for number in range(3):
            process.stdin.write(b'{"prompt": "How are you?", "id": "%d"}\n' % number)
            process.stdin.flush()
            # the writer goes on only after it has the answer
            assert json.loads(process.stdout.readline())["custom_id"] == str(number)
        process.stdin.close()
        assert process.wait(60) == 0


def peak_mib(process: subprocess.Popen[bytes]) -> float:
    """Wait for a process and return the most memory that it had.

    What wait4 tells has that of the tests in it, from which the process was forked.
    """
    peak_kb = 0
    while process.poll() is None:
        status = Path(f"/proc/{process.pid}/status").read_text()
        if found := re.search(r"VmHWM:\s+(\d+) kB", status):
            peak_kb = int(found[1])
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.01)
    return peak_kb / 1024


@pytest.mark.parametrize("source", ["-", "lines.jsonl"])
def test_a_line_that_never_ends_leaves_memory_as_it_is(source: str, out: Path) -> None:
    lines = Path("lines.jsonl")
    lines.touch()
    os.truncate(lines, 256 * MIB)  # sparse
    with lines.open("ab") as file:
        file.write(b'\n{"id": "next", "prompt": "How are you?"}\n')
    with (
        subprocess.Popen(["/bin/cat", lines], stdout=PIPE) as cat,
        start("run", source, *REPLAY, "-o", out, stdin=cat.stdout, stderr=PIPE) as process,
    ):
        peak = peak_mib(process)
        assert process.stderr is not None
        assert b":1: the line has more than 16,777,216 bytes" in process.stderr.read()
    assert process.returncode == 3
    assert ids(read_lines(out)) == ["next"]
    assert 0 < peak < 256
