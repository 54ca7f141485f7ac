"""What people read: units, sentences, notes, tables, metrics."""

import csv
import io
from datetime import timedelta
from pathlib import Path

import pytest
from report.report_stores import ESTIMATED, NOW, START, Writer, counting, read

from sprout.report import notes, page, prometheus, sci, tables, terminal_report, words
from sprout.report.facts import BYS, Report, step_for
from sprout.report.timeline import interval
from sprout.report.units import digits, grams, percent, seconds, watt_hours
from sprout.state.runs import Runs
from sprout.state.store import Store


def empty(path: Path) -> Report:
    with Store.open(path) as store:
        return read(store)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (grams(0), "0 g"),
        (grams(0.0419), "41.9 mg"),
        (grams(1234.5), "1.23 kg"),
        (grams(-2.5e-4), "-250 µg"),
        (grams(3e-9), "3.00 ng"),
        (watt_hours(3600 * 1500), "1.50 kWh"),
        (watt_hours(0), "0 Wh"),
        (seconds(90000), "1.04 d"),
        (seconds(0.25), "250 ms"),
        (digits(0.000123456), "0.000123"),
        (digits(1234567), "1,234,567"),
        (percent(1, 1000), "<1 %"),
        (percent(0, 10), "0 %"),
        (percent(5, 0), "none"),
    ],
)
def test_numbers_have_a_fitting_unit_and_three_digits(found: str, expected: str) -> None:
    assert found == expected


@pytest.mark.parametrize(
    ("span", "step"),
    [(timedelta(hours=3), "hour"), (timedelta(days=30), "day"), (timedelta(days=800), "month")],
)
def test_longer_periods_are_drawn_more_coarsely(span: timedelta, step: str) -> None:
    assert step_for(START, START + span) == step


def test_a_month_ends_where_the_next_begins() -> None:
    start, end = interval("2026-02")
    assert (end - start).days == 28
    assert interval("2026-12")[1].isoformat() == "2027-01-01T00:00:00+00:00"


def test_the_overview_of_a_mixed_store_says_how_much_is_measured(mixed: Report) -> None:
    told = {fact.name: fact for fact in words.facts(mixed)}
    assert "(measured)" in told["energy"].text
    assert "tdp_estimate (estimated)" in told["energy"].text
    assert set(told["energy"].marks) == {"measured", "estimated"}
    assert "against all-L0" in told["saved"].text
    assert "±" in told["saved"].text
    assert "PUE 1.2, 1" in told["carbon"].text
    told_notes = "\n".join(notes.of(mixed))
    assert "% of the energy is estimated, the rest is measured" in told_notes
    assert "intensities are of several kinds" in told_notes
    assert "embodied carbon was counted by several presets" in told_notes
    assert "not finished" in told_notes


def test_an_empty_store_is_told_in_one_sentence(store_path: Path) -> None:
    report = empty(store_path)
    assert [fact.name for fact in words.facts(report)] == ["served"]
    assert notes.of(report) == (notes.NOTHING,)
    assert words.period(report) == "nothing yet"


def test_an_equivalent_names_its_source(store_path: Path) -> None:
    with Store.open(store_path) as store:
        run = Writer(store, []).run(START, counting(g_per_s=400 / 1.609344))
        run.answer(START, busy_s=1.0)
        report = read(store)
    (equivalent,) = (fact.text for fact in words.facts(report) if fact.name == "equivalent")
    assert equivalent.startswith("1.00 km in a passenger car")
    assert "EPA-420-F-23-014" in equivalent


def test_one_is_told_as_one(store_path: Path) -> None:
    with Store.open(store_path) as store:
        run = Writer(store, []).run(START, counting())
        for level, task in (("L0", "qa"), ("L0", "qa"), ("L1", "maths")):
            run.answer(START, level, task=task)
        Runs(store).add_rejected(run.run_id, 1)
        report = read(store)
    assert any(note.startswith("1 answer of a task with too few") for note in notes.of(report))
    assert words.facts(report)[0].text.startswith("3 answered, 1 line rejected; ")


