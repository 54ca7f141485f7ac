import importlib.util

import pytest

from sprout.quality.classes import OTHER, train

SUMS = [f"What is {n} plus {n + 3}? Add the numbers." for n in range(20)]
CODE = [f"Write a Python function that returns item {n} of a list." for n in range(20)]
TEXTS, TASKS = SUMS + CODE, ["sums"] * 20 + ["code"] * 20

has_sklearn = importlib.util.find_spec("sklearn") is not None
BOTH = pytest.mark.parametrize(
    "plain",
    [
        True,
        pytest.param(
            False, marks=pytest.mark.skipif(not has_sklearn, reason="scikit-learn is an extra")
        ),
    ],
)


@BOTH
def test_the_class_is_read_from_the_words(*, plain: bool) -> None:
    classify = train(TEXTS, TASKS, plain=plain)
    wanted = ["What is 70 plus 12? Add the numbers.", "Write a Python function that sorts a list."]
    assert classify(wanted) == ["sums", "code"]


@BOTH
def test_what_is_unlike_all_of_them_is_other(*, plain: bool) -> None:
    # nor does it take after a task that most prompts have
    classify = train(SUMS * 5 + CODE, ["sums"] * 100 + ["code"] * 20, plain=plain)
    assert classify(["Zebras graze beside rivers", ""]) == [OTHER, OTHER]


@pytest.mark.parametrize(("texts", "tasks"), [([], []), (SUMS, ["sums"] * 20)])
def test_without_two_classes_to_tell_apart_all_is_other(texts: list[str], tasks: list[str]) -> None:
    assert train(texts, tasks)(["What is 1 plus 1?"]) == [OTHER]


def test_a_class_of_few_prompts_is_not_learned() -> None:
    classify = train([*TEXTS, "Sing a song."], [*TASKS, "songs"], plain=True)
    assert classify(["Sing a song."]) != ["songs"]


def test_no_texts_have_no_classes() -> None:
    assert train(TEXTS, TASKS, plain=True)([]) == []
