from dataclasses import replace
from datetime import timedelta

import pytest
from quality.authors import needs_data, rows
from quality.rulings import NOW, pair, ruling

from sprout.quality.diagnostics import diagnose, first_slot


def test_a_failed_order_is_no_tie() -> None:
    failed = ruling("a", "pair", (("1",), ("0",)), fault="unparsed")
    found = diagnose([pair("a", 1, 0)[0], failed], "0", ["1"])
    assert found.pairwise == ()
    assert (found.num_asked, found.num_failed) == (2, 1)


def test_what_no_level_matched_is_counted_apart() -> None:
    found = diagnose([ruling("a", "best", (("0",), ("1",)))], "0", ["1"])
    assert (found.num_none, found.num_failed) == (1, 0)
    assert found.first_slot is None


def test_a_prompt_that_matches_now_is_not_counted_as_one_that_did_not() -> None:
    matched = ruling("a", "best", (("0",), ("1",)), 1)
    before = replace(ruling("a", "best", (("0",), ("1",))), judged_at=NOW - timedelta(days=1))
    assert diagnose([matched, before], "0", ["1"]).num_none == 0
    assert diagnose([replace(matched, chosen=()), before], "0", ["1"]).num_none == 1


def test_the_first_slot_rate_is_held_against_the_number_of_slots() -> None:
    found = first_slot([(0, 2), (1, 2), (0, 3), (2, 3)])
    assert found is not None
    assert found.rate == 0.5
    assert found.expected == pytest.approx((2 / 2 + 2 / 3) / 4)
    assert first_slot([]) is None


@needs_data
def test_the_authors_judge_prefers_what_is_shown_first() -> None:
    shown = rows("judge_positions_scienceqa.csv.gz")
    found = first_slot([(int(row["chosen_position"]) - 1, 3) for row in shown])
    assert found is not None
    # 972 of 2,000, where a judge without position bias is at a third
    assert (found.num_first, found.num_choices) == (972, 2000)
    assert found.interval.low == pytest.approx(0.464, abs=5e-4)
    assert found.interval.high == pytest.approx(0.508, abs=5e-4)
    assert found.interval.low > found.expected == pytest.approx(1 / 3)
