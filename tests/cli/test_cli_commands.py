"""status, doctor, optimize, profile, grid import and prune: what they show and do."""

import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cli.program import REPLAY, change, read_lines, select, sprout, write_lines
from local.tiny_gguf import U32, tiny_gguf
from meter.meter_fake_rapl import add_zone

from sprout.machine import num_cpus

PROFILE = ("profile", *REPLAY, "--idle", 0, "--repeats", 1)
OPTIMIZE_KEYS = {
    "plan_id",
    "made_at",
    "valid_until",
    "levels",
    "carbon_g",
    "baseline_g",
    "preference",
    "base_preference",
    "floor",
    "is_floor_met",
    "floor_price_g",
    "zone",
    "intensity_g_per_kwh",
    "intensity_source",
    "intensity_mark",
    "range_low_g_per_kwh",
    "range_high_g_per_kwh",
    "range_source",
    "energy_method",
    "is_energy_estimated",
    "preference_source",
    "is_preference_prior",
    "embodied_preset",
    "embodied_g_per_s",
    "pue",
    "notes",
}
CSV = """Datetime (UTC),Country,Zone name,Zone id,Carbon intensity gCO₂eq/kWh (direct),\
Carbon intensity gCO₂eq/kWh (Life cycle),Data source,Data estimated
2025-01-01 00:00:00,Germany,Germany,DE,300,350,ENTSOE,false
2025-01-01 01:00:00,Germany,Germany,DE,,,ENTSOE,true
2025-01-01 02:00:00,Germany,Germany,DE,310,360,ENTSOE,true
"""


# status


def test_status_of_a_fresh_machine_says_what_is_not_known() -> None:
    found = sprout("status")
    assert found.code == 0
    assert "profiles  none yet: `sprout profile`, or the first run, measures" in found.stdout
    assert "yearly average" in found.stdout
    data = sprout("status", "--json").data
    assert data["profiles"] == []
    assert data["runs"] == []
    assert data["plan"] is None
    assert data["grid"]["zone"] == "WORLD"


def test_status_names_the_source_of_every_setting() -> None:
    Path("sprout.toml").write_text('zone = "DE"\n')
    environment = {"SPROUT_PUE": "1.3"}
    command = ("status", "--config", "sprout.toml", "--state", "other.db", "--json")
    data = sprout(*command, env=environment).data
    settings = data["settings"]
    assert data["config_file"] == "sprout.toml"
    assert settings["zone"] == {"value": "DE", "source": "sprout.toml"}
    assert settings["pue"] == {"value": 1.3, "source": "SPROUT_PUE"}
    assert settings["state"] == {"value": "other.db", "source": "flag"}
    assert settings["parallel"]["source"] == "default"


def test_status_in_a_file_keeps_paths_whole() -> None:
    folder = "a-folder-with-a-long-name/" * 6
    found = sprout("status", env={"SPROUT_MODEL": f"{folder}m.gguf"})
    assert "…" not in found.stdout
    cells = [line.split("│")[2].strip() for line in found.stdout.splitlines() if "│" in line]
    assert f"{folder}m.gguf" in "".join(cells)


def test_status_shows_what_was_measured_planned_and_run(prompts: Path, out: Path) -> None:
    sprout("run", prompts, *REPLAY, "-o", out, "--limit", 4)
    data = sprout("status", "--json").data
    ((profile, run),) = zip(data["profiles"], data["runs"], strict=True)
    assert profile["energy_method"] == "tdp_estimate"
    assert profile["num_requests"] > 4
    assert (run["num_answered"], run["num_failed"], run["finished_at"]) == (4, 0, None)
    assert data["plan"]["is_preference_prior"] is True
    shown = sprout("status").stdout
    assert "unfinished: 4 answered, 0 failed" in shown
    assert "latest plan" in shown
    assert "prior: Llama-2-13B-chat" in shown
    assert "tdp_estimate" in shown
    assert shown.index("grid  ") < shown.index("latest plan") < shown.index("\nsettings")


def test_status_says_whether_there_is_a_file_of_settings(tmp_path: Path) -> None:
    assert "sprout.toml: not there, `sprout init` writes one)" in sprout("status").stdout
    (tmp_path / "mine.toml").write_text('zone = "DE"\n')
    shown = sprout("status", "--config", tmp_path / "mine.toml").stdout
    assert "mine.toml)" in shown
    assert "not there" not in shown


# doctor


