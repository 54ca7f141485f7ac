from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from plain_records import KEYS, NOW

from sprout.chat import Message, Sampling
from sprout.quality.case import Case
from sprout.quality.comparison import Ballot, best_ballot
from sprout.quality.judge import Card, Opinion, Usage
from sprout.quality.reference import ReferenceJudge
from sprout.quality.ruling import Ruling
from sprout.quality.trust import Trust
from sprout.state.store import Store
from sprout.state.verdicts import Spending, Verdicts, levels_key

CARD = Card("endpoint:j", "endpoint", "template", {"model": "j"})
COMPARED = list(KEYS.values())
BALLOT = best_ballot({key: f"answer {key}" for key in COMPARED}, "p", 0)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "sprout.db") as opened:
        yield opened


def add(
    store: Store,
    name: str = "p",
    *,
    card: Card = CARD,
    ballot: Ballot = BALLOT,
    opinion: Opinion | None = None,
    model: str = "model",
    keeps_text: bool = True,
    now: datetime = NOW,
    reference_hash: str | None = None,
) -> Ruling:
    said = opinion or Opinion("B", (1,), None, Usage(200, 3, 0.01))
    ruling = Ruling(
        card.key, name, "qa", "", "served", ballot.reading, ballot.levels,
        (1, 2, 3), said.chosen, said.fault, now, reference_hash,
    )  # fmt: skip
    Verdicts(store).introduce(card)
    Verdicts(store).add(
        ruling, ballot, said, model=model, compared=levels_key(COMPARED),
        evaluation_id="e", keeps_text=keeps_text,
    )  # fmt: skip
    return ruling


def test_a_verdict_comes_back_as_it_was_given(store: Store) -> None:
    ruling = add(store)
    assert Verdicts(store).rulings("model", COMPARED, judge_key=CARD.key) == [ruling]
    recalled = Verdicts(store).recall(CARD.key, "p", BALLOT)
    # what was paid is paid once
    assert recalled == Opinion("B", (1,), None, Usage())
    assert Verdicts(store).judged(CARD.key, "model", COMPARED) == {("p", None)}
    assert Verdicts(store).spending(CARD.key) == Spending(1, 1, 200, 3, 1, 0.01)


@pytest.mark.parametrize("what", ["judge", "prompt", "order", "text"])
def test_another_judge_prompt_order_or_answer_is_another_question(what: str, store: Store) -> None:
    add(store)
    key, name, ballot = CARD.key, "p", BALLOT
    match what:
        case "judge":
            key = "other"
        case "prompt":
            name = "q"
        case "order":
            ballot = Ballot("best", BALLOT.levels[::-1], BALLOT.answers[::-1])
        case "text":
            ballot = Ballot("best", BALLOT.levels, ("changed", *BALLOT.answers[1:]))
    assert Verdicts(store).recall(key, name, ballot) is None


def test_the_same_question_of_another_model_or_set_is_kept_beside(store: Store) -> None:
    add(store)
    add(store, model="another")
    assert len(Verdicts(store).rulings("model", COMPARED, judge_key=CARD.key)) == 1
    assert len(Verdicts(store).rulings("another", COMPARED, judge_key=CARD.key)) == 1
    assert Verdicts(store).rulings("model", COMPARED[:2], judge_key=CARD.key) == []
    assert len(Verdicts(store).rulings("model", COMPARED[::-1], judge_key=CARD.key)) == 1


def test_only_trusted_judges_are_heard(store: Store) -> None:
    table = Verdicts(store)
    add(store)
    assert table.rulings("model", COMPARED) == []
    table.set_trust(CARD.key, Trust(3, 3, 60, 0), NOW)
    assert table.rulings("model", COMPARED) == []
    table.set_trust(CARD.key, Trust(60, 1, 5, 0), NOW)
    assert len(table.rulings("model", COMPARED)) == 1
    judge = table.judge(CARD.key)
    assert judge is not None
    assert (judge.trust, judge.tested_at) == (Trust(60, 1, 5, 0), NOW)
    add(store, "q", card=ReferenceJudge.card)
    assert len(table.rulings("model", COMPARED)) == 2
    assert {judge.name: judge.is_trusted for judge in table.judges()} == {
        "endpoint:j": True,
        "reference": True,
    }


def test_introducing_a_judge_again_does_not_make_it_forget_its_test(store: Store) -> None:
    add(store)
    Verdicts(store).set_trust(CARD.key, Trust(60, 1, 5, 0), NOW)
    Verdicts(store).introduce(CARD)
    assert Verdicts(store).judges()[0].is_trusted


def test_a_judge_that_is_set_aside_keeps_what_it_said_and_is_met_anew(store: Store) -> None:
    table = Verdicts(store)
    add(store)
    table.set_trust(CARD.key, Trust(3, 3, 60, 0), NOW)
    table.set_aside(CARD.key)
    assert table.judge(CARD.key) is None
    assert table.recall(CARD.key, "p", BALLOT) is None
    table.introduce(CARD)
    old, new = sorted(table.judges(), key=lambda judge: judge.tested_at is None)
    assert (old.name, old.trust) == (new.name, Trust(3, 3, 60, 0))
    assert (new.key, new.trust) == (CARD.key, None)
    assert [table.spending(each.key).num_asked for each in (old, new)] == [1, 0]
    # and once more, at another time
    table.set_trust(CARD.key, Trust(3, 3, 60, 0), NOW + timedelta(days=1))
    table.set_aside(CARD.key)
    assert len(table.judges()) == 2


