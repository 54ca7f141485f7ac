import numpy as np
import pytest

from sprout.replay.foresight import FORESIGHTS

RECORD = np.random.default_rng(1).uniform(50, 600, 24 * 40)


@pytest.mark.parametrize("name", sorted(FORESIGHTS.keys() - {"truth"}))
@pytest.mark.parametrize("start", [5, 30, 24 * 30])
def test_only_the_truth_knows_hours_to_come(name: str, start: int) -> None:
    other = np.concatenate((RECORD[: start + 1], 900 - RECORD[start + 1 :]))
    believed, of_other = (FORESIGHTS[name](record, start, 24) for record in (RECORD, other))
    assert believed.tolist() == of_other.tolist()
    assert believed[0] == RECORD[start]
    assert len(believed) == 24


def test_the_same_hour_of_yesterday_is_the_newest_that_is_known() -> None:
    hours = np.arange(72.0)
    # from hour 30 on: 31 to 54 are as 7 to 30 were, and 55 as 31, so as 7
    expected = [30.0, *range(7, 31), 7.0, 8.0]
    assert FORESIGHTS["yesterday"](hours, 30, 27).tolist() == expected
    assert FORESIGHTS["yesterday"](hours, 20, 3).tolist() == [20, 20, 20]
