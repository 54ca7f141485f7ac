import csv
import gzip
import time
from collections import defaultdict
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from plain_records import NOW

from sprout.errors import InputError
from sprout.grid import backtest
from sprout.grid.forecast import (
    MIN_FIT_ROWS,
    WEEK,
    FloatArray,
    ahead,
    default_weights,
    fit,
    predict,
    trim,
)
from sprout.grid.intensity import Series

PAPER_GRID = Path(__file__).parents[3] / "shared/data/emnlp24/grid_2023_hourly.csv.gz"
DE = Series("DE", "average", "lifecycle")
HOUR = timedelta(hours=1)


def repeating(num_hours: int) -> FloatArray:
    """A day that repeats itself exactly."""
    return np.array([300.0 + 10 * (hour % 24) for hour in range(num_hours)])


def noisy(num_hours: int) -> FloatArray:
    rng = np.random.default_rng(7)
    return np.asarray(repeating(num_hours) + rng.normal(0, 20, num_hours), dtype=np.float64)


def test_a_day_that_repeats_itself_is_forecast_exactly() -> None:
    for num_hours in (30, 200, 1400):
        history = repeating(num_hours + 48)
        weights = fit(history[:num_hours], 48)
        found = predict(history[:num_hours], np.array([num_hours - 1]), weights)[0]
        assert found == pytest.approx(history[num_hours:], abs=0.5)


def test_a_short_history_has_default_weights_that_decay() -> None:
    weights = fit(noisy(WEEK + MIN_FIT_ROWS), 3)
    assert not weights.is_fitted.any()
    assert np.array_equal(weights.by_lead, default_weights(3).by_lead)
    # yesterday was 100 at the origin and 50 an hour later; now it is 130
    history = np.concatenate([[100.0, 50.0], np.zeros(22), [130.0]])
    assert predict(history, np.array([24]), default_weights(1))[0, 0] == 50 + 0.8 * 30


def test_weights_are_fitted_when_two_weeks_are_known() -> None:
    assert fit(noisy(2 * WEEK + 60), 24).is_fitted.all()


def test_the_pull_of_the_residual_fades_with_the_lead() -> None:
    rng = np.random.default_rng(1)
    drift = np.zeros(1500)
    for hour in range(1, 1500):
        drift[hour] = 0.9 * drift[hour - 1] + rng.normal(0, 10)
    pull = fit(repeating(1500) + drift + 200, 24).by_lead[:, 3]
    assert pull[0] > 0.6
    assert pull[0] > pull[5] > pull[23]


def test_the_future_is_never_looked_at() -> None:
    history = noisy(1200)
    weights = fit(history[:1000], 24)
    changed = history.copy()
    changed[1000:] = 9999
    origins = np.array([999])
    assert np.array_equal(weights.by_lead, fit(changed[:1000], 24).by_lead)
    assert np.array_equal(
        predict(history[:1000], origins, weights), predict(changed[:1000], origins, weights)
    )


def test_weights_rest_on_eight_weeks_and_the_week_that_these_look_back_on() -> None:
    history = noisy(2000)
    first = 2000 - 56 * 24 - 168
    weights = fit(history, 1).by_lead
    history[:first] = 9999
    assert np.array_equal(fit(history, 1).by_lead, weights)
    history[first] = 9999
    assert not np.array_equal(fit(history, 1).by_lead, weights)


def test_a_missing_hour_makes_what_needs_it_unknown_and_nothing_else() -> None:
    history = noisy(1000)
    history[1000 - 24 + 2] = np.nan  # yesterday, three hours ahead
    found = predict(history, np.array([999]), fit(history, 24))[0]
    assert np.isnan(found[2])
    assert np.isfinite(np.delete(found, 2)).all()


def test_a_constant_and_a_zero_history_are_no_trouble() -> None:
    for value in (0.0, 250.0):
        history = np.full(1000, value)
        found = predict(history, np.array([999]), fit(history, 24))
        assert found == pytest.approx(np.full((1, 24), value), abs=0.1)


def test_forecasts_begin_after_the_newest_hour_and_say_that_they_are_some() -> None:
    start = NOW - 999 * HOUR
    rows = ahead(noisy(998), start, DE, NOW)  # the newest known hour began two hours ago
    assert rows[0].start == NOW - HOUR
    assert rows[-1].start == NOW + 48 * HOUR
    assert all(earlier.end == later.start for earlier, later in pairwise(rows))
    assert all(row.is_forecast and row.is_estimated for row in rows)
    assert {row.source for row in rows} == {"sprout_forecast"}
    assert {row.generated_at for row in rows} == {NOW}
    assert all(row.series == DE for row in rows)


def test_too_old_a_history_gives_no_forecast() -> None:
    assert ahead(noisy(998), NOW - 2000 * HOUR, DE, NOW) == ()


def test_a_gap_at_the_end_is_trimmed() -> None:
    assert trim(np.array([1.0, np.nan, 2.0, np.nan])).tolist()[2] == 2
    assert len(trim(np.array([np.nan, np.nan]))) == 0


# backtest


def test_the_errors_of_the_costless_forecasts_are_what_they_say() -> None:
    # alternating days of 100 and 300: yesterday is always wrong by 200, of a mean of 200
    history = np.array([100.0 if hour // 24 % 2 else 300.0 for hour in range(60 * 24)])
    found = backtest.run(history)
    assert found.seasonal_error == pytest.approx(1.0, abs=0.02)
    # as now: half of the leads of 1 to 24 h cross midnight, each wrong by 200
    assert found.persistence_error == pytest.approx(12.5 / 24, abs=0.02)
    assert found.num_forecasts == (60 * 24 - backtest.WARM_UP - 24) * 24
    assert found.first_hour == backtest.WARM_UP + 1
    assert found.last_hour == 60 * 24 - 1


def test_gaps_are_left_out_of_a_backtest() -> None:
    history = noisy(60 * 24)
    history[900:930] = np.nan
    found = backtest.run(history)
    assert found.num_forecasts < (60 * 24 - backtest.WARM_UP - 24) * 24
    assert np.isfinite(found.error)


@pytest.mark.parametrize("history", [repeating(800), np.zeros(2000), np.full(2000, np.nan)])
def test_what_cannot_be_tested_is_said(history: FloatArray) -> None:
    with pytest.raises(InputError):
        backtest.run(history)


@pytest.mark.slow
@pytest.mark.parametrize(
    "column", ["direct_g_per_kwh", pytest.param("lca_g_per_kwh", marks=pytest.mark.slow)]
)
def test_the_model_beats_persistence_and_yesterday_in_all_five_regions(column: str) -> None:
    if not PAPER_GRID.exists():
        pytest.skip(f"no {PAPER_GRID}: the paper's grid data are not here")
    by_region = defaultdict(list)
    with gzip.open(PAPER_GRID, "rt") as file:
        for row in csv.DictReader(file):
            by_region[row["region"]].append(float(row[column]))
    assert len(by_region) == 5
    begun_s = time.perf_counter()
    for region, values in by_region.items():
        found = backtest.run(np.array(values))
        assert found.beats_both, (region, found)
        assert found.error < 0.97 * min(found.persistence_error, found.seasonal_error)
        assert found.num_forecasts == (8760 - backtest.WARM_UP - 24) * 24
    assert time.perf_counter() - begun_s < 20
