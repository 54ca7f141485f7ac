"""`sprout replay`: tables, rows, pictures, its own history, and bad input."""

import csv
import importlib.util
import os
import pty
import re
import shlex
import signal
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cli.program import PATIENCE_S, REPLAY, change, select, sprout, start, write_lines
from plain_records import KEYS, intensity
from plain_traces import write

from sprout.carbon import CPU_LIFETIME_S, CPU_SERVER_CORES, CPU_SERVER_G
from sprout.machine import num_cores
from sprout.state.intensities import Intensities
from sprout.state.store import Store

DATA = Path(__file__).parents[2] / "../shared/data/emnlp24"

needs_data = pytest.mark.skipif(
    not DATA.is_dir(), reason=f"the paper's data is not beside the repository ({DATA})"
)


@pytest.fixture
def traces(tmp_path: Path) -> Path:
    """A day of two tasks at two levels."""
    return write(tmp_path / "traces")


def test_a_folder_of_traces_makes_a_table(traces: Path) -> None:
    found = sprout("replay", "--data", traces)
    assert found.code == 0
    for word in ("region", "saved %", "preference %", "worst %", "class-fair", "co2-opt"):
        assert word in found.stdout
    assert "hours 0 to 24" in found.stdout


def test_the_rows_for_programs(traces: Path) -> None:
    twice = ("-r", "XX", "-r", "XX", "--levels", "L0,L1,L1")
    found = sprout("replay", "--data", traces, "-p", "base", "-p", "sprout", *twice, "--json").data
    assert found["levels"] == ["L0", "L1"]
    rows = found["rows"]
    assert [row["policy"] for row in rows] == ["base", "sprout"]
    assert rows[0].keys() >= {
        "region",
        "start_hour",
        "policy",
        "saved_percent",
        "preference_percent",
        "hours_below_floor_percent",
        "worst_class_percent",
        "evaluations",
    }
    assert rows[0]["saved_percent"] == pytest.approx(0, abs=1e-9)
    assert found["seeds"] == 3


def test_the_same_rows_as_csv(traces: Path) -> None:
    rows = sprout("replay", "--data", traces, "--csv", "rows.csv", "--json").data["rows"]
    with Path("rows.csv").open(encoding="utf-8") as lines:
        written = list(csv.DictReader(lines))
    assert [row["policy"] for row in written] == [row["policy"] for row in rows]
    assert [float(row["saved_percent"]) for row in written] == [r["saved_percent"] for r in rows]


def test_a_policy_that_cannot_be_is_named_when_asked_for_and_left_out_otherwise(
    traces: Path,
) -> None:
    found = sprout("replay", "--data", traces, "-p", "model-opt")
    assert found.code == 65
    assert "model-opt needs a second model's requests and judgements" in found.stderr
    rows = sprout("replay", "--data", traces, "-p", "all", "--json").data["rows"]
    assert len({row["policy"] for row in rows}) == 11


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (("--data", "nowhere"), 66, "no folder nowhere"),
        (("--data", "traces", "-r", "YY"), 2, "no region YY in traces: it has XX"),
        (("--data", "traces", "-p", "best"), 2, "no policy best"),
        (("--data", "traces", "--start-hour", 20, "--hours", 9), 2, "XX has hours 0 to 23"),
        (("--data", "traces", "--inputs", "all"), 2, "--inputs 'all'"),
        (("--data", "traces", "--inputs", "hourly"), 66, "no hourly_inputs.csv"),
        (("--data", "traces", "--inputs", "hourly", "--split"), 2, "no --split"),
        (("--data", "traces", "--quality", "taste"), 2, "--quality 'taste'"),
        (("--data", "traces", "--mix", "all"), 2, "--mix 'all': choose one of hour, past"),
        (("--data", "traces", "--levels", "L1"), 2, "begin with L0"),
        (("--data", "traces", "--split"), 2, "--split: quiz has 1 judged prompt"),
        (("--data", "traces", "--csv", "no/such/rows.csv"), 74, "cannot be written"),
        (("--data", "store"), 78, "no history to replay"),
        (("--data", "store", "--quality", "accuracy"), 2, "--data store: no --quality"),
    ],
)
def test_bad_input_is_one_clear_error(
    traces: Path, args: tuple[object, ...], code: int, message: str
) -> None:
    assert traces.is_dir()
    found = sprout("replay", *args)
    assert found.code == code
    assert message in found.stderr
    assert "Traceback" not in found.stderr


