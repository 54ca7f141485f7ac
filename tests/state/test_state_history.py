from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from plain_records import KEYS, NOW, UNDER, admission, intensity, prompt, served

from sprout.answers import Counting
from sprout.carbon import EmbodiedRate
from sprout.state.completions import Completions
from sprout.state.history import History, ServedLevel
from sprout.state.intensities import Intensities
from sprout.state.runs import Run, Runs
from sprout.state.store import Store

HOUR = timedelta(hours=1)


def test_the_hours_of_a_replay_are_made_of_hours_and_parts_of_hours_alone(tmp_path: Path) -> None:
    midnight = NOW.replace(hour=0)
    rows = [
        intensity(900, midnight, duration_s=86_400, source="csv"),
        intensity(200, midnight),
        intensity(300, midnight + HOUR, duration_s=1800),
        intensity(500, midnight + HOUR + HOUR / 2, duration_s=1800),
        intensity(900, midnight + 2 * HOUR, is_forecast=True),
        intensity(900, NOW, duration_s=86_400, zone="FR"),
        replace(intensity(900, midnight + 3 * HOUR), factor_type="direct"),
    ]
    with Store.open(tmp_path / "s.db") as store:
        Intensities(store).add(rows)
        found = History(store, UNDER).grid("average", "lifecycle")
    assert found == {"DE": {"2026-01-01T00": 200, "2026-01-01T01": 400}}


def test_what_a_run_served_after_a_kill_costs_as_it_was_counted_then(tmp_path: Path) -> None:
    with Store.open(tmp_path / "s.db") as store:
        run = Run("r", NOW, "-", None, "model", "machine", "DE", "rapl", 1.0, "server", 0.0)
        Runs(store).start(run)
        row = served(admission(prompt("a")), energy_j=36.0)
        Completions(store, "r").admit([row.admission], NOW)
        counting = Counting(UNDER, "Model", 1.5, EmbodiedRate("custom", 0.002, "set by the user"))
        Completions(store, "r").complete([row], NOW, counting)
        history = History(store, UNDER)
        (level,) = history.levels()
        assert level == ServedLevel("", KEYS["L0"], 1, level.energy_kwh, 2.0)
        assert level.energy_kwh == pytest.approx(1.5e-5)  # 36 J are 1e-5 kWh
        assert history.embodied_g_per_s() == pytest.approx(0.002)
