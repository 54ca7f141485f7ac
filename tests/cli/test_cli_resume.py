"""The same command continues what was stopped: nothing lost, nothing done twice."""

import os
import random
import shutil
import signal
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from cli.program import (
    PATIENCE_S,
    REPLAY,
    Result,
    change,
    ids,
    levels,
    read_lines,
    run_process,
    select,
    sprout,
    start,
    wait_for_lines,
    wait_until,
    write_lines,
    write_prompts,
)

ERRORS = Path("out.jsonl.errors.jsonl")


def run(prompts: Path, out: Path, *options: object) -> Result:
    return sprout("run", prompts, *REPLAY, "-o", out, *options)


def kill(prompts: Path, out: Path, num_lines: int) -> int:
    """Run until OUT has so many lines, then kill; return the exit status."""
    process = start("run", prompts, *REPLAY, "-o", out, "--parallel", 1, stderr=subprocess.DEVNULL)
    wait_for_lines(out, num_lines, process)
    process.kill()
    return process.wait(PATIENCE_S)


def assert_store_agrees(store: Path, out: Path) -> None:
    """Check that store and output file tell the same, to the last joule."""
    assert select(store, "PRAGMA integrity_check") == [("ok",)]
    lines = read_lines(out)
    rows = select(
        store,
        "SELECT prompt_id, level, energy_j, busy_s, operational_g + embodied_g FROM completions"
        " WHERE run_id = (SELECT run_id FROM runs ORDER BY started_at DESC, rowid DESC LIMIT 1)"
        " AND finished_at IS NOT NULL AND error IS NULL",
    )
    assert {row[0]: row[1] for row in rows} == levels(lines)
    for position, name in ((2, "energy_j"), (3, "busy_s"), (4, "carbon_g")):
        told = sum(line["sprout"][name] for line in lines)
        assert sum(row[position] for row in rows) == pytest.approx(told, rel=1e-9)


def assert_quotas_hold(store: Path) -> None:
    """Check that each plan and task got its levels within one prompt of the plan's shares."""
    counts = select(
        store,
        "SELECT plan_id, task, count(*) FROM completions WHERE plan_id IS NOT NULL"
        " GROUP BY plan_id, task",
    )
    assert counts
    for plan_id, task, total in counts:
        shares = select(
            store,
            "SELECT value ->> 'level', value ->> 'share'"
            " FROM plans, json_each(document, '$.levels') WHERE plan_id = ?",
            plan_id,
        )
        for level, share in shares:
            ((count,),) = select(
                store,
                "SELECT count(*) FROM completions WHERE plan_id = ? AND task = ? AND level = ?",
                plan_id,
                task,
                level,
            )
            assert abs(count - share * total) <= 1 + 1e-6, (plan_id, task, level)


@pytest.mark.slow
def test_a_run_killed_again_and_again_answers_each_prompt_once(store: Path, out: Path) -> None:
    num_prompts = 3000
    prompts = write_prompts(Path("many.jsonl"), num_prompts)
    rng = random.Random(4)  # noqa: S311 - to be repeatable
    kept = b""
    admitted: dict[str, str] = {}
    for _ in range(5):
        done = kept.count(b"\n")
        assert kill(prompts, out, done + rng.randrange(1, 350)) == -signal.SIGKILL
        data = out.read_bytes()
        whole = data[: data.rfind(b"\n") + 1]
        assert whole.startswith(kept)
        kept = whole
        assert select(store, "PRAGMA integrity_check") == [("ok",)]
        recorded = dict(select(store, "SELECT prompt_id, level FROM completions"))
        assert admitted.items() <= recorded.items()
        admitted = recorded
        if rng.random() < 0.6:  # a kill in the middle of a write
            half = kept.splitlines()[-1][: rng.randrange(1, 300)]
            out.write_bytes(kept + half)
    done = kept.count(b"\n")
    assert 0 < done < num_prompts

    found = run(prompts, out, "--json")
    assert found.code == 0
    assert found.data["num_skipped"] == done
    assert found.data["num_served"] == num_prompts - done
    assert out.read_bytes().startswith(kept)
    lines = read_lines(out)
    assert Counter(ids(lines)) == Counter(f"q{n}" for n in range(num_prompts))
    assert admitted.items() <= levels(lines).items()
    assert select(store, "SELECT count(*), count(finished_at) FROM runs") == [(1, 1)]
    assert_store_agrees(store, out)
    assert_quotas_hold(store)


