from collections import Counter
from itertools import permutations

import pytest

from sprout.quality.comparison import (
    LABEL_TEMPLATE,
    MARKED_TEMPLATE,
    best_ballot,
    credits_of,
    pair_ballots,
    question_text,
)
from sprout.quality.judge import Card, Question

ANSWERS = {"L0": "A long answer.", "L1": "Short.", "L2": "No."}


# ballots


def test_the_order_of_the_answers_is_that_of_the_seed_and_the_prompt() -> None:
    one = best_ballot(ANSWERS, "p1", 0)
    assert best_ballot(ANSWERS, "p1", 0) == one
    assert sorted(one.answers) == sorted(ANSWERS.values())
    assert all(ANSWERS[keys[0]] == text for keys, text in zip(one.levels, one.answers, strict=True))


def test_every_order_comes_about_equally_often() -> None:
    orders = Counter(best_ballot(ANSWERS, f"p{n}", 3).levels for n in range(6000))
    assert set(orders) == {tuple((key,) for key in order) for order in permutations(ANSWERS)}
    # 1000 each; 5 standard deviations of a binomial of 1/6 are 144
    assert all(abs(count - 1000) < 144 for count in orders.values())


def test_answers_of_the_same_text_stand_in_one_slot_and_share_its_credit() -> None:
    ballot = best_ballot({"L0": "Paris.", "L1": "Paris. ", "L2": "In Paris."}, "p", 0)
    assert sorted(ballot.levels) == [("L0", "L1"), ("L2",)]
    slot = ballot.levels.index(("L0", "L1"))
    assert credits_of(ballot, (slot,)) == {"L0": 0.5, "L1": 0.5}
    # two slots that match a reference: three levels share
    assert credits_of(ballot, (0, 1)) == dict.fromkeys(ANSWERS, pytest.approx(1 / 3))


def test_when_all_answers_are_the_same_nobody_is_asked() -> None:
    ballot = best_ballot(dict.fromkeys(ANSWERS, "Yes."), "p", 0)
    assert not ballot.needs_judge
    assert credits_of(ballot, (0,)) == dict.fromkeys(ANSWERS, pytest.approx(1 / 3))


def test_a_pair_is_shown_in_both_orders() -> None:
    first, second = pair_ballots(ANSWERS, "L0", "L2")
    assert first.levels == (("L0",), ("L2",))
    assert second.levels == (("L2",), ("L0",))
    assert first.answers_hash != second.answers_hash
    (same,) = pair_ballots(dict.fromkeys(ANSWERS, "Yes."), "L0", "L2")
    assert same.levels == (("L0", "L2"),)


def test_a_question_shows_prompt_answers_and_labels_and_nothing_twice() -> None:
    card = Card("j", "local", LABEL_TEMPLATE, {})
    text = question_text(card, Question("Say {answers} and {prompt}.", ("{labels}", "")))
    assert "# Instruction\nSay {answers} and {prompt}.\n" in text
    assert "# Answer A\n{labels}\n\n# Answer B\n(empty)\n" in text
    assert text.endswith("one of: A, B")
    marked = question_text(
        Card("j", "endpoint", MARKED_TEMPLATE, {}), Question("P {marks}", ("", ""))
    )
    assert "# Instruction\nP {marks}\n" in marked
    assert marked.endswith("in double square brackets and nothing else, one of: [[A]], [[B]]")


def test_another_template_or_setting_is_another_judge() -> None:
    cards = [
        Card("j", "local", LABEL_TEMPLATE, {"model": "x"}),
        Card("j", "local", LABEL_TEMPLATE + " ", {"model": "x"}),
        Card("j", "local", LABEL_TEMPLATE, {"model": "y"}),
        Card("k", "local", LABEL_TEMPLATE, {"model": "x"}),
    ]
    assert len({card.key for card in cards}) == 4
