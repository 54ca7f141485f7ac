import math
from dataclasses import replace
from io import StringIO

import pytest
from plain_records import a_plan, admission, cost, prompt, served
from rich.console import Console

from sprout.carbon import EmbodiedRate, footprint
from sprout.costs import Cost, t_95
from sprout.report import terminal
from sprout.report.summary import RunSummary, Tally, own_baselines, saving

PUE = 1.5
EMBODIED = 0.001  # g/s


def tally_of(*rows: tuple[str, str | None, float, float, float]) -> Tally:
    """Sum requests given as level, plan, J, s and g/kWh."""
    tally = Tally()
    for number, (level, plan_id, energy_j, busy_s, g_per_kwh) in enumerate(rows):
        row = served(
            admission(prompt(f"p{number}"), level, plan_id),
            energy_j=energy_j,
            busy_s=busy_s,
            g_per_kwh=g_per_kwh,
        )
        priced = footprint(energy_j, busy_s, g_per_kwh, PUE, EMBODIED)
        tally.add(replace(row, footprint=priced))
    return tally


def test_a_tally_sums_what_was_served() -> None:
    tally = tally_of(
        ("L0", "plan", 36, 2, 200), ("L1", "plan", 18, 1, 200), ("L2", None, 9, 1, 200)
    )
    assert (tally.num_served, tally.num_prompt_tokens, tally.num_new_tokens) == (3, 60, 30)
    assert tally.num_lines == 3
    assert tally.energy_j == 63
    assert tally.busy_s == 4
    # 63 J * 1.5 / 3.6e6 * 200 = 0.00525 g, and 4 s * 0.001 g/s
    assert tally.operational_g == pytest.approx(0.00525)
    assert tally.embodied_g == pytest.approx(0.004)
    assert tally.carbon_g == pytest.approx(0.00925)
    assert tally.levels == {"L0": 1, "L1": 1, "L2": 1}


def test_a_line_is_done_with_when_served_failed_or_skipped() -> None:
    tally = tally_of(("L0", "plan", 36, 2, 200))
    tally.num_failed, tally.num_skipped = 2, 4
    assert tally.num_lines == 7


def test_the_saving_is_what_l0_would_have_cost_less_what_was_spent() -> None:
    # L0 costs 40 J (36 and 44, say) and 4 s in the mean.
    base = cost([40.0, 40.0, 40.0])
    tally = tally_of(
        ("L0", "plan", 50, 5, 100),
        ("L1", "plan", 20, 2, 100),
        ("L2", "plan", 10, 1, 300),
    )
    # at L0 the second would have emitted 40 * 1.5 / 3.6e6 * 100 + 4 * 0.001 = 0.0056667 g,
    # the third 40 * 1.5 / 3.6e6 * 300 + 0.004 = 0.009 g: together 0.0146667 g.
    # They emitted 0.0008333 + 0.002 and 0.00125 + 0.001: 0.0050833 g.
    saved = saving(tally, base, PUE, EMBODIED)
    assert saved is not None
    assert saved.saved_g == pytest.approx(0.0146667 - 0.0050833, abs=1e-7)
    # the first emitted 50 * 1.5 / 3.6e6 * 100 + 0.005 = 0.0070833 g, which all-L0 has as well
    assert saved.baseline_g == pytest.approx(0.0146667 + 0.0070833, abs=1e-7)
    assert saved.percent == pytest.approx(100 * 0.0095833 / 0.02175, rel=1e-4)
    assert saved.num_baseline_requests == 3


def test_the_half_width_is_the_relative_error_of_the_mean_cost_of_l0() -> None:
    base = cost([38.0, 42.0] * 8)
    error = base.standard_error(base.energy_j)
    assert error is not None
    tally = tally_of(("L1", "plan", 20, 2, 100), ("L1", "plan", 25, 2, 100))
    saved = saving(tally, base, PUE, EMBODIED)
    assert saved is not None
    expected_g = 2 * footprint(base.energy_j.mean, base.busy_s.mean, 100, PUE, EMBODIED).carbon_g
    assert saved.half_width_g == pytest.approx(
        t_95(15) * error / base.energy_j.mean * expected_g, rel=1e-6
    )


