"""Variants from the command line: profile, evaluate, optimize, run and what reports make of them.

Two recordings are two variants of one model; the answers of each say whose they are.
"""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
from cli.program import (
    PATIENCE_S,
    Json,
    change,
    levels,
    read_lines,
    select,
    sprout,
    start,
    wait_for_lines,
    write_lines,
    write_prompts,
)
from plain_records import recording

LEVELS = ["L0", "L1", "L2", "q4/L0", "q4/L1", "q4/L2"]
MEASURED = ("--idle", 0, "--repeats", 1)


@pytest.fixture(autouse=True)
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recording as the model, and q4.jsonl beside it, which answers in half as many tokens."""
    path = recording(tmp_path / "model.jsonl")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        body = line["response"]["body"]
        body["choices"][0]["message"]["content"] = "q4 " + body["choices"][0]["message"]["content"]
        body["usage"]["completion_tokens"] //= 2
    write_lines(tmp_path / "q4.jsonl", lines)
    monkeypatch.setenv("SPROUT_MODEL", str(path))
    return path


@pytest.fixture
def variants(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPROUT_VARIANTS", "q4=q4.jsonl")


def settle_costs(store: Path) -> None:
    """Give every level costs that tell: a replay of microseconds uses no joule of its own.

    L0 100 J, L1 60 J, L2 30 J; those of the variant half of that. A second for every 10 J.
    """
    keys = dict(select(store, "SELECT directive_key, text FROM directives"))
    for key, text in keys.items():
        joules = {"": 100.0, "Answer briefly.": 60.0}.get(text, 30.0)
        if select(store, "SELECT 1 FROM directives WHERE directive_key = ? AND variant > ''", key):
            joules /= 2
        change(
            store,
            "UPDATE profiles SET energy_mean_j = ?, busy_mean_s = ?, energy_deviations_j2 = 0,"
            " busy_deviations_s2 = 0 WHERE directive_key = ?",
            joules,
            joules / 10,
            key,
        )


def judged(reference: str, count: int = 30) -> Path:
    rows = (
        {"prompt": f"Question {n}?", "task": "qa", "reference": reference} for n in range(count)
    )
    return write_lines(Path("judged.jsonl"), rows)


def plan(*more: object) -> Json:
    data = sprout("optimize", "--intensity", 600, "--json", *more).data
    assert sum(level["share"] for level in data["levels"]) == pytest.approx(1)
    return data


def mix(data: Json) -> dict[str, float]:
    return {level["level"]: level["share"] for level in data["levels"]}


# profile


def test_profile_measures_every_level_of_every_variant_against_l0() -> None:
    found = sprout("profile", "--variants", "q4=q4.jsonl", *MEASURED, "--json")
    assert found.code == 0, found.stderr
    rows = [row for row in found.data["levels"] if row["task"] is None]
    assert [row["level"] for row in rows] == LEVELS
    base = rows[0]
    for row in rows:
        assert row["busy_of_base"] == pytest.approx(row["busy_s"] / base["busy_s"])
    # the recordings have 100, 60 and 30 tokens, and half of that
    tokens = {row["level"]: row["new_tokens"] for row in rows}
    assert tokens["q4/L1"] < tokens["q4/L0"] < tokens["L1"] < tokens["L0"]
    shown = sprout("profile", "--variant", "q4=q4.jsonl", *MEASURED).stdout
    assert "q4/L2" in shown
    assert "of L0" in shown


@pytest.mark.parametrize(
    ("flags", "code", "message"),
    [
        (["--variant", "q4/a=q4.jsonl"], 2, "is no name"),
        (["--variant", "q4="], 2, "names no file"),
        (["--variant", "q4"], 2, "names no file"),
        (["--variant", "a=q4.jsonl", "--variant", "a=model.jsonl"], 2, "stands for two files"),
        (["--variant", "q4=missing.jsonl"], 66, "variant q4: there is no file missing.jsonl"),
        (["--variant", "q4=missing.gguf"], 66, "variant q4: there is no file missing.gguf"),
        (["--variant", "q4=model.jsonl"], 65, "variant q4: model.jsonl is the same file as the"),
        (["--variant", "a=q4.jsonl", "--variant", "b=q4.jsonl"], 65, "same file as variant a"),
        (["--variant", "q4=q4.jsonl", "--search"], 2, "leave --variant out"),
    ],
)
def test_a_variant_that_cannot_be_is_one_clear_error(
    flags: list[str], code: int, message: str
) -> None:
    found = sprout("profile", *MEASURED, *flags)
    assert found.code == code, found.stderr
    assert message in found.stderr


def test_a_level_that_would_not_tell_its_variant_is_refused() -> None:
    Path("mine.toml").write_text(
        '[mine]\n[[mine.directives]]\nlevel = "L0"\ntext = ""\n'
        '[[mine.directives]]\nlevel = "a/b"\ntext = "Briefly."\nplacement = "suffix"\n'
    )
    found = sprout("optimize", "--directives", "mine.toml")
    assert found.code == 65
    assert "mine.toml: mine.directives[1].level: 'a/b' has a `/`" in found.stderr


@pytest.mark.usefixtures("variants")
def test_a_search_leaves_the_variants_of_the_settings_out() -> None:
    found = sprout("profile", "--search", *MEASURED, "--json")
    assert found.code == 0, found.stderr
    assert {row["level"].count("/") for row in found.data["levels"]} == {0}


# what steers


@pytest.mark.usefixtures("variants")
def test_a_variant_that_nobody_judged_is_explored_and_nothing_more(store: Path) -> None:
    sprout("profile", *MEASURED)
    settle_costs(store)
    data = plan("--tolerance", 1)
    shares = mix(data)
    assert list(shares) == LEVELS
    # half of the exploration, 2 %, is for L0 and the rest for the five others
    for level in LEVELS[3:]:
        assert shares[level] == pytest.approx(0.01 / 5)
    assert shares["L2"] > 0.5
    assert data["is_preference_prior"] is True
    assert [level["preference"] for level in data["levels"]][3:] == [None] * 3
    (note,) = [note for note in data["notes"] if "explored" in note]
    assert note.startswith("not judged, so only explored: q4/L0, q4/L1, q4/L2 (")
    assert "unknown" in sprout("optimize").stdout


@pytest.mark.usefixtures("variants")
def test_a_judged_variant_serves_in_the_mix(store: Path) -> None:
    sprout("profile", *MEASURED)
    settle_costs(store)
    found = sprout("evaluate", judged("q4"), "--prompts", 30, "--json")
    assert found.code == 0, found.stderr
    shares = {row["level"]: row["preference"] for row in found.data["rows"] if row["task"] is None}
    assert shares == pytest.approx(dict.fromkeys(LEVELS[:3], 0) | dict.fromkeys(LEVELS[3:], 1 / 3))
    assert select(store, "SELECT count(*) FROM answers") == [(6 * 30,)]
    data = plan()
    # all three answers of the variant are preferred, and its L2 costs least
    assert mix(data)["q4/L2"] == pytest.approx(1 - 0.01 - 4 * 0.01 / 5)
    assert data["is_preference_prior"] is False
    assert not any("explored" in note for note in data["notes"])
    assert "q4/L2" in sprout("evaluate", "--show").stdout


def test_until_variants_are_judged_too_verdicts_about_the_model_stand(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sprout("evaluate", judged("answer"), "--prompts", 30)  # every level of the model is right
    monkeypatch.setenv("SPROUT_VARIANTS", "q4=q4.jsonl")
    sprout("profile", *MEASURED)
    settle_costs(store)
    data = plan()
    assert data["is_preference_prior"] is False
    assert data["preference_source"] == "judged by reference: 30 prompts; no variants"
    assert mix(data)["q4/L1"] == pytest.approx(0.01 / 5)
    assert mix(data)["L2"] > 0.5


@pytest.mark.usefixtures("variants")
def test_another_file_under_the_same_name_was_never_measured() -> None:
    sprout("profile", *MEASURED)
    assert sprout("optimize").code == 0
    with Path("q4.jsonl").open("a") as file:
        file.write("\n")
    found = sprout("optimize")
    assert found.code == 78
    assert "level q4/L0 was never measured" in found.stderr
    # what is known of the model's own levels stays
    assert sprout("optimize", "--variant", "").code == 0


@pytest.mark.usefixtures("variants")
def test_more_levels_than_a_judge_has_labels_for_are_refused_before_it_is_asked() -> None:
    flags = [f"--variant=v{n}={n}.jsonl" for n in range(8)]
    for n in range(8):
        Path(f"{n}.jsonl").write_text(Path("q4.jsonl").read_text() + "\n" * n)
    endpoint = ("--judge", "endpoint", "--judge-url", "http://127.0.0.1:9/v1", "--judge-model", "m")
    found = sprout("evaluate", *flags, *endpoint)
    assert found.code == 65
    assert "27 levels: a judge is shown at most 26 answers at a time" in found.stderr


# run


def test_the_name_of_a_variants_file_need_not_be_text(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = Path(os.fsdecode(b"q4\xff.jsonl"))
    Path("q4.jsonl").rename(odd)
    monkeypatch.setenv("SPROUT_VARIANTS", f"q4={odd}")
    prompts = write_lines(Path("prompts.jsonl"), [{"prompt": "Why?", "directive": "q4/L1"}])
    found = sprout("run", prompts, "-o", out)
    assert found.code == 0, found.stderr
    assert [line["response"]["body"]["model"] for line in read_lines(out)] == [r"q4\udcff"]


@pytest.mark.usefixtures("variants")
def test_a_run_serves_each_prompt_by_the_variant_of_its_level(store: Path, out: Path) -> None:
    rows = [{"id": f"q{n}", "prompt": f"Question {n}?", "task": "qa"} for n in range(40)]
    rows += [{"id": f"pinned{n}", "prompt": "Why?", "directive": "q4/L1"} for n in range(3)]
    prompts = write_lines(Path("prompts.jsonl"), rows)
    assert sprout("run", prompts, "--check").code == 0
    found = sprout("run", prompts, "-o", out, "--explore", 0.9, "--intensity", 300, "--json")
    assert found.code == 0, found.stderr
    lines = read_lines(out)
    assert set(levels(lines).values()) == set(LEVELS)
    for line in lines:
        variant, _, directive = line["sprout"]["level"].rpartition("/")
        body = line["response"]["body"]
        own = "q4 answer" if variant else "answer"
        assert body["choices"][0]["message"]["content"].startswith(f"{own} {directive}-")
        assert body["model"] == (variant or "model")
        assert line["custom_id"][:6] != "pinned" or line["sprout"]["level"] == "q4/L1"
    told_j = sum(line["sprout"]["energy_j"] for line in lines)
    ((metered_j, idle_j, served_j),) = select(
        store,
        "SELECT metered_j, idle_j, (SELECT sum(energy_j) FROM completions) FROM runs",
    )
    assert told_j == pytest.approx(served_j)
    assert served_j + idle_j == pytest.approx(metered_j)
    assert list(found.data["levels"]) == LEVELS


@pytest.mark.usefixtures("variants")
def test_reports_metrics_status_and_replay_know_the_levels_of_variants(
    store: Path, out: Path
) -> None:
    prompts = write_prompts(Path("prompts.jsonl"), 60)
    sprout("run", prompts, "-o", out, "--explore", 0.9, "--intensity", 300, "--zone", "DE")
    data = sprout("report", "--json").data
    assert list(data["total"]["levels"]) == LEVELS
    assert {group["key"] for group in data["groups"]["level"]} == set(LEVELS)
    assert "q4/L1" in sprout("report", "--by", "level").stdout
    assert sprout("report", "--format", "html", "-o", "page.html").code == 0
    assert "q4/L1" in Path("page.html").read_text()
    assert "q4/L1=" in sprout("report", "--format", "csv").stdout
    assert sprout("export", "prometheus", "-o", "metrics.prom").code == 0
    assert 'sprout_answers{level="q4/L1"}' in Path("metrics.prom").read_text()
    assert "q4=q4.jsonl" in sprout("status").stdout
    change(store, "UPDATE completions SET energy_j = 30, busy_s = 1")
    change(store, "UPDATE completions SET energy_j = 3 WHERE level = 'q4/L2'")
    found = sprout("replay", "--data", "store", "-p", "co2-opt", "--json")
    assert found.code == 0, found.stderr
    assert found.data["rows"][0]["saved_percent"] > 0
    change(store, "DELETE FROM completions WHERE level = 'q4/L1'")
    assert sprout("replay", "--data", "store", "-p", "co2-opt").code == 0


@pytest.mark.usefixtures("variants")
def test_doctor_names_a_variant_that_does_not_fit() -> None:
    checks = {check["name"]: check for check in sprout("doctor", "--json").data["checks"]}
    assert checks["variant q4"]["status"] == "ok"
    Path("q4.jsonl").unlink()
    found = sprout("doctor")
    assert found.code == 78
    assert "variant q4" in found.stderr


@pytest.mark.slow
@pytest.mark.usefixtures("variants")
def test_a_run_with_variants_that_is_killed_keeps_each_prompts_level(
    store: Path, out: Path
) -> None:
    prompts = write_prompts(Path("prompts.jsonl"), 1500)
    command = ("run", prompts, "-o", out, "--explore", 0.9, "--no-learn", "--intensity", 300)
    admitted: dict[str, str] = {}
    for num_lines in (100, 400, 800):
        process = start(*command, stderr=subprocess.DEVNULL, env=dict(os.environ))
        wait_for_lines(out, num_lines, process)
        process.kill()
        assert process.wait(PATIENCE_S) == -signal.SIGKILL
        recorded = dict(select(store, "SELECT prompt_id, level FROM completions"))
        assert admitted.items() <= recorded.items()
        admitted = recorded
    assert sprout(*command).code == 0
    lines = read_lines(out)
    assert len(lines) == 1500
    assert len(levels(lines)) == 1500
    assert admitted.items() <= levels(lines).items()
    assert set(levels(lines).values()) == set(LEVELS)
    assert select(store, "PRAGMA integrity_check") == [("ok",)]