def test_doctor_says_of_everything_whether_it_is_there() -> None:
    found = sprout("doctor", *REPLAY, "--json")
    assert found.code == 0
    checks = {check["name"]: check for check in found.data["checks"]}
    assert {"model", "llama.cpp", "energy: nvml", "energy: rapl", "store", "grid"} <= checks.keys()
    for check in checks.values():
        assert check.keys() == {"name", "status", "detail", "fix", "is_needed"}
        assert check["status"] in {"ok", "missing", "denied", "failed"}
        assert check["detail"]
        assert check["status"] == "ok" or check["fix"], check["name"]
    assert ", sees " in checks["llama.cpp"]["detail"]


@pytest.mark.parametrize("command", ["run", "profile"])
def test_more_threads_than_cpus_are_warned_of(command: str, prompts: Path) -> None:
    most = num_cpus()
    options = ("--idle", 0, "--repeats", 1) if command == "profile" else ("--intensity", 300)
    for num, is_told in ((most, False), (most + 1, True)):
        found = sprout(command, prompts, *REPLAY, *options, "--threads", num)
        assert found.code == 0
        told = f"{num} threads on {most} CPUs wait for each other"
        assert (f"sprout {command}: warning: {told}" in found.stderr) is is_told
        checks = sprout("doctor", *REPLAY, "--json", env={"SPROUT_THREADS": f"{num}"}).data[
            "checks"
        ]
        (about,) = [each for each in checks if each["name"] == "llama.cpp: threads"] or [None]
        assert (about is not None and told in about["detail"]) is is_told


def test_doctor_says_how_to_fix_what_is_missing_in_lines_that_can_be_copied() -> None:
    found = sprout("doctor", *REPLAY)
    checks = {check["name"]: check for check in sprout("doctor", *REPLAY, "--json").data["checks"]}
    lines = found.stdout.splitlines()
    assert f"fix   energy: nvml: {checks['energy: nvml']['fix']}" in lines
    assert f"note  llama.cpp: {checks['llama.cpp']['fix']}" in lines
    assert lines[-1] == "`sprout run` can work as things are"


def test_doctor_refuses_what_a_run_could_not_work_with() -> None:
    found = sprout("doctor", "--model", "missing.gguf", "--state", "/proc/sprout.db")
    assert found.code == 78
    assert "model, store, " in found.stderr or "model, store\n" in found.stderr
    assert "missing.gguf" in found.stdout


def test_doctor_explains_a_counter_that_may_not_be_read() -> None:
    add_zone(Path("powercap"), "intel-rapl:0", "package-0", "no number")
    found = sprout("doctor", *REPLAY, "--json", env={"SPROUT_POWERCAP": "powercap"})
    rapl = next(check for check in found.data["checks"] if check["name"] == "energy: rapl")
    assert rapl["status"] != "ok"
    assert rapl["fix"]


@pytest.mark.parametrize(
    ("file_type", "told"), [(3, "Q4_1"), (9, "Q5_1"), (7, None), (None, None), (4711, None)]
)
def test_doctor_says_when_a_cpu_decodes_the_weights_row_by_row(
    file_type: int | None, told: str | None
) -> None:
    facts = {} if file_type is None else {"general.file_type": (U32, file_type)}
    Path("m.gguf").write_bytes(tiny_gguf(changes=facts))
    found = sprout("doctor", "--model", "m.gguf", "--json")
    assert found.code == 0
    weights = [check for check in found.data["checks"] if check["name"] == "model: weights"]
    assert [check["detail"].partition(":")[0] for check in weights] == ([told] if told else [])
    for command in ("requantize q8_0 -o m.Q8_0.gguf", "profile --variants q8_0=m.Q8_0.gguf"):
        assert all(f"`sprout {command}`" in check["fix"] for check in weights)


def test_doctor_finds_a_model_that_does_not_load() -> None:
    Path("m.gguf").write_bytes(tiny_gguf()[:300])
    found = sprout("doctor", "--model", "m.gguf")
    assert found.code == 78
    assert "`sprout run` cannot work yet: model: weights\n" in found.stderr


# optimize


