"""--check, --dry-run, --strict, standard input, and where the intensity comes from."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cli.program import (
    REPLAY,
    change,
    ids,
    levels,
    read_lines,
    select,
    sprout,
    write_lines,
    write_prompts,
)
from meter.meter_fake_rapl import add_zone

HEADERS = (
    "Datetime (UTC),Country,Zone name,Zone id,Carbon intensity gCO₂eq/kWh (direct),"
    "Carbon intensity gCO₂eq/kWh (Life cycle),Data source,Data estimated"
)


def write_csv(path: Path, *, is_estimated: bool = False) -> Path:
    """Write eight days of hours up to now, of 100 g/kWh but for the 400 of the hours about now."""
    this_hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    rows = [HEADERS]
    for offset in range(-8 * 24, 2):
        start = this_hour + timedelta(hours=offset)
        lifecycle = 400 if offset >= -1 else 100
        place = f"{start:%Y-%m-%d %H:%M:%S},Germany,Germany,DE"
        rows.append(f"{place},{lifecycle - 50},{lifecycle},ENTSOE,{str(is_estimated).lower()}")
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


# --check


def test_check_needs_neither_model_nor_store(prompts: Path, store: Path) -> None:
    found = sprout("run", prompts, "--model", "missing.gguf", "--check")
    assert found.code == 0
    assert found.stdout == f"{prompts}: 10 valid, 0 invalid\n"
    assert not store.exists()


def test_check_names_every_bad_line() -> None:
    write_lines(Path("mixed.jsonl"), ["{", {"id": "a", "prompt": "good"}, {"prompt": "x", "n": 2}])
    found = sprout("run", "mixed.jsonl", "--check", "--json")
    assert found.code == 3
    assert found.data["num_valid"] == 1
    assert found.data["num_invalid"] == 2
    assert [(row["line_no"], row["code"]) for row in found.data["first_invalid"]] == [
        (1, "invalid_json"),
        (3, "unsupported"),
    ]
    assert "mixed.jsonl:1: " in found.stderr
    assert "mixed.jsonl:3: n: only 1" in found.stderr


def test_check_reads_no_further_than_the_limit() -> None:
    write_lines(Path("mixed.jsonl"), [{"prompt": "good"}, "{"])
    assert sprout("run", "mixed.jsonl", "--check", "--limit", 1).code == 0


# --dry-run


def test_a_dry_run_of_a_fresh_machine_says_what_would_measure(prompts: Path, out: Path) -> None:
    found = sprout("run", prompts, *REPLAY, "-o", out, "--dry-run")
    assert found.code == 0
    assert "10 prompts to serve" in found.stdout
    assert "`sprout profile` measures" in found.stdout
    assert not out.exists()


def test_a_dry_run_estimates_and_serves_nothing(prompts: Path, store: Path, out: Path) -> None:
    sprout("profile", *REPLAY, "--idle", 0, "--repeats", 1)
    command = ("run", prompts, *REPLAY, "-o", out, "--dry-run", "--intensity", 300)
    estimate = sprout(*command, "--json").data["estimate"]
    assert estimate["num_prompts"] == 10
    assert estimate["intensity_g_per_kwh"] == 300
    assert estimate["intensity_mark"] == "fixed"
    assert estimate["energy_j"] > 0
    assert estimate["carbon_g"] > 0
    assert sum(estimate["levels"].values()) == pytest.approx(1)
    shown = sprout(*command).stdout
    assert "new tokens" in shown
    assert "Wh" in shown
    assert "at all-L0" in shown
    assert not out.exists()
    assert select(store, "SELECT (SELECT count(*) FROM runs) + (SELECT count(*) FROM plans)") == [
        (0,)
    ]


def test_a_dry_run_counts_what_is_left_and_refuses_what_the_run_would(
    prompts: Path, store: Path, out: Path
) -> None:
    command = ("run", prompts, *REPLAY, "-o", out)
    assert sprout(*command, "--limit", 4).code == 0
    before = out.read_bytes()
    found = sprout(*command, "--dry-run", "--json").data
    assert (found["num_valid"], found["num_skipped"]) == (10, 4)
    assert found["estimate"]["num_prompts"] == 6
    assert (
        "6 prompts to serve, 4 answered before, 0 invalid" in sprout(*command, "--dry-run").stdout
    )
    assert "10 prompts to serve, 0 invalid" in sprout(*command, "--dry-run", "--overwrite").stdout
    others = write_lines(Path("others.jsonl"), [{"id": f"q{n}", "prompt": "Hm?"} for n in range(9)])
    assert sprout("run", others, *REPLAY, "-o", out, "--dry-run").code == 73
    assert out.read_bytes() == before
    assert select(store, "SELECT finished_at FROM runs") == [(None,)]
    assert sprout(*command).code == 0
    assert sprout(*command, "--dry-run").code == 73
    assert sprout(*command, "--dry-run", "--retry-errors").code == 0
    assert sprout("run", prompts, *REPLAY, "-o", "nowhere/out", "--dry-run").code == 74


# --strict


def test_strict_names_the_command_behind_everything_not_measured(prompts: Path, out: Path) -> None:
    found = sprout("run", prompts, *REPLAY, "-o", out, "--strict")
    assert found.code == 78
    assert "`sprout grid import FILE`" in found.stderr
    assert "`sprout doctor`" in found.stderr
    assert "`sprout profile`" in found.stderr
    assert "prior: Llama-2-13B-chat" in found.stderr
    assert not out.exists()
    assert sprout("optimize", *REPLAY, "--strict").code == 78
    assert sprout("run", prompts, *REPLAY, "--dry-run", "--strict").code == 78


def test_strict_serves_what_rests_on_measurements_alone(prompts: Path, out: Path) -> None:
    add_zone(Path("powercap"), "intel-rapl:0", "package-0", 1_000_000)
    Path("plain.toml").write_text(
        '[plain]\nabout = "no directive"\n[[plain.directives]]\nlevel = "L0"\ntext = ""\n'
    )
    write_csv(Path("DE_hourly.csv"))
    assert sprout("grid", "import", "DE_hourly.csv").code == 0
    found = sprout(
        "run", prompts, *REPLAY, "-o", out, "--strict", "--zone", "DE",
        "--directives", "plain.toml", env={"SPROUT_POWERCAP": "powercap"},
    )  # fmt: skip
    assert found.code == 0, found.stderr
    for line in read_lines(out):
        assert line["sprout"]["energy_method"] == "rapl"
        assert line["sprout"]["level"] == "L0"


# standard input


def test_prompts_may_come_from_standard_input(prompts: Path, out: Path) -> None:
    data = prompts.read_bytes()
    assert sprout("run", "-", *REPLAY, "-o", out, "--limit", 4, stdin=data).code == 0
    assert len(read_lines(out)) == 4
    found = sprout("run", "-", *REPLAY, "-o", out, "--json", stdin=data)
    assert found.data["num_skipped"] == 4
    assert sorted(ids(read_lines(out))) == sorted(f"q{n}" for n in range(10))


def test_a_bad_line_of_standard_input_is_named_by_its_number() -> None:
    found = sprout("run", "-", *REPLAY, stdin='{"prompt": "good"}\n{\n')
    assert found.code == 3
    assert "-:2: " in found.stderr
    assert found.stdout.count("\n") == 1


# the intensity


def test_without_a_zone_the_world_stands_in_and_is_named(prompts: Path, out: Path) -> None:
    found = sprout("run", prompts, *REPLAY, "-o", out, "-v")
    assert "no zone is set: using the yearly average of World" in found.stderr
    cost = read_lines(out)[0]["sprout"]
    assert cost["zone"] == "WORLD"
    assert cost["intensity_source"] == "yearly average"


def test_a_country_has_its_yearly_average(prompts: Path, out: Path) -> None:
    found = sprout("run", prompts, *REPLAY, "-o", out, "--zone", "DE", "-v")
    assert "yearly average of Germany" in found.stderr
    cost = read_lines(out)[0]["sprout"]
    assert cost["zone"] == "DE"
    assert cost["intensity_source"] == "yearly average"
    assert 200 < cost["intensity_g_per_kwh"] < 600


def test_an_unknown_zone_is_bad_data(prompts: Path, out: Path) -> None:
    found = sprout("run", prompts, *REPLAY, "-o", out, "--zone", "ATLANTIS")
    assert found.code == 65
    assert "'ATLANTIS'" in found.stderr
    assert "`sprout grid import`" in found.stderr
    assert not out.exists()


def test_a_number_given_wins_over_everything(prompts: Path, out: Path) -> None:
    write_csv(Path("DE_hourly.csv"))
    assert sprout("grid", "import", "DE_hourly.csv").code == 0
    command = ("run", prompts, *REPLAY, "-o", out, "--zone", "DE", "--intensity", 12.5)
    assert sprout(*command).code == 0
    cost = read_lines(out)[0]["sprout"]
    assert cost["intensity_g_per_kwh"] == 12.5
    assert cost["intensity_source"] == "--intensity (fixed)"


@pytest.mark.parametrize(("is_estimated", "mark"), [(False, "measured"), (True, "estimated")])
def test_an_imported_intensity_that_covers_now_is_used_with_its_mark(
    is_estimated: bool,  # noqa: FBT001
    mark: str,
    prompts: Path,
    out: Path,
) -> None:
    write_csv(Path("DE_hourly.csv"), is_estimated=is_estimated)
    imported = sprout("grid", "import", "DE_hourly.csv", "--json").data["files"]
    assert [(row["zones"], row["granularity"], row["num_rows"]) for row in imported] == [
        (["DE"], "hourly", 194)
    ]
    found = sprout("run", prompts, *REPLAY, "-o", out, "--zone", "DE", "--json")
    assert found.data["intensity_mark"] == mark
    for line in read_lines(out):
        assert line["sprout"]["zone"] == "DE"
        assert line["sprout"]["intensity_g_per_kwh"] == 400
        assert line["sprout"]["intensity_source"] == f"electricitymaps_csv ({mark})"
    plan = sprout("optimize", *REPLAY, "--zone", "DE", "--json").data
    # nine days of a year are known, of 100 to 400: they weigh sqrt(9 / 365) against the countries
    own = (9 / 365) ** 0.5
    assert plan["range_low_g_per_kwh"] == pytest.approx((1 - own) * 20 + own * 100, abs=0.5)
    assert plan["range_high_g_per_kwh"] == pytest.approx((1 - own) * 1306.025 + own * 400, abs=5)
    assert "history of DE since" in plan["range_source"]
    shown = sprout("status", env={"SPROUT_ZONE": "DE"}).stdout
    assert f"400 g/kWh in DE ({mark})" in shown


def test_direct_factors_are_imported_beside_those_of_the_life_cycle(
    prompts: Path, out: Path
) -> None:
    write_csv(Path("DE_hourly.csv"))
    sprout("grid", "import", "DE_hourly.csv")
    environment = {"SPROUT_FACTOR": "direct", "SPROUT_ZONE": "DE"}
    assert sprout("run", prompts, *REPLAY, "-o", out, env=environment).code == 0
    assert read_lines(out)[0]["sprout"]["intensity_g_per_kwh"] == 350


# settings


def test_a_flag_wins_over_a_variable_and_a_variable_over_the_file(prompts: Path) -> None:
    Path("sprout.toml").write_text('zone = "FR"\npue = 1.25\n')
    command = ("run", prompts, *REPLAY, "--config", "sprout.toml", "--json")
    closing = [
        sprout(*command, "-o", f"{n}.jsonl", *options, env=environment).data["zone"]
        for n, (options, environment) in enumerate(
            [((), {}), ((), {"SPROUT_ZONE": "PL"}), (("--zone", "SE"), {"SPROUT_ZONE": "PL"})]
        )
    ]
    assert closing == ["FR", "PL", "SE"]


def test_the_store_learns_from_a_run_unless_told_otherwise(prompts: Path, store: Path) -> None:
    def learned() -> int:
        ((count,),) = select(store, "SELECT sum(num_requests) FROM profiles WHERE task = '*'")
        return int(count)

    sprout("run", prompts, *REPLAY, "--no-learn")
    calibrated = learned()
    sprout("run", prompts, *REPLAY, "--no-learn")
    assert learned() == calibrated
    sprout("run", prompts, *REPLAY)
    assert learned() == calibrated + 10


def test_texts_are_kept_only_while_that_is_wished(prompts: Path, store: Path) -> None:
    sprout("run", prompts, *REPLAY, env={"SPROUT_KEEP_TEXT": "false"})
    assert select(store, "SELECT count(*) FROM texts") == [(0,)]
    sprout("run", prompts, *REPLAY)
    assert select(store, "SELECT count(*) FROM texts") == [(10,)]
    sprout("run", prompts, *REPLAY, env={"SPROUT_KEEP_TEXT_LIMIT": "3"})
    assert select(store, "SELECT count(*) FROM texts") == [(3,)]


def test_the_papers_directives_can_be_chosen(prompts: Path, store: Path, out: Path) -> None:
    found = sprout("run", prompts, *REPLAY, "-o", out, "--directives", "paper")
    assert found.code == 0
    assert set(levels(read_lines(out)).values()) <= {"L0", "L1", "L2"}
    told = select(store, "SELECT text FROM directives ORDER BY text")
    assert told == [("",), ("Always answer briefly",), ("Always answer very briefly",)]


def test_many_prompts_are_counted_right_whatever_the_parallelism(out: Path) -> None:
    prompts = write_prompts(Path("many.jsonl"), 203)
    for parallel in (1, 7, 200):
        command = ("run", prompts, *REPLAY, "-o", out, "--overwrite", "--parallel", parallel)
        assert sprout(*command).code == 0
        assert len(read_lines(out)) == 203


def test_a_saving_is_held_against_the_l0_of_the_same_tasks_that_plans_weigh(
    store: Path, tmp_path: Path
) -> None:
    prompts = write_prompts(tmp_path / "prompts.jsonl", 60)
    assert sprout("run", prompts, *REPLAY, "--explore", 0.6, "-o", "out.jsonl").code == 0
    # all requests at L0 took an hour each, those of tasks that were served at every level a second
    change(store, "UPDATE profiles SET busy_mean_s = iif(task = '*', 3600, 1)")
    how = (
        *REPLAY,
        "--explore",
        0.6,
        "--no-learn",
        "--embodied",
        0.001,
        "-o",
        "more.jsonl",
        "--json",
    )
    found = sprout("run", write_prompts(tmp_path / "more.jsonl.in", 20), *how).data
    reduced = sum(num for level, num in found["levels"].items() if level != "L0")
    assert reduced
    assert found["saved_g"] <= reduced * 0.0011
