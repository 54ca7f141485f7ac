from pathlib import Path

import pytest
from plain_records import KEYS, NOW, UNDER, admission, prompt, served

from sprout.batch.answers import Counting
from sprout.carbon import EmbodiedRate
from sprout.state.completions import Completions
from sprout.state.history import History, ServedLevel
from sprout.state.runs import Run, Runs
from sprout.state.store import Store


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