def test_optimize_shows_the_mix_and_where_it_comes_from(store: Path) -> None:
    assert sprout("optimize", *REPLAY).code == 78
    sprout(*PROFILE)
    command = ("optimize", *REPLAY, "--intensity", 300, "--pue", 1.2, "--embodied", "paper")
    data = sprout(*command, "--json").data
    assert data.keys() >= OPTIMIZE_KEYS
    assert [level["level"] for level in data["levels"]] == ["L0", "L1", "L2"]
    assert sum(level["share"] for level in data["levels"]) == pytest.approx(1)
    assert all(level["share"] >= 0 for level in data["levels"])
    assert data["carbon_g"] == pytest.approx(
        sum(level["share"] * level["carbon_g"] for level in data["levels"])
    )
    assert data["intensity_mark"] == "fixed"
    assert data["embodied_preset"] == "paper"
    assert data["pue"] == 1.2
    shown = sprout(*command).stdout
    for word in ("share", "J", "± SE", "mgCO2eq", "300 g/kWh", "price of quality", "PUE  1.2"):
        assert word in shown
    assert "embodied  paper" in shown
    assert "prior: Llama-2-13B-chat" in shown
    assert "(estimated)" in shown
    assert select(store, "SELECT count(*) FROM plans WHERE run_id IS NULL") == [(2,)]


def test_a_dirtier_grid_never_asks_for_more_preference() -> None:
    sprout(*PROFILE)
    floors = [
        sprout("optimize", *REPLAY, "--intensity", g, "--json").data["floor"]
        for g in (0, 20, 300, 900, 3000)
    ]
    assert floors == sorted(floors, reverse=True)


# profile


def test_profile_measures_every_level_and_task() -> None:
    found = sprout(*PROFILE, "--json")
    assert found.code == 0
    data = found.data
    assert data["is_energy_estimated"] is True
    assert data["idle_w"] is None
    rows = {(row["level"], row["task"]): row for row in data["levels"]}
    assert {level for level, task in rows if task is None} == {"L0", "L1", "L2"}
    tasks = {task for _, task in rows} - {None}
    assert len(tasks) >= 3
    for row in rows.values():
        assert row["energy_j"] >= 0
        assert row["busy_s"] > 0
        assert row["prompt_tokens"] > 0
        assert row["new_tokens"] > 0
        if row["num_requests"] == 1:
            assert row["energy_se_j"] is None
    counts = {rows[level, None]["num_requests"] for level in ("L0", "L1", "L2")}
    assert len(counts) == 1


def test_profile_watches_the_idle_machine_where_a_counter_can(store: Path) -> None:
    watching = ("profile", *REPLAY, "--repeats", 1, "--idle")
    estimated = sprout(*watching, 600)  # the estimate sees this process alone: nobody waits for it
    assert estimated.code == 0
    assert "idle power is unknown" in estimated.stdout
    assert select(store, "SELECT count(*) FROM baselines") == [(0,)]
    add_zone(Path("powercap"), "intel-rapl:0", "package-0", 1_000_000)
    counted = sprout(*watching, 0.2, "--json", env={"SPROUT_POWERCAP": "powercap"})
    assert counted.data["idle_w"] == 0
    assert select(store, "SELECT energy_method, idle_w FROM baselines") == [("rapl", 0)]


def test_profile_measures_the_prompts_it_is_given(prompts: Path) -> None:
    pinned = {"id": "pinned", "prompt": "Hello?", "task": "pinned", "directive": "L2"}
    write_lines(Path("mixed.jsonl"), [pinned, "{", {"id": "a", "prompt": "Hi?", "task": "qa"}])
    data = sprout("profile", "mixed.jsonl", *PROFILE[1:], "--json").data
    assert {row["task"] for row in data["levels"]} == {None, "pinned", "qa"}
    limited = sprout("profile", prompts, *PROFILE[1:], "--limit", 3, "--repeats", 2, "--json").data
    counts = {row["num_requests"] for row in limited["levels"] if row["task"] is None}
    assert counts == {6}


def test_profile_without_a_valid_prompt_is_bad_data() -> None:
    write_lines(Path("broken.jsonl"), ["{"])
    found = sprout("profile", "broken.jsonl", *PROFILE[1:])
    assert found.code == 65
    assert "`sprout run --check`" in found.stderr


def test_a_search_proposes_a_set_that_run_accepts(prompts: Path, out: Path) -> None:
    found = sprout(*PROFILE, "--search", "-o", "set.toml", "--json")
    assert found.code == 0
    assert found.data["proposal"][0] == "L0"
    assert len({row["level"] for row in found.data["levels"]}) >= 10
    written = Path("set.toml").read_text(encoding="utf-8")
    assert written == found.data["proposal_toml"]
    assert tomllib.loads(written)
    served = sprout("run", prompts, *REPLAY, "-o", out, "--directives", "set.toml")
    assert served.code == 0, served.stderr
    assert len(read_lines(out)) == 10


