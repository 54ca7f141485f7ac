"""Prompts that may wait are served in the greenest seconds before their deadline."""

import signal
import subprocess
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cli.program import (
    PATIENCE_S,
    REPLAY,
    Json,
    change,
    ids,
    lose_privileges,
    read_lines,
    run_process,
    select,
    sprout,
    start,
    wait_for_lines,
    wait_until,
    write_lines,
)

from sprout.cli.run.waiting import finish_by, names_deadlines
from sprout.clock import to_text
from sprout.errors import UsageError
from sprout.grid.intensity import Intensity
from sprout.state.intensities import Intensities
from sprout.state.store import Store

RUN = ("--zone", "DE", *REPLAY, "--verbose")
SLOT = timedelta(seconds=3)
HOUR = timedelta(hours=1)


def store_slots(store: Path, g_per_kwh: Sequence[float], slot: timedelta = SLOT) -> datetime:
    """Store the measured present slot and forecasts of those that follow, each so many g/kWh.

    Returns a full second, as every provider's slots begin with one: slot n begins so many slots
    after it, and the first, of which at least a whole slot is left, a second before.
    """
    early = timedelta(seconds=1)
    began = datetime.now(UTC).replace(microsecond=0) + early
    with Store.open(store) as opened:
        Intensities(opened).add(
            Intensity(
                source="test",
                zone="DE",
                start=began + number * slot - (timedelta(0) if number else early),
                duration_s=int((slot if number else slot + early).total_seconds()),
                g_per_kwh=g,
                kind="average",
                factor_type="lifecycle",
                is_forecast=number > 0,
                is_estimated=False,
                generated_at=None,
                fetched_at=began,
            )
            for number, g in enumerate(g_per_kwh)
        )
    return began


def bring_near(store: Path, begins: datetime) -> None:
    """Move all stored slots, so that the one that began then begins a few seconds from now."""
    shift_s = (datetime.now(UTC) + SLOT - begins).total_seconds()
    change(
        store,
        "UPDATE intensities SET start_utc = strftime('%Y-%m-%dT%H:%M:%fZ', start_utc, ?)",
        f"{shift_s} seconds",
    )


def profile(store: Path) -> None:
    """Measure the levels beforehand, so that the present slot is not over when serving begins.

    A replay of a few microseconds may use no joule that a CPU clock can tell: it is given some.
    """
    assert sprout("profile", *REPLAY, "--idle", "0").code == 0
    change(store, "UPDATE profiles SET energy_mean_j = 10")


def await_waiting(process: subprocess.Popen[bytes]) -> None:
    assert process.stderr is not None
    while b"prompts wait" not in (said := process.stderr.readline()):
        assert said, "it did not wait"


def intensities(lines: list[Json]) -> dict[str, float]:
    return {line["custom_id"]: line["sprout"]["intensity_g_per_kwh"] for line in lines}


@pytest.mark.slow
def test_prompts_wait_for_the_greenest_slot_and_the_gain_is_told(
    prompts: Path, out: Path, store: Path
) -> None:
    profile(store)
    began = store_slots(store, [400, 100, 300, 300])
    deadline = (began + 4 * SLOT).isoformat()
    found = sprout("run", prompts, "-o", out, *RUN, "--finish-by", deadline, "--json")
    assert found.code == 0
    assert set(intensities(read_lines(out)).values()) == {100}
    data = found.data
    assert data["is_complete"] is True
    assert data["began_g_per_kwh"] == 400
    # the same joules at 400 instead of 100 g/kWh would have emitted four times as much
    assert data["moved_g"] == pytest.approx(3 * data["operational_g"])
    assert "10 prompts wait: 400 g/kWh now, 100 at" in found.stderr


