"""Bad input: one clear message, the right exit status, nothing lost, no traceback."""

import bz2
import gzip
import json
import lzma
import os
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import psutil
import pytest
from cli.program import (
    PATIENCE_S,
    REPLAY,
    Result,
    change,
    ids,
    lose_privileges,
    read_lines,
    run_process,
    select,
    sprout,
    start,
    write_lines,
)


def assert_refused(found: Result, code: int, *words: str) -> None:
    """Check for one message on standard error, and nothing on standard output."""
    assert found.code == code, found.stderr
    assert found.stdout == ""
    assert found.stderr.count("\n") == 1, found.stderr
    assert found.stderr.startswith("sprout ")
    for word in words:
        assert word in found.stderr


# prompt files


@pytest.mark.parametrize("command", [(), ("--check",), ("--dry-run",)])
@pytest.mark.parametrize("content", ["", "\n", " \n\n\t\n"])
def test_a_file_without_prompts_is_no_input(content: str, command: tuple[str, ...]) -> None:
    Path("empty.jsonl").write_text(content)
    assert_refused(sprout("run", "empty.jsonl", *REPLAY, *command), 66, "empty.jsonl")


def test_nothing_on_standard_input_is_no_input() -> None:
    assert_refused(sprout("run", "-", *REPLAY), 66, "standard input holds no prompts")


def test_empty_input_spoils_no_output_file(prompts: Path, out: Path) -> None:
    blank = write_lines(Path("blank.jsonl"), [" "])
    assert sprout("run", blank, *REPLAY, "-o", out).code == 66
    assert not out.exists()
    assert sprout("run", prompts, *REPLAY, "-o", out).code == 0
    before = out.read_bytes()
    assert sprout("run", "-", *REPLAY, "-o", out, "--overwrite").code == 66
    assert out.read_bytes() == before


def test_a_missing_file_and_a_folder_are_no_input() -> None:
    assert_refused(sprout("run", "missing.jsonl", *REPLAY), 66, "missing.jsonl")
    assert_refused(sprout("run", ".", *REPLAY), 66, "Is a directory")
    assert_refused(sprout("run", "x" * 300, *REPLAY), 66, "File name too long")


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (("run", "prompts.jsonl", *REPLAY), "prompts.jsonl"),
        (("status", "--config", "sprout.toml"), "sprout.toml"),
        (("grid", "use", "DE", "--config", "sprout.toml"), "sprout.toml"),
        (("run", "prompts.jsonl", *REPLAY, "--directives", "mine.toml"), "mine.toml"),
        (("run", "prompts.jsonl", "--model", "model.gguf"), "model.gguf"),
        (("run", "prompts.jsonl", "--model", "model.jsonl"), "model.jsonl"),
        (("grid", "import", "hours.csv"), "hours.csv"),
        (
            ("grid", "backtest", "hours.csv", "--time-column", "t", "--value-column", "g"),
            "hours.csv",
        ),
    ],
)
def test_a_file_that_may_not_be_read_needs_permission(
    command: tuple[str, ...], name: str, prompts: Path
) -> None:
    assert prompts.exists()
    Path(name).touch()
    Path(name).chmod(0)
    found = run_process(*command, preexec_fn=lose_privileges)
    assert_refused(found, 77, name, "may not be read")


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_a_compressed_file_is_refused_whole(pack: Callable[[bytes], bytes], prompts: Path) -> None:
    packed = Path("prompts.packed")
    packed.write_bytes(pack(prompts.read_bytes()))
    for command in (("run", packed), ("run", packed, "--check"), ("profile", packed)):
        assert_refused(sprout(*command, *REPLAY), 65, "compressed: unpack")
    assert_refused(sprout("run", "-", *REPLAY, stdin=packed.read_bytes()), 65, "compressed")


def test_a_standard_input_that_is_closed_is_no_input() -> None:
    found = run_process("run", "-", *REPLAY, prefix=("sh", "-c", 'exec "$@" <&-', "sh"))
    assert_refused(found, 66, "standard input is closed")