def test_a_task_that_was_measured_at_l0_is_its_own_baseline() -> None:
    # A quiz costs 10 J at L0 and a poem 100 J; only quizzes are briefed. Against the mean of both
    # they would seem to save 51 J each; they save 6.
    tally = Tally()
    for number, task in enumerate(("quiz", "quiz", "letter")):
        row = served(
            admission(prompt(f"p{number}", task=task), "L1", "plan"),
            energy_j=4.0,
            busy_s=0.4,
            g_per_kwh=200.0,
        )
        priced = footprint(4.0, 0.4, 200.0, PUE, EMBODIED)
        tally.add(replace(row, footprint=priced))
    # a mean over all tasks holds the quizzes: their errors are no independent ones
    quiz, both = cost([9.0, 11.0] * 20), cost([9.0, 11.0, 90.0, 110.0] * 20)
    saved = saving(tally, both, PUE, EMBODIED, {"quiz": quiz})
    assert saved is not None
    quiz_g = footprint(quiz.energy_j.mean, quiz.busy_s.mean, 200.0, PUE, EMBODIED).carbon_g
    both_g = footprint(both.energy_j.mean, both.busy_s.mean, 200.0, PUE, EMBODIED).carbon_g
    assert saved.saved_g == pytest.approx(2 * quiz_g + both_g - tally.carbon_g)
    assert saved.num_baseline_requests == 80  # all that exist, of both tasks
    halves_g = [
        each.half_width(each.energy_j) / each.energy_j.mean * g  # type: ignore[operator]
        for each, g in ((quiz, 2 * quiz_g), (both, both_g))
    ]
    assert saved.half_width_g == pytest.approx(sum(halves_g))


def test_tasks_that_are_their_own_baselines_err_independently() -> None:
    tally, tasks = Tally(), {"quiz": cost([9.0, 11.0] * 20), "poem": cost([90.0, 110.0] * 15)}
    for number, task in enumerate(tasks):
        admitted = admission(prompt(f"p{number}", task=task), "L1", "plan")
        tally.add(served(admitted, g_per_kwh=200.0))
    saved = saving(tally, cost([9.0, 11.0, 90.0, 110.0] * 20), PUE, EMBODIED, tasks)
    assert saved is not None
    assert saved.num_baseline_requests == 40 + 30
    halves_g = [
        each.half_width(each.energy_j)  # type: ignore[operator]
        / each.energy_j.mean
        * footprint(each.energy_j.mean, each.busy_s.mean, 200.0, PUE, EMBODIED).carbon_g
        for each in tasks.values()
    ]
    assert saved.half_width_g == pytest.approx(math.hypot(*halves_g))


def test_a_task_that_was_hardly_measured_is_not_its_own_baseline() -> None:
    table = {("key", "quiz"): cost([10.0] * 30), ("key", "poem"): cost([100.0] * 29)}
    table |= {("key", "*"): cost([50.0] * 59), ("other", "quiz"): cost([4.0] * 40)}
    assert list(own_baselines(table, "key")) == ["quiz"]


def test_a_run_at_l0_alone_saves_exactly_nothing() -> None:
    tally = tally_of(("L0", "plan", 36, 2, 200), ("L0", "plan", 99, 9, 400))
    saved = saving(tally, cost([10.0, 11.0, 12.0]), PUE, EMBODIED)
    assert saved is not None
    assert (saved.saved_g, saved.half_width_g, saved.percent) == (0.0, 0.0, 0.0)
    assert saved.baseline_g == pytest.approx(tally.carbon_g)


def test_lines_that_pin_their_directive_do_not_count_as_saving() -> None:
    mixed = [("L0", "plan", 36.0, 2.0, 200.0), ("L1", "plan", 18.0, 1.0, 200.0)]
    pinned = [("L2", None, 1.0, 0.1, 200.0), ("L0", None, 500.0, 50.0, 200.0)]
    base = cost([40.0, 41.0])
    assert saving(tally_of(*mixed, *pinned), base, PUE, EMBODIED) == saving(
        tally_of(*mixed), base, PUE, EMBODIED
    )


def test_a_dearer_mix_is_a_negative_saving() -> None:
    saved = saving(tally_of(("L1", "plan", 90, 9, 200)), cost([40.0, 40.0]), PUE, EMBODIED)
    assert saved is not None
    assert saved.saved_g < 0
    assert saved.percent is not None
    assert saved.percent < 0


def test_without_l0_measured_nothing_is_claimed() -> None:
    assert saving(tally_of(("L1", "plan", 1, 1, 200)), Cost(), PUE, EMBODIED) is None


def test_one_request_at_l0_gives_no_interval() -> None:
    saved = saving(tally_of(("L1", "plan", 1, 1, 200)), cost([40.0]), PUE, EMBODIED)
    assert saved is not None
    assert saved.half_width_g is None


def test_requests_at_l0_without_any_spread_give_an_interval_of_nothing() -> None:
    saved = saving(tally_of(("L1", "plan", 1, 1, 200)), cost([40.0, 40.0]), PUE, EMBODIED)
    assert saved is not None
    assert saved.half_width_g == 0


