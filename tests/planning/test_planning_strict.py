from dataclasses import replace

import pytest
from plain_records import LEVELS, MEASURED, NOW, levels, reading, snapshot

from sprout.directives import PRIOR_SOURCE
from sprout.errors import NotReadyError
from sprout.grid import reading as grid
from sprout.planning.strict import check_strict
from sprout.quality.preference import Preference, prior

PUBLISHED = {"L0": 0.4, "L1": 0.36, "L2": 0.24}


def test_a_plan_from_measurements_alone_is_strict() -> None:
    check_strict(snapshot(MEASURED), LEVELS)
    check_strict(replace(snapshot(MEASURED), grid=grid.fixed(300, "DE", NOW)), LEVELS)


def test_a_forecast_is_strict_but_an_estimate_is_not() -> None:
    known = snapshot(MEASURED)
    check_strict(replace(known, grid=replace(reading(300), mark="forecast")), LEVELS)
    with pytest.raises(NotReadyError, match=r"intensity is not measured \(estimated\)"):
        check_strict(replace(known, grid=replace(reading(300), mark="estimated")), LEVELS)


def test_strict_names_everything_that_is_not_measured_and_what_measures_it() -> None:
    known = replace(
        snapshot(MEASURED),
        grid=grid.yearly_average("DE", NOW),
        is_energy_estimated=True,
        energy_method="tdp_estimate",
        preference=Preference(prior(PUBLISHED), {}, PRIOR_SOURCE, is_prior=True),
    )
    with pytest.raises(NotReadyError) as raised:
        check_strict(known, LEVELS)
    assert raised.value.exit_code == 78
    assert str(raised.value) == (
        "--strict: the grid intensity is not measured (yearly average): "
        "`sprout grid use ZONE --provider P`, `sprout grid import FILE`, or --intensity; "
        "energy is estimated (tdp_estimate): `sprout doctor` says how to let Sprout read a "
        "counter, `sprout profile` then measures; "
        "preference is not measured (prior: Llama-2-13B-chat, GPT-4 judge): `sprout evaluate` "
        "lets a judge compare this model's answers"
    )


def test_l0_alone_needs_no_preference() -> None:
    published = Preference(prior({"L0": 0.4}), {}, PRIOR_SOURCE, is_prior=True)
    known = replace(snapshot({"L0": MEASURED["L0"]}), preference=published)
    check_strict(known, levels("L0"))