def test_words_are_kept_only_when_text_is(store: Store) -> None:
    add(store, keeps_text=False)
    recalled = Verdicts(store).recall(CARD.key, "p", BALLOT)
    assert recalled is not None
    assert (recalled.raw, recalled.chosen) == ("", (1,))


def test_a_verdict_that_comes_out_otherwise_replaces_the_stored_one(store: Store) -> None:
    card, later = ReferenceJudge.card, NOW + timedelta(days=1)
    first = add(store, card=card, opinion=Opinion("matches: []", ()))
    # the same again keeps its time: it shall fade
    add(store, card=card, opinion=Opinion("matches: []", ()), now=later)
    assert Verdicts(store).rulings("model", COMPARED) == [first]
    second = add(store, card=card, opinion=Opinion("matches: [2]", (2,)), now=later)
    assert Verdicts(store).rulings("model", COMPARED) == [second]
    assert second.judged_at == later


NONE, THIRD = Opinion("matches: []", ()), Opinion("matches: [2]", (2,))
ANOTHER = Ballot("best", BALLOT.levels, ("other", "answers", "here"))


def test_a_verdict_knows_the_reference_that_it_compared_with_last(store: Store) -> None:
    card, later, table = ReferenceJudge.card, NOW + timedelta(days=1), Verdicts(store)

    def judged() -> set[tuple[str, str | None]]:
        return table.judged(card.key, "model", COMPARED)

    add(store, card=card, opinion=NONE)  # by a version that did not record it
    assert judged() == {("p", None)}
    for reference_hash in ("wrong", "as wrong"):
        add(store, card=card, opinion=NONE, reference_hash=reference_hash, now=later)
        assert judged() == {("p", reference_hash)}
    (found,) = table.rulings("model", COMPARED)
    assert (found.chosen, found.judged_at) == ((), NOW)  # it says the same: it shall fade


def test_verdicts_by_a_reference_that_was_corrected_are_gone(store: Store) -> None:
    card, table = ReferenceJudge.card, Verdicts(store)
    add(store, card=card, opinion=NONE, reference_hash="wrong")
    kept = [
        add(store, "q", card=card, opinion=NONE, reference_hash="wrong"),
        add(store, card=card, opinion=THIRD, ballot=ANOTHER, reference_hash="right"),
    ]
    add(store, card=card, opinion=NONE, reference_hash="wrong", model="another")
    found = table.rulings("model", COMPARED)
    assert sorted(found, key=lambda each: each.prompt_hash, reverse=True) == kept
    # of another model nothing was compared with it
    assert table.judged(card.key, "another", COMPARED) == {("p", "wrong")}


def test_a_question_that_counts_for_two_readings_was_asked_once(store: Store) -> None:
    """Of two different answers, the best of all and of a pair are one question."""
    add(store)
    add(store, ballot=replace(BALLOT, reading="pair"), opinion=Opinion("B", (1,)))
    assert len(Verdicts(store).rulings("model", COMPARED, judge_key=CARD.key)) == 2
    assert Verdicts(store).spending(CARD.key) == Spending(1, 1, 200, 3, 1, 0.01)


def test_what_a_repeated_verdict_was_paid_stays(store: Store) -> None:
    add(store)
    add(store, opinion=Opinion("B", (1,)))
    assert Verdicts(store).spending(CARD.key) == Spending(1, 1, 200, 3, 1, 0.01)


def test_a_price_that_is_known_of_some_questions_is_not_that_of_all(store: Store) -> None:
    add(store)
    add(store, "q", opinion=Opinion("B", (1,), None, Usage(200, 3)))
    add(store, "r", opinion=Opinion("I cannot", (), "refused"))
    assert Verdicts(store).spending(CARD.key) == Spending(3, 2, 400, 6, 1, 0.01)


def test_a_corrected_label_is_that_of_all_verdicts_on_its_prompt(store: Store) -> None:
    first, others = add(store), [add(store, "q"), add(store, card=ReferenceJudge.card)]
    Verdicts(store).set_trust(CARD.key, Trust(60, 1, 5, 0), NOW)
    case = Case("p", (Message("user", "?"),), Sampling(), "maths", "maths", None, "file")
    Verdicts(store).relabel([case, replace(case, prompt_hash="never judged")])
    found = {(r.judge_key, r.prompt_hash): r for r in Verdicts(store).rulings("model", COMPARED)}
    assert found[CARD.key, "p"] == replace(first, task="maths", given_task="maths")
    assert found[others[0].judge_key, "q"].task == "qa"
    assert found[others[1].judge_key, "p"].task == "maths"
    # a guess at its class corrects nothing
    Verdicts(store).relabel([replace(case, given_task="", task="poems")])
    assert {r.task for r in Verdicts(store).rulings("model", COMPARED)} == {"maths", "qa"}