def test_pictures_are_drawn_where_they_can_be(traces: Path) -> None:
    found = sprout("replay", "--data", traces, "--plot", "pictures", "--seeds", 1)
    if importlib.util.find_spec("matplotlib") is None:
        assert found.code == 2
        assert "--plot needs matplotlib" in found.stderr
        return
    assert found.code == 0
    for name in ("front.png", "month.png"):
        assert (Path("pictures") / name).read_bytes().startswith(b"\x89PNG")


def test_a_store_replays_what_it_served(store: Path, tmp_path: Path) -> None:
    lines = [
        {"id": f"q{n}", "prompt": f"Question {n}?", "task": ("qa", "maths")[n % 2]}
        for n in range(60)
    ]
    prompts = write_lines(tmp_path / "prompts.jsonl", lines)
    how = (*REPLAY, "--intensity", 300, "--zone", "DE", "--explore", 0.4)
    assert sprout("run", prompts, *how, "-o", "out.jsonl").code == 0
    # a replay of a few microseconds uses no joule that a CPU clock could tell from noise
    change(store, "UPDATE completions SET energy_j = 30 - 10 * substr(level, 2), busy_s = 1")
    found = sprout("replay", "--data", "store", "-p", "base", "-p", "co2-opt", "--json")
    assert found.code == 0
    rows = found.data["rows"]
    assert [(row["region"], row["policy"]) for row in rows] == [("DE", "base"), ("DE", "co2-opt")]
    # 30 J at L0 and 10 J at L2, at 300 g/kWh, and a second's embodied carbon of either
    embodied_g = CPU_SERVER_G / CPU_LIFETIME_S / CPU_SERVER_CORES * num_cores()
    l0_g, l2_g = (joules / 3.6e6 * 300 + embodied_g for joules in (30, 10))
    assert rows[1]["saved_percent"] == pytest.approx(100 * (1 - l2_g / l0_g))
    assert any("prior" in note for note in found.data["notes"])


def test_a_stores_hours_are_priced_as_its_runs_were_not_as_the_settings_are_today(
    store: Path, tmp_path: Path
) -> None:
    prompts = write_lines(
        tmp_path / "prompts.jsonl", [{"id": f"q{n}", "prompt": f"{n}?"} for n in range(60)]
    )
    how = (*REPLAY, "--intensity", 360, "--zone", "DE", "--explore", 0.4)
    priced = ("--pue", 2, "--embodied", 0.001)
    assert sprout("run", prompts, *how, *priced, "-o", "out.jsonl").code == 0
    change(store, "UPDATE completions SET energy_j = 30 - 10 * substr(level, 2), busy_s = 1")
    found = sprout("replay", "--data", "store", "-p", "co2-opt", "--json")
    # at 360 g/kWh and a PUE of 2 a joule is 0.2 mg: 6 mg at L0, 2 mg at L2, and 1 mg a busy second
    saved_percent = found.data["rows"][0]["saved_percent"]
    assert saved_percent == pytest.approx(100 * (1 - (2 + 1) / (6 + 1)))