def test_a_clock_that_was_set_back_is_noted(store_path: Path) -> None:
    with Store.open(store_path) as store:
        run = Writer(store, []).run(START, counting())
        run.answer(NOW + timedelta(days=2))
        report = read(store)
    assert any("clock was set back" in note for note in notes.of(report))


def test_what_runs_drew_beside_their_requests_is_told_apart(store_path: Path) -> None:
    # 15 J idle at PUE 1.2 and 300 g/kWh; all the rest was the request's
    with Store.open(store_path) as store:
        run = Writer(store, []).run(START, counting(), metered_j=25.0, idle_j=15.0)
        run.answer(START, energy_j=10.0)
        run.end(START)
        report = read(store)
    told = {fact.name: fact.text for fact in words.facts(report)}
    assert told["energy"] == "2.78 mWh: rapl (measured)"
    assert told["idle, lost"] == "4.17 mWh idle: 1.50 mgCO2eq, not in the carbon above"


def test_the_interval_of_what_was_saved_is_said_to_be_that_of_the_mean(mixed: Report) -> None:
    (told,) = (fact.text for fact in words.facts(mixed) if fact.name == "saved")
    num = mixed.total.saved.num_baseline_requests
    assert told.endswith(
        f"against all-L0, by the mean (± its 95 % interval) of {num} requests at L0"
    )
    provenance = tables.data(mixed)["provenance"]
    assert isinstance(provenance, dict)
    assert provenance["interval"] == "of 95 %, of the mean cost at L0 alone"
    assert "of the mean cost at L0 alone" in tables.COLUMNS["saved_half_width_g"]
    assert "of the mean cost at L0 alone" in prometheus.METRICS["sprout_saved_half_width_grams"][0]
    text = page.render(mixed)
    assert "with the 95 % interval of L0's mean" in text.replace("&nbsp;", " ").replace(
        "&#x27;", "'"
    )
    assert "± is of 95 %, of the mean cost at L0 alone." in text.replace("&nbsp;", " ")


def test_a_single_request_at_l0_has_no_interval_to_speak_of(store_path: Path) -> None:
    with Store.open(store_path) as store:
        run = Writer(store, []).run(START, counting())
        run.answer(START, energy_j=20.0)
        run.answer(START, "L1")
        run.end(START)
        report = read(store)
    (told,) = (fact.text for fact in words.facts(report) if fact.name == "saved")
    assert told.endswith("against all-L0, by the one request at L0")


def test_csv_has_a_row_for_the_total_and_each_group(mixed: Report) -> None:
    text = io.StringIO()
    csv.writer(text).writerows(tables.rows(mixed, BYS))
    rows = list(csv.DictReader(io.StringIO(text.getvalue())))
    assert list(rows[0]) == list(tables.COLUMNS)
    assert rows[0]["by"] == "total"
    assert float(rows[0]["carbon_g"]) == mixed.total.carbon_g
    assert len(rows) == 1 + sum(len(mixed.groups[by]) for by in BYS)
    levels = [row for row in rows if row["by"] == "level"]
    assert sum(float(row["carbon_g"]) for row in levels) == pytest.approx(mixed.total.carbon_g)


def test_what_a_variant_answered_is_not_shown_as_the_models_own(store_path: Path) -> None:
    with Store.open(store_path) as store:
        run = Writer(store, []).run(START, counting())
        for level in ("L0", "L1", "q8_0/L1", "q8_0/L2", "q4_0/L0"):
            run.answer(START, level)
        run.end(START)
        report = read(store)
    expected = {"small": 2, "small (q4_0)": 1, "small (q8_0)": 2}
    assert {g.key: g.num_answered for g in report.groups["model"]} == expected
    assert {
        row[1]: int(row[2]) for row in tables.rows(report, ("model",)) if row[0] == "model"
    } == (expected)
    assert "small (q8_0)" in terminal_report.plain(report, "model")
    assert "small (q8_0)" in page.render(report)
    made = sci.make(report, sci.Who(None, None, None, None))
    assert "Models: small, small (q4_0), small (q8_0)." in made.description


