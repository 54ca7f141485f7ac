"""What people read: units, sentences, notes, tables, metrics."""

import csv
import io
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from plain_records import UNDER, a_plan
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from report.report_stores import ESTIMATED, NOW, START, Writer, counting, read, write_mixed

from sprout.report import notes, page, prometheus, sci, tables, terminal_report, words
from sprout.report.cells import Emitted, Evaluating, Metered
from sprout.report.facts import BYS, Report, step_for
from sprout.report.preferred import ELSE, Preferred, by_class, covariance_of, normalised
from sprout.report.timeline import interval
from sprout.report.units import digits, grams, percent, seconds, watt_hours
from sprout.state.plans import Plans
from sprout.state.store import Store


@pytest.fixture
def store_path(tmp_path: Path) -> Path:
    return tmp_path / "s.db"


@pytest.fixture
def mixed(store_path: Path) -> Report:
    with Store.open(store_path) as store:
        write_mixed(store, 8)
        return read(store)


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


def test_terminal_tables_show_marks_and_fit(mixed: Report) -> None:
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


def test_metrics_are_read_by_prometheus_own_parser(mixed: Report) -> None:
    text = generate_latest(prometheus.registry(mixed)).decode()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert set(families) <= set(prometheus.METRICS)
    joules = {s.labels["mark"]: s.value for s in families["sprout_energy_joules"].samples}
    assert joules["estimated"] == pytest.approx(mixed.total.estimated_j)
    grams_ = sum(sample.value for sample in families["sprout_carbon_grams"].samples)
    assert grams_ == pytest.approx(mixed.total.carbon_g)
    assert families["sprout_saved_grams"].samples[0].value == mixed.total.saved.saved_g


def of_both_factors(path: Path, *told: tuple[str | None, str | None, float]) -> Report:
    with Store.open(path) as store:
        run = Writer(store, []).run(START, counting())
        for kind, factor_type, g_per_kwh in told:
            run.answer(START, g_per_kwh=g_per_kwh, kind=kind, factor_type=factor_type)
        run.end(START)
        return read(store)


def test_lifecycle_and_direct_factors_of_a_zone_are_metrics_of_their_own(store_path: Path) -> None:
    told = (("average", "lifecycle", 400.0), ("average", "direct", 300.0), (None, None, 500.0))
    report = of_both_factors(store_path, *told)
    text = generate_latest(prometheus.registry(report)).decode()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    found = {
        (sample.labels["kind"], sample.labels["factor"]): sample.value
        for sample in families["sprout_intensity_grams_per_kwh"].samples
    }
    assert found == {
        ("average", "lifecycle"): 400.0,
        ("average", "direct"): 300.0,
        ("not recorded", "not recorded"): 500.0,
    }


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
    assert any("average, direct and average, lifecycle" in note for note in notes.of(report))


def test_the_grid_is_told_without_its_factors_where_all_are_alike(store_path: Path) -> None:
    report = of_both_factors(store_path, *[("average", "lifecycle", 400.0)] * 2)
    (grid,) = (fact.text for fact in words.facts(report) if fact.name == "grid")
    assert grid == "400 g/kWh, mean over requests: DE: electricitymaps_csv (measured)"
    assert notes.of(report) == ()


def test_models_of_one_name_are_told_apart(store_path: Path) -> None:
    plan = a_plan()
    with Store.open(store_path) as store:
        writer = Writer(store, [])
        for number, (fingerprint, level) in enumerate((("a1b2c3d4e5", "L0"), ("9f8e7d6c5b", "L1"))):
            run = writer.run(START, counting(replace(UNDER, model=fingerprint)))
            Plans(store).add(replace(plan, id=f"plan-{number}"), run.run_id)
            run.answer(START, level)
            run.end(START)
        report = read(store)
    assert [group.key for group in report.groups["model"]] == ["small 9f8e7d6c", "small a1b2c3d4"]
    told = [fact.text for fact in words.facts(report) if fact.name == "preference"]
    assert [text.partition(":")[0] for text in told] == ["small 9f8e7d6c", "small a1b2c3d4"]
    text = generate_latest(prometheus.registry(report)).decode()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    samples = families["sprout_preference_kept_ratio"].samples
    q = {level.level: level.preference or 0.0 for level in plan.levels}
    assert {sample.labels["fingerprint"]: sample.value for sample in samples} == {
        "a1b2c3d4e5": 1.0,
        "9f8e7d6c5b": pytest.approx(q["L1"] / q["L0"]),
    }
    for family in families.values():
        labels = [tuple(sorted(sample.labels.items())) for sample in family.samples]
        assert len(labels) == len(set(labels)), family.name


JUDGED = Evaluating(
    3,
    (Metered("rapl", 16.0, 0.5), Metered("tdp_estimate", 8.0, 0.25)),
    (
        Emitted("DE", "eia (forecast)", "average", "direct", 0.5),
        Emitted("FR", None, None, None, 0.25),
    ),
    0.75,
)