def test_an_interrupt_shows_the_policies_that_are_done(traces: Path) -> None:
    command = ("replay", "--data", traces, "-p", "base", "-p", "horizon", "-p", "class-horizon")
    main_end, other_end = pty.openpty()
    process = start(*command, "--seeds", 200, stdout=subprocess.PIPE, stderr=other_end)
    os.close(other_end)
    said = b""
    while b"XX base: 0.0 % saved" not in said:  # OSError when it has ended
        said += os.read(main_end, 1 << 16)
    process.send_signal(signal.SIGINT)
    stdout, _ = process.communicate(timeout=PATIENCE_S)
    said += os.read(main_end, 1 << 16)
    os.close(main_end)
    assert process.returncode == 130
    assert b"sprout replay: stopped after" in said
    assert b"of 3" in said
    assert b"base" in stdout
    assert b"class-horizon" not in stdout


def serve_twice(store: Path, folder: Path, num_newer: int) -> None:
    """Serve 60 requests of 30, 20 and 10 J by level, then others that are cut short, of 5 J."""
    how = (*REPLAY, "--intensity", 300, "--zone", "DE", "--explore", 0.4)
    for name, num, max_tokens in (("long", 60, 48), ("short", num_newer, 6)):
        lines = [{"id": f"q{n}", "prompt": f"{n}?"} for n in range(num)]
        prompts = write_lines(folder / f"{name}.prompts.jsonl", lines)
        out = ("--max-tokens", max_tokens, "-o", f"{name}.jsonl")
        assert sprout("run", prompts, *how, *out).code == 0
        joules = "30 - 10 * substr(level, 2)" if name == "long" else "5"
        newest = "circumstance_id = (SELECT max(circumstance_id) FROM circumstances)"
        change(store, f"UPDATE completions SET energy_j = {joules}, busy_s = 0 WHERE {newest}")


def test_a_store_replays_what_it_served_most_alike_and_says_what_else_there_is(
    store: Path, tmp_path: Path
) -> None:
    serve_twice(store, tmp_path, 30)
    found = sprout("replay", "--data", "store", "-p", "co2-opt", "--json").data
    # 30 J at L0 and 10 J at L2: the newer, smaller run does not hide it
    assert found["rows"][0]["saved_percent"] == pytest.approx(100 * 2 / 3)
    assert any(note.endswith("hours with 60 requests") for note in found["notes"])
    assert (
        "left out: 30 requests that were served otherwise: 30 with max_tokens 6" in found["notes"]
    )
    # where the table goes, what it is of goes too
    shown = sprout("replay", "--data", "store", "-p", "co2-opt").stdout
    assert "30 with max_tokens 6" in shown
    assert "60 requests served alike: model recording" in shown


def test_of_two_equally_long_histories_the_newer_one_is_replayed(
    store: Path, tmp_path: Path
) -> None:
    serve_twice(store, tmp_path, 60)
    found = sprout("replay", "--data", "store", "-p", "co2-opt", "--json").data
    # cut at 6 tokens all answers are as long: no level saves anything
    assert found["rows"][0]["saved_percent"] == pytest.approx(0, abs=1e-9)
    assert (
        "left out: 60 requests that were served otherwise: 60 with max_tokens 48" in found["notes"]
    )


def test_a_longer_history_without_todays_levels_hides_none_that_has_them(
    store: Path, tmp_path: Path
) -> None:
    serve_twice(store, tmp_path, 30)
    change(
        store,
        "UPDATE completions SET directive_key = 'gone' WHERE level = 'L2' AND circumstance_id"
        " = (SELECT circumstance_id FROM circumstances WHERE max_tokens = 48)",
    )
    found = sprout("replay", "--data", "store", "-p", "base", "--json").data
    assert any(note.endswith("hours with 30 requests") for note in found["notes"])


