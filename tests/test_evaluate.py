from collections import Counter
from pathlib import Path

import pytest
from plain_records import LEVELS, NOW, SmallContextEngine, SteadyPower, recording

from sprout.chat import Message, Sampling
from sprout.engine.recorded import RecordedEngine
from sprout.evaluate import Asking, Control, answer, control, draw, judge, trust_of
from sprout.metering import MeteredEngine
from sprout.quality.case import Answer, Case, prompt_hash
from sprout.quality.comparison import Ballot
from sprout.quality.judge import Card, Opinion, Question
from sprout.quality.reference import ReferenceJudge

KEYS = [directive.key for directive in LEVELS.directives]


class LongestJudge:
    """Holds the longest answer best; remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Question] = []

    @property
    def card(self) -> Card:
        return Card("longest", "local", "", {})

    def ask(self, question: Question) -> Opinion:
        self.asked.append(question)
        lengths = [len(text) for text in question.answers]
        return Opinion("the longest", (lengths.index(max(lengths)),))


def case(name: str, task: str = "qa", reference: object = None) -> Case:
    chat = (Message("user", name),)
    return Case(prompt_hash(chat, Sampling()), chat, Sampling(), task, task, reference, "file")


def asking(by: LongestJudge | ReferenceJudge, *, pairwise: bool = True) -> Asking:
    return Asking(by, lambda _name, _ballot: None, lambda: NOW, 0, pairwise)


def answers_to(
    *cases: Case, texts: tuple[str, ...] = ("long answer", "short", "no")
) -> dict[tuple[str, str], Answer]:
    return {
        (each.prompt_hash, key): Answer(each.prompt_hash, key, text, 5)
        for each in cases
        for key, text in zip(KEYS, texts, strict=True)
    }


# drawing


def test_classes_take_turns_in_the_sample() -> None:
    cases = [case(f"a{n}", "a") for n in range(90)] + [case(f"b{n}", "b") for n in range(10)]
    drawn = draw(cases, set(), 20, 0)
    assert Counter(each.task for each in drawn) == {"a": 10, "b": 10}
    assert Counter(each.task for each in draw(cases, set(), 60, 0)) == {"a": 50, "b": 10}


def test_a_seed_repeats_the_sample_and_another_draws_another() -> None:
    cases = [case(f"a{n}") for n in range(100)]
    assert draw(cases, set(), 10, 1) == draw(cases, set(), 10, 1)
    assert draw(cases, set(), 10, 1) != draw(cases, set(), 10, 2)


def test_what_was_not_judged_yet_comes_first() -> None:
    cases = [case(f"a{n}", "a") for n in range(10)] + [case(f"b{n}", "b") for n in range(10)]
    judged = {each.prompt_hash for each in cases if each.task == "a"}
    assert {each.task for each in draw(cases, judged, 10, 0)} == {"b"}
    assert len(draw(cases, judged, 50, 0)) == 20


def test_a_prompt_that_is_there_twice_is_drawn_once() -> None:
    assert len(draw([case("a"), case("a")], set(), 5, 0)) == 1
    assert draw([], set(), 5, 0) == ()


# answering


def test_missing_answers_are_made_at_every_level_and_metered(tmp_path: Path) -> None:
    cases = [case(f"q{n}") for n in range(5)]
    engine = MeteredEngine(RecordedEngine(recording(tmp_path / "r.jsonl"), 4), SteadyPower())
    known = {(cases[0].prompt_hash, KEYS[1]): Answer(cases[0].prompt_hash, KEYS[1], "known", 1)}
    rows = list(answer(cases, LEVELS, engine, known, lambda: False))
    made = [each for row in rows for each in row.answers]
    assert len(made) == len({(each.prompt_hash, each.directive_key) for each in made}) == 14
    for each in made:
        level = LEVELS.directives[KEYS.index(each.directive_key)].level
        assert each.text.startswith(f"answer {level}")
    assert sum(row.metered_j for row in rows) > 0
    assert sum(row.busy_s for row in rows) > 0


def test_a_prompt_that_cannot_be_answered_fails_alone(tmp_path: Path) -> None:
    engine = SmallContextEngine(recording(tmp_path / "r.jsonl"), 4)
    cases = [case("short"), case("long " * 50)]
    rows = list(answer(cases, LEVELS, MeteredEngine(engine, SteadyPower()), {}, lambda: False))
    failures = [each for row in rows for each in row.failures]
    assert {name for name, _, _ in failures} == {cases[1].prompt_hash}
    assert [level for _, level, _ in failures] == ["L0", "L1", "L2"]
    assert sum(len(row.answers) for row in rows) == 3


def test_a_request_to_stop_keeps_what_is_finished(tmp_path: Path) -> None:
    engine = MeteredEngine(RecordedEngine(recording(tmp_path / "r.jsonl"), 2), SteadyPower())
    stops = iter([False, False, True])
    rows = list(answer([case(f"q{n}") for n in range(9)], LEVELS, engine, {}, lambda: next(stops)))
    assert 0 < sum(len(row.answers) for row in rows) < 27
    assert not engine.engine.is_busy


# judging


def test_each_prompt_is_judged_among_all_and_in_pairs() -> None:
    cases, by = [case("a"), case("b")], LongestJudge()
    rows = list(judge(cases, LEVELS, answers_to(*cases), asking(by)))
    assert Counter(row.ruling.reading for row in rows) == {"best": 2, "pair": 8}
    assert len(by.asked) == 10
    for row in rows:
        assert KEYS[0] in row.ruling.levels[row.ruling.chosen[0]]
        assert row.is_new
    assert sum(1 for _ in judge(cases, LEVELS, answers_to(*cases), asking(by, pairwise=False))) == 2


def test_a_prompt_without_all_its_answers_is_not_judged() -> None:
    found = answers_to(case("a"))
    del found[case("a").prompt_hash, KEYS[2]]
    assert list(judge([case("a")], LEVELS, found, asking(LongestJudge()))) == []


def test_the_same_answer_at_every_level_asks_nobody_and_splits_the_credit() -> None:
    by = LongestJudge()
    found = answers_to(case("a"), texts=("Paris.", "Paris.", "Paris."))
    rows = list(judge([case("a")], LEVELS, found, asking(by)))
    assert by.asked == []
    assert rows[0].ruling.credits == dict.fromkeys(KEYS, pytest.approx(1 / 3))
    assert all(row.opinion is None for row in rows)


def test_what_was_said_before_is_not_asked_again() -> None:
    by = LongestJudge()

    def recall(_name: str, ballot: Ballot) -> Opinion:
        return Opinion("before", (len(ballot.answers) - 1,))

    rows = judge([case("a")], LEVELS, answers_to(case("a")), Asking(by, recall, lambda: NOW))
    assert [(row.is_new, row.opinion and row.opinion.raw) for row in rows] == [
        (False, "before")
    ] * 5
    assert by.asked == []


def test_a_reference_is_read_once_and_needs_no_pairs() -> None:
    one = case("2 + 2?", reference=4)
    found = answers_to(one, texts=("It is 4.", "4", "5"))
    (row,) = judge([one], LEVELS, found, asking(ReferenceJudge()))
    assert row.ruling.credits == {KEYS[0]: 0.5, KEYS[1]: 0.5}


def test_a_reference_is_compared_again_for_it_may_have_been_corrected() -> None:
    one = case("2 + 2?", reference=4)
    found = answers_to(one, texts=("It is 4.", "4", "5"))

    def rows(before: Opinion) -> list[tuple[bool, tuple[int, ...]]]:
        asked = Asking(ReferenceJudge(), lambda _name, _ballot: before, lambda: NOW)
        return [(row.is_new, row.ruling.chosen) for row in judge([one], LEVELS, found, asked)]

    ((is_new, chosen),) = rows(Opinion("matches: []", ()))
    assert (is_new, len(chosen)) == (True, 2)
    assert rows(Opinion("as before", chosen)) == [(False, chosen)]


def test_only_a_judge_that_compares_with_a_reference_says_with_which() -> None:
    one = case("2 + 2?", reference=4)
    found = answers_to(one, texts=("It is 4.", "4", "5"))
    (row,) = judge([one], LEVELS, found, asking(ReferenceJudge()))
    assert row.ruling.reference_hash == one.reference_hash
    assert one.reference_hash != case("2 + 2?", reference="4").reference_hash
    assert one.reference_hash != case("3 + 1?", reference=4).reference_hash
    for row in judge([one], LEVELS, found, asking(LongestJudge())):
        assert row.ruling.reference_hash is None


def test_a_reference_judges_also_when_all_answers_are_the_same() -> None:
    one = case("2 + 2?", reference=4)
    (row,) = judge([one], LEVELS, answers_to(one, texts=("5", "5", "5")), asking(ReferenceJudge()))
    assert row.ruling.credits == {}  # nobody is right


# trust


def test_control_pairs_are_asked_in_both_orders() -> None:
    pairs = [
        Control("1", "right", "P?", "the good one", "bad"),
        Control("2", "right", "Q?", "g", "b"),
    ]
    rows = list(control(pairs, asking(LongestJudge())))
    assert [row.ballot.answers for row in rows[:2]] == [
        ("the good one", "bad"),
        ("bad", "the good one"),
    ]
    found = trust_of(row.ruling for row in rows)
    # "g" and "b" are equally long, so the first one is named: a contradiction
    assert (found.num_right, found.num_wrong, found.num_split) == (1, 0, 1)


def test_a_pair_with_one_order_missing_has_failed() -> None:
    rows = list(control([Control("1", "right", "P?", "good", "b")], asking(LongestJudge())))
    assert trust_of([rows[0].ruling]).num_failed == 1