@pytest.mark.slow
def test_a_run_killed_before_its_first_answer_begins_anew(store: Path, out: Path) -> None:
    prompts = write_prompts(Path("many.jsonl"), 300)
    for begun in (store, store.parent / "locks", out):
        process = start("run", prompts, *REPLAY, "-o", out, stderr=subprocess.DEVNULL)
        wait_until(begun.exists, process)
        process.kill()
        process.wait(PATIENCE_S)
    assert run(prompts, out).code in {0, 73}  # a quick machine may have finished
    assert sorted(ids(read_lines(out))) == sorted(f"q{n}" for n in range(300))
    assert_store_agrees(store, out)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_a_run_which_then_continues(
    number: int, code: int, store: Path, out: Path
) -> None:
    prompts = write_prompts(Path("many.jsonl"), 2000)
    command = ("run", prompts, *REPLAY, "-o", out, "--json")
    process = start(*command, "--parallel", 1, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_for_lines(out, 20, process)
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=PATIENCE_S)
    stopped = Result(process.returncode, stdout.decode(), stderr.decode())
    assert stopped.code == code
    assert stopped.stderr.count("\n") == 1
    assert "the same command continues" in stopped.stderr
    assert stopped.envelope["status"] == "error"
    assert stopped.data["is_complete"] is False

    before = read_lines(out)
    assert 20 <= len(before) < 2000
    assert_store_agrees(store, out)
    assert sprout(*command).data["num_skipped"] == len(before)
    after = read_lines(out)
    assert after[: len(before)] == before
    assert sorted(ids(after)) == sorted(f"q{n}" for n in range(2000))
    assert_store_agrees(store, out)


