from dataclasses import replace
from io import StringIO

import pytest
from plain_records import KEYS, UNDER, a_plan, admission, prompt, served
from rich.console import Console

from sprout.batch.answers import Counting
from sprout.carbon import EmbodiedRate, footprint
from sprout.report import terminal
from sprout.report.baselines import Baselines, Pool, Pools
from sprout.report.cells import comparable
from sprout.report.summary import RunSummary, Tally, saved

PUE = 1.5
EMBODIED = 0.001  # g/s
COUNTING = Counting(UNDER, "small", PUE, EmbodiedRate("custom", EMBODIED, "set by the user"))


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


def of_l0(*energies_j: float) -> Baselines:
    """What L0 costs by these requests, which took a second for every 10 J."""
    pools = Pools()
    for joules in energies_j:
        one = Pool(1, joules, joules**2, joules / 10, joules**2 / 100, joules**2 / 10)
        pools.count((comparable(UNDER), ""), "L0", KEYS["L0"], one)
    return pools.baselines({})


def test_the_saving_is_what_l0_would_have_cost_less_what_was_spent() -> None:
    # L0 costs 40 J (36 and 44, say) and 4 s in the mean.
    tally = tally_of(
        ("L0", "plan", 50, 5, 100),
        ("L1", "plan", 20, 2, 100),
        ("L2", "plan", 10, 1, 300),
    )
    # at L0 the second would have emitted 40 * 1.5 / 3.6e6 * 100 + 4 * 0.001 = 0.0056667 g,
    # the third 40 * 1.5 / 3.6e6 * 300 + 0.004 = 0.009 g: together 0.0146667 g.
    # They emitted 0.0008333 + 0.002 and 0.00125 + 0.001: 0.0050833 g.
    found = saved(tally, COUNTING, of_l0(40.0, 40.0, 40.0))
    assert found.saved_g == pytest.approx(0.0146667 - 0.0050833, abs=1e-7)
    # the first emitted 50 * 1.5 / 3.6e6 * 100 + 0.005 = 0.0070833 g, which all-L0 has as well
    assert found.baseline_g == pytest.approx(0.0146667 + 0.0070833, abs=1e-7)
    assert found.percent == pytest.approx(100 * 0.0095833 / 0.02175, rel=1e-4)
    assert (found.num_counted, found.num_baseline_requests) == (3, 3)


def test_lines_that_pin_their_directive_do_not_count_as_saving() -> None:
    mixed = [("L0", "plan", 36.0, 2.0, 200.0), ("L1", "plan", 18.0, 1.0, 200.0)]
    pinned = [("L2", None, 1.0, 0.1, 200.0), ("L0", None, 500.0, 50.0, 200.0)]
    base = of_l0(40.0, 41.0)
    found = saved(tally_of(*mixed, *pinned), COUNTING, base)
    assert found.num_pinned == 2
    assert replace(found, num_pinned=0) == saved(tally_of(*mixed), COUNTING, base)


def summary(tally: Tally) -> RunSummary:
    return RunSummary(
        run_id="run-1",
        tally=tally,
        saved=saved(tally, COUNTING, of_l0(40.0, 40.0)),
        plan=a_plan(),
        energy_method="rapl",
        is_energy_estimated=False,
        embodied=COUNTING.embodied,
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


def told(row: str, *rows: tuple[str, str | None, float, float, float]) -> str:
    """What the closing table says in a row."""
    console = Console(file=StringIO(), width=300)
    console.print(*terminal.run_summary(summary(tally_of(*rows))))
    assert isinstance(console.file, StringIO)
    shown: dict[str, str] = {}
    name = ""
    for line in console.file.getvalue().splitlines():
        if "│" in line:
            _, first, second, _ = line.split("│")
            name = first.strip() or name
            shown[name] = f"{shown.get(name, '')} {second.strip()}".strip()
    return shown[row]


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
    data = replace(summary(Tally()), plan=None).data()
    names = ("zone", "intensity_g_per_kwh", "saved_g", "saved_half_width_g", "saved_percent")
    assert {data[name] for name in names} == {None}
    assert data["num_served"] == 0
