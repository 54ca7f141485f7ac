import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sprout.quality.wording import choice_in

NUM_SLOTS = 6
# what names B, and would name any other label in its place: the form that is asked for,
ASKED = (
    "[[B]]",
    "[[b]]",
    "[[ B ]]",
    "[[Answer B]]",
    "**[[B]]**",
    "[[B]].",
    "My verdict: [[B]]",
    "[[B]]\n\nIt says why, and A does not.",
    "A is fluent. B is right. [[B]]",
    "**B is right.** [[B]]",
    "B is right.\n[[B]]\n",
    "[[B]]\n[[B]]",
    "# Answer A\nToo long.\n\n# Answer B\nRight.\n\n# Verdict\n[[B]]",
)
# at the end,
LAST = (
    "Verdict: B",
    "**Verdict:** B",
    "**Verdict**: **B**",
    "__Verdict__: B",
    "### Best Answer: B",
    "Final answer: B",
    "Best: Output (b)",
    "The winner is: B",
    "My choice: Answer B.",
    "A is too long, B is not.\n\nFinal verdict: B",
    "A is too long, B is not. Final verdict: B.",
    "Is the best one A? No. Best: B",
    "Verdict: B\r\n",
)
# all that it says,
WHOLE = (
    "B",
    "b",
    " (B) ",
    "**B**",
    "B.",
    "B)",
    "[B]",
    "`B`",
    '"B"',
    "Answer B",
    "Answer: B",
    "Output (b)",
    "# Answer B",
    "Best answer:\nB",
    '["B"]',
    "```\nB\n```",
    '{"best": "B"}',
    '{"Best": "Output (b)"}',
    '{"reason": "A is wrong", "best": "B"}',
    '{"answer": "B", "verdict": "B"}',
    '```json\n{"answer": "B"}\n```',
    '```\n{"answer": "B"}\n```',
    'Sure! Here is my verdict:\n```json\n{"best": "B"}\n```',
)
# and behind what was thought, which does not count
THOUGHT = (
    "<think>A? [[A]] Verdict: A</think>[[B]]",
    "<think>\nA.\n</think>\n\nB",
    "A it is.\n</think>\n\nVerdict: B",  # of a template that begins with <think>
    '<think>A</think>{"best": "B"}',
)
FORMS = (*ASKED, *LAST, *WHOLE, *THOUGHT)
# what a judge may say that is no verdict in a form; much of it names a label to those who can read
PROSE = (
    # comparisons
    "A is better than B.",
    "**A** is better than **B**",
    "Answer A is clearly better than Answer B.",
    "A is a better answer than B.",
    "Response B is slightly better than response A because it is complete.",
    "Output (2) is better than Output (1).",
    "B is superior to A.",
    "B is much more concise than A.",
    "A is more accurate than B, but B is what the user asked for.",
    "A is more verbose than B.",
    "A is worse than B.",
    "Answer A is slightly less complete than answer B.",
    "B > A",
    "B outperforms A.",
    "A is better than B, and B is better than C.",
    "A is better than C. B is better than A.",
    "A is better than B. B is better than A.",
    "A is better than the others.",
    "A is better written.",
    "B is better.",
    "A or B is better.",
    # denials, conditions and questions
    "A is not better than B.",
    "A is no better than B.",
    "A isn't better than B.",
    "I don't think A is better than B.",
    "I do not believe that B is the best.",
    "Answer B is not the best.",
    "Answer B is by no means the best.",
    "B isn't the best answer.",
    "The best answer is not B.",
    "B is not as good as A.",
    "B is not worse than A.",
    "I would not choose A.",
    "I don't prefer B.",
    "A is not the best. B is the best.",
    "If A is better than B, it is by little.",
    "It is unclear whether A is better than B.",
    "Is A better than B?",
    "Is A the best? No.",
    "The second best answer is B.",
    "The best answer would be B if it were not cut off.",
    "Neither A nor B is better.",
    "Neither A nor B is the best.",
    "I prefer neither A nor B.",
    "None is better than B.",
    # ties and several
    "It is a tie between A and B.",
    "A and B are equally good.",
    "Both A and B are the best.",
    "The best are A and B.",
    "The best answers are A, B and C.",
    "I prefer A or B.",
    "I have to choose between A and B.",
    "I have to choose between A and B. I choose B.",
    "A = B",
    "A, B and C are all fine.",
    "A is the best. B is the best.",
    "A: correct, but long. B: short.",
    "A: too long, B: fine",
    "A - wrong; B - right",
    "1. Answer A is long. 2. Answer B is short.",
    # choices
    "I prefer B.",
    "I prefer A over B.",
    "I prefer B to A.",
    "I'd go with **B**.",
    "I would pick answer A, since B is cut off.",
    "I prefer A, B is too long.",
    "I would choose B, but A is better overall.",
    "My choice is B.",
    "Verdict: A is worse than B.",
    "B is the clear winner.",
    "B is the best answer because A does not say why.",
    "B is the best, A is not.",
    "Answer B is my choice.",
    "B wins.",
    "Overall, answer A is preferable.",
    "The best of the 3 answers is B.",
    "The best answer has 2 steps.",
    "Choice: A longer answer is no better.",
    "A is better than B in style, but the best is B.",
    "While A is fluent, B is better.",
    "A is the best written, but B is correct.",
    # leading and last labels
    "B, because A is wrong.",
    "B because it is complete.",
    "B. It is complete, and A is not.",
    "**B**\n\nIt says why, and A does not.",
    "B\nA is better written, but wrong.",
    "B\nA is better.",
    "B. A is better written.",
    "Answer A is short.\nAnswer B is complete.\n\n**B**",
    "Between A and B, A.",
    "Between A and B, A is better.",
    "Between A and B, I prefer A.",
    "I'd say B.",
    "I'd say A is worse than B.",
    "I, as a careful reader, prefer B.",
    # right and wrong
    "Answer B is too long.",
    "Answer B is wrong.",
    "Answer A is correct, answer B is wrong.",
    "A is correct. B is correct too.",
    "Answer A is correct but too long.",
    "A is not correct.",
    "The correct answer is B.",
    "The correct answer is 4.",
    "A good answer says why.",
    # any of six
    "F is better than A, B, C, D and E.",
    "The best answer is E, followed by D.",
    "I prefer D; A, B and C are wrong.",
)
# forms that name none, several, or what was not shown
SPOILT = (
    "",
    "   ",
    "G",
    "[[G]]",
    "0",
    "2",
    "Output (2)",
    "[[2]]",
    '{"choice": 2}',
    "A and B",
    "A, B",
    "A\nB",
    "B\nA\nC",
    "1. B\n2. A",
    "B > A",
    "[[A>B]]",
    "[[A]] [[B]]",
    "[[A]]\n[[B]]",
    "[[A]] is worse. [[B]]",
    "[[A]]\n\nB",
    "[[A]]\nFinal answer: B",
    "[[A]] is not the best.",
    "I do not choose [[A]]",
    "Verdict: A\nVerdict: B",
    "Verdict: A\n\nOn second thought, B is better.",
    "Verdict: A?\nNo.",
    "Verdict: not A",
    "Verdict: neither A nor B",
    "Verdict: A or B",
    "Worst: A",
    "Worst answer: A",
    "Second best answer: A",
    "The worst one is:\nA",
    "Which is worse? A",
    "Answer A:",
    "Answer A: complete.",
    "B\n\nA is better written, but wrong.",
    '{"best": ["A", "B"]}',
    '{"best": "A", "best": "B"}',
    '{"best": "A", "verdict": "B"}',
    '{"best": "A is better", "verdict": "B"}',
    '{"best": null}',
    '{"best": true}',
    '{"worst": "A"}',
    '{"A": 1, "B": 2}',
    '{"best": {"label": "A"}}',
    '[{"best": "A"}]',
    'Sure! {"best": "A"}',
    "{'best': 'A'}",
    "{}",
    "```json\n{}\n```",
    '```json\n{"best": "A"}\n```\nNo, B.',
    '```json\n{"best": "A"}\n```\n```json\n{"best": "B"}\n```',
    'Not [[B]].\n```json\n{"best": "A"}\n```',
    "Answer B has this code:\n```\nA\n```",
    "<think>\n[[A]]",  # it never came to an end
    "<think>\nVerdict: A",
    "<think>A</think>",
    "[[A]]<think>B",
    "[" * 5000,
)