def test_a_search_asks_nothing_of_the_grid() -> None:
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    rows = [f"{hour + timedelta(hours=offset)},300\n" for offset in range(-2, 3)]
    Path("DE.csv").write_text("time,g\n" + "".join(rows), encoding="utf-8")
    columns = ("--time-column", "time", "--value-column", "g", "-z", "DE", "--kind", "marginal")
    assert sprout("grid", "import", "DE.csv", *columns, "--factor", "direct").code == 0
    here = {"SPROUT_ZONE": "DE"}  # whose average intensity is not known: nothing can be planned
    assert sprout("optimize", *REPLAY, env=here).code == 78
    assert sprout(*PROFILE, "--search", env=here).code == 0


# grid import


def test_an_import_says_what_it_took_and_may_be_repeated(store: Path) -> None:
    Path("DE.csv").write_text(CSV, encoding="utf-8")
    found = sprout("grid", "import", "DE.csv")
    assert found.code == 0
    assert "DE.csv: 2 hourly rows of DE; 1 empty cells skipped" in found.stdout
    assert sprout("grid", "import", "DE.csv").code == 0
    assert select(store, "SELECT factor_type, count(*) FROM intensities GROUP BY 1 ORDER BY 1") == [
        ("direct", 2),
        ("lifecycle", 2),
    ]
    shown = sprout("status").stdout
    assert "stored  DE lifecycle: 2 rows, 2025-01-01T00:00 to 2025-01-01T02:00" in shown


@pytest.mark.parametrize(
    ("content", "code", "word"),
    [
        ("a,b\n1,2\n", 65, "no column"),
        (CSV + "yesterday,Germany,Germany,DE,1,1,ENTSOE,false\n", 65, "DE.csv:5"),
        (CSV.splitlines()[0] + "\n", 66, "no rows"),
        ("", 65, "no column"),
    ],
)
def test_a_bad_csv_stores_nothing_of_itself(
    content: str, code: int, word: str, store: Path
) -> None:
    Path("DE.csv").write_text(content, encoding="utf-8")
    found = sprout("grid", "import", "DE.csv")
    assert found.code == code
    assert found.stdout == ""
    assert found.stderr.count("\n") == 1
    assert word in found.stderr
    assert select(store, "SELECT count(*) FROM intensities") == [(0,)]


def test_a_csv_that_is_not_utf_8_is_bad_data() -> None:
    Path("DE.csv").write_bytes(CSV.encode("utf-16"))
    found = sprout("grid", "import", "DE.csv")
    assert found.code == 65
    assert "not UTF-8" in found.stderr


# prune


def test_prune_forgets_old_runs_and_nothing_else(prompts: Path, store: Path, out: Path) -> None:
    sprout("run", prompts, *REPLAY, "-o", out)
    sprout("run", prompts, *REPLAY, "-o", "new.jsonl")
    sprout("optimize", *REPLAY)
    change(
        store, "UPDATE runs SET started_at = '2020-01-01T00:00:00.000Z' WHERE output = ?", str(out)
    )
    expected = {"completions": 10, "texts": 10, "plans": 1, "runs": 1}
    counted = sprout("prune", "--older-than", "52w", "--dry-run", "--json").data
    assert counted["dry_run"] is True
    assert {name: counted[name] for name in expected} == expected
    assert select(store, "SELECT count(*) FROM runs") == [(2,)]
    before = select(store, "SELECT * FROM profiles")
    found = sprout("prune", "--older-than", "52w")
    assert found.code == 0
    assert "deleted 10 completions, 10 texts, 1 plans, 1 runs" in found.stdout
    assert select(store, "SELECT output FROM runs") == [(str(Path("new.jsonl").resolve()),)]
    assert select(store, "SELECT count(*) FROM completions") == [(10,)]
    assert select(store, "SELECT count(*) FROM plans") == [(2,)]
    assert select(store, "SELECT * FROM profiles") == before
    assert len(read_lines(out)) == 10


@pytest.mark.parametrize("age", ["90", "d", "-1d", "1y", "", "1.5d", "99999999999w"])
def test_an_age_that_is_none_is_wrong_usage(age: str) -> None:
    found = sprout("prune", f"--older-than={age}")
    assert found.code == 2
    assert found.stderr.count("\n") == 1