def test_a_line_that_is_not_utf_8_fails_alone(out: Path) -> None:
    Path("latin.jsonl").write_bytes(
        b'{"id": "a", "prompt": "one"}\n{"prompt": "caf\xe9"}\n{"id": "b", "prompt": "two"}\n'
    )
    found = sprout("run", "latin.jsonl", *REPLAY, "-o", out)
    assert found.code == 3
    assert "latin.jsonl:2: byte 0xe9" in found.stderr
    assert sorted(ids(read_lines(out))) == ["a", "b"]


def test_utf_16_is_named(out: Path) -> None:
    Path("wide.jsonl").write_bytes('{"prompt": "one"}\n'.encode("utf-16"))
    found = sprout("run", "wide.jsonl", *REPLAY, "-o", out)
    assert found.code == 3
    assert "iconv -f UTF-16" in found.stderr


def test_a_broken_line_in_the_middle_is_named_by_file_and_line(out: Path) -> None:
    write_lines(
        Path("broken.jsonl"),
        [{"id": "a", "prompt": "one"}, '{"prompt": "b"', {"id": "c", "prompt": "three"}],
    )
    found = sprout("run", "broken.jsonl", *REPLAY, "-o", out)
    assert found.code == 3
    assert "broken.jsonl:2: " in found.stderr
    assert sorted(ids(read_lines(out))) == ["a", "c"]
    (error,) = read_lines(Path("out.jsonl.errors.jsonl"))
    assert error["error"]["code"] == "invalid_json"
    assert error["error"]["line"] == 2


CONTENT = [{"type": "image_url", "image_url": {"url": "data:image/png;base64,"}}]


MESSAGES = [{"role": "user", "content": "Hello?"}]
UNSERVED: list[tuple[object, str, str]] = [
    ({"prompt": "x", "stream": True}, "unsupported", "stream"),
    ({"prompt": "x", "n": 2}, "unsupported", "n: only 1"),
    ({"prompt": "x", "tools": [{"type": "function"}]}, "unsupported", "tools"),
    ({"prompt": "x", "response_format": {"type": "json_object"}}, "unsupported", "response_"),
    ({"messages": [{"role": "user", "content": CONTENT}]}, "unsupported", "image_url"),
    ({"url": "/v1/embeddings", "body": {"messages": MESSAGES}}, "unsupported", "/v1/embeddings"),
    ({"prompt": "x", "directive": "L9"}, "unknown_directive", "L0, L1, L2"),
    ({"id": "first", "prompt": "again"}, "duplicate_id", "'first'"),
    ({"prompt": "x", "max_tokens": 0}, "invalid_request", "max_tokens"),
    ({"id": "x"}, "invalid_request", "`prompt`"),
    ([1], "invalid_json", "not an object"),
]


def test_what_cannot_be_served_fails_alone_with_its_reason(out: Path) -> None:
    lines = [json.dumps(line) for line, _, _ in UNSERVED]
    write_lines(Path("odd.jsonl"), [{"id": "first", "prompt": "good"}, *lines])
    found = sprout("run", "odd.jsonl", *REPLAY, "-o", out)
    assert found.code == 3
    assert ids(read_lines(out)) == ["first"]
    told = found.stderr.splitlines()
    errors = read_lines(Path("out.jsonl.errors.jsonl"))
    for number, (_, code, word) in enumerate(UNSERVED):
        assert f"odd.jsonl:{number + 2}: " in told[number]
        assert word in told[number]
        assert word in errors[number]["error"]["message"]
        assert errors[number]["error"]["code"] == code
        assert errors[number]["error"]["line"] == number + 2
    assert told[len(UNSERVED) :] == [
        f"sprout run: 11 of 12 lines failed; see {out}.errors.jsonl",
    ]