def test_a_run_that_served_nothing_has_no_percentage() -> None:
    saved = saving(Tally(), cost([40.0, 40.0]), PUE, EMBODIED)
    assert saved is not None
    assert (saved.saved_g, saved.baseline_g, saved.percent) == (0, 0, None)


def summary(tally: Tally) -> RunSummary:
    return RunSummary(
        run_id="run-1",
        tally=tally,
        saving=saving(tally, cost([40.0, 40.0]), PUE, EMBODIED),
        plan=a_plan(),
        energy_method="rapl",
        is_energy_estimated=False,
        embodied=EmbodiedRate("custom", EMBODIED, "set by the user"),
        pue=PUE,
        is_complete=True,
    )


def test_the_closing_record_carries_every_mark() -> None:
    tally = tally_of(("L1", "plan", 18, 1, 200), ("L0", "plan", 36, 2, 200))
    data = summary(tally).data()
    assert data["levels"] == {"L0": 1, "L1": 1}
    assert str(data["levels"]) == "{'L0': 1, 'L1': 1}"  # in order
    assert data["carbon_g"] == pytest.approx(tally.carbon_g)
    assert data["energy_method"] == "rapl"
    assert data["is_energy_estimated"] is False
    assert (data["zone"], data["intensity_g_per_kwh"]) == ("DE", 300.0)
    assert data["intensity_mark"] == "measured"
    assert data["preference_source"] == "a judge"
    assert data["baseline_requests"] == 2
    assert data["baseline_requests_served"] == 1
    assert data["notes"] == []


AT_L0, AT_L1 = ("L0", "plan", 36.0, 2.0, 200.0), ("L1", "plan", 18.0, 1.0, 200.0)
PINNED = ("L0", None, 36.0, 2.0, 200.0)


def told(row: str, *served: tuple[str, str | None, float, float, float]) -> str:
    """What the closing table says in a row."""
    console = Console(file=StringIO(), width=300)
    console.print(*terminal.run_summary(summary(tally_of(*served))))
    assert isinstance(console.file, StringIO)
    rows: dict[str, str] = {}
    name = ""
    for line in console.file.getvalue().splitlines():
        if "│" in line:
            _, first, second, _ = line.split("│")
            name = first.strip() or name
            rows[name] = f"{rows.get(name, '')} {second.strip()}".strip()
    return rows[row]


def test_the_summary_says_how_much_of_the_baseline_was_served_by_the_run() -> None:
    # calibration measures L0 on packaged prompts: what others cost may be far from it
    assert told("saved", AT_L1, PINNED).endswith("requests at L0, none of them served here")
    assert told("saved", AT_L1, AT_L0).endswith("requests at L0, 1 of them served here")
    assert told("saved", AT_L1, AT_L0, AT_L0).endswith("requests at L0")


def test_a_saving_takes_two_lines_at_any_width() -> None:
    for width in (100, 120, 300):
        console = Console(file=StringIO(), width=width)
        console.print(*terminal.run_summary(summary(tally_of(AT_L1, AT_L0))))
        assert isinstance(console.file, StringIO)
        lines = console.file.getvalue().splitlines()
        number = next(n for n, line in enumerate(lines) if "│ saved " in line)
        assert lines[number].rstrip(" │").endswith("against all-L0,")
        assert lines[number + 1].rstrip(" │").endswith("1 of them served here")


def test_the_summary_says_why_nothing_was_saved() -> None:
    assert told("saved", AT_L0) == "nothing: every request was served at L0"
    assert told("saved", PINNED) == "not counted: every answered line pins its directive"
    assert told("saved") == "nothing was answered"


def test_the_summary_has_fitting_units() -> None:
    assert told("energy", AT_L0) == "10.0 mWh (rapl)"  # 36 J
    assert told("engine busy", AT_L0) == "2.00 s"


def test_the_summary_is_whole_on_a_narrow_screen() -> None:
    made = replace(summary(tally_of(("L1", "plan", 18.0, 1.0, 200.0))), energy_method="x" * 60)
    console = Console(file=StringIO(), width=40)
    console.print(*terminal.run_summary(made))
    assert isinstance(console.file, StringIO)
    shown = console.file.getvalue()
    assert "…" not in shown
    assert shown.count("x") == 60


def test_what_is_not_known_is_none_in_the_closing_record() -> None:
    data = replace(summary(Tally()), plan=None, saving=None).data()
    names = ("zone", "intensity_g_per_kwh", "saved_g", "saved_half_width_g", "saved_percent")
    assert {data[name] for name in names} == {None}
    assert data["num_served"] == 0
