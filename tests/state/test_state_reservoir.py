import json
import random
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from plain_records import KEYS, NOW, admission, prompt, served

from sprout.batch.answers import Served
from sprout.quality.case import Answer, prompt_hash
from sprout.state.reservoir import Reservoir
from sprout.state.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "sprout.db") as opened:
        yield opened


def rows(count: int, first: int = 0, **more: object) -> list[Served]:
    return [served(admission(prompt(f"p{n}", **more))) for n in range(first, first + count)]


def kept(store: Store) -> set[str]:
    return {case.chat[-1].content for _, case in Reservoir(store, 1).cases()}


def test_a_sample_comes_back_as_it_was_served(store: Store) -> None:
    line = {"task": "qa", "reference": {"number": 4}, "stop": ["\n"], "max_tokens": 9}
    row = served(admission(prompt("a", system="Be kind.", **line), "L1"), text="Four.")
    Reservoir(store, 10).offer("model", [row], NOW)
    ((task, case),) = Reservoir(store, 10).cases()
    asked = row.admission.prompt
    assert (task, case.given_task, case.reference) == ("qa", "qa", {"number": 4})
    assert (case.chat, case.sampling) == (asked.chat, asked.sampling)
    assert case.prompt_hash == prompt_hash(asked.chat, asked.sampling)
    answers = Reservoir(store, 10).answers("model", [KEYS["L0"], KEYS["L1"]])
    name = (case.prompt_hash, KEYS["L1"])
    assert answers == {name: Answer(case.prompt_hash, KEYS["L1"], "Four.", 10)}
    assert Reservoir(store, 10).answers("another model", list(KEYS.values())) == {}


def test_each_task_keeps_so_many_prompts_and_their_answers_alone(store: Store) -> None:
    reservoir = Reservoir(store, 5)
    for first in range(0, 60, 7):
        reservoir.offer("model", rows(7, first, task="qa") + rows(7, first, task="maths"), NOW)
    cases = Reservoir(store, 5).cases()
    assert Counter(task for task, _ in cases) == {"qa": 5, "maths": 5}
    hashes = {case.prompt_hash for _, case in cases}
    assert {name for name, _ in reservoir.answers("model", [KEYS["L0"]])} == hashes


def test_the_sample_does_not_depend_on_the_order_or_on_parts(store: Store, tmp_path: Path) -> None:
    served_rows = rows(200)
    Reservoir(store, 20).offer("model", served_rows, NOW)
    random.Random(1).shuffle(served_rows)  # noqa: S311 - to be repeatable
    with Store.open(tmp_path / "other.db") as other:
        for row in served_rows:
            Reservoir(other, 20).offer("model", [row], NOW)
        assert kept(other) == kept(store)
        assert len(kept(store)) == 20


def test_another_seed_keeps_other_prompts(store: Store, tmp_path: Path) -> None:
    Reservoir(store, 20, seed=0).offer("model", rows(200), NOW)
    with Store.open(tmp_path / "other.db") as other:
        Reservoir(other, 20, seed=1).offer("model", rows(200), NOW)
        assert kept(other) != kept(store)


def test_every_prompt_is_as_likely_to_stay(tmp_path: Path) -> None:
    counts: Counter[str] = Counter()
    for seed in range(60):
        with Store.open(tmp_path / f"{seed}.db") as opened:
            Reservoir(opened, 10, seed).offer("model", rows(40), NOW)
            counts.update(kept(opened))
    # 60 samples of 10 of 40: 15 each, standard deviation 3.4
    assert len(counts) == 40
    assert all(1 <= count <= 32 for count in counts.values())


def test_a_prompt_that_is_served_again_is_there_once(store: Store) -> None:
    reservoir = Reservoir(store, 10)
    reservoir.offer("model", rows(3), NOW)
    reservoir.offer("model", rows(3), NOW)
    assert len(reservoir.cases()) == 3


def test_a_prompt_comes_last_with_the_label_that_it_was_served_with_last(store: Store) -> None:
    reservoir = Reservoir(store, 10)
    reservoir.offer("model", rows(1, task="qa"), NOW)
    reservoir.offer("model", rows(1, task="maths"), NOW + timedelta(days=1))
    assert [task for task, _ in reservoir.cases()] == ["qa", "maths"]
    reservoir.offer("model", rows(1, task="qa"), NOW + timedelta(days=2))
    assert [task for task, _ in reservoir.cases()] == ["maths", "qa"]


def test_a_full_task_is_not_written_for_a_prompt_that_cannot_stay(store: Store) -> None:
    reservoir = Reservoir(store, 2)
    reservoir.offer("model", rows(300), NOW)
    assert (
        sum(reservoir.offer("model", rows(100, first), NOW) for first in range(300, 2300, 100)) < 20
    )


def test_a_reference_of_any_form_is_kept(store: Store) -> None:
    for number, reference in enumerate((0, False, "", [1, "a"], {"x": None})):
        row = served(admission(prompt(f"r{number}", reference=reference)))
        Reservoir(store, 10).offer("model", [row], NOW)
    found = [case.reference for _, case in Reservoir(store, 10).cases()]
    assert sorted(map(json.dumps, found)) == sorted(["0", "false", '""', '[1, "a"]', '{"x": null}'])
