"""`sprout report` and `sprout export`: every form, on stores of every kind."""

import csv
import io
import json
import math
import os
import re
from pathlib import Path

import pytest
from cli.program import (
    REPLAY,
    change,
    run_process,
    select,
    sprout,
    start,
    wait_until,
    write_lines,
    write_prompts,
)

FORMS = ("text", "html", "sci", "csv", "json")


@pytest.fixture
def served(prompts: Path, out: Path) -> None:
    """Ten prompts, answered."""
    assert sprout("run", prompts, *REPLAY, "-o", out, "--zone", "DE").code == 0


def test_a_report_says_what_a_run_came_to(prompts: Path, out: Path) -> None:
    ran = sprout("run", prompts, *REPLAY, "-o", out, "--zone", "DE", "--json").data
    total = sprout("report", "--json").data["total"]
    assert total["num_answered"] == ran["num_served"]
    assert total["levels"] == ran["levels"]
    assert total["carbon_g"] == pytest.approx(ran["carbon_g"])
    assert total["energy_j"] == pytest.approx(ran["energy_j"])
    assert total["intensity_marks"] == {"yearly average": 10}
    for name in ("saved_g", "saved_half_width_g", "saved_percent", "baseline_requests"):
        assert total[name] == pytest.approx(ran[name])


def test_what_a_run_saved_is_its_part_of_what_a_report_says(tmp_path: Path) -> None:
    first = write_prompts(tmp_path / "first.jsonl", 60)
    assert sprout("run", first, *REPLAY, "-o", "first", "--zone", "DE").code == 0
    told = sprout("report", "--json").data["total"]
    second = write_prompts(tmp_path / "second.jsonl", 40)
    ran = sprout(
        *("run", second, *REPLAY, "-o", "second", "--zone", "PL", "--intensity", 100, "--json")
    ).data
    groups = sprout("report", "--by", "zone", "--json").data["groups"]["zone"]
    zones = {group["key"]: group for group in groups}
    for name in ("saved_g", "saved_half_width_g", "saved_percent", "baseline_requests"):
        assert zones["PL"][name] == pytest.approx(ran[name])
    assert ran["baseline_requests"] > told["baseline_requests"]  # those of both runs


def test_a_run_that_is_stopped_sums_up_as_a_report_does(tmp_path: Path, store: Path) -> None:
    prompts = write_prompts(tmp_path / "many.jsonl", 30)
    ran = sprout("run", prompts, *REPLAY, "-o", "answers", "--limit", 20, "--json").data
    assert ran["is_complete"] is False
    assert select(store, "SELECT count(*) FROM tallies") == [(0,)]
    assert sprout("report", "--json").data["total"]["saved_g"] == pytest.approx(ran["saved_g"])


@pytest.mark.usefixtures("served")
def test_people_see_the_overview_with_its_marks() -> None:
    found = sprout("report")
    assert found.code == 0
    for word in ("10 answered", "tdp_estimate (estimated)", "DE: yearly average", "all-L0"):
        assert word in found.stdout
    assert "preference is a prior" in found.stdout


@pytest.mark.usefixtures("served")
@pytest.mark.parametrize("by", ["day", "task", "level", "model", "zone"])
def test_every_grouping_has_its_rows(by: str) -> None:
    found = sprout("report", "--by", by)
    assert found.code == 0
    assert f"by {by}" in found.stdout
    groups = sprout("report", "--by", by, "--json").data["groups"]
    assert list(groups) == [by]
    assert sum(group["num_answered"] for group in groups[by]) == 10


@pytest.mark.usefixtures("served")
@pytest.mark.parametrize("form", FORMS)
def test_every_form_goes_to_a_file_which_is_replaced(form: str, tmp_path: Path) -> None:
    file = tmp_path / "report"
    file.write_text("old")
    found = sprout("report", "--format", form, "-o", file)
    assert (found.code, found.stdout) == (0, "")
    text = file.read_text()
    assert text.endswith("\n")
    assert "old" not in text.split()[:1]
    assert sorted(path.name for path in tmp_path.iterdir() if "report" in path.name) == ["report"]


@pytest.mark.usefixtures("served")
def test_csv_and_json_are_read_by_programs() -> None:
    rows = list(csv.DictReader(io.StringIO(sprout("report", "--format", "csv").stdout)))
    assert rows[0]["by"] == "total"
    assert {row["by"] for row in rows} == {"total", "day", "task", "level", "model", "zone"}
    value = json.loads(sprout("report", "--format", "json").stdout)
    assert value["schema_version"] == 1
    assert value["total"]["num_answered"] == 10


@pytest.mark.usefixtures("served")
def test_sci_is_markdown_or_data() -> None:
    text = sprout("report", "--format", "sci", env={"SPROUT_ORGANISATION": "Example Ltd"}).stdout
    assert text.startswith("# SCI report")
    assert "Example Ltd" in text
    data = sprout("report", "--format", "sci", "--json").data
    total = sum(part["carbon_g"] for part in data["parts"])
    assert total == pytest.approx(data["carbon_g"])
    assert data["num_requests"] == 10
    # rows are nothing that it has: it names the models whatever --by says
    assert (
        sprout("report", "--format", "sci", "--by", "task", "--json").data["description"]
        == (data["description"])
    )