def test_evaluations_say_what_kind_their_energy_and_their_intensity_are(mixed: Report) -> None:
    report = replace(mixed, evaluating=JUDGED)
    (told,) = (fact for fact in words.facts(report) if fact.name == "evaluating")
    assert (
        "evaluations: 3 (energy by rapl (measured), tdp_estimate (estimated); "
        "intensity forecast, not recorded)"
    ) in told.text
    assert told.marks == ("measured", "estimated", "forecast", "not recorded", "modelled")
    assert tables.data(report)["evaluating"] == {
        "num_evaluations": 3,
        "metered_j": 24.0,
        "operational_g": 0.75,
        "embodied_g": 0.75,
        "energy": [
            {"name": "rapl", "energy_j": 16.0, "operational_g": 0.5, "mark": "measured"},
            {"name": "tdp_estimate", "energy_j": 8.0, "operational_g": 0.25, "mark": "estimated"},
        ],
        "intensity": [
            {
                "name": "DE: eia (forecast)",
                "mark": "forecast",
                "kind": "average",
                "factor": "direct",
                "operational_g": 0.5,
            },
            {
                "name": "FR: not recorded",
                "mark": "not recorded",
                "kind": None,
                "factor": None,
                "operational_g": 0.25,
            },
        ],
    }
    found = prometheus.registry(
        replace(report, evaluating=replace(JUDGED, energy=JUDGED.energy * 2))
    )
    samples = {
        (component, mark): found.get_sample_value(
            "sprout_evaluating_carbon_grams", {"component": component, "mark": mark}
        )
        for component, mark in (
            ("operational", "measured"),
            ("operational", "estimated"),
            ("embodied", "modelled"),
        )
    }
    assert list(samples.values()) == [1.0, 0.5, 0.75]  # several methods of one mark are summed


def test_what_is_not_known_has_no_sample(store_path: Path) -> None:
    text = generate_latest(prometheus.registry(empty(store_path))).decode()
    assert "sprout_saved_grams" not in text
    assert "sprout_evaluating" not in text


SHARES = {"k0": 0.5, "k1": 0.3, "k2": 0.2}
KNOWN = Preferred("m", "f1", None, SHARES, None, "a judge", is_prior=False)


def test_all_l0_keeps_all_preference() -> None:
    found = normalised(KNOWN, {"k0": 7})
    assert (found.kept, found.half_width) == (1.0, 0.0)


def test_a_level_that_was_never_judged_leaves_preference_unknown() -> None:
    assert normalised(KNOWN, {"k0": 7, "other": 1}).kept is None


def test_the_interval_of_preference_is_that_of_many_draws() -> None:
    import numpy as np  # noqa: PLC0415

    # shares of 400 judged prompts
    q = np.array([0.5, 0.3, 0.2])
    covariance = covariance_of((0.5, 0.3, 0.2), 400)
    assert np.array(covariance) == pytest.approx((np.diag(q) - np.outer(q, q)) / 400)
    known = replace(KNOWN, covariance=covariance)
    found = normalised(known, {"k0": 20, "k1": 30, "k2": 50})
    draws = np.random.default_rng(1).multinomial(400, q, size=20_000) / 400
    kept = draws @ np.array([0.2, 0.3, 0.5]) / draws[:, 0]
    assert found.kept == pytest.approx((0.1 + 0.09 + 0.1) / 0.5)
    assert found.half_width == pytest.approx(1.96 * kept.std(), rel=0.05)


def test_each_class_is_held_against_its_own_shares() -> None:
    maths = Preferred("m", "f1", "maths", {"k0": 0.8, "k1": 0.2}, None, "a judge", is_prior=False)
    rest = Preferred("m", "f1", ELSE, {"k0": 0.4, "k1": 0.6}, None, "a judge", is_prior=False)
    counts = {"maths": {"k0": 50, "k1": 50}, "qa": {"k0": 25, "k1": 75}, "": {"k1": 100}}
    overall, *classes = by_class((KNOWN, maths, rest), counts)
    kept = {each.task: each.kept for each in classes}
    # maths: (0.5 * 0.8 + 0.5 * 0.2) / 0.8; the rest: (25 * 0.4 + 175 * 0.6) / 200 / 0.4
    assert kept == {"maths": pytest.approx(0.625), ELSE: pytest.approx(1.4375)}
    # together: 100 * 0.8 * 0.625 + 200 * 0.4 * 1.4375, by 100 * 0.8 + 200 * 0.4
    assert overall.kept == pytest.approx((50 + 115) / 160)
    assert (overall.task, overall.num_answered, overall.half_width) == (None, 300, None)


def test_a_task_without_any_class_leaves_all_together_unknown() -> None:
    maths = Preferred("m", "f1", "maths", {"k0": 0.8, "k1": 0.2}, None, "a judge", is_prior=False)
    (overall,) = by_class((KNOWN, maths), {"qa": {"k0": 1}})
    assert (overall.kept, overall.num_answered) == (None, 1)


def test_estimates_are_known_by_their_method() -> None:
    assert ESTIMATED.energy_method == "tdp_estimate"
