"""The whole engine on the default model."""

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sprout.accounting import Step
from sprout.chat import Message, Sampling
from sprout.directives import TemplateTraits
from sprout.engine.base import Completion, Engine, Request
from sprout.engine.open import EngineOptions, open_engine

pytestmark = pytest.mark.model

OPTIONS = EngineOptions(parallel=4, threads=1, ctx=1024, gpu_layers=0, shares_prefixes=True)
GREEDY = Sampling(max_tokens=6)
QUESTIONS = ["What is the capital of Japan?", "Name three colours.", "2 + 2?", "Who wrote Hamlet?"]
RULES = " ".join(f"Rule {i}: answer plainly and never mention number {i * 7}." for i in range(8))


@contextmanager
def opened(path: Path, options: EngineOptions = OPTIONS) -> Iterator[Engine]:
    engine = open_engine(path, options, datetime(2026, 1, 1, tzinfo=UTC))
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def engine(model_path: Path) -> Iterator[Engine]:
    with opened(model_path) as ready:
        yield ready


@pytest.fixture(scope="module")
def serial(model_path: Path) -> Iterator[Engine]:
    with opened(model_path, replace(OPTIONS, parallel=1, shares_prefixes=False)) as ready:
        yield ready


@dataclass(frozen=True)
class Run:
    completions: dict[str, Completion]
    steps: list[Step]


def run(engine: Engine, requests: list[Request]) -> Run:
    for request in requests:
        engine.submit(request)
    return finish(engine)


def finish(engine: Engine) -> Run:
    completions: dict[str, Completion] = {}
    steps: list[Step] = []
    while engine.is_busy:
        result = engine.step()
        if result.step is not None:
            named = [request_id for request_id, _ in result.step.shares]
            assert completions.keys().isdisjoint(named)  # only requests that are not finished
            assert len(set(named)) == len(named)
            steps.append(result.step)
        completions |= {completion.id: completion for completion in result.completions}
    return Run(completions, steps)


def asked(question: str, sampling: Sampling = GREEDY, system: str = "", name: str = "") -> Request:
    chat = (Message("system", system),) if system else ()
    return Request(name or question, (*chat, Message("user", question)), sampling, "L0")


def answer(engine: Engine, question: str, sampling: Sampling) -> Completion:
    return run(engine, [asked(question, sampling)]).completions[question]


def texts(done: Run) -> dict[str, str]:
    return {name: completion.text for name, completion in done.completions.items()}


def test_the_traits_are_those_of_the_models_template(engine: Engine) -> None:
    default = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
    assert engine.traits == TemplateTraits(default_system=default, has_system_role=True)


def test_one_request_at_a_time_repeats_exactly(serial: Engine) -> None:
    requests = [asked(question) for question in QUESTIONS]
    first, second = run(serial, requests), run(serial, requests)
    assert texts(first) == texts(second)
    assert len(set(texts(first).values())) == len(QUESTIONS)
    assert "Tokyo" in texts(first)[QUESTIONS[0]]


def test_two_engines_give_the_same_answers_to_the_same_requests(model_path: Path) -> None:
    requests = [asked(question, system=RULES) for question in QUESTIONS]
    found = []
    for _ in range(2):
        with opened(model_path) as engine:
            found.append(texts(run(engine, requests)))
    assert found[0] == found[1]


# how an answer ends


def test_an_answer_ends_at_its_token_limit(serial: Engine) -> None:
    done = answer(serial, "Count to one hundred.", Sampling(max_tokens=5))
    assert (done.finish_reason, done.num_new_tokens, done.error) == ("length", 5, None)


def test_an_answer_ends_where_the_model_ends_it(serial: Engine) -> None:
    done = answer(serial, QUESTIONS[0], Sampling(max_tokens=60))
    assert done.finish_reason == "stop"
    assert 0 < done.num_new_tokens < 60
    assert "<|im_end|>" not in done.text


def test_an_answer_ends_before_a_stop_string(serial: Engine) -> None:
    whole = answer(serial, QUESTIONS[0], Sampling(max_tokens=20))
    stop = whole.text[6:9]
    stopped = answer(serial, QUESTIONS[0], Sampling(max_tokens=20, stop=("zebra", stop)))
    assert stopped.text == whole.text[: whole.text.index(stop)]
    assert stopped.finish_reason == "stop"
    assert stopped.num_new_tokens < whole.num_new_tokens


def test_a_prompt_longer_than_the_context_fails_alone(engine: Engine) -> None:
    long = asked("word " * 1200, name="long")
    done = run(engine, [asked(QUESTIONS[0]), long, asked(QUESTIONS[1])]).completions
    failed = done.pop("long")
    assert failed.error is not None
    assert (
        "max_tokens 6 exceeds the context of 1024 tokens: shorten it, or raise --ctx"
        in failed.error
    )
    assert (failed.text, failed.finish_reason, failed.num_new_tokens) == ("", None, 0)
    assert failed.num_prompt_tokens > 1200
    assert all(completion.text and completion.error is None for completion in done.values())
    assert len(done) == 2


def test_an_engine_with_nothing_but_failed_requests_makes_no_step(engine: Engine) -> None:
    engine.submit(asked("word " * 1200))
    assert engine.is_busy
    result = engine.step()
    assert result.step is None
    assert [completion.finish_reason for completion in result.completions] == [None]
    assert not engine.is_busy


# sampling


