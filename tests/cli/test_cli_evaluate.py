"""`sprout evaluate` end to end: references, an endpoint on loopback, faults, green moments."""

import json
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cli.program import (
    PATIENCE_S,
    REPLAY,
    Json,
    change,
    read_lines,
    select,
    sprout,
    start,
    wait_until,
    write_lines,
)
from filelock import FileLock
from local.judge_server import KEY, JudgeServer, Reply, completion, error, serving
from plain_records import LEVELS, intensity, recording

from sprout.cli.evaluate import judges
from sprout.config.sources import load
from sprout.directives import PRIOR_SOURCE
from sprout.evaluate import Control
from sprout.grid.intensity import Intensity
from sprout.quality.completions import MAX_TRIES
from sprout.state.intensities import Intensities
from sprout.state.store import Store

NUM_PAIRS = 66
BASE, BRIEF, BRIEFER = (directive.key for directive in LEVELS.directives)


@pytest.fixture
def server() -> Iterator[JudgeServer]:
    with serving() as state:
        state.chooser = wise
        yield state


@pytest.fixture
def endpoint(server: JudgeServer, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    monkeypatch.setenv("SPROUT_JUDGE_KEY", KEY)
    return ("--judge", "endpoint", "--judge-url", server.url, "--judge-model", "judge-1")


@pytest.fixture
def replay(tmp_path: Path) -> tuple[str, str]:
    """A recording whose answers say their level: "answer L1-0"."""
    return ("--model", str(recording(tmp_path / "recorded.jsonl")))


CONTROLS: list[Control] = judges.controls()
GOOD = {each.good: each.prompt for each in CONTROLS}


def wise(_question: str, answers: list[str]) -> str:
    """Name the better control answer, and the briefest level elsewhere."""
    for place, text in enumerate(answers):
        if text in GOOD or "L2" in text:
            return "ABC"[place]
    return "ABC"[["L1" in text for text in answers].index(True)]


def prompt_file(count: int = 30, **more: object) -> Path:
    lines = ({"id": f"q{n}", "prompt": f"Question {n}?", "task": "qa"} | more for n in range(count))
    return write_lines(Path("judged.jsonl"), lines)


def preferences(data: Json, task: str | None = None) -> dict[str, float]:
    rows = data["rows"]
    assert isinstance(rows, list)
    return {row["level"]: row["preference"] for row in rows if row["task"] == task}


# the packaged control pairs


def test_control_pairs_are_many_and_of_three_kinds_and_lengths_do_not_tell() -> None:
    assert len(CONTROLS) == NUM_PAIRS
    assert len({each.id for each in CONTROLS}) == len(GOOD) == NUM_PAIRS
    assert {each.kind for each in CONTROLS} == {"right", "complete", "topic"}
    # a truncated answer is the start of the complete one; elsewhere length does not tell
    for each in CONTROLS:
        if each.kind == "complete":
            assert each.good.startswith(each.bad), each.id
    others = [each for each in CONTROLS if each.kind != "complete"]
    num_longer = sum(len(each.good) > len(each.bad) for each in others)
    assert 0.25 < num_longer / len(others) < 0.75


# references


def test_a_fresh_store_judges_packaged_prompts_and_says_so(store: Path) -> None:
    found = sprout("evaluate", *REPLAY, "-v")
    assert found.code == 0, found.stderr
    assert "`sprout run` has served nothing yet: judging 51 packaged prompts" in found.stderr
    assert select(store, "SELECT DISTINCT origin FROM verdicts") == [("bundled",)]
    assert select(store, "SELECT count(*) FROM evaluations WHERE finished_at IS NULL") == [(0,)]


def test_levels_that_match_share_one_unit_and_no_match_is_counted_apart(
    replay: tuple[str, str],
) -> None:
    lines: list[Json] = [
        {"id": "a", "prompt": "A?", "task": "x", "reference": "L1"},  # one level
        {"id": "b", "prompt": "B?", "task": "x", "reference": "answer"},  # all three
        {"id": "c", "prompt": "C?", "task": "x", "reference": "nothing"},  # none
        {"id": "d", "prompt": "D?", "task": "x"},
        {"id": "e", "prompt": "E?", "task": "x", "reference": []},
    ]
    write_lines(Path("judged.jsonl"), lines)
    found = sprout("evaluate", "judged.jsonl", *replay, "--json")
    assert found.code == 0
    # of the two prompts L1 earns all of one and a third of the other
    assert preferences(found.data, "x") == pytest.approx({"L0": 1 / 6, "L1": 2 / 3, "L2": 1 / 6})
    assert found.data["judge"]["num_no_match"] == 1
    assert "1 prompts have no `reference`: left out" in found.data["notes"]
    assert any("cannot be compared" in note for note in found.data["notes"])


def test_two_prompts_that_match_everywhere_settle_nothing(replay: tuple[str, str]) -> None:
    rows = sprout("evaluate", prompt_file(2, reference="answer"), *replay, "--json").data["rows"]
    assert len(rows) == 6
    for row in rows:
        assert row["preference"] == pytest.approx(1 / 3)
        assert row["low"] < 0.1
        assert row["high"] > 0.7


def test_a_corrected_reference_and_a_corrected_task_count_at_the_next_evaluation(
    replay: tuple[str, str], store: Path
) -> None:
    prompt_file(3, reference="London")
    wrong = sprout("evaluate", "judged.jsonl", *replay, "--json").data
    assert (wrong["rows"], wrong["judge"]["num_no_match"]) == ([], 3)
    prompt_file(3, reference="L2", task="quiz")
    # one prompt is drawn; the others are compared again, for that costs nothing
    right = sprout("evaluate", "judged.jsonl", *replay, "--prompts", 1, "--json").data
    assert right["judge"]["num_no_match"] == 0
    assert (right["num_prompts"], right["num_asked"]) == (1, 3)
    assert preferences(right, "quiz") == preferences(right) == {"L0": 0, "L1": 0, "L2": 1}
    assert select(store, "SELECT count(*) FROM verdicts") == [(3,)]
    judged_at = select(store, "SELECT judged_at FROM verdicts")
    again = sprout("evaluate", "judged.jsonl", *replay, "--json").data
    assert again["num_asked"] == 0
    assert select(store, "SELECT judged_at FROM verdicts") == judged_at


def test_a_served_prompt_has_the_label_and_reference_that_it_was_served_with_last(
    replay: tuple[str, str],
) -> None:
    prompt_file(1, task="qa", reference="L1")
    sprout("run", "judged.jsonl", *replay, "-o", "qa.jsonl")
    sprout("evaluate", *replay)
    prompt_file(1, task="maths", reference="L0")
    sprout("run", "judged.jsonl", *replay, "-o", "maths.jsonl")
    found = sprout("evaluate", *replay, "--json").data
    assert preferences(found, "maths") == {"L0": 1, "L1": 0, "L2": 0}
    assert {row["task"] for row in found["rows"]} == {None, "maths"}


def test_an_endpoint_is_not_asked_again_for_a_corrected_task(
    replay: tuple[str, str], endpoint: tuple[str, ...], server: JudgeServer
) -> None:
    sprout("evaluate", prompt_file(2), *replay, *endpoint)
    num_asked = len(server.asked)
    found = sprout("evaluate", prompt_file(2, task="quiz"), *replay, *endpoint, "--json").data
    assert len(server.asked) == num_asked
    assert {row["task"] for row in found["rows"]} == {None, "quiz"}


def test_what_was_served_is_judged_and_its_stored_answers_are_used(
    prompts: Path, replay: tuple[str, str], store: Path
) -> None:
    lines = [json.loads(line) | {"reference": "L2"} for line in prompts.read_text().splitlines()]
    write_lines(prompts, lines)
    sprout("run", prompts, *replay, "-o", "out.jsonl")
    assert select(store, "SELECT count(*), count(reference) FROM reservoir") == [(10, 10)]
    found = sprout("evaluate", *replay, "--json").data
    assert found["source"] == "served"
    assert found["num_reused_answers"] == 10
    assert preferences(found) == pytest.approx({"L0": 0, "L1": 0, "L2": 1})
    assert {row["task"] for row in found["rows"]} == {None, "qa", "maths"}


@pytest.mark.parametrize("depth", [600, 900])
def test_a_stored_reference_that_is_too_deep_is_left_out(
    depth: int, prompts: Path, replay: tuple[str, str], store: Path
) -> None:
    lines = [json.loads(line) | {"reference": "L2"} for line in prompts.read_text().splitlines()]
    write_lines(prompts, lines)
    sprout("run", prompts, *replay, "-o", "out.jsonl")
    reference = "[" * depth + "1" + "]" * depth
    (chosen,) = select(store, "SELECT min(prompt_hash) FROM reservoir")
    change(store, "UPDATE reservoir SET reference = ? WHERE prompt_hash = ?", reference, *chosen)
    found = sprout("evaluate", *replay, "--json").data
    assert found["num_prompts"] == 9
    assert any("1 prompts left out: a reference is nested" in note for note in found["notes"])


def test_prompts_without_a_task_get_the_class_that_their_words_have(
    replay: tuple[str, str],
) -> None:
    sums = [f"What is {n} plus {n + 3}? Add the numbers." for n in range(14)]
    code = [f"Write a Python function that returns item {n} of a list." for n in range(14)]
    lines: list[Json] = [{"prompt": text, "task": "sums", "reference": "L1"} for text in sums[2:]]
    lines += [{"prompt": text, "task": "code", "reference": "L2"} for text in code[2:]]
    lines += [{"prompt": text, "reference": "L0"} for text in (*sums[:2], *code[:2])]
    lines.append({"prompt": "Zebras graze beside rivers", "reference": "L0"})
    sprout("run", write_lines(Path("served.jsonl"), lines), *replay, "-o", "out.jsonl")
    rows = sprout("evaluate", *replay, "--json").data["rows"]
    counts = {row["task"]: row["n"] for row in rows}
    assert counts == {None: 29, "sums": 14, "code": 14, "other": 1}


def test_with_enough_verdicts_optimize_shows_them_and_strict_is_content(
    replay: tuple[str, str],
) -> None:
    sprout("profile", *replay, "--idle", 0)
    fixed = ("--intensity", 300)
    refused = sprout("optimize", *replay, *fixed, "--strict")
    assert refused.code == 78
    assert "`sprout evaluate`" in refused.stderr
    sprout("evaluate", prompt_file(19, reference="L1"), *replay)
    plan = sprout("optimize", *replay, *fixed, "--json").data
    assert plan["is_preference_prior"] is True
    assert "19 prompts are judged; from 20 on they count" in plan["preference_source"]
    sprout("evaluate", prompt_file(30, reference="L1"), *replay)
    plan = sprout("optimize", *replay, *fixed, "--json").data
    assert plan["preference_source"] == "judged by reference: 30 prompts"
    assert [level["preference"] for level in plan["levels"]] == pytest.approx([0, 1, 0])
    # energy is still an estimate here, and preference is named no more
    refused = sprout("optimize", *replay, *fixed, "--strict")
    assert "preference" not in refused.stderr
    # other directives were never judged
    sprout("profile", *replay, "--idle", 0, "--directives", "paper")
    other = sprout("optimize", *replay, *fixed, "--directives", "paper", "--json")
    assert other.data["is_preference_prior"] is True


def test_two_tasks_with_enough_verdicts_get_a_mix_each(replay: tuple[str, str]) -> None:
    lines: list[Json] = [
        {"prompt": f"Question {n} of {task}?", "task": task, "reference": [right, "L0-0"]}
        for task, right in (("qa", "L2"), ("maths", "answer L0"))
        for n in range(35)
    ]
    file = write_lines(Path("two.jsonl"), lines)
    sprout("profile", file, *replay, "--idle", 0, "--repeats", 1)
    sprout("evaluate", file, *replay, "--prompts", 70)
    plan = sprout("optimize", *replay, "--intensity", 300, "--json").data
    assert plan["is_preference_prior"] is False
    found = {each["task"]: each["levels"] for each in plan["classes"]}
    assert set(found) == {"qa", "maths", None}
    preferred = {
        task: [level["preference"] for level in levels] for task, levels in found.items() if task
    }
    assert preferred["maths"] == pytest.approx([1, 0, 0])
    assert preferred["qa"][2] > 0.6
    assert sum(preferred["qa"]) == pytest.approx(1)
    # what was served by those mixes is replayed with the verdicts of this store
    sprout("run", file, *replay, "--intensity", 300, "--explore", 0.4, "-o", "out.jsonl")
    again = sprout("replay", "--data", "store", "-p", "co2-opt", "--json").data
    assert any("reference" in note for note in again["notes"])
    assert again["tasks"] == ["maths", "qa"]
    (row,) = again["rows"]
    # nobody prefers a brief answer to maths
    assert (row["worst_class"], row["worst_class_percent"]) == ("maths", pytest.approx(0))


# an endpoint


def test_a_judge_earns_trust_first_and_then_steers(
    replay: tuple[str, str], endpoint: tuple[str, ...], server: JudgeServer, store: Path
) -> None:
    found = sprout("evaluate", prompt_file(), *replay, *endpoint, "--json")
    assert found.code == 0, found.stderr
    # 66 pairs twice; 30 prompts once among three and in four pairs
    assert len(server.asked) == 2 * NUM_PAIRS + 30 * 5
    judge = found.data["judge"]
    assert judge["trusted"] is True
    assert judge["control_pairs"]["num_right"] == NUM_PAIRS
    assert judge["control_pairs"]["p_value"] == 2**-NUM_PAIRS
    assert preferences(found.data) == pytest.approx({"L0": 0, "L1": 0, "L2": 1})
    assert [pair["num_wins"] for pair in judge["pairwise"]] == [30, 30]
    assert judge["first_slot"]["num_choices"] == 150
    assert found.data["preference_source"] == "judged by endpoint:judge-1: 30 prompts"
    # 282 questions of 200 + 3 tokens
    assert judge["spending"]["num_prompt_tokens"] == 282 * 200
    assert judge["spending"]["price_usd"] is None
    assert KEY.encode() not in store.read_bytes()
    assert KEY not in found.stdout + found.stderr + sprout("status", "--json").stdout


def test_no_question_is_asked_twice(
    replay: tuple[str, str], endpoint: tuple[str, ...], server: JudgeServer
) -> None:
    sprout("evaluate", prompt_file(5), *replay, *endpoint)
    num_asked = len(server.asked)
    again = sprout("evaluate", prompt_file(5), *replay, *endpoint, "--json")
    assert len(server.asked) == num_asked
    assert again.data["num_asked"] == 0
    more = sprout("evaluate", prompt_file(6), *replay, *endpoint, "--json")
    assert len(server.asked) == num_asked + 5
    assert more.data["num_prompts"] == 6


def test_a_judge_that_names_the_first_slot_is_not_trusted_and_asked_nothing_else(
    replay: tuple[str, str], endpoint: tuple[str, ...], server: JudgeServer, store: Path
) -> None:
    server.chooser = lambda _question, _answers: "A"
    command = ("evaluate", prompt_file(), *replay, *endpoint)
    found = sprout(*command)
    assert found.code == 78
    assert "endpoint:judge-1 is NOT trusted" in found.stderr
    assert "66 contradictory" in found.stderr
    assert "--retest once its server is mended" in found.stderr
    assert len(server.asked) == 2 * NUM_PAIRS
    # nor was anything answered for it
    assert select(store, "SELECT count(*) FROM answers") == [(0,)]
    again = sprout(*command, "--json")
    assert (again.code, len(server.asked)) == (78, 2 * NUM_PAIRS)
    assert select(store, "SELECT count(*) FROM evaluations") == [(1,)]
    shown = sprout("evaluate", "--show", *replay, "--json").data
    assert shown["rows"] == []
    (judge,) = shown["judges"]
    assert (judge["trusted"], judge["control_pairs"]["num_split"]) == (False, NUM_PAIRS)
    assert shown["preference_source"] == (
        f"{PRIOR_SOURCE} (not trusted, so not counted: endpoint:judge-1)"
    )
    assert "endpoint:judge-1 is NOT trusted" in sprout("evaluate", "--show", *replay).stdout


def test_a_judge_whose_server_was_mended_is_tested_again_when_asked_for(
    replay: tuple[str, str], endpoint: tuple[str, ...], server: JudgeServer
) -> None:
    command = ("evaluate", prompt_file(2), *replay, *endpoint, "--no-pairwise", "--json")
    server.chooser = lambda _question, _answers: "A"
    assert sprout(*command).code == 78
    server.chooser = wise
    assert sprout(*command).code == 78
    found = sprout(*command, "--retest")
    assert found.code == 0, found.stderr
    assert found.data["judge"]["trusted"] is True
    assert len(server.asked) == 2 * 2 * NUM_PAIRS + 2
    # one that is trusted is not tested again
    assert sprout(*command, "--retest").code == 0
    assert len(server.asked) == 2 * 2 * NUM_PAIRS + 2
    # what was said before, and what it cost, stays that of a judge without trust
    shown = sprout("evaluate", "--show", *replay, "--json").data
    assert {judge["judge"] for judge in shown["judges"]} == {"endpoint:judge-1"}
    asked = {judge["trusted"]: judge["spending"]["num_asked"] for judge in shown["judges"]}
    assert asked == {False: 2 * NUM_PAIRS, True: 2 * NUM_PAIRS + 2}
    # which is which, and when it was tested
    keys = {judge["trusted"]: judge["judge_key"] for judge in shown["judges"]}
    assert {row["judge_key"] for row in shown["rows"]} == {keys[True]}
    told = sprout("evaluate", "--show", *replay).stdout
    for is_trusted, verdict in ((False, "is NOT trusted"), (True, "is trusted")):
        label = f"endpoint:judge-1 {keys[is_trusted][:8]}"
        assert f"{label} {verdict}, tested 20" in told
        assert f"by {label}, " in told


def test_what_an_endpoint_cost_is_told_of_the_questions_that_it_is_known_of(
    replay: tuple[str, str],
    endpoint: tuple[str, ...],
    server: JudgeServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def told(num_prompts: int) -> str:
        command = ("evaluate", prompt_file(num_prompts), *replay, *endpoint, "--no-pairwise")
        (line,) = [x for x in sprout(*command).stdout.splitlines() if x.startswith("asked so far")]
        return line.removeprefix("asked so far  ")

    without = {name: part for name, part in completion("A").items() if name != "usage"}
    server.script = [Reply(body=without)]
    assert told(1) == "133 questions, 26400 + 396 tokens for 132 of them, price unknown"
    monkeypatch.setenv("SPROUT_JUDGE_PRICE_IN", "10")
    monkeypatch.setenv("SPROUT_JUDGE_PRICE_OUT", "10")
    # 203 tokens at 10 USD per million
    assert told(2) == (
        "134 questions, 26600 + 399 tokens for 133 of them, 0.00203 USD for 1 of them"
    )


def test_an_endpoint_that_counts_no_tokens_was_asked_all_the_same(
    replay: tuple[str, str], endpoint: tuple[str, ...], server: JudgeServer
) -> None:
    labels = [
        wise("", list(shown)) for c in CONTROLS for shown in ((c.good, c.bad), (c.bad, c.good))
    ]
    uncounted = [completion(label) | {"usage": None} for label in (*labels, "A")]
    server.script = [Reply(body=body) for body in uncounted]
    found = sprout("evaluate", prompt_file(1), *replay, *endpoint, "--no-pairwise")
    assert "asked so far  133 questions, tokens unknown, price unknown\n" in found.stdout


def test_a_judge_without_room_for_its_test_is_asked_nothing_else(
    replay: tuple[str, str], endpoint: tuple[str, ...], server: JudgeServer, store: Path
) -> None:
    command = ("evaluate", prompt_file(2), *replay, *endpoint, "--no-pairwise")
    server.script = [Reply(400, error("too long", "context_length_exceeded"))]
    found = sprout(*command)
    assert found.code == 78
    assert "cannot be tested: 1 questions do not fit into the judge's context" in found.stderr
    assert select(store, "SELECT count(*) FROM answers") == [(0,)]
    # with more room that question is asked, and no other of the test
    assert sprout(*command).code == 0
    assert len(server.asked) == 2 * NUM_PAIRS + 1 + 2


def test_what_names_nothing_is_counted_with_its_words_and_never_a_tie(
    replay: tuple[str, str], endpoint: tuple[str, ...], server: JudgeServer, store: Path
) -> None:
    def moody(question: str, answers: list[str]) -> str:
        right = wise(question, answers)
        return right if "# Instruction\nQuestion" not in question else "Both are fine."

    server.chooser = moody
    found = sprout("evaluate", prompt_file(10), *replay, *endpoint, "--json")
    assert found.code == 0
    judge = found.data["judge"]
    assert (judge["num_asked"], judge["num_failed"]) == (50, 50)
    assert found.data["rows"] == judge["pairwise"] == []
    assert select(store, "SELECT DISTINCT raw FROM verdicts WHERE fault = 'unparsed'") == [
        ("Both are fine.",)
    ]
    shown = sprout("evaluate", "--show", *replay).stdout
    assert "no verdict in 50 of 50 answers (100 %" in shown
    assert "such as 'Both are fine.'); the shares are of the rest, and may lean" in shown


def test_a_judge_that_keeps_to_no_form_is_not_trusted(
    replay: tuple[str, str], endpoint: tuple[str, ...], server: JudgeServer
) -> None:
    def chatty(question: str, answers: list[str]) -> str:
        right = wise(question, answers)
        return right if len(server.asked) % 8 else f"I think that {right} is the best."

    server.chooser = chatty
    found = sprout("evaluate", prompt_file(30), *replay, *endpoint)
    assert found.code == 78
    # every eighth of the 132: 16 pairs
    assert "50 right in both orders, 0 wrong, 0 contradictory, 16 unread (p = " in found.stderr
    assert "NOT trusted" in found.stderr
    assert "at most 10 % unread. It is asked nothing else, and steers nothing" in found.stderr


BROKEN = [Reply(500, error("boom"), {"Retry-After": "0.001"})] * MAX_TRIES


def test_an_endpoint_that_breaks_off_keeps_what_it_said(
    replay: tuple[str, str], endpoint: tuple[str, ...], server: JudgeServer, store: Path
) -> None:
    right = [wise("", [pair.good, pair.bad]) for pair in CONTROLS[:3]]
    server.script = [*(Reply(body=completion(label)) for label in right), *BROKEN]
    found = sprout("evaluate", prompt_file(3), *replay, *endpoint)
    assert found.code == 75
    assert found.stderr.count("\n") == 1
    assert "does not answer after 5 tries" in found.stderr
    assert select(store, "SELECT count(*) FROM verdicts") == [(3,)]
    num_asked = len(server.asked)
    again = sprout("evaluate", prompt_file(3), *replay, *endpoint, "--json")
    assert again.code == 0
    assert again.data["is_continued"] is True
    assert len(server.asked) == num_asked + 2 * NUM_PAIRS - 3 + 3 * 5


def test_an_evaluation_that_drew_more_than_is_asked_for_is_not_continued(
    replay: tuple[str, str], endpoint: tuple[str, ...], server: JudgeServer
) -> None:
    server.script = [*BROKEN]
    command = ("evaluate", prompt_file(5), *replay, *endpoint, "--no-pairwise", "--json")
    assert sprout(*command).code == 75
    fewer = sprout(*command, "--prompts", 2).data
    assert (fewer["is_continued"], fewer["num_prompts"]) == (False, 2)
    assert len(server.asked) == MAX_TRIES + 2 * NUM_PAIRS + 2


def test_an_evaluation_older_than_many_newer_ones_is_continued(
    replay: tuple[str, str], endpoint: tuple[str, ...], server: JudgeServer, store: Path
) -> None:
    server.script = [*BROKEN]
    assert sprout("evaluate", prompt_file(3), *replay, *endpoint).code == 75
    change(
        store,
        "INSERT INTO evaluations SELECT 'newer-' || value, judge_key, model, levels_key, 'another',"
        " reason, drawn, '2099-01-01T00:00:00.000Z', NULL, machine, energy_method, zone, g_per_kwh,"
        " 0, 0, 0, 0, NULL, NULL, NULL FROM evaluations, json_each('[1,2,3,4,5,6,7,8,9,10]')",
    )
    found = sprout("evaluate", prompt_file(3), *replay, *endpoint, "--json")
    assert found.code == 0
    assert found.data["is_continued"] is True
    assert found.data["cost"]["metered_j"] > 0


def test_a_question_too_long_for_an_endpoint_is_no_matter_of_our_own_context(
    replay: tuple[str, str], endpoint: tuple[str, ...], server: JudgeServer
) -> None:
    sprout("evaluate", prompt_file(1), *replay, *endpoint)  # the judge is tested
    server.script = [Reply(413, error("prompt is too long: 5013 tokens > 4096 maximum"))]
    found = sprout("evaluate", prompt_file(2), *replay, *endpoint)
    assert found.code == 3
    assert "do not fit into the judge's context: " in found.stderr
    assert "--ctx" not in found.stderr
    assert "on its server" in found.stderr


def test_a_wrong_key_ends_with_77_and_is_not_shown(
    replay: tuple[str, str], endpoint: tuple[str, ...], server: JudgeServer
) -> None:
    server.script = [Reply(401, error("Incorrect API key provided", "invalid_api_key"))]
    found = sprout("evaluate", prompt_file(3), *replay, *endpoint)
    assert found.code == 77
    assert KEY not in found.stderr


def test_questions_without_room_are_said_and_asked_again_another_time(
    replay: tuple[str, str], endpoint: tuple[str, ...], server: JudgeServer, store: Path
) -> None:
    sprout("evaluate", prompt_file(1), *replay, *endpoint, "--no-pairwise")
    words = "This model's maximum context length is 4096 tokens."
    server.script = [Reply(400, error(words, "context_length_exceeded"))]
    found = sprout("evaluate", prompt_file(2), *replay, *endpoint, "--no-pairwise")
    assert found.code == 3
    assert "1 questions do not fit into the judge's context" in found.stderr
    again = sprout("evaluate", prompt_file(2), *replay, *endpoint, "--no-pairwise", "--json")
    assert again.data["num_asked"] == 1
    assert select(store, "SELECT count(*) FROM verdicts WHERE reading = 'best'") == [(2,)]


@pytest.mark.slow
def test_a_killed_evaluation_loses_no_verdict_and_pays_for_none_twice(
    replay: tuple[str, str], endpoint: tuple[str, ...], server: JudgeServer, store: Path
) -> None:
    command = ("evaluate", prompt_file(8), *replay, *endpoint)
    total = 2 * NUM_PAIRS + 8 * 5
    for stop_at in (20, total - 30):
        process = start(*command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda at=stop_at: len(server.asked) >= at, process)  # type: ignore[misc]
        process.kill()
        process.wait(PATIENCE_S)
        (stored,) = select(store, "SELECT count(*) FROM verdicts")[0]
        # one question may have been under way when the kill came
        assert stored >= stop_at - 2
    found = sprout(*command, "--json")
    assert found.code == 0, found.stderr
    assert found.data["is_continued"] is True
    assert total <= len(server.asked) <= total + 2
    assert select(store, "SELECT count(*) FROM verdicts") == [(total,)]


@pytest.mark.slow
def test_a_signal_ends_after_the_verdict_under_way_and_says_how_to_go_on(
    replay: tuple[str, str], endpoint: tuple[str, ...], server: JudgeServer, store: Path
) -> None:
    command = ("evaluate", prompt_file(3), *replay, *endpoint)
    process = start(*command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    wait_until(lambda: len(server.asked) >= 10, process)
    process.terminate()
    _, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 143
    assert b"the same command continues" in said
    # nothing that was asked is lost
    assert select(store, "SELECT count(*) FROM verdicts") == [(len(server.asked),)]
    assert sprout(*command, "--json").data["is_continued"] is True


@pytest.mark.slow
def test_a_signal_ends_while_an_endpoint_wants_to_be_left_alone(
    replay: tuple[str, str], endpoint: tuple[str, ...], server: JudgeServer, store: Path
) -> None:
    server.script = [Reply(body=completion("A"))] * 2
    server.script += [Reply(503, error("busy"), {"Retry-After": "50"})] * 5
    command = ("evaluate", prompt_file(3), *replay, *endpoint)
    process = start(*command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    wait_until(lambda: len(server.asked) >= 3, process)
    process.terminate()
    _, said = process.communicate(timeout=20)
    assert process.returncode == 143
    assert b"stopped after 2 verdicts; the same command continues" in said
    assert len(server.asked) == 3
    assert select(store, "SELECT count(*) FROM verdicts") == [(2,)]


# faults


def test_two_evaluations_at_once_are_refused(store: Path) -> None:
    (store.parent / "locks").mkdir()
    with FileLock(store.parent / "locks" / "evaluate.lock"):
        found = sprout("evaluate", *REPLAY)
    assert found.code == 75
    assert "another evaluation" in found.stderr


def test_an_endpoint_without_an_address_says_what_to_set() -> None:
    found = sprout("evaluate", *REPLAY, "--judge", "endpoint")
    assert found.code == 78
    assert "--judge-url" in found.stderr


@pytest.mark.parametrize("key", ["sk-a\nb", "sk-\u00e9"])
def test_a_key_that_no_header_can_carry_is_refused_and_not_shown(
    key: str, endpoint: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPROUT_JUDGE_KEY", key)
    found = sprout("evaluate", *REPLAY, *endpoint)
    assert found.code == 65
    assert "SPROUT_JUDGE_KEY" in found.stderr
    assert "sk-" not in found.stderr


def test_a_password_in_the_address_is_refused_and_not_shown(store: Path) -> None:
    address = ("--judge-url", "http://me:hunter2@127.0.0.1:1/v1", "--judge-model", "judge-1")
    found = sprout("evaluate", *REPLAY, "--judge", "endpoint", *address)
    assert found.code == 2
    assert "hunter2" not in found.stderr
    assert not store.exists()


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("me:hunter2@127.0.0.1:1/v1", 2),
        ("ftp://127.0.0.1/v1", 2),
        ("http://", 2),
        ("http://[::1/v1", 2),
        ("http://127.0.0.1:x/v1", 2),
        ("http://127.0.0.1:99999/v1", 2),
        ("http://exa mple/v1", 78),
        ("http://.example/v1", 78),
    ],
)
def test_what_is_no_address_is_said_at_once_and_not_tried_again(
    url: str, code: int, replay: tuple[str, str]
) -> None:
    address = ("--judge-url", url, "--judge-model", "judge-1")
    started_s = time.monotonic()
    found = sprout("evaluate", prompt_file(1), *replay, "--judge", "endpoint", *address)
    assert time.monotonic() - started_s < 10
    assert found.code == code
    assert "no address" in found.stderr
    assert "hunter2" not in found.stderr


def test_a_recording_cannot_judge(replay: tuple[str, str]) -> None:
    found = sprout("evaluate", prompt_file(2), *replay, "--judge", "local")
    assert found.code == 69
    assert "cannot judge" in found.stderr


def test_an_unknown_judge_is_wrong_usage() -> None:
    found = sprout("evaluate", *REPLAY, "--judge", "oracle")
    assert found.code == 2
    assert "--judge" in found.stderr


def test_a_file_without_anything_to_judge_is_bad_data() -> None:
    found = sprout("evaluate", prompt_file(3), *REPLAY)
    assert found.code == 65
    assert "3 prompts have no `reference`" in found.stderr


def test_lines_that_cannot_be_served_are_left_out_and_the_first_is_named(
    replay: tuple[str, str],
) -> None:
    lines: list[Json] = [{"prompt": "A?", "reference": "L1"}, {"prompt": "B?", "referense": "L1"}]
    found = sprout("evaluate", write_lines(Path("judged.jsonl"), lines), *replay, "--json")
    assert found.code == 0
    assert found.data["num_prompts"] == 1
    (note,) = found.data["notes"]
    assert note.startswith("1 lines of judged.jsonl cannot be served, left out: line 2: referense")


def test_a_set_of_one_level_has_nothing_to_compare() -> None:
    Path("one.toml").write_text('[one]\n[[one.directives]]\nlevel = "L0"\ntext = ""\n')
    found = sprout("evaluate", *REPLAY, "--directives", "one.toml")
    assert found.code == 65
    assert "nothing to compare" in found.stderr


def test_a_key_that_others_may_read_brings_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    file = Path("sprout.toml")
    file.write_text(f'judge_key = "{KEY}"\n')
    monkeypatch.setenv("SPROUT_CONFIG", str(file))
    file.chmod(0o644)
    found = sprout("evaluate", *REPLAY)
    assert found.code == 0
    assert "chmod 600" in found.stderr
    assert KEY not in found.stderr
    file.chmod(0o600)
    found = sprout("status", "--json")
    assert found.code == 0
    assert KEY not in found.stdout
    assert load({}, None).keys.get("judge_key") == KEY


def test_without_kept_text_nothing_is_sampled_and_the_loss_is_said(
    prompts: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPROUT_KEEP_TEXT", "false")
    sprout("run", prompts, *REPLAY, "-o", "out.jsonl")
    assert select(store, "SELECT count(*) FROM reservoir") == [(0,)]
    found = sprout("evaluate", *REPLAY, "-v")
    assert found.code == 0
    assert "`keep_text` is off" in found.stderr
    assert select(store, "SELECT count(*) FROM answers") == [(0,)]
    assert select(store, "SELECT count(raw) FROM verdicts") == [(0,)]
    # an evaluation that was broken off knows what it judged by the verdicts alone
    change(store, "UPDATE evaluations SET finished_at = NULL")
    before = select(store, "SELECT count(*) FROM verdicts")
    again = sprout("evaluate", *REPLAY, "--json").data
    assert (again["is_continued"], again["num_asked"]) == (True, 0)
    assert select(store, "SELECT count(*) FROM verdicts") == before


def test_without_kept_text_a_corrected_reference_counts_and_no_other_is_answered_again(
    replay: tuple[str, str], store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPROUT_KEEP_TEXT", "false")
    lines: list[Json] = [
        {"id": name, "prompt": f"Question {name}?", "reference": "L0"} for name in "abc"
    ]
    command = ("evaluate", write_lines(Path("judged.jsonl"), lines), *replay, "--json")
    assert preferences(sprout(*command).data) == {"L0": 1, "L1": 0, "L2": 0}

    def again(*options: object) -> tuple[int, int, bool]:
        """Prompts drawn, new verdicts, and whether answers were made."""
        found = sprout(*command, *options).data
        return found["num_prompts"], found["num_asked"], found["cost"]["busy_s"] > 0

    assert again() == (3, 0, False)
    lines[1]["reference"] = "L2"
    write_lines(Path("judged.jsonl"), lines)
    # of all that were judged it is the one to draw
    assert again("--prompts", 1) == (1, 1, True)
    found = sprout(*command).data
    assert preferences(found) == pytest.approx({"L0": 2 / 3, "L1": 0, "L2": 1 / 3})
    assert select(store, "SELECT count(*) FROM verdicts") == [(3,)]
    assert again() == (3, 0, False)
    # what an earlier version compared with is not known
    change(store, "UPDATE verdicts SET reference_hash = NULL")
    assert again() == (3, 0, True)
    assert again() == (3, 0, False)


def test_without_kept_text_an_endpoint_is_not_asked_again_for_a_corrected_reference(
    replay: tuple[str, str],
    endpoint: tuple[str, ...],
    server: JudgeServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SPROUT_KEEP_TEXT", "false")
    sprout("evaluate", prompt_file(2, reference="L0"), *replay, *endpoint)
    num_asked = len(server.asked)
    found = sprout("evaluate", prompt_file(2, reference="L2"), *replay, *endpoint, "--json").data
    assert (found["cost"]["busy_s"], len(server.asked)) == (0, num_asked)


# what is shown


def test_show_has_the_promised_keys_and_every_judge(replay: tuple[str, str]) -> None:
    sprout("evaluate", prompt_file(4, reference="L1"), *replay)
    shown = sprout("evaluate", "--show", *replay, "--json").data
    assert [row["level"] for row in shown["rows"] if row["task"] is None] == ["L0", "L1", "L2"]
    for row in shown["rows"]:
        assert {"task", "level", "preference", "low", "high", "n", "judge", "trusted"} <= set(row)
        assert row["low"] <= row["preference"] <= row["high"]
        assert row["n"] == 4
    (past,) = shown["history"]
    assert past["num_drawn"] == 4
    assert past["metered_j"] > 0
    assert past["operational_g"] + past["embodied_g"] > 0
    assert "reference" in sprout("evaluate", "--show", *replay).stdout


def test_show_of_an_empty_store_names_the_command() -> None:
    found = sprout("evaluate", "--show", *REPLAY)
    assert found.code == 0
    assert "no verdicts yet" in found.stdout
    assert PRIOR_SOURCE in found.stdout


def test_the_carbon_of_an_evaluation_says_how_its_intensity_is_known(
    replay: tuple[str, str], store: Path
) -> None:
    found = sprout("evaluate", prompt_file(2, reference="L1"), *replay, "--zone", "DE", "--json")
    cost = found.data["cost"]
    assert (cost["zone"], cost["intensity_source"]) == ("DE", "yearly average")
    assert (cost["intensity_kind"], cost["intensity_factor"]) == ("average", "lifecycle")
    command = ("evaluate", "judged.jsonl", *replay, "--intensity", 300)
    assert "CO2eq at 300 g/kWh (fixed)" in sprout(*command).stdout
    found = sprout("evaluate", "--show", *replay)
    assert f"CO2eq at {cost['g_per_kwh']:.0f} g/kWh (yearly average); asked for" in found.stdout
    assert "of this machine (intensity fixed, yearly average); " in found.stdout
    shown = sprout("evaluate", "--show", *replay, "--json").data
    assert shown["all_evaluations"]["intensity_marks"] == ["fixed", "yearly average"]
    sources = [past["intensity_source"] for past in shown["history"]]
    assert sources == ["--intensity (fixed)", "yearly average"]
    told = sprout("report", "--json").data["evaluating"]["intensity"]
    assert [each["mark"] for each in told] == ["yearly average", "fixed"]  # DE, then WORLD
    # broken off, and continued at another source's
    change(store, "UPDATE evaluations SET finished_at = NULL WHERE g_per_kwh = 300")
    again = sprout("evaluate", "judged.jsonl", *replay, "--zone", "DE", "--json").data
    assert again["is_continued"] is True
    assert again["cost"]["intensity_source"] == "several (mixed)"


def test_the_cost_is_held_against_what_directives_saved(
    replay: tuple[str, str], prompts: Path, out: Path
) -> None:
    command = ("run", prompts, *replay, "-o", out, "--intensity", 400, "--embodied", 0.001)
    assert sprout(*command, "--explore", 0.6).code == 0
    sprout("evaluate", prompt_file(4, reference="L1"), *replay)
    total = sprout("evaluate", "--show", *replay, "--json").data["all_evaluations"]
    told = sprout("report", "--json").data["total"]
    for name in ("saved_g", "saved_half_width_g"):
        assert total[name] == told[name] != 0
    assert total["saved_num_counted"] == told["saved_num_counted"] == len(read_lines(out))
    shown = sprout("evaluate", "--show", *replay).stdout
    assert "directives saved: " in shown
    assert "against all-L0, by the mean" in shown
    assert total["carbon_g"] > 0


def test_a_judged_library_is_searched_by_preference_too(replay: tuple[str, str]) -> None:
    search = ("profile", "--search", *replay, "--repeats", 1, "--idle", 0, "--json")
    assert sprout(*search).data["proposal_known_by"] == "tokens alone"
    library = ("--directives", "library", "--prompts", 25)
    found = sprout("evaluate", prompt_file(25, reference="L0"), *replay, *library)
    assert found.code == 0
    found = sprout(*search)
    assert "tokens and preference (judged by reference: 25 prompts" in found.data["proposal_toml"]


# green moments


def add_hours(store: Path, g_per_kwh: dict[int, float], *, is_forecast: bool = False) -> None:
    """Store hourly intensities of DE, by hours from now."""
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    rows = [
        Intensity(
            "test", "DE", hour + timedelta(hours=offset), 3600, value, "average", "lifecycle",
            is_forecast, is_estimated=False, generated_at=None, fetched_at=hour,
        )
        for offset, value in g_per_kwh.items()
    ]  # fmt: skip
    with Store.open(store) as opened:
        Intensities(opened).add(rows)


def evaluated_hours_ago(store: Path, hours: float) -> None:
    when = (datetime.now(UTC) - timedelta(hours=hours)).isoformat(timespec="milliseconds")
    change(store, "UPDATE evaluations SET finished_at = ?", when.replace("+00:00", "Z"))


GREEN = ("--when-green", "--zone", "DE", "--json", "--prompts", 3)


def test_the_first_time_is_always_right_and_then_there_is_grace() -> None:
    first = sprout("evaluate", *REPLAY, *GREEN)
    assert (first.code, first.data["ran"]) == (0, True)
    assert first.data["reason"] == "nothing was evaluated before"
    second = sprout("evaluate", *REPLAY, *GREEN)
    assert (second.code, second.data["ran"]) == (0, False)
    assert "grace: 6 h" in second.data["reason"]


@pytest.mark.parametrize(
    ("hours", "seen", "forecast", "ran", "why"),
    [
        # just past a minimum below the mean
        (20, {-50: 900.0, -2: 300.0, -1: 200.0, 0: 210.0}, {}, True, "local minimum"),
        (20, {-50: 900.0, -2: 300.0, -1: 200.0, 0: 100.0}, {}, False, "no local minimum"),
        (20, {-50: 90.0, -2: 300.0, -1: 200.0, 0: 310.0}, {}, False, "above the mean"),
        (20, {}, {}, False, "not known"),
        # the last known value stands in for now, for 3 h; then a yearly average, which says nothing
        (20, {-2: 300.0, -1: 200.0}, {3: 900.0}, True, "best slot that is forecast"),
        (20, {-6: 300.0, -5: 200.0}, {3: 900.0}, False, "not known"),
        (80, {}, {}, True, "72 h"),
        # a forecast: the greenest slot before 72 h
        (20, {0: 300.0}, {3: 250.0}, False, "the forecast has 250 g/kWh"),
        (20, {0: 300.0}, {1: 301.0, 3: 420.0}, True, "best slot that is forecast"),
        (70, {0: 300.0}, {3: 10.0}, False, "not known"),  # beyond the 72 h
    ],
)
def test_the_moment_is_chosen_by_what_the_store_knows(
    hours: float,
    seen: dict[int, float],
    forecast: dict[int, float],
    ran: bool,  # noqa: FBT001
    why: str,
    store: Path,
) -> None:
    sprout("evaluate", *REPLAY, "--prompts", 3)
    evaluated_hours_ago(store, hours)
    add_hours(store, seen)
    add_hours(store, forecast, is_forecast=True)
    found = sprout("evaluate", *REPLAY, *GREEN)
    assert found.code == 0
    assert found.data["ran"] is ran
    assert why in found.data["reason"]


def test_the_mean_of_a_day_does_not_make_a_moment_green(store: Path) -> None:
    sprout("evaluate", *REPLAY, "--prompts", 3)
    evaluated_hours_ago(store, 20)
    add_hours(store, {-50: 900.0, -2: 300.0, -1: 200.0})
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    with Store.open(store) as opened:
        Intensities(opened).add([intensity(210, today, duration_s=86_400)])
    found = sprout("evaluate", *REPLAY, *GREEN)
    assert found.data["ran"] is False
    assert "not known" in found.data["reason"]


def test_a_moment_that_is_not_green_says_why_and_nothing_when_it_shall_be_quiet() -> None:
    sprout("evaluate", *REPLAY, "--prompts", 3)
    found = sprout("evaluate", *REPLAY, "--when-green")
    assert (found.code, found.stderr) == (0, "")
    assert found.stdout.startswith("not now: only 0.0 h since the last evaluation")
    found = sprout("evaluate", *REPLAY, "--when-green", "--quiet")
    assert (found.code, found.stdout, found.stderr) == (0, "", "")