def test_many_broken_lines_are_told_in_part_and_kept_in_full(out: Path) -> None:
    write_lines(Path("broken.jsonl"), ["{"] * 500)
    found = sprout("run", "broken.jsonl", *REPLAY, "-o", out)
    assert found.code == 3
    assert found.stderr.count("\n") < 30
    assert "500 of 500 lines failed" in found.stderr
    assert len(read_lines(Path("out.jsonl.errors.jsonl"))) == 500


# models


def test_a_missing_model_is_no_input(prompts: Path, out: Path) -> None:
    command = ("run", prompts, "-o", out, "--model")
    assert_refused(sprout(*command, "no.gguf"), 66, "no.gguf", "--model")
    assert_refused(sprout(*command, "no.jsonl"), 66, "no.jsonl")
    assert_refused(sprout(*command, "."), 66, "no model file")
    assert not out.exists()


def test_a_file_that_is_not_gguf_is_bad_data(prompts: Path, out: Path) -> None:
    Path("model.gguf").write_bytes(b"PK\3\4" * 100)
    command = ("run", prompts, "-o", out, "--model", "model.gguf")
    assert_refused(sprout(*command), 65, "model.gguf is not a GGUF file")
    assert not out.exists()


def test_a_broken_gguf_does_not_load(prompts: Path, out: Path) -> None:
    Path("model.gguf").write_bytes(b"GGUF" + bytes(1000))
    found = run_process("run", prompts, "-o", out, "--model", "model.gguf")
    assert_refused(found, 69, "cannot load model.gguf")
    assert not out.exists()


def test_a_model_larger_than_memory_is_not_tried(prompts: Path, out: Path) -> None:
    with Path("large.gguf").open("wb") as file:
        file.write(b"GGUF")
        file.truncate(2 * psutil.virtual_memory().total)  # sparse: takes no room
    found = sprout("run", prompts, "-o", out, "--model", "large.gguf")
    assert_refused(found, 69, "GB of memory")
    assert not out.exists()


def test_a_recording_without_answers_is_bad_data(prompts: Path) -> None:
    assert_refused(sprout("run", prompts, "--model", prompts), 65, "no output lines")


# places to write


def test_no_permission_to_write_is_said(prompts: Path) -> None:
    command = ("run", prompts, *REPLAY)
    assert_refused(sprout(*command, "-o", "/sys/out.jsonl"), 77, "/sys/out.jsonl")
    assert_refused(sprout(*command, "--state", "/proc/sprout.db"), 77, "/proc/sprout.db")
    assert_refused(sprout(*command, "--state", prompts / "sprout.db"), 77, "prompts.jsonl")


@pytest.mark.parametrize(
    ("option", "place"),
    [
        ("-o", "closed/out.jsonl"),
        ("-o", "closed.jsonl"),
        ("-o", "closed/open.jsonl"),  # beside it no errors file can be
        ("--errors", "closed/out.jsonl"),
        ("--errors", "closed.jsonl"),
    ],
)
def test_a_place_that_may_not_be_written_is_told_before_anything_is_measured(
    option: str, place: str, prompts: Path, store: Path
) -> None:
    Path("closed").mkdir()
    Path("closed/open.jsonl").touch()
    Path("closed").chmod(0o500)
    Path("closed.jsonl").touch(mode=0o400)
    found = run_process("run", prompts, *REPLAY, option, place, preexec_fn=lose_privileges)
    assert_refused(found, 77, place, "may not be written")
    assert select(store, "SELECT count(*) FROM profiles") == [(0,)]


def test_a_place_that_does_not_exist_is_named_before_anything_is_done(
    prompts: Path, store: Path
) -> None:
    command = ("run", prompts, *REPLAY, "-o")
    assert_refused(sprout(*command, "nowhere/out.jsonl"), 74, "no folder", "nowhere")
    assert_refused(sprout(*command, "."), 74, "is a folder")
    assert_refused(sprout(*command, "nowhere/"), 74, "no folder nowhere/", "name a file in it")
    assert_refused(sprout(*command, "x" * 300), 74, "File name too long")
    found = sprout(*command, "out.jsonl", "--errors", "nowhere/errors.jsonl")
    assert_refused(found, 74, "no folder", "nowhere")
    assert not store.exists()


