"""Replays as people see them: every name and number whole, however narrow the screen."""

from dataclasses import replace
from io import StringIO

import numpy as np
import pytest

from sprout.replay.replay import replay
from sprout.replay.stage import Options
from sprout.replay.world import World
from sprout.report import replayed
from sprout.report.terminal_console import PlainConsole

REGIONS = ("the United Kingdom", "New South Wales")
WORLD = World(
    tasks=("summarization", "multiplication"),
    levels=("L0", "L1"),
    intensity_g_per_kwh={region: np.array([100.0, 500.0] * 12) for region in REGIONS},
    composition=np.array([[0.5, 0.5]]),
    weight=None,
    energy_kwh=np.array([[1e-4, 0.2e-4]] * 2),
    time_s=np.zeros((2, 2)),
    patterns=np.eye(2),
    pool=np.array([[0, 0, 0, 1], [0, 1, 1, 1]]),
    quality="preference",
    embodied_g_per_s=0.0,
)
OPTIONS = Options(start_hour=0, num_hours=24, num_seeds=2, num_judged=200)


def shown(width: int) -> list[str]:
    found = list(replay(WORLD, REGIONS, ("base", "class-robust"), OPTIONS))
    found = [replace(each, num_evaluations=12, evaluation_g=1234.0) for each in found]
    console = PlainConsole(file=StringIO(), width=width, color_system=None)
    console.print(replayed.table(found, WORLD, OPTIONS), highlight=False)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize("width", [60, 80, 100, 160])
def test_no_name_and_no_number_of_a_replay_is_cut(width: int) -> None:
    lines = shown(width)
    assert max(map(len, lines)) <= width
    text = " ".join(" ".join(lines).split())
    assert "…" not in text
    for whole in (*REGIONS, "class-robust", "summarization", "± 0.0", "1.23 kg"):
        assert whole in text


def test_a_line_parts_the_regions() -> None:
    rows = [line for line in shown(160) if line[0] in "│├"]
    assert [line[0] for line in rows] == ["│", "│", "├", "│", "│"]
    assert [line.split()[1] for line in rows if line[0] == "│"] == ["the", "the", "New", "New"]
