from collections import Counter
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sprout.quality.comparison import (
    BEST_TEMPLATE,
    best_ballot,
    choice_in,
    credits_of,
    is_refusal,
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
    card = Card("j", "local", BEST_TEMPLATE, {})
    text = question_text(card, Question("Say {answers} and {prompt}.", ("{labels}", "")))
    assert "# Instruction\nSay {answers} and {prompt}.\n" in text
    assert "# Answer A\n{labels}\n\n# Answer B\n(empty)\n" in text
    assert text.endswith("one of: A, B")


def test_another_template_or_setting_is_another_judge() -> None:
    cards = [
        Card("j", "local", BEST_TEMPLATE, {"model": "x"}),
        Card("j", "local", BEST_TEMPLATE + " ", {"model": "x"}),
        Card("j", "local", BEST_TEMPLATE, {"model": "y"}),
        Card("k", "local", BEST_TEMPLATE, {"model": "x"}),
    ]
    assert len({card.key for card in cards}) == 4


# what a judge's words mean


@pytest.mark.parametrize(
    ("raw", "slot"),
    [
        ("A", 0),
        ("b", 1),
        (" (C) ", 2),
        ("**B**", 1),
        ("B.", 1),
        ("2", 1),
        ("Output (3)", 2),
        ("Output (b)", 1),
        ("Answer: C", 2),
        ("Answer B", 1),
        ("The best answer is B.", 1),
        ("The best is answer C, since it is complete.", 2),
        ("Answer A is the best because answer B is wrong.", 0),
        ("I choose **C**.", 2),
        ("Output (1) is correct and short.", 0),
        ('"B"', 1),
        ('{"best": "B"}', 1),
        ('{"reason": "A is wrong", "best": "C"}', 2),
        ('{"choice": 2}', 1),
        ('["A"]', 0),
        ('```json\n{"answer": "Output (2)"}\n```', 1),
        ("```\nB\n```", 1),
        ('Sure! Here is my verdict:\n```json\n{"best": "A"}\n```', 0),
    ],
)
def test_a_label_is_read_in_the_forms_that_judges_use(raw: str, slot: int) -> None:
    assert choice_in(raw, 3) == slot


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "   ",
        "D",
        "0",
        "4",
        "Output (4)",
        "A and B",
        "Output (1) or Output (2)",
        "Both are good.",
        "A careful reader would not care.",
        "It is a tie.",
        "None of them.",
        '{"best": ["A", "B"]}',
        '{"a": 1, "b": 2}',
        '{"best": null}',
        '{"best": true}',
        "```json\n{}\n```",
        "[" * 5000,
        "Answer A is better than B? No, answer B is the best, or answer A is the best.",
    ],
)
def test_what_names_no_label_or_several_is_no_choice(raw: str) -> None:
    assert choice_in(raw, 3) is None


@pytest.mark.parametrize(
    ("raw", "refuses"),
    [
        ("I'm sorry, but I can't assist with that.", True),
        ("I cannot judge these answers.", True),
        ("As an AI, I have no preference.", True),
        ("B", False),
        ("The answer says sorry.", False),
    ],
)
def test_a_refusal_is_told_from_other_words(raw: str, *, refuses: bool) -> None:
    assert is_refusal(raw) is refuses


@given(st.text(max_size=200), st.integers(1, 5))
def test_no_words_whatever_break_the_parser_or_name_a_slot_that_is_not_there(
    raw: str, num_slots: int
) -> None:
    slot = choice_in(raw, num_slots)
    assert slot is None or 0 <= slot < num_slots