@pytest.mark.parametrize("form", FORMS)
def test_an_empty_store_is_reported_in_clear_words(form: str, tmp_path: Path) -> None:
    file = tmp_path / "report"
    found = sprout("report", "--format", form, "-o", file)
    assert (found.code, found.stderr) == (0, "")
    text = file.read_text()
    assert re.search(r"\b(nan|inf)\b", text, re.IGNORECASE) is None
    if form != "csv":
        assert "nothing was served" in text


def test_one_completion_makes_every_form(tmp_path: Path) -> None:
    prompts = write_lines(tmp_path / "one.jsonl", [{"prompt": "Hi?"}])
    assert sprout("run", prompts, *REPLAY, "-o", "one.out").code == 0
    for form in FORMS:
        assert sprout("report", "--format", form, "-o", tmp_path / form).code == 0
    assert "1 answered" in sprout("report").stdout


@pytest.mark.usefixtures("served")
def test_only_what_finished_since_is_reported(store: Path) -> None:
    change(store, "UPDATE completions SET finished_at = '2020-01-01T00:00:00.000Z'")
    change(store, "DELETE FROM tallies")
    assert "nothing was served" in sprout("report", "--since", "7d").stdout
    assert sprout("report", "--json").data["total"]["num_answered"] == 10


@pytest.mark.usefixtures("served")
def test_a_past_month_is_reported_alone(store: Path) -> None:
    times = ("2020-01-31T23:59:59.999Z", "2020-02-01T00:00:00.000Z", "2020-02-29T23:59:59.999Z")
    for number, (name,) in enumerate(select(store, "SELECT prompt_id FROM completions")):
        sql = "UPDATE completions SET finished_at = ? WHERE prompt_id = ?"
        change(store, sql, (*times, "2020-03-01T00:00:00.000Z")[number % 4], name)
    change(store, "DELETE FROM tallies")
    month = ("--from", "2020-02-01", "--to", "2020-03-01")
    found = sprout("report", *month, "--by", "day", "--json").data
    assert (found["since"], found["until"]) == (
        "2020-02-01T00:00:00.000Z",
        "2020-03-01T00:00:00.000Z",
    )
    days = {day["key"]: day["num_answered"] for day in found["groups"]["day"]}
    assert days == {"2020-02-01": 3, "2020-02-29": 2}
    said = "2020-02-01 00:00 to 2020-03-01 00:00 UTC"
    assert said in sprout("report", *month).stdout
    assert f"| Timespan | {said} |" in sprout("report", *month, "--format", "sci").stdout
    assert "before 2020-01-01 00:00 UTC" in sprout("report", "--to", "2020-01-01").stdout
    assert sprout("report", "--to", "2020-02-01", "--json").data["total"]["num_answered"] == 3


@pytest.mark.usefixtures("served")
@pytest.mark.parametrize(
    ("sql", "named"),
    [
        (
            "UPDATE completions SET operational_g = 9e999 WHERE prompt_id = 'q3'",
            "operational_g inf",
        ),
        ("UPDATE completions SET energy_j = -9e999 WHERE prompt_id = 'q3'", "energy_j -inf"),
        ("UPDATE completions SET busy_s = 1e200 WHERE prompt_id = 'q3'", "busy_s 1e+200"),
        ("UPDATE circumstances SET pue = 9e999", "pue inf"),
        ("UPDATE runs SET metered_j = 9e999", "metered_j inf"),
    ],
)
def test_a_run_that_holds_no_possible_number_is_named(
    store: Path, tmp_path: Path, sql: str, named: str
) -> None:
    change(store, sql)
    change(store, "DELETE FROM tallies")
    ((run_id, hour),) = select(
        store, "SELECT run_id, substr(max(finished_at), 1, 13) FROM completions"
    )
    for words in (("report", "-o", tmp_path / "r"), ("export", "prometheus", "-o", tmp_path / "r")):
        found = sprout(*words)
        assert found.code == 74
        (line,) = found.stderr.splitlines()
        assert "is damaged" in line
        assert f"{run_id} holds {named} in {hour}" in line
    assert not (tmp_path / "r").exists()


@pytest.mark.usefixtures("served")
def test_an_evaluation_that_holds_no_possible_number_is_named(store: Path) -> None:
    change(
        store,
        "INSERT INTO evaluations VALUES ('evaluation-1', 'j', 'm', 'l', 'served', '', '[]',"
        " '2026-04-01T10:30:00.000Z', NULL, 'm', 'rapl', 'DE', 300, 10, 1, 9e999, 0,"
        " NULL, NULL, NULL)",
    )
    found = sprout("report")
    assert found.code == 74
    (line,) = found.stderr.splitlines()
    assert "evaluation-1 holds operational_g inf in 2026-04-01T10" in line
    assert sprout("report", "--since", "1d").code == 0