@pytest.mark.slow
def test_each_line_has_its_own_deadline(out: Path, store: Path) -> None:
    profile(store)
    began = store_slots(store, [400, 200, 100])
    lines: list[Json | str] = [
        {"id": "now", "prompt": "Now?"},
        {"id": "soon", "prompt": "Soon?", "deadline": (began + 2.5 * SLOT).isoformat()},
        "broken",
        {"id": "late", "prompt": "Late?", "deadline": (began + 3.5 * SLOT).isoformat()},
        {"id": "past", "prompt": "Past?", "deadline": "2026-01-01T00:00:00Z"},
    ]
    found = sprout("run", write_lines(Path("lines.jsonl"), lines), "-o", out, *RUN)
    assert found.code == 3
    assert intensities(read_lines(out)) == {"now": 400, "past": 400, "soon": 200, "late": 100}
    assert found.stderr.count("lines.jsonl:3: ") == 1
    assert len(read_lines(Path("out.jsonl.errors.jsonl"))) == 1


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -9), (signal.SIGTERM, 143)])
def test_a_run_that_was_stopped_while_it_waited_goes_on_waiting(
    number: int, code: int, out: Path, store: Path
) -> None:
    profile(store)
    began = store_slots(store, [400, 300, 100, 300], HOUR)
    lines = [{"id": "now", "prompt": "Now?", "deadline": to_text(began)},
             {"id": "later", "prompt": "Later?"}]  # fmt: skip
    prompts = write_lines(Path("lines.jsonl"), lines)
    command = ("run", prompts, "-o", out, *RUN, "--finish-by", (began + 4 * HOUR).isoformat())
    process = start(*command, stderr=subprocess.DEVNULL)
    wait_for_lines(out, 1, process)
    process.send_signal(number)
    assert process.wait(PATIENCE_S) == code
    assert intensities(read_lines(out)) == {"now": 400}
    bring_near(store, began + 2 * HOUR)
    found = sprout(*command)
    assert found.code == 0, found.stderr
    assert intensities(read_lines(out)) == {"now": 400, "later": 100}
    assert "1 answered, 1 answered before" in found.stderr


@pytest.mark.slow
def test_lines_that_come_and_go_while_all_wait_are_seen(out: Path, store: Path) -> None:
    profile(store)
    slot = timedelta(seconds=5)
    began = store_slots(store, [400, 100, 300], slot)
    lines: list[Json | str] = [{"id": f"q{n}", "prompt": f"{n}?"} for n in range(12)]
    path = write_lines(Path("lines.jsonl"), lines[:10])
    process = start(
        "run", path, "-o", out, *RUN, "--finish-by", (began + 3 * slot).isoformat(),
        stderr=subprocess.PIPE,
    )  # fmt: skip
    await_waiting(process)
    write_lines(path, [*lines[:7], *lines[10:]])
    _, stderr = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0
    assert sorted(ids(read_lines(out))) == sorted(f"q{n}" for n in (*range(7), 10, 11))
    assert b"the prompts file has changed" in stderr
    assert select(store, "SELECT count(*) FROM runs WHERE finished_at IS NOT NULL") == [(1,)]


@pytest.mark.slow
@pytest.mark.parametrize("is_killed", [False, True], ids=["waiting", "killed"])
def test_a_line_that_is_edited_behind_its_answer_is_answered_again(
    out: Path, store: Path, *, is_killed: bool
) -> None:
    """Its id is its number; the new answer takes the place of the old one."""
    profile(store)
    slot = timedelta(seconds=10)
    began = store_slots(store, [400, 100, 300], slot)
    due = [{"prompt": f"Due {n}?", "deadline": to_text(began)} for n in range(3)]
    path = write_lines(Path("lines.jsonl"), [*due, {"prompt": "Later?"}])
    command = ("run", path, "-o", out, *RUN, "--finish-by", (began + 3 * slot).isoformat())
    process = start(*command, stderr=subprocess.PIPE)
    wait_for_lines(out, 3, process)
    before = {line["custom_id"]: line for line in read_lines(out)}
    due[1]["prompt"] = "Something else?"
    write_lines(path, [*due, {"prompt": "Later?"}])
    if is_killed:
        process.kill()
        process.communicate(timeout=PATIENCE_S)
        process = start(*command, stderr=subprocess.PIPE)
    _, stderr = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0
    assert b"warning: replaced 1 answer in" in stderr
    after = {line["custom_id"]: line for line in read_lines(out)}
    assert len(read_lines(out)) == 4
    kept = [name for name, line in before.items() if after[name] == line]
    assert sorted(kept) == ["line-000001", "line-000003"]