def test_what_is_not_known_is_empty_in_csv_and_null_in_json(store_path: Path) -> None:
    with Store.open(store_path) as store:
        run = Writer(store, []).run(START, counting())
        run.answer(START, "L1")
        report = read(store)
    cells = dict(zip(tables.COLUMNS, list(tables.rows(report, ()))[1], strict=True))
    assert (cells["saved_g"], cells["saved_percent"], cells["baseline_g"]) == ("", "", "")
    total = tables.data(report)["total"]
    assert isinstance(total, dict)
    assert total["saved_g"] is None
    assert total["baseline_g"] is None


def test_terminal_tables_show_marks_and_fit(mixed: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # a file is no terminal
    text = terminal_report.plain(mixed, "task")
    assert max(map(len, text.splitlines())) <= terminal_report.FILE_WIDTH
    assert "est." in text
    assert "(none)" in text  # requests without a task
    assert "g/kWh" in text
    assert "by task" in text


def test_a_level_is_not_said_to_be_its_own_mix(mixed: Report) -> None:
    assert "L0 100 %" not in terminal_report.plain(mixed, "level")
    assert "L0 " in terminal_report.plain(mixed, "task").rpartition("levels")[2]


def test_a_gap_in_time_is_a_gap_in_the_chart(store_path: Path) -> None:
    with Store.open(store_path) as store:
        run = Writer(store, []).run(START, counting())
        for hours in (0, 1, 9):
            run.answer(START + timedelta(hours=hours))
        report = read(store)
    assert "██       █" in terminal_report.plain(report, "level")


def test_months_without_a_gap_have_none_in_the_chart(store_path: Path) -> None:
    with Store.open(store_path) as store:
        run = Writer(store, []).run(START, counting())
        for days in range(0, 730, 5):  # the shortest month is no measure of the others
            run.answer(START + timedelta(days=days))
        report = read(store)
    assert report.step == "month"
    assert f" {'█' * len(report.timeline)} " in terminal_report.plain(report, "level")


def of_both_factors(path: Path, *told: tuple[str | None, str | None, float]) -> Report:
    with Store.open(path) as store:
        run = Writer(store, []).run(START, counting())
        for kind, factor_type, g_per_kwh in told:
            run.answer(START, g_per_kwh=g_per_kwh, kind=kind, factor_type=factor_type)
        run.end(START)
        return read(store)


def test_the_grid_is_told_with_its_factors_where_they_differ(store_path: Path) -> None:
    both = (("average", "lifecycle", 400.0), ("average", "direct", 300.0))
    report = of_both_factors(store_path, *both)
    (grid,) = (fact.text for fact in words.facts(report) if fact.name == "grid")
    source = "50 % DE: electricitymaps_csv (measured)"
    assert grid == (
        f"350 g/kWh, mean over requests: {source}, average, direct; {source}, average, lifecycle"
    )
    provenance = tables.data(report)["provenance"]
    assert isinstance(provenance, dict)
    origins = provenance["intensity"]
    assert [(each["kind"], each["factor"], each["mean"]) for each in origins] == [
        ("average", "direct", 300.0),
        ("average", "lifecycle", 400.0),
    ]
    assert any("(average, direct; average, lifecycle)" in note for note in notes.of(report))


def test_the_grid_is_told_without_its_factors_where_all_are_alike(store_path: Path) -> None:
    report = of_both_factors(store_path, *[("average", "lifecycle", 400.0)] * 2)
    (grid,) = (fact.text for fact in words.facts(report) if fact.name == "grid")
    assert grid == "400 g/kWh, mean over requests: DE: electricitymaps_csv (measured)"
    assert notes.of(report) == ()


def test_estimates_are_known_by_their_method() -> None:
    assert ESTIMATED.energy_method == "tdp_estimate"