def label(words: str) -> str | None:
    slot = choice_in(words, NUM_SLOTS)
    return None if slot is None else "ABCDEF"[slot]


def renamed(words: str, names: dict[str, str]) -> str:
    """Return words with other labels in place of A to F, and nothing else changed."""
    capitals = re.sub(r"(?<![\w'])[A-F](?![\w'])", lambda found: names[found[0]], words)
    return re.sub(r"(?<=[(\[])b(?=[)\]])|^b$", names["B"].lower(), capitals)


@pytest.mark.parametrize("words", FORMS)
def test_a_label_in_one_of_the_forms_is_read(words: str) -> None:
    assert label(words) == "B"


@given(st.sampled_from(FORMS), st.permutations("ABCDEF"))
def test_another_label_names_another(words: str, order: list[str]) -> None:
    names = dict(zip("ABCDEF", order, strict=True))
    assert label(renamed(words, names)) == names["B"]


@pytest.mark.parametrize("words", [*PROSE, *SPOILT])
def test_what_is_in_no_form_names_nothing(words: str) -> None:
    assert label(words) is None


@given(st.sampled_from(PROSE), st.sampled_from(["[[C]]", "Verdict: C", "**Best:** C"]))
def test_a_form_is_read_whatever_was_said_before_it(words: str, form: str) -> None:
    assert label(f"{words}\n{form}") == "C"


@given(st.sampled_from((*ASKED, *LAST)), st.sampled_from(["[[C]]", "Verdict: C"]))
def test_two_forms_that_differ_name_nothing(words: str, form: str) -> None:
    assert label(f"{words}\n{form}") is None


@given(st.sampled_from((*ASKED, *LAST, *WHOLE, *PROSE)), st.sampled_from("ABCDEF"))
def test_what_is_thought_changes_nothing(words: str, thought: str) -> None:
    assert label(f"<think>[[{thought}]]\nVerdict: {thought}</think>{words}") == label(words)


def test_the_end_of_a_word_is_no_label() -> None:
    assert [choice_in(word, 26) for word in ("answers", "[[Choices]]", "AnswerB")] == [None] * 3


def test_a_label_that_was_not_shown_is_none() -> None:
    assert [choice_in("[[C]]", num_slots) for num_slots in (2, 3)] == [None, 2]


@given(st.text(max_size=200) | st.text('ABab[]*:.\n "{}`#()', max_size=40), st.integers(1, 5))
def test_no_words_whatever_break_the_reader_or_name_a_slot_that_is_not_there(
    raw: str, num_slots: int
) -> None:
    slot = choice_in(raw, num_slots)
    assert slot is None or 0 <= slot < num_slots