def test_a_device_for_failed_lines_stays_a_device(prompts: Path) -> None:
    os.mkfifo("pipe")
    assert sprout("run", prompts, *REPLAY, "-o", "out.jsonl", "--errors", "pipe").code == 0
    assert Path("pipe").is_fifo()
    assert sprout("run", prompts, *REPLAY, "-o", "/dev/null", "--errors", "/dev/null").code == 0


def test_a_link_to_a_file_of_failed_lines_keeps_its_target(prompts: Path) -> None:
    """As root, failed lines into /dev/stdout would else put a file in the place of that link."""
    with prompts.open("a") as file:
        file.write("broken\n")
    link = Path("link")
    link.symlink_to("failed.jsonl")
    for _ in range(2):
        assert sprout("run", prompts, *REPLAY, "-o", "out.jsonl", "--errors", link,
                      "--overwrite").code == 3  # fmt: skip
        assert link.is_symlink()
        assert len(read_lines(Path("failed.jsonl"))) == 1


def test_failed_lines_may_go_to_standard_output(prompts: Path) -> None:
    with prompts.open("a") as file:
        file.write("broken\n")
    found = run_process("run", prompts, *REPLAY, "-o", "out.jsonl", "--errors", "-")
    assert found.code == 3
    assert '"code": "invalid_json"' in found.stdout
    assert found.stdout.count("\n") == 1
    assert not Path("-").exists()


@pytest.mark.parametrize("source", ["prompts.jsonl", "-"])
def test_standard_output_is_no_file_of_another_part(source: str, prompts: Path) -> None:
    before = prompts.read_bytes()
    with Path("out.jsonl").open("wb") as file:
        found = _run_into(file, source, "--errors", "out.jsonl")
        assert_refused(found, 2, "another part")
    with prompts.open("ab") as file:
        assert_refused(_run_into(file, source), 2, "another part")
    assert prompts.read_bytes() == before


def _run_into(file: BinaryIO, source: str, *options: str) -> Result:
    with Path("prompts.jsonl").open("rb") as prompts:
        process = start(
            "run", source, *REPLAY, *options, stdin=prompts, stdout=file, stderr=subprocess.PIPE
        )
        _, said = process.communicate(timeout=PATIENCE_S)
    return Result(process.returncode, "", said.decode())


@pytest.mark.parametrize("content", ["my notes\n", "my notes", '{"id": "a", "error": null}\n'])
def test_a_foreign_file_is_no_place_for_failed_lines(content: str, prompts: Path) -> None:
    notes = Path("notes.txt")
    notes.write_text(content)
    command = ("run", prompts, *REPLAY, "-o", "out.jsonl", "--errors", notes)
    assert_refused(sprout(*command), 73, "notes.txt", "--overwrite")
    assert notes.read_text() == content
    assert sprout(*command, "--overwrite").code == 0


def test_the_errors_file_of_an_earlier_run_is_replaced(prompts: Path) -> None:
    errors = Path("errors.jsonl")
    broken = Path("broken.jsonl")
    broken.write_text("{\n")
    assert sprout("run", broken, *REPLAY, "--errors", errors).code == 3
    torn = errors.read_bytes()[:40]
    for left in (errors.read_bytes(), torn, b""):
        errors.write_bytes(left)
        assert sprout("run", prompts, *REPLAY, "--errors", errors).code == 0
        assert not errors.exists()


