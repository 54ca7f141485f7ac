import time
from pathlib import Path

import pytest
from plain_records import prompt, recording

from sprout.chat import Sampling
from sprout.engine.base import Completion, Request
from sprout.engine.recorded import RecordedEngine, fingerprint, is_recording
from sprout.errors import InputError, NoInputError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return recording(tmp_path / "recording.jsonl")


def request(name: str, level: str = "L0") -> Request:
    return Request(name, prompt(name).chat, Sampling(), level)


def answer_all(engine: RecordedEngine, requests: list[Request]) -> list[Completion]:
    for each in requests:
        engine.submit(each)
    done: list[Completion] = []
    while engine.is_busy:
        done += engine.step().completions
    return done


def test_a_request_gets_an_answer_that_was_given_at_its_level(path: Path) -> None:
    engine = RecordedEngine(path, 4)
    requests = [request(f"p{i}", f"L{i % 3}") for i in range(30)]
    for asked, done in zip(requests, answer_all(engine, requests), strict=True):
        assert done.id == asked.id
        assert done.text.startswith(f"answer {asked.level}-")
        # the recording has 100, 60 and 30 tokens, and one more for each answer
        base = {"L0": 100, "L1": 60, "L2": 30}[asked.level]
        assert done.num_new_tokens == base + int(done.text[-1])
        assert (done.num_prompt_tokens, done.finish_reason, done.error) == (20, "stop", None)


def test_the_same_id_gets_the_same_answer_and_ids_get_different_ones(path: Path) -> None:
    requests = [request(f"p{i}") for i in range(30)]
    first = [done.text for done in answer_all(RecordedEngine(path, 4), requests)]
    again = [done.text for done in answer_all(RecordedEngine(path, 7), requests)]
    assert first == again
    assert set(first) == {"answer L0-0", "answer L0-1", "answer L0-2"}


def test_a_level_that_was_never_recorded_gets_the_first_levels_answers(path: Path) -> None:
    (done,) = answer_all(RecordedEngine(path, 4), [request("a", "L9")])
    assert done.text.startswith("answer L0-")


def test_a_step_answers_as_many_as_run_at_the_same_time(path: Path) -> None:
    engine = RecordedEngine(path, 4)
    assert (engine.num_wanted, engine.is_busy) == (4, False)
    for number in range(6):
        engine.submit(request(f"p{number}"))
    assert (engine.num_wanted, engine.is_busy) == (0, True)
    assert [done.id for done in engine.step().completions] == ["p0", "p1", "p2", "p3"]
    assert (engine.num_wanted, engine.is_busy) == (2, True)
    assert [done.id for done in engine.step().completions] == ["p4", "p5"]
    assert not engine.is_busy


def test_a_step_is_shared_by_tokens_and_takes_the_time_it_took(path: Path) -> None:
    engine = RecordedEngine(path, 2)
    engine.submit(request("a", "L0"))
    engine.submit(request("b", "L2"))
    before_s = time.perf_counter()
    result = engine.step()
    after_s = time.perf_counter()
    assert result.step is not None
    assert before_s <= result.step.start_s <= result.step.end_s <= after_s
    assert result.step.shares == tuple(
        (done.id, float(20 + done.num_new_tokens)) for done in result.completions
    )
    for done in result.completions:
        assert result.step.start_s <= done.started_s <= done.ended_s <= result.step.end_s


def test_what_waits_may_be_abandoned(path: Path) -> None:
    engine = RecordedEngine(path, 2)
    engine.submit(request("a"))
    engine.abandon()
    assert not engine.is_busy
    assert engine.step().completions == ()
    engine.close()


def test_it_has_a_system_role_and_no_system_prompt_of_its_own(path: Path) -> None:
    traits = RecordedEngine(path, 1).traits
    assert (traits.has_system_role, traits.default_system) == (True, None)


def test_lines_that_are_no_answers_are_passed_over(path: Path) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write('\n{"custom_id": "x", "error": {"code": "invalid_json"}}\nnot JSON\n')
    (done,) = answer_all(RecordedEngine(path, 1), [request("a")])
    assert done.text.startswith("answer L0-")


@pytest.mark.parametrize("content", ["", "not JSON\n", '{"prompt": "a"}\n'])
def test_a_file_without_answers_is_no_recording(tmp_path: Path, content: str) -> None:
    path = tmp_path / "prompts.jsonl"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match="holds no output lines of `sprout run`"):
        RecordedEngine(path, 1)


def test_a_recording_that_is_not_there_is_no_input(tmp_path: Path) -> None:
    with pytest.raises(NoInputError, match="no recording at"):
        RecordedEngine(tmp_path / "nothing.jsonl", 1)
    with pytest.raises(NoInputError, match="no recording at"):
        fingerprint(tmp_path / "nothing.jsonl")


def test_a_recording_is_known_by_its_name_and_identified_by_its_content(
    path: Path, tmp_path: Path
) -> None:
    assert is_recording(path)
    assert not is_recording(Path("tiny.gguf"))
    copy = tmp_path / "copy.jsonl"
    copy.write_bytes(path.read_bytes())
    assert fingerprint(copy) == fingerprint(path)
    assert len(fingerprint(path)) == 16
    copy.write_bytes(path.read_bytes() + b"\n")
    assert fingerprint(copy) != fingerprint(path)
