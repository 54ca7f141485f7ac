"""Our own forecast of a zone's intensity from its stored history, where no provider has one. Pure.

With y[t] the mean intensity of hour t, the newest known hour o and a lead of h hours,

    y^[o+h] = max(0, c_h + a_h yesterday + b_h last_week + d_h residual)

    yesterday   y[o+h - 24 ceil(h/24)]   the same hour of the newest day that is known
    last_week   y[o+h - 168]
    residual    y[o] - (y[o-24] + y[o-168]) / 2      how far now is from the same hour of both

The four weights of every lead are least squares over the past eight weeks, so d_h, which is near 1
for the next hour, decays with the lead as fast as it does in this zone. A forecast uses hours up to
o alone, for the weights too. With under two weeks of history the weights are DEFAULT: as yesterday,
plus a residual from yesterday that decays by a fifth an hour. Hours are UTC: on the day after a
change of the clocks "the same hour" is one off. Missing hours leave out what depends on them.
"""

import math
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from sprout.grid.intensity import HOUR, HOUR_S, OWN_FORECAST, Intensity, Series

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

DAY, WEEK = 24, 168
HORIZON = 48
"""Hours ahead that are forecast."""
FIT_HOURS = 56 * DAY
MIN_FIT_ROWS = WEEK
"""Fewer known targets than a week of them say too little of four weights."""
DECAY = 0.8
_RIDGE = 1e-6  # of the mean square: enough to keep a constant history solvable


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """c, a, b and d of each lead, [num_leads, 4]; which of them were fitted, [num_leads]."""

    by_lead: FloatArray
    is_fitted: NDArray[np.bool_]


def default_weights(num_leads: int) -> Weights:
    """Return the weights for a zone of which little is known."""
    by_lead = np.zeros((num_leads, 4))
    by_lead[:, 1] = 1.0
    by_lead[:, 3] = DECAY ** np.arange(1, num_leads + 1)
    return Weights(by_lead, np.zeros(num_leads, dtype=bool))


def fit(history: FloatArray, num_leads: int) -> Weights:
    """Return the weights for forecasts made at the end of a history; [hours], NaN for a gap."""
    weights = default_weights(num_leads)
    end = len(history)
    for lead in range(1, num_leads + 1):
        origins = np.arange(max(WEEK, end - FIT_HOURS), end - lead)
        terms, targets = _terms(history, origins, lead), _at(history, origins + lead)
        is_known = np.isfinite(terms).all(axis=1) & np.isfinite(targets)
        if int(is_known.sum()) >= MIN_FIT_ROWS:
            weights.by_lead[lead - 1] = _least_squares(terms[is_known], targets[is_known])
            weights.is_fitted[lead - 1] = True
    return weights


def predict(history: FloatArray, origins: IntArray, weights: Weights) -> FloatArray:
    """Return [len(origins), num_leads] forecasts, NaN where an hour that they need is missing."""
    columns = []
    for lead, (row, is_fitted) in enumerate(
        zip(weights.by_lead, weights.is_fitted, strict=True), start=1
    ):
        terms = _terms(history, origins, lead)
        if not is_fitted:
            # yesterday alone: last week may not be stored yet
            terms[:, 2] = 0.0
            terms[:, 3] = _at(history, origins) - _at(history, origins - DAY)
        columns.append(np.maximum(terms @ row, 0.0))
    return np.stack(columns, axis=1)


def ahead(
    history: FloatArray, start: datetime, series: Series, now: datetime
) -> tuple[Intensity, ...]:
    """Return forecast hours after the newest known hour, as far as HORIZON hours from `now`.

    Args:
        history: [hours] from `start`, NaN for a gap; its last hour is the newest known one.
    """
    newest = start + (len(history) - 1) * HOUR
    num_leads = math.ceil((now - newest) / HOUR) + HORIZON
    if not 0 < num_leads <= WEEK:
        return ()
    weights = fit(history, num_leads)
    values = predict(history, np.array([len(history) - 1]), weights)[0]
    return tuple(
        Intensity(
            source=OWN_FORECAST,
            zone=series.zone,
            start=newest + lead * HOUR,
            duration_s=HOUR_S,
            g_per_kwh=float(value),
            kind=series.kind,
            factor_type=series.factor_type,
            is_forecast=True,
            is_estimated=True,
            generated_at=now,
            fetched_at=now,
        )
        for lead, value in enumerate(values, start=1)
        if math.isfinite(value)
    )


def trim(history: FloatArray) -> FloatArray:
    """Return a history without the gap at its end."""
    known = np.flatnonzero(np.isfinite(history))
    return history[: int(known[-1]) + 1] if len(known) else history[:0]


def _terms(history: FloatArray, origins: IntArray, lead: int) -> FloatArray:
    """Return [origins, 4]: one, yesterday, last week, residual."""
    targets = origins + lead
    usual = (_at(history, origins - DAY) + _at(history, origins - WEEK)) / 2
    return np.stack(
        [
            np.ones(len(origins)),
            _at(history, targets - DAY * math.ceil(lead / DAY)),
            _at(history, targets - WEEK * math.ceil(lead / WEEK)),
            _at(history, origins) - usual,
        ],
        axis=1,
    )


def _at(history: FloatArray, hours: IntArray) -> FloatArray:
    """Return the history at these hours, NaN before it begins."""
    clipped = np.clip(hours, 0, len(history) - 1)
    return np.where((hours >= 0) & (hours < len(history)), history[clipped], np.nan)


def _least_squares(terms: FloatArray, targets: FloatArray) -> FloatArray:
    square = terms.T @ terms
    ridge = _RIDGE * float(np.trace(square)) / len(square) * np.eye(len(square))
    return np.asarray(np.linalg.solve(square + ridge, terms.T @ targets), dtype=np.float64)
