from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from plain_records import KEYS, NOW

from sprout.batch.answers import Grid
from sprout.carbon import Footprint
from sprout.quality.comparison import best_ballot
from sprout.quality.judge import Card, Opinion, Usage
from sprout.quality.ruling import Ruling
from sprout.state.evaluations import Evaluation, Evaluations
from sprout.state.retention import prune
from sprout.state.store import Store
from sprout.state.verdicts import Verdicts, levels_key

CARD = Card("endpoint:j", "endpoint", "template", {"model": "j"})
COMPARED = list(KEYS.values())


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "sprout.db") as opened:
        Verdicts(opened).introduce(CARD)
        yield opened


def add_verdict(store: Store) -> None:
    """Record one of the evaluation "e", for a cent."""
    ballot = best_ballot({key: f"answer {key}" for key in COMPARED}, "p", 0)
    ruling = Ruling(
        CARD.key, "p", "qa", "", "served", "best", ballot.levels, (1, 2, 3), (1,), None, NOW
    )
    said = Opinion("B", (1,), None, Usage(200, 3, 0.01))
    Verdicts(store).add(
        ruling, ballot, said, model="model", compared=levels_key(COMPARED),
        evaluation_id="e", keeps_text=True,
    )  # fmt: skip


GRID = Grid("DE", 200.0, "eia (measured)", "average", "direct")


def evaluation(name: str = "e", *, source: str = "served") -> Evaluation:
    return Evaluation(
        name, CARD.key, "model", levels_key(COMPARED), source, "asked for", ("p", "q"),
        NOW, "machine", "rapl", GRID,
    )  # fmt: skip


def unfinished(store: Store, source: str = "served") -> tuple[str, tuple[str, ...]] | None:
    return Evaluations(store).unfinished(CARD.key, "model", levels_key(COMPARED), source)


def test_an_evaluation_that_was_broken_off_is_found_again(store: Store) -> None:
    table = Evaluations(store)
    assert unfinished(store) is None
    table.start(evaluation())
    assert unfinished(store) == ("e", ("p", "q"))
    assert unfinished(store, "bundled") is None
    assert table.last_finished("model") is None
    table.finish("e", NOW)
    assert unfinished(store) is None
    assert table.last_finished("model") == NOW


def test_costs_add_up(store: Store) -> None:
    table = Evaluations(store)
    table.start(evaluation())
    table.add_cost("e", 36.0, 2.0, Footprint(0.002, 0.001))
    table.add_cost("e", 4.0, 1.0, Footprint(0.001, 0.0))
    add_verdict(store)
    (row,) = table.newest(5)
    assert (row["metered_j"], row["busy_s"]) == (40, 3)
    assert (row["num_drawn"], row["num_verdicts"], row["price_usd"]) == (2, 1, 0.01)
    joules, grams = table.total_cost("model")
    assert joules == 40
    assert grams == pytest.approx(0.004)
    assert table.total_cost("other") == (0, 0)


def intensity_of(store: Store) -> tuple[object, ...]:
    (row,) = Evaluations(store).newest(5)
    names = ("zone", "g_per_kwh", "intensity_source", "intensity_kind", "intensity_factor")
    return tuple(row[name] for name in names)


@pytest.mark.parametrize(
    ("grid", "expected"),
    [
        (replace(GRID, g_per_kwh=100.0), ("eia (measured)", "average", "direct")),
        (replace(GRID, source="yearly average"), ("several (mixed)", None, None)),
        (replace(GRID, kind="marginal"), ("several (mixed)", None, None)),
        (replace(GRID, zone="FR"), ("several (mixed)", None, None)),
    ],
)
def test_an_evaluation_that_goes_on_by_another_intensity_is_mixed(
    grid: Grid, expected: tuple[object, ...], store: Store
) -> None:
    table = Evaluations(store)
    table.start(evaluation())
    assert intensity_of(store) == ("DE", 200.0, "eia (measured)", "average", "direct")
    table.continue_at("e", grid)
    assert intensity_of(store) == ("DE", 200.0, *expected)
    assert table.intensity_sources("model") == [expected[0]]


def test_how_an_earlier_version_knew_the_intensity_stays_unknown(store: Store) -> None:
    Evaluations(store).start(evaluation())
    with store.write() as connection:
        connection.execute(
            "UPDATE evaluations SET intensity_source = NULL, intensity_kind = NULL,"
            " intensity_factor = NULL"
        )
    Evaluations(store).continue_at("e", GRID)
    assert intensity_of(store) == ("DE", 200.0, None, None, None)


def test_prune_forgets_old_evaluations_and_verdicts_and_keeps_judges(store: Store) -> None:
    add_verdict(store)
    Evaluations(store).start(evaluation())
    counts = prune(store, NOW + timedelta(days=1), dry_run=False)
    assert (counts["verdicts"], counts["evaluations"]) == (1, 1)
    assert [judge.name for judge in Verdicts(store).judges()] == ["endpoint:j"]