@pytest.mark.usefixtures("served")
def test_what_finished_after_a_damaged_run_is_reported(store: Path, tmp_path: Path) -> None:
    change(
        store, "UPDATE completions SET finished_at = '2020-01-01T00:00:00.000Z', energy_j = 9e999"
    )
    change(store, "DELETE FROM tallies")
    more = write_prompts(tmp_path / "more.jsonl", 3)
    ran = sprout("run", more, *REPLAY, "-o", "more", "--json")
    assert ran.code == 0
    assert math.isfinite(ran.data["saved_g"])
    found = sprout("report")
    assert (found.code, "`--since AGE`" in found.stderr) == (74, True)
    found = sprout("report", "--since", "7d")
    assert (found.code, "3 answered" in found.stdout) == (0, True)


def test_days_are_days_in_utc_whatever_the_clock_of_the_machine_does(
    store: Path, prompts: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Berlin leaves 02:00 to 03:00 out on 29 March 2026, and has it twice on 25 October
    assert sprout("run", prompts, *REPLAY, "-o", out).code == 0
    times = [
        "2026-03-28T23:30:00.000Z",
        "2026-03-29T00:30:00.000Z",
        "2026-03-29T01:30:00.000Z",
        "2026-10-25T00:30:00.000Z",
        "2026-10-25T01:30:00.000Z",
    ]
    ids = [row[0] for row in select(store, "SELECT prompt_id FROM completions")]
    for number, name in enumerate(ids):
        change(
            store,
            "UPDATE completions SET finished_at = ? WHERE prompt_id = ?",
            times[number % len(times)],
            name,
        )
    change(store, "DELETE FROM tallies")
    monkeypatch.setenv("TZ", "Europe/Berlin")
    days = sprout("report", "--by", "day", "--json").data["groups"]["day"]
    assert {day["key"]: day["num_answered"] for day in days} == {
        "2026-03-28": 2,
        "2026-03-29": 4,
        "2026-10-25": 4,
    }


@pytest.mark.usefixtures("served")
@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--format", "pdf"), 2, "choose one of text, html, sci, csv, json"),
        (("--by", "colour"), 2, "choose one of day, task, level, model, zone"),
        (("--since", "yesterday"), 2, "is no age"),
        (("--from", "last month"), 2, "'last month' is no day such as 2026-01-31"),
        (("--from", "2026-02-01", "--to", "2026-02-01"), 2, "is not an hour before"),
        (("--since", "7d", "--to", "2026-02-01"), 2, "or --from and --to"),
        (("--format", "html"), 2, "-o FILE"),
        (("-o", "nowhere/report.txt"), 74, "no folder"),
        (("-o", "sprout.db"), 2, "is the store"),
        (("-o", "."), 74, "is a folder"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(
    words: tuple[str, ...], code: int, said: str
) -> None:
    found = sprout("report", *words)
    assert found.code == code
    assert found.stderr.count("\n") == 1
    assert said in found.stderr


@pytest.mark.usefixtures("served")
def test_metrics_go_to_a_file_that_node_exporter_may_read(tmp_path: Path) -> None:
    file = tmp_path / "sprout.prom"
    found = sprout("export", "prometheus", "-o", file)
    assert (found.code, found.stdout, found.stderr) == (0, "", "")
    assert 'sprout_requests{result="answered"} 10.0' in file.read_text()
    assert file.stat().st_mode & 0o444 == 0o444
    assert [path.name for path in tmp_path.iterdir() if "prom." in path.name] == []
    assert sprout("export", "prometheus", "-o", "none/sprout.prom").code == 74


@pytest.mark.slow
def test_a_report_during_a_run_is_right_at_its_moment(tmp_path: Path, store: Path) -> None:
    prompts = write_prompts(tmp_path / "many.jsonl", 20_000)
    process = start(
        "run", prompts, *REPLAY, "-o", tmp_path / "many.out", env=os.environ | {"TERM": "dumb"}
    )
    try:
        wait_until(
            lambda: (
                store.exists()
                and bool(select(store, "SELECT 1 FROM sqlite_master WHERE name = 'tallies'"))
                and select(store, "SELECT count(finished_at) FROM completions")[0][0] > 100
            ),
            process,
        )
        seen = []
        for _ in range(3):
            before = select(store, "SELECT count(finished_at) FROM completions")[0][0]
            found = run_process("report", "--json").data
            after = select(store, "SELECT count(finished_at) FROM completions")[0][0]
            assert before <= found["total"]["num_answered"] <= after
            per_level = found["groups"]["level"]
            assert sum(g["num_answered"] for g in per_level) == found["total"]["num_answered"]
            seen.append(found["total"]["num_answered"])
        assert seen == sorted(seen)
        assert process.wait(timeout=120) == 0
    finally:
        process.kill()
        process.wait()
    done = sprout("report", "--json").data
    assert done["total"]["num_answered"] == 20_000
    assert done["num_open"] == 0
