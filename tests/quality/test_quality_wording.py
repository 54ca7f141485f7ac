import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sprout.quality.wording import choice_in, is_refusal

NUM_SLOTS = 6
# what a judge may write of up to six answers, and the label that it names; None: nobody can say
SENTENCES = (
    # comparisons
    ("A is better than B.", "A"),
    ("**A** is better than **B**", "A"),
    ("Answer A is clearly better than Answer B.", "A"),
    ("A is a better answer than B.", "A"),
    ("Response B is slightly better than response A because it is complete.", "B"),
    ("Output (2) is better than Output (1).", "B"),
    ("B is superior to A.", "B"),
    ("B is much more concise than A.", "B"),
    ("A is more accurate than B, but B is what the user asked for.", None),
    ("A is more verbose than B.", None),
    ("A is worse than B.", "B"),
    ("Answer A is slightly less complete than answer B.", "B"),
    ("B > A", "B"),
    ("B outperforms A.", "B"),
    ("A is better than B, and B is better than C.", "A"),
    ("A is better than C. B is better than A.", "B"),
    ("A is better than B. B is better than A.", None),
    ("A is better than the others.", "A"),
    ("A is better written.", None),
    ("B is better.", "B"),
    ("A or B is better.", None),
    # denials, conditions and questions
    ("A is not better than B.", None),
    ("A is no better than B.", None),
    ("A isn't better than B.", None),
    ("I don't think A is better than B.", None),
    ("I do not believe that B is the best.", None),
    ("Answer B is not the best.", None),
    ("Answer B is by no means the best.", None),
    ("B isn't the best answer.", None),
    ("The best answer is not B.", None),
    ("B is not as good as A.", None),
    ("B is not worse than A.", None),
    ("I would not choose A.", None),
    ("I don't prefer B.", None),
    ("A is not the best. B is the best.", "B"),
    ("If A is better than B, it is by little.", None),
    ("It is unclear whether A is better than B.", None),
    ("Is A better than B?", None),
    ("Is A the best? No.", None),
    ("The second best answer is B.", None),
    ("The best answer would be B if it were not cut off.", None),
    ("Neither A nor B is better.", None),
    ("Neither A nor B is the best.", None),
    ("I prefer neither A nor B.", None),
    ("None is better than B.", None),
    # ties and several
    ("It is a tie between A and B.", None),
    ("A and B are equally good.", None),
    ("Both A and B are the best.", None),
    ("The best are A and B.", None),
    ("The best answers are A, B and C.", None),
    ("I prefer A or B.", None),
    ("I have to choose between A and B.", None),
    ("I have to choose between A and B. I choose B.", "B"),
    ("A = B", None),
    ("A, B and C are all fine.", None),
    ("A is the best. B is the best.", None),
    ("A: correct, but long. B: short.", None),
    ("A: too long, B: fine", None),
    ("A - wrong; B - right", None),
    ("1. Answer A is long. 2. Answer B is short.", None),
    # choices
    ("I prefer B.", "B"),
    ("I prefer A over B.", "A"),
    ("I prefer B to A.", "B"),
    ("I'd go with **B**.", "B"),
    ("I would pick answer A, since B is cut off.", "A"),
    ("I prefer A, B is too long.", "A"),
    ("I would choose B, but A is better overall.", None),
    ("My choice is B.", "B"),
    ("Verdict: **B**", "B"),
    ("Verdict: A is worse than B.", "B"),
    ("The winner is: A", "A"),
    ("B is the clear winner.", "B"),
    ("My verdict: [[B]]", "B"),
    ("Best answer:\nB", "B"),
    ("**Best answer:** B", "B"),
    ("### Best Answer: B", "B"),
    ("B is the best answer because A does not say why.", "B"),
    ("B is the best, A is not.", "B"),
    ("Answer B is my choice.", "B"),
    ("B wins.", "B"),
    ("Overall, answer A is preferable.", "A"),
    ("The best of the 3 answers is B.", "B"),
    ("The best answer has 2 steps.", None),
    ("Choice: A longer answer is no better.", None),
    ("A is better than B in style, but the best is B.", "B"),
    ("While A is fluent, B is better.", "B"),
    ("A is the best written, but B is correct.", "B"),
    # leading and last labels
    ("B, because A is wrong.", "B"),
    ("B because it is complete.", "B"),
    ("B. It is complete, and A is not.", "B"),
    ("**B**\n\nIt says why, and A does not.", "B"),
    ("B\nA is better written, but wrong.", "B"),
    ("B\nA is better.", None),
    ("B. A is better written.", "B"),
    ("Answer A is short.\nAnswer B is complete.\n\n**B**", "B"),
    ("Between A and B, A.", "A"),
    ("Between A and B, A is better.", "A"),
    ("Between A and B, I prefer A.", "A"),
    ("I'd say B.", "B"),
    ("I'd say A is worse than B.", "B"),
    ("I, as a careful reader, prefer B.", "B"),
    # right and wrong
    ("Answer B is too long.", None),
    ("Answer B is wrong.", None),
    ("Answer A is correct, answer B is wrong.", "A"),
    ("A is correct. B is correct too.", None),
    ("Answer A is correct but too long.", None),
    ("A is not correct.", None),
    ("The correct answer is B.", "B"),
    ("The correct answer is 4.", None),
    ("A good answer says why.", None),
    # any of six
    ("F is better than A, B, C, D and E.", "F"),
    ("The best answer is E, followed by D.", "E"),
    ("I prefer D; A, B and C are wrong.", "D"),
)


def label(sentence: str) -> str | None:
    slot = choice_in(sentence, NUM_SLOTS)
    return None if slot is None else "ABCDEF"[slot]


def swapped(text: str) -> str:
    """Return a text with the labels A and B in each other's place."""
    labels = r"(?<![\w'])[AB](?![\w']|( longer| good) answer)|(?<=\()[12](?=\))"
    return re.sub(labels, lambda found: "BA21"["AB12".index(found[0])], text)


@pytest.mark.parametrize(("sentence", "wanted"), SENTENCES)
def test_a_judges_sentence_names_what_it_says_is_best(sentence: str, wanted: str | None) -> None:
    assert label(sentence) == wanted


@pytest.mark.parametrize("sentence", [sentence for sentence, _ in SENTENCES])
def test_swapped_labels_swap_the_verdict(sentence: str) -> None:
    before = label(sentence)
    assert label(swapped(sentence)) == (before and swapped(before))


@given(
    st.sampled_from([sentence for sentence, _ in SENTENCES if "(" not in sentence]),
    st.permutations("ABCDEF"),
)
def test_other_labels_name_others(sentence: str, order: list[str]) -> None:
    names = dict(zip("ABCDEF", order, strict=True))
    renamed = re.sub(r"(?<![\w'])[A-F](?![\w'])", lambda found: names[found[0]], sentence)
    before = label(sentence)
    assert label(renamed) == (before and names[before])


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
