import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from plain_traces import GRID, REQUESTS, write

from sprout.errors import InputError, NoInputError
from sprout.replay.traces import read_world

JUDGED = "dataset,preferred_level\n"
HOURLY = "hour,preference_l0,preference_l1,energy_kwh_l0,energy_kwh_l1,time_s_l0,time_s_l1\n"


def test_a_folder_of_traces_is_a_world(tmp_path: Path) -> None:
    world = read_world(write(tmp_path / "d"))
    assert (world.tasks, world.levels) == (("poem", "quiz"), ("L0", "L1"))
    assert world.energy_kwh == pytest.approx(np.array([[2e-4, 0.2e-4]] * 2))
    assert world.time_s == pytest.approx(np.array([[2.0, 0.5]] * 2))
    assert world.intensity_g_per_kwh["XX"].tolist() == list(range(100, 124))
    shares = [np.bincount(row[row >= 0], minlength=2).tolist() for row in world.pool]
    assert world.patterns.tolist() == [[0, 1], [1, 0]]
    assert shares == [[1, 2], [1, 0]]
    assert world.composition.tolist() == [[0.5, 0.5]]
    assert "tasks alike" in world.notes[0]
    assert (world.variants, world.hourly) == (None, None)


def test_life_cycle_factors_are_another_column(tmp_path: Path) -> None:
    world = read_world(write(tmp_path / "d"), factor="lifecycle")
    assert world.intensity_g_per_kwh["XX"][0] == 200


def test_tables_may_be_compressed_and_carry_a_suffix(tmp_path: Path) -> None:
    folder = write(tmp_path / "d", composition="poem,quiz\n0.25,0.75\n")
    for name, new in (("grid", "grid_2023.csv.gz"), ("composition", "composition_seed0.csv.gz")):
        text = (folder / f"{name}.csv").read_bytes()
        (folder / f"{name}.csv").unlink()
        (folder / new).write_bytes(gzip.compress(text))
    world = read_world(folder)
    assert len(world.intensity_g_per_kwh["XX"]) == 24
    assert world.composition.tolist() == [[0.25, 0.75]]


def test_a_request_without_every_level_is_left_out(tmp_path: Path) -> None:
    lines = [line for line in REQUESTS.splitlines() if line != "poem,2,L1,2e-05,0.5"]
    world = read_world(write(tmp_path / "d", requests="\n".join(lines)))
    assert world.energy_kwh[0] == pytest.approx([1.5e-4, 0.2e-4])


def test_accuracy_takes_the_tasks_that_have_it(tmp_path: Path) -> None:
    accuracy = "dataset,prompt_index,level,correct\nquiz,0,L0,1\nquiz,0,L1,0\nquiz,1,L0,1\n"
    folder = write(tmp_path / "d", accuracy=accuracy)
    world = read_world(folder, quality="accuracy")
    assert world.tasks == ("quiz",)
    assert world.patterns.tolist() == [[1, 0]]  # prompt 1 lacks a level


def test_a_second_model_stands_for_tasks_that_were_not_judged(tmp_path: Path) -> None:
    seconds = "".join(f"{task},0,7B,6e-05,1.0\n" for task in ("poem", "quiz"))
    judged = "dataset,prompt_index,prefers_7b\nquiz,0,1\nquiz,1,0\nquiz,2,0\nquiz,3,0\n"
    folder = write(tmp_path / "d", requests=REQUESTS + seconds, judgements_7b_quiz=judged)
    world = read_world(folder)
    assert world.levels == ("L0", "L1")
    assert world.variants is not None
    assert world.variants.preference.tolist() == [0.75, 0.25]
    assert world.variants.energy_kwh == pytest.approx(np.array([[1e-4, 6e-5]] * 2))
    assert "quiz alone" in world.variants.note
    (folder / "judgements_7b_quiz.csv").write_text(judged + "quiz,4,2\n")
    with pytest.raises(InputError, match="'2' is no number from 0 to 1"):
        read_world(folder)


def test_the_tenth_level_comes_behind_the_second(tmp_path: Path) -> None:
    levels = [f"L{number}" for number in range(11)]
    requests = "dataset,index,level,energy_kwh,time_s\n" + "".join(
        f"poem,0,{level},{number + 1},1\n" for number, level in enumerate(levels)
    )
    world = read_world(write(tmp_path / "d", requests=requests, judgements=f"{JUDGED}poem,2\n"))
    assert world.levels == tuple(levels)
    assert world.energy_kwh[0].tolist() == list(range(1, 12))
    assert world.patterns[world.pool[0, 0]].tolist() == np.eye(11)[2].tolist()


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(NoInputError, match="no folder"):
        read_world(tmp_path / "nowhere")
    folder = write(tmp_path / "d")
    (folder / "judgements.csv").unlink()
    with pytest.raises(NoInputError, match=r"no judgements\.csv or judgements\.csv\.gz"):
        read_world(folder)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("grid", "region,hour\nXX,1\n", "no column datetime_utc, direct_g_per_kwh"),
        ("grid", GRID + "XX,2023-01-02 01:00:00,1,1\n", "XX at 2023-01-02 01:00:00: not an hour"),
        ("grid", GRID + "XX,2023-01-01 23:00:00,1,1\n", "XX at 2023-01-01 23:00:00: not an hour"),
        ("grid", GRID + "XX,tomorrow,1,1\n", "XX at tomorrow: no time"),
        ("grid", GRID + "XX,2023-01-02 00:00:00,much,1\n", "'much' is no number"),
        ("grid", GRID + "XX,2023-01-02 00:00:00,-5,1\n", "'-5' is no number of 0 or more"),
        ("grid", GRID + "XX,1\n", r"grid\.csv:26: 2 columns, the header has 4"),
        ("grid", "region,datetime_utc,direct_g_per_kwh\n", "the grid has no rows"),
        ("judgements", "dataset,preferred_level\npoem,7\n", "'7' of poem is no level"),
        ("judgements", "dataset,preferred_level\nsong,0\n", "no task has both"),
        ("requests", "dataset,index,level,energy_kwh,time_s\npoem,0,L0,nan,1\n", "'nan'"),
        ("composition", "poem,quiz\n", "no hours"),
        ("composition", "poem,quiz\n0,0\n", "an hour without any of poem, quiz"),
        ("composition", "poem\n1\n", "no column quiz"),
        ("hourly_inputs", HOURLY, "not hours 0, 1, 2 and so on"),
        ("hourly_inputs", HOURLY + "1,0.6,0.4,1,1,1,1\n", "not hours 0, 1, 2 and so on"),
        ("hourly_inputs", HOURLY + "0,0,0.4,1,1,1,1\n", "an hour in which L0 has no preference"),
    ],
)
def test_a_broken_table_is_one_clear_error(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        read_world(write(tmp_path / "d", **{name: text}))


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda data: data[:-20], "cut off"),
        (lambda data: data[:40] + bytes(40) + data[80:], "not gzip, or damaged"),
        (lambda _data: b"region\n", "not gzip, or damaged"),
        (lambda _data: gzip.compress(b"\xff\xfe"), "not UTF-8"),
    ],
)
def test_a_damaged_archive_is_one_clear_error(
    tmp_path: Path, spoil: Callable[[bytes], bytes], why: str
) -> None:
    folder = write(tmp_path / "d")
    (folder / "grid.csv").unlink()
    (folder / "grid.csv.gz").write_bytes(spoil(gzip.compress(GRID.encode())))
    with pytest.raises(InputError, match=rf"grid\.csv\.gz: .*{why}"):
        read_world(folder)
