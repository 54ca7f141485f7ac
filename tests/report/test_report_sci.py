"""The SCI report: its parts sum to its score, and no field of the template is missing."""

import dataclasses
import re
from pathlib import Path

import pytest
from report.report_stores import ESTIMATED, START, Writer, counting, read, write_mixed

from sprout.report import notes, sci, sci_markdown
from sprout.report.cells import Emitted, Evaluating, Metered
from sprout.report.facts import Report
from sprout.report.sci import Who
from sprout.state.store import Store

WHO = Who("Night batch", "https://example.org/batch", "Example Ltd", "ops@example.org")
NOBODY = Who(None, None, None, None)


@pytest.fixture
def mixed(tmp_path: Path) -> Report:
    with Store.open(tmp_path / "s.db") as store:
        write_mixed(store, 6)
        return read(store)


def test_the_parts_sum_to_the_score(mixed: Report) -> None:
    report = dataclasses.replace(
        mixed, evaluating=Evaluating(2, (Metered("rapl", 100.0, 0.01),), (), 2.0, 0.002)
    )
    made = sci.make(report, WHO)
    assert made.per_request_g is not None
    assert made.per_token_g is not None
    assert sum(part.carbon_g for part in made.parts) == pytest.approx(made.carbon_g)
    assert sum(part.per_request_g or 0.0 for part in made.parts) == pytest.approx(
        made.per_request_g
    )
    assert sum(part.per_token_g or 0.0 for part in made.parts) == pytest.approx(made.per_token_g)
    # requests, idle and lost energy, evaluations: everything the report knows of
    whole_g = report.total.carbon_g + report.runs.operational_g + 0.012
    assert made.carbon_g == pytest.approx(whole_g)
    assert made.per_request_g == pytest.approx(whole_g / report.total.num_answered)


def test_the_coefficients_give_the_operational_part_again(tmp_path: Path) -> None:
    with Store.open(tmp_path / "s.db") as store:
        run = Writer(store, []).run(START, counting(), metered_j=50.0, idle_j=10.0)
        for _ in range(4):
            run.answer(START, energy_j=10.0, busy_s=2.0)
        run.end(START)
        made = sci.make(read(store), WHO)
    value = {(c.name, c.description.split(",")[0]): c.value for c in made.coefficients}
    e = value["E", "energy of requests"] + value["E", "energy of idle time and unfinished work"]
    i = next(c.value for c in made.coefficients if c.name == "I")
    pue = value["PUE", "overhead of the data centre"]
    m = value["TE/EL", "embodied carbon per busy second"] * value["TiR", "busy seconds of requests"]
    assert made.carbon_g == pytest.approx(e * pue * i + m)


def test_every_field_of_the_template_is_filled(mixed: Report) -> None:
    for who in (WHO, NOBODY):
        made = sci.make(mixed, who)
        for field in dataclasses.fields(made):
            value = getattr(made, field.name)
            assert value not in {None, "", ()}, field.name
    text = sci_markdown.render(sci.make(mixed, WHO))
    for word in ("Night batch", "Example Ltd", "ops@example.org", "https://example.org/batch"):
        assert word in text
    assert "not stated: set `organisation`" in sci_markdown.render(sci.make(mixed, NOBODY))
    for heading in ("Boundary", "Functional unit", "Parts of the score", "Coefficients", "Methods"):
        assert f"## {heading}" in text
    for term in ("C", "O", "M", "E", "I"):
        assert re.search(rf"^\| {term} \| \S", text, re.MULTILINE), term


def test_measured_and_modelled_parts_are_told_apart(mixed: Report) -> None:
    kinds = {part.name: part.kind for part in sci.make(mixed, WHO).parts}
    assert kinds["requests, rapl"] == "measured"
    assert kinds["requests, tdp_estimate"] == "modelled"
    assert kinds["hardware, paper"] == "sourced"


def test_evaluations_are_measured_only_where_their_energy_was(tmp_path: Path) -> None:
    with Store.open(tmp_path / "s.db") as store:
        run = Writer(store, []).run(START, counting())
        run.answer(START)
        run.end(START)
        report = read(store)
    assert "energy is measured" in sci.make(report, WHO).summary
    energy = (Metered("rapl", 5.0, 0.25), Metered("rapl+tdp_estimate", 7.0, 0.5))
    grid = (Emitted("DE", "yearly average", "average", "lifecycle", 0.75),)
    made = sci.make(
        dataclasses.replace(report, evaluating=Evaluating(3, energy, grid, 9.0, 0.25)), WHO
    )
    kinds = {
        (part.name, part.term): (part.kind, part.carbon_g)
        for part in made.parts
        if part.name.startswith("evaluations")
    }
    assert kinds == {
        ("evaluations, rapl", "O"): ("measured", 0.25),
        ("evaluations, rapl+tdp_estimate", "O"): ("modelled", 0.5),
        ("evaluations", "M"): ("sourced", 0.25),
    }
    assert {part.method for part in made.parts if part.name == "evaluations, rapl"} == {
        "energy by rapl (measured), at the intensity when each evaluation began (yearly average)"
    }
    told = [
        (each.name, each.description, each.value, each.source)
        for each in made.coefficients
        if "evaluations" in each.description
    ]
    assert told == [
        ("E", "energy of evaluations, without PUE", 5 / 3.6e6, "rapl (measured)"),
        ("E", "energy of evaluations, without PUE", 7 / 3.6e6, "rapl+tdp_estimate (estimated)"),
        ("TiR", "busy seconds of evaluations", 9.0, "measured by the engine"),
    ]
    # the score holds them, so it is no measurement, and its methods name theirs
    assert "energy is an estimate" in made.summary
    assert dict(made.methods)["E"].startswith(
        "rapl (measured), rapl+tdp_estimate (estimated); read from counters"
    )


def test_idle_energy_that_was_estimated_is_not_said_to_come_of_counters(tmp_path: Path) -> None:
    with Store.open(tmp_path / "s.db") as store:
        run = Writer(store, []).run(START, counting(ESTIMATED), metered_j=50.0, idle_j=10.0)
        run.answer(START)
        run.end(START)
        made = sci.make(read(store), WHO)
    (idle,) = (each for each in made.coefficients if "idle" in each.description)
    assert idle.source == "tdp_estimate (estimated)"


def test_a_name_with_a_bar_does_not_break_the_tables(mixed: Report) -> None:
    made = sci.make(mixed, Who("a | b\nc", None, None, None))
    assert "| Application | a \\| b c |" in sci_markdown.render(made)


def test_nothing_served_has_no_score(tmp_path: Path) -> None:
    with Store.open(tmp_path / "s.db") as store:
        made = sci.make(read(store), WHO)
    assert (made.per_request_g, made.per_token_g) == (None, None)
    assert "no score" in sci_markdown.render(made)


def test_notes_are_of_what_the_report_shows(mixed: Report) -> None:
    # it shows no saving and no preference
    told = "\n".join(sci.make(mixed, WHO).notes)
    assert "estimated, the rest is measured" in told
    assert "saving" not in told
    assert any("saving" in note for note in notes.of(mixed))
