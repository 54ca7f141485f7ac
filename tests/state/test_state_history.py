from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from plain_records import NOW, UNDER, intensity

from sprout.state.history import History
from sprout.state.intensities import Intensities
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
