"""The judgements published with the paper, read from beside the repository; skips without them."""

import csv
import gzip
from functools import cache
from pathlib import Path

import numpy as np
import pytest

DATA = Path(__file__).parents[3] / "shared" / "data" / "emnlp24"
DATASETS = ("alpaca", "math", "mmlu", "naturalqa", "scienceqa", "triviaqa")

PUBLISHED = {
    "alpaca": (0.54, 0.26, 0.20),
    "math": (0.56, 0.26, 0.18),
    "mmlu": (0.26, 0.38, 0.36),
    "naturalqa": (0.36, 0.40, 0.24),
    "scienceqa": (0.24, 0.35, 0.41),
    "triviaqa": (0.31, 0.42, 0.27),
}
"""Share of prompts whose best answer was that of L0, L1 and L2, with two digits."""

needs_data = pytest.mark.skipif(
    not DATA.is_dir(), reason="the paper's data is not beside the repository (../shared)"
)


def rows(name: str) -> list[dict[str, str]]:
    with gzip.open(DATA / name, "rt", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@cache
def chosen_levels() -> dict[str, np.ndarray]:
    """The level that the authors' judge named best, for each of 2,000 prompts a dataset."""
    found: dict[str, list[int]] = {}
    for row in rows("judgements.csv.gz"):
        found.setdefault(row["dataset"], []).append(int(row["preferred_level"]))
    return {name: np.array(levels) for name, levels in found.items()}