@pytest.mark.parametrize(
    "options",
    [
        ("-o", "prompts.jsonl", "--overwrite"),
        ("-o", "./prompts.jsonl"),
        ("-o", "out.jsonl", "--errors", "prompts.jsonl"),
        ("--errors", "prompts.jsonl"),
        ("-o", "out.jsonl", "--errors", "out.jsonl"),
        ("-o", "answers.jsonl", "--model", "answers.jsonl", "--overwrite"),
        ("-o", "sprout.db", "--overwrite"),
    ],
)
def test_a_file_that_is_read_is_never_written(options: tuple[str, ...], prompts: Path) -> None:
    before = prompts.read_bytes()
    answers = Path("answers.jsonl")
    answers.write_bytes(Path(REPLAY[1]).read_bytes())
    assert_refused(sprout("run", prompts, *REPLAY, *options), 2, "another part")
    assert prompts.read_bytes() == before
    assert answers.read_bytes() == Path(REPLAY[1]).read_bytes()


def test_another_name_of_the_prompts_is_no_place_for_answers(prompts: Path) -> None:
    before = prompts.read_bytes()
    Path("link.jsonl").hardlink_to(prompts)
    found = sprout("run", prompts, *REPLAY, "-o", "link.jsonl", "--overwrite")
    assert_refused(found, 2, "another part")
    with prompts.open("rb") as file:
        found = run_process("run", "-", *REPLAY, "-o", prompts, "--overwrite", stdin=file)
    assert_refused(found, 2, "another part")
    assert prompts.read_bytes() == before


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("--zone", "ATLANTIS"), 65),
        (("--intensity", "inf"), 2),
        (("--embodied", "little"), 2),
        (("--directives", "rude"), 2),
        (("--directives", "rude.toml"), 66),
        (("--model", "missing.gguf"), 66),
        (("--pue", "0.5"), 2),
    ],
)
def test_a_wrong_option_never_costs_the_old_answers(
    options: tuple[str, ...], code: int, prompts: Path, out: Path
) -> None:
    assert sprout("run", prompts, *REPLAY, "-o", out).code == 0
    before = out.read_bytes()
    found = sprout("run", prompts, *REPLAY, "-o", out, "--overwrite", *options)
    assert_refused(found, code)
    assert out.read_bytes() == before


# the store


def test_a_store_newer_than_the_program_is_left_alone(prompts: Path, store: Path) -> None:
    assert sprout("run", prompts, *REPLAY).code == 0
    change(
        store,
        "INSERT INTO _sqlite_migrations (migration_set, name, applied_at)"
        " VALUES ('sprout', 'm999_time_travel', '2099-01-01')",
    )
    for command in (("run", prompts, *REPLAY), ("prune", "--older-than", "1d")):
        assert_refused(sprout(*command), 74, "newer Sprout", "m999_time_travel")


def test_a_file_that_is_no_store_is_left_alone(prompts: Path) -> None:
    before = prompts.read_bytes()
    command = ("prune", "--older-than", "1d", "--state", prompts)
    assert_refused(sprout(*command), 74, "not a database")
    assert prompts.read_bytes() == before


@pytest.mark.slow
def test_a_store_that_stays_locked_says_to_try_later(prompts: Path, store: Path, out: Path) -> None:
    assert sprout("run", prompts, *REPLAY, "-o", out, "--limit", 3).code == 0
    connection = sqlite3.connect(store, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    try:
        found = sprout("run", prompts, *REPLAY, "-o", out)
    finally:
        connection.close()
    assert_refused(found, 75, "locked by another process")
    assert sprout("run", prompts, *REPLAY, "-o", out).code == 0
    assert len(read_lines(out)) == 10


# settings


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("zone = ", "not TOML"),
        ('zonne = "DE"', "unknown setting `zonne`"),
        ('pue = "high"', "`pue` = 'high'"),
        ("tolerance = 2", "`tolerance` = 2"),
    ],
)
def test_a_wrong_setting_is_named_with_its_file(text: str, word: str) -> None:
    Path("sprout.toml").write_text(text)
    assert_refused(sprout("status", "--config", "sprout.toml"), 65, "sprout.toml", word)


def test_a_wrong_variable_is_named() -> None:
    found = sprout("status", env={"SPROUT_PARALLEL": "many"})
    assert_refused(found, 65, "SPROUT_PARALLEL")


