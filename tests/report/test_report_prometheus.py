"""Metrics: read back by Prometheus' own parser, and no two samples alike."""

from dataclasses import replace
from pathlib import Path

import pytest
from plain_records import UNDER, a_plan
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from report.report_stores import START, Writer, counting, read

from sprout.report import prometheus, tables, words
from sprout.report.cells import Emitted, Evaluating, Metered
from sprout.report.facts import Report
from sprout.state.plans import Plans
from sprout.state.store import Store


def test_metrics_are_read_by_prometheus_own_parser(mixed: Report) -> None:
    text = generate_latest(prometheus.registry(mixed)).decode()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert set(families) <= set(prometheus.METRICS)
    joules = {s.labels["mark"]: s.value for s in families["sprout_energy_joules"].samples}
    assert joules["estimated"] == pytest.approx(mixed.total.estimated_j)
    grams_ = sum(sample.value for sample in families["sprout_carbon_grams"].samples)
    assert grams_ == pytest.approx(mixed.total.carbon_g)
    assert families["sprout_saved_grams"].samples[0].value == mixed.total.saved.saved_g
    (beyond,) = families["sprout_beyond_requests_carbon_grams"].samples
    assert beyond.value == pytest.approx(mixed.runs.operational_g) != 0


def test_lifecycle_and_direct_factors_of_a_zone_are_metrics_of_their_own(store_path: Path) -> None:
    told = (("average", "lifecycle", 400.0), ("average", "direct", 300.0), (None, None, 500.0))
    with Store.open(store_path) as store:
        run = Writer(store, []).run(START, counting())
        for kind, factor_type, g_per_kwh in told:
            run.answer(START, g_per_kwh=g_per_kwh, kind=kind, factor_type=factor_type)
        run.end(START)
        report = read(store)
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
    8.0,
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
        "busy_s": 8.0,
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
    found = prometheus.registry(report)
    for component, mark, carbon_g in (
        ("operational", "measured, estimated, forecast, not recorded", 0.75),
        ("embodied", "modelled", 0.75),
    ):
        labels = {"component": component, "mark": mark}
        assert found.get_sample_value("sprout_evaluating_carbon_grams", labels) == carbon_g


def test_what_is_not_known_has_no_sample(store_path: Path) -> None:
    with Store.open(store_path) as store:
        text = generate_latest(prometheus.registry(read(store))).decode()
    assert "sprout_saved_grams" not in text
    assert "sprout_beyond_requests_carbon_grams" not in text
    assert "sprout_evaluating" not in text