@pytest.mark.parametrize(
    ("options", "advice"),
    [
        ((), b"with a file as -o, in place of standard output, a run can be continued"),
        (("-o", "/dev/stdout"), b"with a file as -o, in place of /dev/stdout, a run can be"),
        (("-o", "out.jsonl"), b"the same command continues"),
        (("-o", "out.jsonl", "--overwrite"), b"the same command without --overwrite continues"),
    ],
)
def test_a_stopped_run_is_said_to_continue_only_where_it_does(
    options: tuple[str, ...], advice: bytes
) -> None:
    process = start(
        "run",
        "-",
        *REPLAY,
        *options,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin is not None
    process.stdin.write(b'{"prompt": "What is basalt?"}\n')
    process.stdin.flush()
    if "out.jsonl" in options:
        wait_for_lines(Path("out.jsonl"), 1, process)
    else:
        assert process.stdout is not None
        assert process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    assert stderr.count(b"\n") == 1
    assert b"stopped after 1 answers; " + advice in stderr


def test_answers_that_go_by_are_no_run_to_continue(prompts: Path) -> None:
    command = ("run", prompts, *REPLAY, "-o", "/dev/stdout")
    for _ in range(2):  # neither finished nor foreign the second time
        assert run(prompts, Path("/dev/null")) == Result(0, "", "")
        for found in (run(prompts, Path("-")), run_process(*command)):
            assert (found.code, found.stderr) == (0, "")
            assert found.stdout.count("\n") == 10
    assert not Path("-").exists()


def test_a_full_disk_stops_a_run_which_then_continues(store: Path, out: Path) -> None:
    prompts = write_prompts(Path("many.jsonl"), 3000)
    shell = ("sh", "-c", 'ulimit -f 3000; exec "$@"', "sh")  # blocks of 512 bytes
    environment = os.environ | {"SPROUT_KEEP_TEXT": "false"}
    command = ("run", prompts, *REPLAY, "-o", out, "--parallel", 100)
    found = run_process(*command, prefix=shell, env=environment)
    assert found.code == 74
    assert found.stderr.count("\n") == 1
    assert "Traceback" not in found.stderr
    before = out.read_bytes().count(b"\n")
    assert before > 0
    again = sprout(*command, "--json")
    assert again.code == 0
    assert again.data["num_skipped"] == before
    assert sorted(ids(read_lines(out))) == sorted(f"q{n}" for n in range(3000))
    assert_store_agrees(store, out)


def test_a_line_that_a_power_loss_took_is_answered_again_at_its_level(
    prompts: Path, store: Path, out: Path
) -> None:
    assert run(prompts, out, "--limit", 8).code == 0
    before = levels(read_lines(out))
    whole = out.read_bytes().splitlines(keepends=True)
    out.write_bytes(b"".join(whole[:5]))  # the store knows of eight
    assert run(prompts, out).code == 0
    after = levels(read_lines(out))
    assert sorted(after) == sorted(f"q{n}" for n in range(10))
    assert before.items() <= after.items()
    assert_store_agrees(store, out)


def test_a_row_that_a_power_loss_took_is_rebuilt_from_its_line(
    prompts: Path, store: Path, out: Path
) -> None:
    assert run(prompts, out, "--limit", 8).code == 0
    before = out.read_bytes()
    change(store, "DELETE FROM completions WHERE prompt_id IN ('q1', 'q2')")
    change(store, "UPDATE completions SET finished_at = NULL, energy_j = NULL WHERE prompt_id='q3'")
    assert run(prompts, out).code == 0
    assert out.read_bytes().startswith(before)
    assert len(read_lines(out)) == 10
    assert_store_agrees(store, out)


def test_a_limited_run_is_continued_without_the_limit(prompts: Path, out: Path) -> None:
    assert run(prompts, out, "--limit", 4, "--json").data["is_complete"] is False
    before = out.read_bytes()
    assert len(read_lines(out)) == 4
    found = run(prompts, out, "--json")
    assert found.data["num_skipped"] == 4
    assert found.data["num_served"] == 6
    assert found.data["is_complete"] is True
    assert out.read_bytes().startswith(before)


def test_a_limit_that_reaches_the_end_finishes_the_run(prompts: Path, out: Path) -> None:
    assert run(prompts, out, "--limit", 10, "--json").data["is_complete"] is True
    assert run(prompts, out).code == 73


@pytest.mark.parametrize(
    "options",
    [
        ("--explore", 0.4),
        ("--tolerance", 0.9),
        ("--class-floor", 0.5),
        ("--confidence", 0.5),
        ("--policy", "class-fair"),
        ("--pue", 1.5),
        ("--embodied", "paper"),
    ],
)
def test_a_run_that_is_continued_with_other_options_is_planned_anew(
    options: tuple[str, object], prompts: Path, store: Path, out: Path
) -> None:
    fixed = ("--intensity", 300)
    assert run(prompts, out, *fixed, "--limit", 3).code == 0
    assert run(prompts, out, *fixed, "--limit", 5).code == 0
    assert select(store, "SELECT count(*) FROM plans") == [(1,)]  # it holds
    assert run(prompts, out, *fixed, *options).code == 0
    assert select(store, "SELECT count(*) FROM plans") == [(2,)]
    assert len(select(store, "SELECT DISTINCT plan_id FROM completions")) == 2
    assert_quotas_hold(store)


def test_a_run_that_is_continued_with_another_model_says_so_and_is_planned_anew(
    prompts: Path, store: Path, out: Path
) -> None:
    fixed = ("--intensity", 300)
    other = Path("other.jsonl")
    other.write_bytes(b"\n" + Path(REPLAY[1]).read_bytes())
    assert run(prompts, out, *fixed, "--limit", 3).stderr == ""
    found = run(prompts, out, *fixed, "--model", other)
    assert found.code == 0
    assert "was begun with another model, whose answers stay" in found.stderr
    assert select(store, "SELECT count(*) FROM plans") == [(2,)]
    names = [line["response"]["body"]["model"] for line in read_lines(out)]
    assert names == ["recording"] * 3 + ["other"] * 7


def test_a_plan_that_does_not_say_what_it_was_made_by_holds_no_longer(
    prompts: Path, store: Path, out: Path
) -> None:
    assert run(prompts, out, "--limit", 3).code == 0
    change(store, "UPDATE plans SET document = json_remove(document, '$.options')")
    assert run(prompts, out).code == 0
    assert select(store, "SELECT count(*) FROM plans") == [(2,)]


# files that are not continued


def test_a_finished_file_is_refused_and_left_alone(prompts: Path, out: Path) -> None:
    assert run(prompts, out).code == 0
    before = out.read_bytes()
    found = run(prompts, out)
    assert found.code == 73
    assert "--overwrite" in found.stderr
    assert out.read_bytes() == before


def test_overwrite_replaces_a_finished_file(prompts: Path, store: Path, out: Path) -> None:
    assert run(prompts, out).code == 0
    before = {line["id"] for line in read_lines(out)}
    assert run(prompts, out, "--overwrite").code == 0
    after = read_lines(out)
    assert len(after) == 10
    assert not before & {line["id"] for line in after}
    assert select(store, "SELECT count(*) FROM runs") == [(2,)]
    assert_store_agrees(store, out)


def test_a_foreign_file_is_refused_and_left_alone(prompts: Path, out: Path) -> None:
    out.write_text("my thesis\n")
    assert run(prompts, out).code == 73
    assert out.read_text() == "my thesis\n"
    assert run(prompts, out, "--overwrite").code == 0
    assert len(read_lines(out)) == 10


def test_an_unfinished_file_with_a_foreign_line_is_refused(prompts: Path, out: Path) -> None:
    assert run(prompts, out, "--limit", 3).code == 0
    with out.open("a") as file:
        file.write('{"custom_id": "mine"}\n')
    found = run(prompts, out)
    assert found.code == 73
    assert "out.jsonl:4:" in found.stderr


def test_notes_in_the_place_of_an_unfinished_file_are_left_alone(prompts: Path, out: Path) -> None:
    assert run(prompts, out, "--limit", 3).code == 0
    for before in (out.read_bytes(), b""):
        notes = before + b"my notes, without a newline"
        out.write_bytes(notes)
        found = run(prompts, out)
        assert found.code == 73
        assert "choose another -o file" in found.stderr
        assert out.read_bytes() == notes


def test_a_torn_line_stays_where_a_line_before_it_is_foreign(prompts: Path, out: Path) -> None:
    assert run(prompts, out, "--limit", 3).code == 0
    whole = out.read_bytes()
    spoilt = whole + b"my thesis\n" + whole[:50]
    out.write_bytes(spoilt)
    assert run(prompts, out).code == 73
    assert out.read_bytes() == spoilt


def test_an_output_of_another_store_is_foreign(prompts: Path, out: Path) -> None:
    assert run(prompts, out).code == 0
    assert run(prompts, out, "--state", "other.db").code == 73


def test_an_empty_file_may_be_filled(prompts: Path, out: Path) -> None:
    out.touch()
    assert run(prompts, out).code == 0
    assert len(read_lines(out)) == 10


def test_a_deleted_output_begins_anew(prompts: Path, store: Path, out: Path) -> None:
    assert run(prompts, out, "--limit", 3).code == 0
    out.unlink()
    found = run(prompts, out, "--json")
    assert found.data["num_skipped"] == 0
    assert len(read_lines(out)) == 10
    out.unlink()
    assert run(prompts, out).code == 0
    assert len(read_lines(out)) == 10
    assert_store_agrees(store, out)


def test_one_file_is_one_run_however_its_path_is_spelled(prompts: Path, out: Path) -> None:
    assert run(prompts, out, "--limit", 3).code == 0
    Path("folder").mkdir()
    Path("link.jsonl").symlink_to(out)
    assert (
        run(prompts, Path("folder/../out.jsonl"), "--limit", 6, "--json").data["num_skipped"] == 3
    )
    assert run(prompts, Path("link.jsonl"), "--json").data["num_skipped"] == 6
    assert len(read_lines(out)) == 10


# failed lines and changed prompts


def test_retry_errors_answers_only_what_failed(store: Path, out: Path) -> None:
    good = [{"id": f"q{n}", "prompt": f"Question {n}?"} for n in range(4)]
    prompts = write_lines(Path("prompts.jsonl"), [*good[:2], '{"id": "q9", "prompt"', *good[2:]])
    assert run(prompts, out).code == 3
    assert run(prompts, out).code == 73
    before = out.read_bytes()
    write_lines(prompts, [*good[:2], {"id": "q9", "prompt": "Mended?"}, *good[2:]])
    found = run(prompts, out, "--retry-errors", "--json")
    assert found.code == 0
    assert found.data["num_served"] == 1
    assert found.data["num_skipped"] == 4
    assert out.read_bytes().startswith(before)
    assert ids(read_lines(out))[-1] == "q9"
    assert not ERRORS.exists()
    assert run(prompts, out).code == 73
    assert_store_agrees(store, out)


def test_a_line_that_still_fails_is_in_the_errors_file_once(out: Path) -> None:
    prompts = write_lines(Path("prompts.jsonl"), [{"id": "a", "prompt": "Hello?"}, "{"])
    for options in ((), ("--retry-errors",), ("--retry-errors",)):
        assert run(prompts, out, *options).code == 3
        assert len(read_lines(ERRORS)) == 1
        assert ids(read_lines(out)) == ["a"]


def test_a_line_that_is_rejected_again_counts_once_and_a_mended_one_no_more(out: Path) -> None:
    def told() -> tuple[object, object]:
        (stored,) = sprout("status", "--json").data["runs"]
        return stored["num_rejected"], sprout("report", "--json").data["num_rejected"]

    good = {"id": "a", "prompt": "Hello?"}
    prompts = write_lines(Path("prompts.jsonl"), [good, "{", "{}"])
    for options in ((), ("--retry-errors",)):
        assert run(prompts, out, *options).code == 3
        assert told() == (2, 2)
    assert "finished: 1 answered, 0 failed, 2 lines rejected" in sprout("status").stdout
    assert "1 answered, 2 lines rejected" in sprout("report").stdout
    write_lines(prompts, [good, "{"])
    assert run(prompts, out, "--retry-errors").code == 3
    assert told() == (1, 1)
    write_lines(prompts, [good])
    assert run(prompts, out, "--retry-errors").code == 0
    assert told() == (0, 0)
    assert "lines rejected" not in sprout("status").stdout + sprout("report").stdout


@pytest.mark.parametrize("waits", [(), ("--finish-by", "8h")])
def test_lines_of_which_none_can_be_served_are_told_of(waits: tuple[str, ...], out: Path) -> None:
    prompts = write_lines(Path("prompts.jsonl"), ["{", "{}"])
    assert run(prompts, out, *waits).code == 3
    assert "0 answered, 2 lines rejected" in sprout("report").stdout
    assert "sprout_rejected_lines 2.0" in metrics()


def metrics() -> str:
    assert sprout("export", "prometheus", "-o", "sprout.prom").code == 0
    return Path("sprout.prom").read_text(encoding="utf-8")


def test_what_an_earlier_version_did_not_record_is_not_known(store: Path, out: Path) -> None:
    prompts = write_lines(Path("prompts.jsonl"), [{"id": "a", "prompt": "Hello?"}, "{"])
    run(prompts, out)
    change(store, "UPDATE runs SET num_rejected = NULL")
    assert sprout("status", "--json").data["runs"][0]["num_rejected"] is None
    assert sprout("report", "--json").data["num_rejected"] is None
    assert "lines rejected" not in sprout("status").stdout + sprout("report").stdout
    assert "sprout_rejected_lines" not in metrics()
    run(prompts, out, "--retry-errors")  # reads all of the file again
    assert sprout("report", "--json").data["num_rejected"] == 1


def test_a_rejected_line_leaves_the_answer_that_bears_its_id_alone(store: Path, out: Path) -> None:
    good = [{"id": f"q{n}", "prompt": f"Question {n}?"} for n in range(40)]
    bad = [{"id": "q39", "prompt": ""}, {"id": "q1", "prompt": "Late?"}]
    # the first is rejected before its id is answered, the others after, which only they repeat
    prompts = write_lines(Path("prompts.jsonl"), [bad[0], *good, bad[1], bad[1]])
    assert run(prompts, out, "--parallel", 1, "--json").data["num_failed"] == 3
    answered = select(store, "SELECT * FROM completions ORDER BY prompt_id")
    assert len(answered) == 40
    assert select(store, "SELECT count(*) FROM completions WHERE error IS NOT NULL") == [(0,)]
    assert run(prompts, out, "--parallel", 1, "--retry-errors").code == 3
    assert select(store, "SELECT * FROM completions ORDER BY prompt_id") == answered
    assert_store_agrees(store, out)
    ((num_answered, num_failed),) = [
        (each["num_answered"], each["num_failed"])
        for each in sprout("status", "--json").data["runs"]
    ]
    assert (num_answered, num_failed) == (40, 0)  # no line of the three was ever served
    ((metered_j, idle_j),) = select(store, "SELECT metered_j, idle_j FROM runs")
    told_j = sum(line["sprout"]["energy_j"] for line in read_lines(out))
    assert metered_j - idle_j == pytest.approx(told_j, rel=1e-6)  # nothing was metered twice


def test_a_changed_prompt_is_answered_again_and_keeps_one_line(store: Path, out: Path) -> None:
    lines = [{"id": f"q{n}", "prompt": f"Question {n}?"} for n in range(8)]
    prompts = write_lines(Path("prompts.jsonl"), lines)
    assert run(prompts, out, "--limit", 5).code == 0
    first = {line["custom_id"]: line for line in read_lines(out)}
    lines[2]["prompt"] = "Something else?"
    write_lines(prompts, lines)
    found = run(prompts, out, "--json")
    assert found.data["num_skipped"] == 4
    assert found.data["num_served"] == 4
    assert "warning: replaced 1 answer in" in found.stderr
    after = {line["custom_id"]: line for line in read_lines(out)}
    assert len(read_lines(out)) == 8
    assert after["q2"]["response"]["request_id"] != first["q2"]["response"]["request_id"]
    assert all(after[name] == first[name] for name in ("q0", "q1", "q3", "q4"))
    assert_store_agrees(store, out)


@pytest.fixture
def monday(out: Path) -> bytes:
    """Five of six prompts without ids of their own are answered; what the output file holds."""
    prompts = write_lines(Path("batch.jsonl"), [{"prompt": f"Monday {n}?"} for n in range(6)])
    assert run(prompts, out, "--limit", 5).code == 0
    return out.read_bytes()


@pytest.mark.parametrize("num_kept", [0, 1, 2])
def test_another_batch_of_the_same_ids_replaces_no_answers(
    num_kept: int, out: Path, monday: bytes
) -> None:
    days = ["Monday"] * num_kept + ["Tuesday"] * (4 - num_kept)
    prompts = write_lines(
        Path("batch.jsonl"), [{"prompt": f"{day} {n}?"} for n, day in enumerate(days)]
    )
    found = run(prompts, out)
    if num_kept == 2:  # as many are the same
        assert found.code == 0
        assert "warning: replaced 2 answers in" in found.stderr
        return
    for options in ((), ("--adopt", "--state", "other.db")):
        found = run(prompts, out, *options)
        assert found.code == 73
        assert "another batch" in found.stderr
        assert found.stderr.count("\n") == 1
        assert out.read_bytes() == monday
    assert run(prompts, out, "--overwrite").code == 0
    assert len(read_lines(out)) == 4


def test_another_batch_from_a_pipe_replaces_no_answers(out: Path, monday: bytes) -> None:
    tuesday = "".join(f'{{"prompt": "Tuesday {n}?"}}\n' for n in range(4))
    found = sprout("run", "-", *REPLAY, "-o", out, stdin=tuesday)
    assert found.code == 73
    assert "another batch" in found.stderr
    assert out.read_bytes() == monday
    same = Path("batch.jsonl").read_text()
    assert sprout("run", "-", *REPLAY, "-o", out, stdin=same).code == 0
    assert out.read_bytes().startswith(monday)
    assert len(read_lines(out)) == 6


def test_another_batch_does_not_open_a_finished_file_again(out: Path, store: Path) -> None:
    prompts = write_lines(Path("batch.jsonl"), [{"prompt": "Monday?"}, "{"])
    assert run(prompts, out).code == 3
    before = out.read_bytes()
    write_lines(prompts, [{"prompt": "Tuesday?"}, {"prompt": "And?"}])
    found = run(prompts, out, "--retry-errors")
    assert found.code == 73
    assert "another batch" in found.stderr
    assert out.read_bytes() == before
    assert select(store, "SELECT count(*) FROM runs WHERE finished_at IS NULL") == [(0,)]


def test_other_options_of_every_prompt_replace_no_answers(out: Path, monday: bytes) -> None:
    assert run(Path("batch.jsonl"), out, "--max-tokens", 9).code == 73
    assert out.read_bytes() == monday


def test_a_kill_before_the_old_line_is_dropped_leaves_one_line_in_the_end(
    store: Path, out: Path
) -> None:
    lines = [{"id": f"q{n}", "prompt": f"Question {n}?"} for n in range(5)]
    prompts = write_lines(Path("prompts.jsonl"), lines)
    assert run(prompts, out, "--limit", 3).code == 0
    old = out.read_bytes().splitlines(keepends=True)
    lines[1]["prompt"] = "Something else?"
    write_lines(prompts, lines)
    assert run(prompts, out, "--limit", 4).code == 0
    out.write_bytes(old[1] + out.read_bytes())  # as a kill would have left it
    assert run(prompts, out).code == 0
    after = read_lines(out)
    assert sorted(ids(after)) == [f"q{n}" for n in range(5)]
    assert old[1] not in out.read_bytes()
    assert_store_agrees(store, out)


def test_a_failed_line_of_a_stopped_run_is_told_of_again(out: Path) -> None:
    prompts = write_lines(
        Path("prompts.jsonl"), ["{", *({"prompt": f"Question {n}?"} for n in range(5))]
    )
    assert run(prompts, out, "--limit", 3).code == 3
    ERRORS.unlink()
    assert run(prompts, out).code == 3
    assert len(read_lines(ERRORS)) == 1
    assert len(read_lines(out)) == 5


def test_a_copy_of_the_input_continues_too(prompts: Path, out: Path) -> None:
    assert run(prompts, out, "--limit", 3).code == 0
    shutil.copy(prompts, "copy.jsonl")
    assert run(Path("copy.jsonl"), out, "--json").data["num_skipped"] == 3