@pytest.mark.parametrize(
    "options",
    [
        ("--temperature", "9"),
        ("--parallel", "0"),
        ("--threads", "0"),
        ("--threads", "513"),
        ("--ctx", "1"),
        ("--max-tokens", "0"),
        ("--tolerance", "2"),
        ("--explore", "1"),
        ("--gpu-layers", "-2"),
        ("--intensity", "inf"),
        ("--embodied", "nan"),
    ],
)
def test_an_option_out_of_range_is_wrong_usage(options: tuple[str, ...], prompts: Path) -> None:
    assert_refused(sprout("run", prompts, *REPLAY, *options), 2, options[0].removeprefix("--"))


HUGE = (2**31, 2**63, 10**30)  # beyond llama.cpp's counts, SQLite's integers, and both


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("max_tokens", HUGE),
        ("ctx", HUGE),
        ("gpu_layers", HUGE),
        ("parallel", HUGE),
        ("threads", HUGE),
        ("keep_text_limit", HUGE),
        ("reservoir", HUGE),
        ("verdict_half_life_d", (1e9, 1e300, 1e-9)),
        ("judge_timeout_s", (1e300,)),
        ("judge_price_in", (1e300,)),
        ("watts_per_core", (1e300,)),
    ],
)
def test_a_setting_that_no_program_could_count_in_is_bad_data(
    name: str, values: tuple[float, ...], prompts: Path
) -> None:
    for value in values:
        found = sprout("run", prompts, *REPLAY, env={f"SPROUT_{name.upper()}": str(value)})
        assert_refused(found, 65, f"`{name}` = ", "should be at ")


@pytest.mark.parametrize(
    "options",
    [
        *((("--max-tokens", str(number))) for number in HUGE),
        ("--intensity", "1e17"),
        ("--intensity", "1e308"),
        ("--embodied", "1e308"),
        ("--finish-by", "0001-01-01T00:00"),
        ("--finish-by", "9999-12-31T23:59"),
    ],
)
def test_an_option_that_no_program_could_count_in_is_wrong_usage(
    options: tuple[str, ...], prompts: Path
) -> None:
    assert_refused(sprout("run", prompts, *REPLAY, *options), 2, options[0].removeprefix("--"))


def test_a_limit_beyond_all_lines_reads_all_lines(prompts: Path, out: Path) -> None:
    for number in HUGE:
        command = ("run", prompts, *REPLAY, "-o", out, "--limit", number, "--overwrite")
        assert sprout(*command).code == 0
        assert len(read_lines(out)) == 10
        measuring = ("--idle", 0, "--repeats", 1, "--limit", number)
        assert sprout("profile", prompts, *REPLAY, *measuring).code == 0


def test_spans_that_no_program_could_wait_or_count_are_wrong_usage() -> None:
    assert sprout("profile", *REPLAY, "--idle", "1e300").code == 2
    assert sprout("replay", "--data", ".", "--judged", 2**63).code == 2


@pytest.mark.parametrize("option", ["--retry-errors", "--adopt"])
def test_what_continues_a_file_begins_none_anew(option: str, prompts: Path, out: Path) -> None:
    assert_refused(sprout("run", prompts, *REPLAY, option), 2, option, "-o")
    assert_refused(sprout("run", prompts, *REPLAY, option, "-o", "/dev/null"), 2, option)
    assert sprout("run", prompts, *REPLAY, "-o", out).code == 0
    before = out.read_bytes()
    found = sprout("run", prompts, *REPLAY, "-o", out, option, "--overwrite")
    assert_refused(found, 2, option, "--overwrite")
    assert out.read_bytes() == before


def test_an_output_option_that_nothing_would_use_is_wrong_usage() -> None:
    assert_refused(sprout("profile", *REPLAY, "-o", "set.toml"), 2, "--search")
    assert_refused(sprout("profile", *REPLAY, "--search", "--directives", "paper"), 2, "--search")
