from datetime import UTC, datetime, timedelta

import pytest
from quality.authors import DATASETS, PUBLISHED, chosen_levels, needs_data

from sprout.directives import PAPER_PREFERENCE
from sprout.quality.judge import Fault
from sprout.quality.ruling import Ruling, evidence

NOW = datetime(2026, 1, 31, tzinfo=UTC)
KEYS = ("0", "1")
MONTH = timedelta(days=30)


def ruling(
    prompt: str,
    *chosen: int,
    days: float = 0,
    task: str = "qa",
    fault: Fault | None = None,
    reading: str = "best",
) -> Ruling:
    """Slot 0 shows level 1, slot 1 shows level 0."""
    return Ruling(
        "judge", prompt, task, task, "served", reading,  # type: ignore[arg-type]
        (("1",), ("0",)), (5, 9), chosen, fault, NOW - timedelta(days=days),
    )  # fmt: skip


def test_shares_are_those_of_the_levels_and_not_of_the_slots() -> None:
    found = evidence([ruling("a", 0), ruling("b", 0), ruling("c", 1)], KEYS, NOW, MONTH)
    assert found.shares(("L0", "L1")).mean.tolist() == pytest.approx([1 / 3, 2 / 3])


def test_a_prompt_counts_once_with_its_newest_verdict() -> None:
    found = evidence([ruling("a", 1), ruling("a", 0, days=9)], KEYS, NOW, MONTH)
    assert found.num_prompts == 1
    assert found.credits_.tolist() == [[1, 0]]


def test_faults_and_pairs_are_no_evidence_and_no_match_is_counted_apart() -> None:
    rulings = [ruling("a", fault="refused"), ruling("b", 0, reading="pair"), ruling("c")]
    found = evidence(rulings, KEYS, NOW, MONTH)
    assert (found.num_prompts, found.num_none) == (0, 1)


def test_a_half_life_old_verdict_counts_half() -> None:
    found = evidence([ruling("a", 1), ruling("b", 0, days=30)], KEYS, NOW, MONTH)
    assert found.weights.tolist() == pytest.approx([1.0, 0.5])
    assert found.shares(("L0", "L1")).mean.tolist() == pytest.approx([2 / 3, 1 / 3])


def test_each_class_has_its_own_shares() -> None:
    found = evidence([ruling("a", 1, task="x"), ruling("b", 0, task="y")], KEYS, NOW, MONTH)
    assert found.of_class("x").shares(("L0", "L1")).mean.tolist() == [1, 0]


def test_overall_each_task_counts_as_often_as_it_is_served() -> None:
    rulings = [ruling("a", 1, task="x"), ruling("b", 1, task="x"), ruling("c", 0, task="y")]
    found = evidence(rulings, KEYS, NOW, MONTH)
    # x is all L0, y all L1; y is served three times as often
    even = found.as_served({"x": 100, "y": 300}).shares(("L0", "L1"))
    assert even.mean.tolist() == pytest.approx([0.25, 0.75])
    # a task that is never served drops out; without any of them nothing is known to weigh by
    assert found.as_served({"y": 5}).num_prompts == 1
    assert found.as_served({"z": 5}).num_prompts == 3
    assert found.as_served({}).num_prompts == 3


@needs_data
def test_the_authors_judgements_as_a_recorded_judge_give_the_published_shares_by_class() -> None:
    rulings = [
        Ruling(
            "gpt-4", f"{dataset}-{number}", dataset, dataset, "file", "best",
            (("0",), ("1",), ("2",)), (1, 1, 1), (int(level),), None, NOW,
        )
        for dataset in DATASETS
        for number, level in enumerate(chosen_levels()[dataset])
    ]  # fmt: skip
    found = evidence(rulings, ("0", "1", "2"), NOW, MONTH)
    assert found.num_prompts == 12_000
    names = ("L0", "L1", "L2")
    for dataset in DATASETS:
        shares = found.of_class(dataset).shares(names)
        assert shares.mean == pytest.approx(PUBLISHED[dataset], abs=0.0051)
        assert shares.num_prompts == pytest.approx(2000)
    # all tasks alike: the means of the six, as the packaged prior has them
    assert found.shares(names).mean == pytest.approx(list(PAPER_PREFERENCE.values()), abs=0.005)
    # a trace that asks for alpaca three times as often as for math, and for nothing else
    mixed = found.as_served({"alpaca": 300, "math": 100}).shares(names)
    assert mixed.mean[0] == pytest.approx(0.75 * 0.544 + 0.25 * 0.564, abs=0.001)