def test_sampled_answers_repeat_with_their_seed_and_change_with_another(serial: Engine) -> None:
    sampling = Sampling(max_tokens=12, temperature=1.0, top_p=0.95, seed=1)
    question = "Tell me a story."
    first = answer(serial, question, sampling).text
    assert answer(serial, question, sampling).text == first
    assert answer(serial, question, replace(sampling, seed=2)).text != first


def test_without_a_seed_the_id_decides(serial: Engine) -> None:
    sampling = Sampling(max_tokens=12, temperature=1.0)
    requests = [asked("Tell me a story.", sampling, name=name) for name in "ab"]
    first = texts(run(serial, requests))
    assert texts(run(serial, requests)) == first
    assert first["a"] != first["b"]


# what steps say of themselves


def num_decoded(completion: Completion) -> int:
    """Return the tokens that went through the model for one request.

    The last new token is not decoded, unless the model's own end came after it.
    """
    ended_itself = completion.finish_reason == "stop"
    return completion.num_prompt_tokens + completion.num_new_tokens - (not ended_itself)


def shares(done: Run) -> dict[str, float]:
    total: defaultdict[str, float] = defaultdict(float)
    for step in done.steps:
        for request_id, num_tokens in step.shares:
            assert num_tokens > 0
            total[request_id] += num_tokens
    return total


def test_shares_are_the_tokens_of_prompt_and_answer(model_path: Path) -> None:
    with opened(model_path, replace(OPTIONS, shares_prefixes=False)) as engine:
        requests = [asked(QUESTIONS[0], Sampling(max_tokens=40), name="ends")]
        requests += [asked(question) for question in QUESTIONS * 2]
        requests = [replace(each, id=f"{i} {each.id}") for i, each in enumerate(requests)]
        done = run(engine, requests)
    expected = {name: num_decoded(completion) for name, completion in done.completions.items()}
    assert shares(done) == expected
    assert {completion.finish_reason for completion in done.completions.values()} == {
        "stop",
        "length",
    }


def test_those_who_wait_for_a_prefix_share_its_tokens(model_path: Path) -> None:
    with opened(model_path) as engine:
        done = run(engine, [asked(question, system=RULES) for question in QUESTIONS])
    prompt = {name: completion.num_prompt_tokens for name, completion in done.completions.items()}
    saved = {name: num_decoded(done.completions[name]) - n for name, n in shares(done).items()}
    # All four begin in the same step, so each pays a quarter of the prefix and saves the rest.
    (each,) = set(saved.values())
    prefix = each * 4 / 3
    assert prefix == int(prefix)
    assert len(RULES.split()) < prefix < min(prompt.values())


def test_a_kept_prefix_costs_later_requests_nothing(model_path: Path) -> None:
    with opened(model_path) as engine:
        run(engine, [asked(question, system=RULES) for question in QUESTIONS[:3]])
        later = run(engine, [asked(QUESTIONS[3], system=RULES)])
    (completion,) = later.completions.values()
    (num_tokens,) = shares(later).values()
    assert num_tokens < completion.num_prompt_tokens - len(RULES.split())


def test_steps_never_overlap_and_follow_each_other_without_a_gap(engine: Engine) -> None:
    before_s = time.perf_counter()
    done = run(engine, [asked(question) for question in QUESTIONS])
    bounds = [bound for step in done.steps for bound in (step.start_s, step.end_s)]
    assert bounds == sorted(bounds)
    assert before_s <= bounds[0]
    assert bounds[-1] <= time.perf_counter()
    assert [step.end_s for step in done.steps[:-1]] == [step.start_s for step in done.steps[1:]]
    for completion in done.completions.values():
        assert completion.started_s in bounds
        assert completion.ended_s in bounds
        assert completion.started_s < completion.ended_s


def test_time_between_two_runs_belongs_to_neither(engine: Engine) -> None:
    first = run(engine, [asked(QUESTIONS[0])])
    between_s = time.perf_counter()
    second = run(engine, [asked(QUESTIONS[1])])
    assert first.steps[-1].end_s <= between_s <= second.steps[0].start_s


# queueing


def test_the_engine_wants_two_batches_queued(engine: Engine) -> None:
    assert engine.num_wanted == 8
    for i in range(3):
        engine.submit(asked(QUESTIONS[0], Sampling(max_tokens=1), name=str(i)))
    assert engine.num_wanted == 5
    finish(engine)
    assert engine.num_wanted == 8
    assert not engine.is_busy


def test_what_failed_at_once_is_queued_until_it_is_told(engine: Engine) -> None:
    for i in range(3):
        engine.submit(asked(QUESTIONS[0], Sampling(max_tokens=9000), name=str(i)))
    assert engine.num_wanted == 5
    assert len(engine.step().completions) == 3
    assert engine.num_wanted == 8


def test_abandoned_requests_leave_no_trace(model_path: Path) -> None:
    rules = RULES * 4  # more than one step's worth of tokens, so that the prefix is left undone
    with opened(model_path, replace(OPTIONS, ctx=4096)) as engine:
        for question in QUESTIONS:
            engine.submit(asked(question, system=rules, name=f"abandoned {question}"))
        assert len(engine.step().completions) == 0
        engine.abandon()
        assert not engine.is_busy
        done = run(engine, [asked(question, system=rules) for question in QUESTIONS[:2]])
    assert set(shares(done)) == set(QUESTIONS[:2])
    assert all(completion.text for completion in done.completions.values())
