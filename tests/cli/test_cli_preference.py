"""What plans take as preference, put together from the store."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from plain_records import KEYS, LEVELS, NOW, UNDER, admission, prompt, served

from sprout.batch.answers import Grid
from sprout.cli.preference import MIN_JUDGED, known_preference
from sprout.config.sources import load
from sprout.directives import PRIOR_SOURCE
from sprout.quality.comparison import Ballot
from sprout.quality.judge import Card
from sprout.quality.preference import Preference
from sprout.quality.reference import ReferenceJudge
from sprout.quality.ruling import Ruling
from sprout.quality.trust import Trust
from sprout.state.completions import Completions
from sprout.state.evaluations import Evaluation, Evaluations
from sprout.state.runs import Run, Runs
from sprout.state.store import Store
from sprout.state.verdicts import Verdicts, levels_key

COMPARED = list(KEYS.values())
TINY = Card("local:tiny", "local", "", {})
BALLOT = Ballot("best", tuple((key,) for key in COMPARED), ("a", "b", "c"))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "sprout.db") as opened:
        yield opened


def judged(
    store: Store,
    level: int,
    count: int,
    *,
    task: str = "qa",
    days: float = 0,
    origin: str = "served",
    card: Card | None = None,
) -> None:
    who = card or ReferenceJudge.card
    Verdicts(store).introduce(who)
    for number in range(count):
        ruling = Ruling(
            who.key, f"{origin}-{task}-{level}-{days}-{number}", task, task, origin, "best",
            BALLOT.levels, (1, 1, 1), (level,), None, NOW - timedelta(days=days),
        )  # fmt: skip
        Verdicts(store).add(
            ruling, BALLOT, None, model=UNDER.model, compared=levels_key(COMPARED),
            evaluation_id="e", keeps_text=True,
        )  # fmt: skip


def found(store: Store) -> Preference:
    settings = load({"state": store.path}).settings
    return known_preference(store, LEVELS, UNDER, NOW, settings)


def test_nobody_asked_leaves_the_prior(store: Store) -> None:
    known = found(store)
    assert known.is_prior
    assert known.source == PRIOR_SOURCE
    assert known.overall.covariance is None


def test_verdicts_give_shares_of_all_and_of_each_class_with_their_covariance(store: Store) -> None:
    judged(store, 0, 15, task="qa")
    judged(store, 1, 5, task="qa")
    judged(store, 2, 20, task="maths")
    known = found(store)
    assert not known.is_prior
    assert known.source == "judged by reference: 40 prompts"
    assert known.overall.levels == ("L0", "L1", "L2")
    assert known.overall.mean == pytest.approx([15 / 40, 5 / 40, 20 / 40])
    assert set(known.by_class) == {"qa", "maths"}
    qa = known.by_class["qa"]
    assert qa.mean == pytest.approx([0.75, 0.25, 0])
    assert qa.num_prompts == pytest.approx(20)
    assert qa.covariance is not None
    assert qa.covariance[0, 0] == pytest.approx(0.75 * 0.25 / 19)


def serve(store: Store, *tasks: str) -> None:
    """Serve one request of each of these tasks."""
    Runs(store).start(Run("r", NOW, "-", None, UNDER.model, "m", "DE", "rapl", 1.0, "server", 0.0))
    for number, task in enumerate(tasks):
        row = served(admission(prompt(f"p{number}", task=task)))
        Completions(store, "r").admit([row.admission], NOW)
        Completions(store, "r").complete([row], NOW)


def test_overall_weighs_tasks_as_they_are_served(store: Store) -> None:
    judged(store, 0, 20, task="qa")
    judged(store, 2, 20, task="maths")
    serve(store, "maths", "qa", "qa", "qa")
    assert found(store).overall.mean == pytest.approx([0.75, 0, 0.25])
    assert found(store).parts == pytest.approx({"qa": 0.75, "maths": 0.25})


def test_a_handful_of_verdicts_on_what_is_served_does_not_stand_for_all(store: Store) -> None:
    judged(store, 0, 38, task="maths")
    judged(store, 2, 2, task="qa")
    serve(store, *["qa"] * 9, "maths")
    known = found(store)
    # as served they would be worth (38 * 1/38 + 2 * 9/2)^2 / (38 / 38^2 + 2 * (9/2)^2) = 2.5
    assert known.overall.mean == pytest.approx([0.95, 0, 0.05])
    assert known.source.endswith("40 prompts, weighed alike (too few are of what is served)")


def test_one_new_verdict_among_faded_ones_does_not_steer_alone(store: Store) -> None:
    judged(store, 0, 30, days=300)  # ten half-lives
    judged(store, 2, 1)
    known = found(store)
    assert known.is_prior
    # (1 + 30/1024)^2 / (1 + 30/1024^2) = 1.06
    assert "(31 prompts are judged, faded to the worth of 1; from 20 on they count)" in known.source


def test_old_verdicts_fade(store: Store) -> None:
    judged(store, 0, 20)
    judged(store, 2, 20, days=60)
    # two half-lives: 20 against 20 / 4
    assert found(store).overall.mean == pytest.approx([0.8, 0, 0.2])


def test_a_handful_of_verdicts_leaves_the_prior_and_says_how_many_are_missing(store: Store) -> None:
    judged(store, 0, MIN_JUDGED - 1)
    known = found(store)
    assert known.is_prior
    assert f"{MIN_JUDGED - 1} prompts are judged; from {MIN_JUDGED} on" in known.source


def test_packaged_prompts_count_only_until_there_are_others(store: Store) -> None:
    judged(store, 0, 30, origin="bundled")
    known = found(store)
    assert known.source == "judged by reference: 30 prompts, packaged ones included"
    assert known.overall.mean == pytest.approx([1, 0, 0])
    judged(store, 1, MIN_JUDGED)
    known = found(store)
    assert known.source == f"judged by reference: {MIN_JUDGED} prompts"
    assert known.overall.mean == pytest.approx([0, 1, 0])


def test_only_judges_whose_verdicts_count_are_named(store: Store) -> None:
    judged(store, 0, 30, origin="bundled", card=TINY)
    Verdicts(store).set_trust(TINY.key, Trust(66, 0, 0, 0), NOW)
    judged(store, 1, MIN_JUDGED)
    assert found(store).source == f"judged by reference: {MIN_JUDGED} prompts"


def test_a_judge_without_trust_is_named_and_not_heard(store: Store) -> None:
    judged(store, 2, 100, card=TINY)
    Evaluations(store).start(
        Evaluation(
            "e", TINY.key, UNDER.model, levels_key(COMPARED), "served", "asked for", ("p",), NOW,
            "m", "rapl", Grid("DE", 1.0, "a source"),
        )
    )  # fmt: skip
    known = found(store)
    assert known.is_prior
    assert known.source == f"{PRIOR_SOURCE} (not trusted, so not counted: local:tiny)"
    judged(store, 0, MIN_JUDGED)
    assert np.allclose(found(store).overall.mean, [1, 0, 0])