def test_a_span_counts_from_the_beginning_of_the_run(prompts: Path, out: Path, store: Path) -> None:
    """A run that is continued three hours later has three hours less to wait."""
    profile(store)
    began = store_slots(store, [400, 100], HOUR)
    command = ("run", prompts, "-o", out, *RUN, "--finish-by", "3h")
    process = start(*command, stderr=subprocess.PIPE)
    await_waiting(process)
    process.kill()
    process.communicate(timeout=PATIENCE_S)
    assert read_lines(out) == []
    past = to_text(began - timedelta(seconds=1))
    assert select(store, "SELECT began_g_per_kwh FROM runs") == [(400.0,)]
    change(store, "UPDATE runs SET finish_by = ?", past)
    found = sprout(*command, "--json")
    assert found.code == 0
    assert set(intensities(read_lines(out)).values()) == {400}
    assert select(store, "SELECT finish_by FROM runs") == [(past,)]


@pytest.mark.slow
def test_a_forecast_that_never_comes_true_costs_no_deadline(
    prompts: Path, out: Path, store: Path
) -> None:
    """What is promised at 50 g/kWh is at 500 by the time it comes, and 50 is promised again."""
    profile(store)
    began = store_slots(store, [500, 50, 400, 400, 400])
    deadline = began + 4 * SLOT
    process = start(
        "run", prompts, "-o", out, *RUN, "--finish-by", deadline.isoformat(),
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    for number in range(1, 5):
        begins = began + number * SLOT
        moment = begins - SLOT / 2
        wait_until(lambda moment=moment: datetime.now(UTC) >= moment, process)  # type: ignore[misc]
        change(store, "UPDATE intensities SET g_per_kwh = CASE WHEN start_utc > ? THEN 50 ELSE 500"
               " END", to_text(begins))  # fmt: skip
    assert process.wait(PATIENCE_S) == 0
    assert sorted(ids(read_lines(out))) == sorted(f"q{number}" for number in range(10))
    (latest,) = select(store, "SELECT max(finished_at) FROM completions")
    assert datetime.fromisoformat(latest[0]) <= deadline
    assert set(intensities(read_lines(out)).values()) == {500}


def test_without_a_forecast_everything_is_served_at_once(prompts: Path, out: Path) -> None:
    found = sprout("run", prompts, "-o", out, *RUN, "--finish-by", "8h")
    assert found.code == 0
    assert len(read_lines(out)) == 10
    assert "not waiting for greener hours: nothing is known of the coming hours" in found.stderr


def test_a_dry_run_says_when_prompts_would_be_served(prompts: Path, store: Path) -> None:
    profile(store)
    began = store_slots(store, [400, 300, 100, 300], HOUR)
    deadline = (began + timedelta(hours=4)).isoformat()
    command = ("run", prompts, *RUN, "--dry-run", "--finish-by", deadline)
    (slot,) = sprout(*command, "--json").data["slots"]
    assert (slot["g_per_kwh"], slot["mark"]) == (100, "forecast")
    assert slot["start"] == to_text(began + timedelta(hours=2))
    assert slot["end"] == to_text(began + timedelta(hours=3))
    assert slot["num_prompts"] == pytest.approx(10)
    assert "10 prompts at 100 g/kWh (forecast)" in sprout(*command).stdout


def test_a_pipe_cannot_wait() -> None:
    found = sprout("run", "-", *REPLAY, "--finish-by", "8h", stdin='{"prompt": "Hi"}\n')
    assert found.code == 2
    assert "--finish-by needs a file" in found.stderr


@pytest.mark.parametrize("source", ["missing.jsonl", ".", "x" * 300, "folder/lines.jsonl"])
def test_a_file_that_is_not_there_is_no_pipe(source: str) -> None:
    found = sprout("run", source, *REPLAY, "--finish-by", "8h")
    assert found.code == 66
    assert f"no prompts file {source}" in found.stderr


def test_standard_input_is_a_pipe_though_a_file_has_its_name(store: Path) -> None:
    write_lines(Path("-"), [{"prompt": "Hi", "deadline": "2026-11-24T06:00:00Z"}])
    found = sprout("run", "-", *REPLAY, "--finish-by", "8h", stdin='{"prompt": "Hi"}\n')
    assert found.code == 2
    assert sprout("run", "-", *REPLAY, stdin='{"prompt": "Hi"}\n').code == 0
    assert select(store, "SELECT began_g_per_kwh FROM runs") == [(None,)]


def test_a_file_in_a_folder_out_of_reach_needs_permission(prompts: Path) -> None:
    folder = Path("closed")
    folder.mkdir()
    prompts.rename(folder / prompts.name)
    folder.chmod(0)
    try:
        for more in ((), ("--finish-by", "8h")):
            command = ("run", folder / prompts.name, *REPLAY, *more)
            found = run_process(*command, preexec_fn=lose_privileges)
            assert found.code == 77
            assert "may not be read" in found.stderr
    finally:
        folder.chmod(0o700)


def test_a_deadline_on_a_pipe_is_served_at_once(store: Path) -> None:
    store_slots(store, [400, 100], HOUR)
    deadline = (datetime.now(UTC) + timedelta(hours=9)).isoformat()
    line = f'{{"id": "a", "prompt": "Hi", "deadline": "{deadline}"}}\n'
    found = sprout("run", "-", *RUN, stdin=line)
    assert found.code == 0
    assert '"custom_id": "a"' in found.stdout


NOW = datetime(2026, 11, 24, 20, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment", "is_relative"),
    [
        ("2026-11-25T07:00:00Z", datetime(2026, 11, 25, 7, tzinfo=UTC), False),
        ("2026-11-25T07:00+01:00", datetime(2026, 11, 25, 6, tzinfo=UTC), False),
        ("8h", NOW + timedelta(hours=8), True),
        ("+90m", NOW + timedelta(minutes=90), True),
    ],
)
def test_a_time_to_finish_by_is_a_moment_or_a_span(
    text: str,
    moment: datetime,
    *,
    is_relative: bool,
) -> None:
    assert finish_by(text, NOW) == (moment, is_relative)


def test_a_time_of_day_is_the_next_one_where_the_machine_is() -> None:
    moment, is_relative = finish_by("07:00", NOW)
    assert is_relative
    assert NOW < moment <= NOW + timedelta(hours=24)
    assert moment.astimezone().strftime("%H:%M") == "07:00"


@pytest.mark.parametrize("text", ["tomorrow", "25:00", "2026-13-01T00:00", "-8h", ""])
def test_what_is_no_time_is_refused_with_examples(text: str) -> None:
    with pytest.raises(UsageError, match=r"07:00 or 2026-11-25T07:00, or a span such as 8h"):
        finish_by(text, NOW)


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo", "UTC"])
@pytest.mark.parametrize(
    "text",
    [
        "0001-01-01T00:00",
        "9999-12-31T23:00",
        "0001-01-01T00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "1800-01-01",
        "2200-01-01",
    ],
)
def test_a_time_of_no_age_of_ours_is_refused(
    text: str, zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as here:
        here.setenv("TZ", zone)
        time.tzset()
        with pytest.raises(UsageError, match=text[:10]):
            finish_by(text, NOW)
    time.tzset()


def test_a_file_is_read_twice_only_when_a_line_may_have_a_deadline(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    assert not names_deadlines(str(path))
    path.write_text("")
    assert not names_deadlines(str(path))
    path.write_text('{"prompt": "the deadline"}\n')
    assert not names_deadlines(str(path))
    path.write_text('{"prompt": "a"}\n{"prompt": "b", "deadline": null}\n')
    assert names_deadlines(str(path))
