"""Broken inputs end in one of Sprout's own errors; scripts/fuzz.py does more of the same."""

from collections.abc import Iterator
from contextlib import suppress
from random import Random

import pytest
from attack.mutation import mutate
from attack.targets import Target, targets
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sprout.errors import SproutError

NAMES = (
    *("prompts", "config", "directives", "neso", "energy_charts", "electricity_maps", "watttime"),
    *("eia", "csv", "columns", "recording", "resume", "judge", "verdict", "replay", "template"),
    *("injection", "entsoe", "open_electricity", "carbon_aware_sdk"),
)


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Target]]:
    with targets(tmp_path_factory.mktemp("fuzz")) as found:
        yield found


def test_every_target_has_its_test(known: dict[str, Target]) -> None:
    assert set(known) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_valid_inputs_are_taken_or_refused_properly(known: dict[str, Target], name: str) -> None:
    num_taken = 0
    for seed in known[name].seeds:
        try:
            known[name].run(seed)
            num_taken += 1
        except SproutError:
            continue
    assert num_taken


@pytest.mark.parametrize("name", NAMES)
@given(rng=st.randoms(use_true_random=False))
@settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_broken_inputs_end_in_an_error_of_ours(
    known: dict[str, Target], name: str, rng: Random
) -> None:
    target = known[name]
    data = mutate(rng, rng.choice(target.seeds))
    with suppress(SproutError):
        target.run(data)
