"""How well the forecast of `sprout.grid.forecast` would have done on a history. Pure.

Every hour from the fifth week on is an origin; it is forecast for leads of 1 to 24 hours with
weights fitted once a week on the hours before. The error is

    nMAE = mean |forecast - actual| / mean actual

over all origins and leads, and the same of two forecasts that cost nothing: persistence (as at the
origin) and seasonal-naive (as at the same hour of the day before). An hour counts only where all
three can be had.
"""

from dataclasses import dataclass

import numpy as np

from sprout.errors import InputError
from sprout.grid.forecast import DAY, WEEK, FloatArray, IntArray, fit, predict

NUM_LEADS = 24
WARM_UP = 4 * WEEK
REFIT = WEEK


@dataclass(frozen=True, slots=True)
class Backtest:
    """Normalised mean absolute errors, over leads of 1 to 24 h.

    Args:
        first_hour, last_hour: indices of the first and last hour that were forecast.
        num_forecasts: hours forecast, counted once for each lead.
        lead_errors: of the model by lead, 1 h first.
    """

    first_hour: int
    last_hour: int
    num_forecasts: int
    error: float
    persistence_error: float
    seasonal_error: float
    lead_errors: tuple[float | None, ...]

    @property
    def beats_both(self) -> bool:
        """Whether the model is better than both forecasts that cost nothing."""
        return self.error < min(self.persistence_error, self.seasonal_error)


def run(history: FloatArray) -> Backtest:
    """Return the errors on a history of hours, [hours], NaN for a gap.

    Raises:
        InputError: there is less than five weeks of it, or it is zero throughout.
    """
    origins: IntArray = np.arange(WARM_UP, len(history) - NUM_LEADS, dtype=np.int64)
    if len(origins) < WEEK:
        raise InputError(
            f"{len(history)} hours are too few for a backtest: five weeks and a day are needed; "
            "`sprout grid history` or `sprout grid import` brings more"
        )
    leads = np.arange(1, NUM_LEADS + 1)
    targets = origins[:, None] + leads
    actual = history[targets]
    model = np.concatenate([_model(history, part) for part in _parts(origins)])
    persistence = np.broadcast_to(history[origins][:, None], actual.shape)
    seasonal = history[targets - DAY]
    is_known = np.isfinite(actual) & np.isfinite(model)
    is_known &= np.isfinite(persistence) & np.isfinite(seasonal)
    mean = float(actual[is_known].mean()) if is_known.any() else 0.0
    if mean <= 0:
        raise InputError("no hour of this history can be forecast: it is zero, or mostly gaps")

    def error(forecast: FloatArray, among: slice | int = slice(None)) -> float:
        return float(np.abs(forecast - actual)[:, among][is_known[:, among]].mean()) / mean

    forecast_hours = targets[is_known]
    return Backtest(
        first_hour=int(forecast_hours.min()),
        last_hour=int(forecast_hours.max()),
        num_forecasts=int(is_known.sum()),
        error=error(model),
        persistence_error=error(persistence),
        seasonal_error=error(seasonal),
        lead_errors=tuple(
            error(model, lead) if is_known[:, lead].any() else None for lead in range(NUM_LEADS)
        ),
    )


def _parts(origins: IntArray) -> list[IntArray]:
    return [origins[at : at + REFIT] for at in range(0, len(origins), REFIT)]


def _model(history: FloatArray, origins: IntArray) -> FloatArray:
    """Return forecasts of one week's origins, fitted on the hours up to the first of them."""
    weights = fit(history[: int(origins[0]) + 1], NUM_LEADS)
    return predict(history, origins, weights)