def test_a_stores_hours_are_judged_as_a_run_judges_them_and_marked(
    store: Path, tmp_path: Path
) -> None:
    prompts = write_lines(
        tmp_path / "prompts.jsonl", [{"id": f"q{n}", "prompt": f"{n}?"} for n in range(60)]
    )
    assert sprout("run", prompts, *REPLAY, "--zone", "DE", "--explore", 0.4, "-o", "o").code == 0
    change(store, "UPDATE completions SET energy_j = 30 - 10 * substr(level, 2), busy_s = 0")
    command = ("replay", "--data", "store", "-p", "sprout", "--judged", 1_000_000, "--json")
    found = sprout(*command).data
    ((served_g_per_kwh,),) = select(store, "SELECT DISTINCT g_per_kwh FROM completions")
    # one hour is no range of its own: the table's, 20 to 1306.025 g/kWh, is what runs take too
    position = (served_g_per_kwh - 20) / (1306.025 - 20)
    floor_percent = 100 * (1 - 0.1 * position)
    assert found["rows"][0]["preference_percent"] == pytest.approx(floor_percent, abs=0.3)
    assert "intensities are average/lifecycle; runs served by yearly average" in found["notes"]


def test_a_stores_hours_are_those_that_a_plan_would_take(store: Path, tmp_path: Path) -> None:
    """Measured quarters before the measured hour around them, and no day, no forecast."""
    prompts = write_lines(
        tmp_path / "prompts.jsonl", [{"id": f"q{n}", "prompt": f"{n}?"} for n in range(60)]
    )
    how = (*REPLAY, "--intensity", 300, "--zone", "DE", "--explore", 0.4, "-o", "out.jsonl")
    assert sprout("run", prompts, *how).code == 0
    change(store, "UPDATE completions SET energy_j = 3600, busy_s = 0")
    ((admitted,),) = select(store, "SELECT DISTINCT substr(admitted_at, 1, 13) FROM completions")
    hour = datetime.fromisoformat(f"{admitted}:00+00:00")
    quarters = [
        intensity(100 + n, hour + n * timedelta(minutes=15), duration_s=900, source="quarters")
        for n in range(4)
    ]
    rows = [
        intensity(900, hour.replace(hour=0), duration_s=86_400, source="days"),
        intensity(500, hour, source="hours"),
        intensity(700, hour, source="quarters", is_forecast=True),
        intensity(800, hour, zone="FR", duration_s=86_400),
        *quarters,
    ]
    with Store.open(store) as opened:
        Intensities(opened).add(rows)
    found = sprout("replay", "--data", "store", "-p", "base", "--json").data["rows"]
    assert [row["region"] for row in found] == ["DE"]
    # 1 Wh at the mean of 100 to 103 g/kWh
    assert found[0]["base_g_per_request"] == pytest.approx(0.1015)


def import_hours(path: Path, factor: str, g_per_kwh: float) -> None:
    """Store the hours around now."""
    begin = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=2)
    rows = [f"{begin + timedelta(hours=h):%Y-%m-%dT%H:%M},{g_per_kwh}" for h in range(5)]
    path.write_text("\n".join(["t,g", *rows]) + "\n")
    words = ("--time-column", "t", "--value-column", "g", "--zone", "DE", "--factor", factor)
    assert sprout("grid", "import", path, *words).code == 0


def test_a_stores_hours_are_priced_with_the_factors_that_are_asked_for(
    store: Path, tmp_path: Path
) -> None:
    prompts = write_lines(
        tmp_path / "prompts.jsonl", [{"id": f"q{n}", "prompt": f"{n}?"} for n in range(60)]
    )
    import_hours(tmp_path / "l.csv", "lifecycle", 400)
    how = (*REPLAY, "--zone", "DE", "--explore", 0.4, "-o", "out.jsonl")
    assert sprout("run", prompts, *how).code == 0
    change(store, "UPDATE completions SET energy_j = 3600, busy_s = 0")
    command = ("replay", "--data", "store", "-p", "base", "--json")
    # 1 Wh at 400 g/kWh
    served = sprout(*command).data
    assert served["rows"][0]["base_g_per_request"] == pytest.approx(0.4)
    told = "intensities are average/lifecycle; runs served by csv (measured)"
    assert told in served["notes"]
    refused = sprout(*command, "--factor", "direct")
    assert refused.code == 78
    assert "no zone's average/direct intensity" in refused.stderr
    assert "served by average/lifecycle" in refused.stderr
    import_hours(tmp_path / "d.csv", "direct", 100)
    direct = sprout(*command, "--factor", "direct").data
    assert direct["rows"][0]["base_g_per_request"] == pytest.approx(0.1)
    assert sprout(*command, "--factor", "lifecycle").data["rows"] == served["rows"]


