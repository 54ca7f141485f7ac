import time

import pytest

from sprout.errors import InputError
from sprout.quality.judge import Question
from sprout.quality.reference import ReferenceJudge, choice_of, matcher


@pytest.mark.parametrize(
    ("reference", "answer", "matches"),
    [
        # numeric: the final number, as GSM8K is scored
        (42, "17 + 25 = 42", True),
        (42, "17 + 25 = 42.", True),
        (42, "42 is 17 + 25", False),
        (42, "It is 17 + 25.\n#### 42", True),
        (42, "#### 42\nbecause 40 and 2", True),
        ("1,250", "That makes $1250.00 in all.", True),
        (1250, "That makes 1,250 dollars.", True),
        (-3, "x = -3", True),
        (-3, "x = \u22123", True),
        (0.5, "The answer is 0.50", True),
        (42, "forty-two", False),
        (42, "", False),
        (42, "The answer is 142", False),
        # multiple choice: the letter that the answer settles on, as MMLU is scored
        ("B", "B", True),
        ("B", "B) dolphin", True),
        ("B", "(B)", True),
        ("B", "The answer is B.", True),
        ("B", "The correct answer is (B) dolphin, not A) shark.", True),
        ("B", "**B**", True),
        ("B", "A", False),
        ("A", "A dolphin is a mammal.", False),
        ("(C)", "Answer: C", True),
        ("B", "dolphin", False),
        ("B", "", False),
        # text: whole words
        ("Paris", "The capital of France is Paris.", True),
        ("Paris", "PARIS", True),
        ("Paris", "It is Parisian.", False),
        ("the Pacific", "Pacific Ocean", True),
        ("New York", "It is New-York.", True),
        ("Paris", "", False),
        # any of several, and said outright
        (["Leonardo", "da Vinci"], "It was Da Vinci.", True),
        (["Leonardo", "da Vinci"], "It was Raphael.", False),
        ([4, "four"], "There are four.", True),
        ({"exact": "Paris"}, "Paris!", True),
        ({"exact": "Paris"}, "It is Paris.", False),
        ({"text": "B"}, "Vitamin B helps.", True),
        ({"number": "7"}, "7", True),
        ({"choice": "D"}, "D.", True),
    ],
)
def test_an_answer_is_compared_as_the_kind_of_reference_asks(
    reference: object, answer: str, *, matches: bool
) -> None:
    assert matcher(reference)(answer) is matches


@pytest.mark.parametrize(
    "reference", [None, True, "", "  ", [], {}, {"regex": "x"}, {"a": 1, "b": 2}, [[]], "?!"]
)
def test_a_reference_that_nothing_can_equal_is_bad_data(reference: object) -> None:
    with pytest.raises(InputError, match="reference"):
        matcher(reference)


@pytest.mark.parametrize(
    ("answer", "letter"),
    [
        # the pronoun
        ("I'd say (B)", "B"),
        ("I\u2019d say (B)", "B"),
        ("I'm sure it is B)", "B"),
        ("The answer is, I think, B.", "B"),
        ("The answer is, I believe, (B).", "B"),
        ("The answer is I think B", "B"),
        ("I think the answer is B.", "B"),
        ("I chose B)", "B"),
        ("I believe the correct option is (D)", "D"),
        ("I, for one, would take (C).", "C"),
        ("I would say that it is a dolphin.", None),
        ("I think B or C.", None),
        # the letter
        ("I", "I"),
        ("I.", "I"),
        ("I) dolphin", "I"),
        ("(I)", "I"),
        ("'I'", "I"),
        ("Option I", "I"),
        ("The answer is I.", "I"),
        ("The answer is I, because it swims.", "I"),
        ("The answer is I because it swims.", "I"),
        # the article
        ("A good question. The answer is B", "B"),
        ("A good question. It is (B).", "B"),
        ("The answer is A dolphin.", None),
        ("The correct answer is (A) a dolphin.", "A"),
        ("The answer is A and not B.", "A"),
        ("Answer: A, a dolphin", "A"),
        ("A. A dolphin", "A"),
        ("A: dolphin", "A"),
        ("The answer is a dolphin.", None),
        # other options beside it
        ("The answer is B. Option A is wrong.", "B"),
        ("The right choice is B, not A.", "B"),
        ("The answer is not A.", None),
        ("The answer is 'B'.", "B"),
        ("B's advantage is speed.", None),
    ],
)
def test_a_letter_is_told_from_a_pronoun_and_an_article(answer: str, letter: str | None) -> None:
    assert choice_of(answer) == letter


@pytest.mark.parametrize("answer", ["answer:" + " " * 9_000 + "x", "answer is" + "*" * 9_000])
def test_an_answer_of_many_blanks_is_read_in_no_time(answer: str) -> None:
    start_s = time.process_time()  # of this process alone, however busy the machine is
    assert choice_of(answer) is None
    assert time.process_time() - start_s < 1


def nested(depth: int, kind: str) -> object:
    reference: object = "Paris"
    for _ in range(depth):
        reference = [reference] if kind == "list" else {"exact": reference}
    return reference


def test_a_reference_of_lists_is_compared_to_a_depth() -> None:
    assert matcher(nested(20, "list"))("It is Paris.")
    assert not matcher(nested(20, "list"))("It is Rome.")


@pytest.mark.parametrize("kind", ["list", "object"])
@pytest.mark.parametrize("depth", [21, 600, 100_000])
def test_a_reference_that_is_nested_deeper_is_bad_data(depth: int, kind: str) -> None:
    with pytest.raises(InputError, match="nested more than 20 deep"):
        matcher(nested(depth, kind))


def test_two_letters_in_brackets_settle_on_none() -> None:
    assert choice_of("It could be (A) or (B).") is None


def test_every_answer_that_matches_is_chosen() -> None:
    opinion = ReferenceJudge().ask(Question("2 + 2?", ("It is 4.", "5", "2 + 2 = 4"), 4))
    assert opinion.chosen == (0, 2)
    assert opinion.fault is None


def test_no_match_is_no_fault() -> None:
    opinion = ReferenceJudge().ask(Question("2 + 2?", ("3", "5"), 4))
    assert (opinion.chosen, opinion.fault) == ((), None)


def test_it_needs_no_trust_and_a_reference() -> None:
    judge = ReferenceJudge()
    assert not judge.card.must_earn_trust
    with pytest.raises(ValueError, match="without a reference"):
        judge.ask(Question("2 + 2?", ("3", "5")))