def test_a_stores_levels_are_compared_on_the_same_tasks(store: Path, tmp_path: Path) -> None:
    lines = [
        {"id": f"q{n}", "prompt": f"{n}?", "task": ("talk", "quiz", "poem")[n % 3]}
        for n in range(180)
    ]
    prompts = write_lines(tmp_path / "prompts.jsonl", lines)
    how = (*REPLAY, "--intensity", 300, "--zone", "DE", "--explore", 0.4, "-o", "out.jsonl")
    assert sprout("run", prompts, *how).code == 0
    # talk and quiz have 3 requests at each level; the rest of talk is at L0, of quiz at L2, and
    # poems are at L0 alone
    number = "CAST(substr(prompt_id, 2) AS INTEGER)"
    level = (
        f"CASE WHEN task != 'poem' AND {number} < 27 THEN 'L' || ({number} / 3 % 3)"
        " WHEN task = 'quiz' THEN 'L2' ELSE 'L0' END"
    )
    change(store, f"UPDATE completions SET level = {level}")
    for name, key in KEYS.items():
        joules = {"L0": 1.0, "L1": 0.98, "L2": 0.95}[name]
        change(
            store,
            f"UPDATE completions SET directive_key = '{key}', busy_s = 0,"
            f" energy_j = {joules} * iif(task = 'quiz', 20, 200) WHERE level = '{name}'",
        )
    rows = sprout("replay", "--data", "store", "-p", "co2-opt", "--json").data["rows"]
    assert rows[0]["saved_percent"] == pytest.approx(5)


def test_a_long_store_starts_with_its_first_hour(store: Path, tmp_path: Path) -> None:
    num = 1600
    prompts = write_lines(
        tmp_path / "prompts.jsonl", [{"id": f"q{n}", "prompt": f"{n}?"} for n in range(num)]
    )
    how = (*REPLAY, "--intensity", 300, "--zone", "DE", "--explore", 0.4)
    assert sprout("run", prompts, *how, "-o", "out.jsonl").code == 0
    at = "strftime('%Y-%m-%dT%H:00:00.000Z', '2026-01-01', substr(prompt_id, 2) || ' hours')"
    change(store, f"UPDATE completions SET admitted_at = {at}, energy_j = 30, busy_s = 1")
    found = sprout("replay", "--data", "store", "-p", "base", "--json").data
    assert f"{num} hours with {num} requests" in found["notes"]
    assert [row["start_hour"] for row in found["rows"]] == [0]


COMMAND = re.compile(r"^sprout (replay --data DIR.*)$", re.MULTILINE)
PAGE = Path(__file__).parents[2] / "man/sprout-replay.7"
SHOWN = COMMAND.findall(PAGE.read_text(encoding="utf-8").replace("\\-", "-").replace("\\e\n", ""))


def test_the_page_of_replays_shows_its_commands() -> None:
    assert len(SHOWN) >= 14


@pytest.mark.slow
@needs_data
@pytest.mark.parametrize("command", SHOWN)
def test_a_replay_that_is_shown_runs(command: str) -> None:
    words = [str(DATA) if word == "DIR" else word for word in shlex.split(command)]
    words[words.index("--seeds") + 1] = "1"
    assert sprout(*words, "--hours", 24, "--region", "GB").code == 0


@needs_data
def test_the_papers_february_in_one_call() -> None:
    data = sprout("replay", "--data", DATA, "--inputs", "hourly", "--json").data
    saved = {
        row["region"]: row["saved_percent"] for row in data["rows"] if row["policy"] == "sprout"
    }
    published = {"US-TEX": 52.0, "US-CAL": 58.3, "AU-SA": 43.8, "NL": 56.3, "GB": 57.1}
    assert saved == pytest.approx(published, abs=0.1)
