"""What llama.cpp refuses to decode fails alone; the engine runs on the default model."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sprout.chat import Message, Sampling
from sprout.engine.base import Completion, Request
from sprout.engine.batching import MAX_REFUSED, BatchingEngine
from sprout.engine.llamacpp.context import LlamaContext
from sprout.engine.llamacpp.model import LlamaModel
from sprout.engine.llamacpp.vocabulary import Vocabulary
from sprout.engine.scheduler import Limits
from sprout.engine.sequence import Tokens
from sprout.engine.template import ChatTemplate, Fragment
from sprout.errors import EngineError

pytestmark = pytest.mark.model

BAD = "Xyzzy"
EMPTY = "Plugh"
QUESTIONS = ["What is the capital of Japan?", "Name three colours.", "2 + 2?", "Who wrote Hamlet?"]


class OddVocabulary(Vocabulary):
    """A vocabulary that is broken for two words: llama.cpp has no such token, or none."""

    def tokenize(self, fragments: Sequence[Fragment]) -> Tokens:
        tokens = super().tokenize(fragments)
        spelled = "".join(text for text, _ in fragments)
        if EMPTY in spelled:
            return tokens[:0]
        if BAD in spelled:
            tokens[len(tokens) // 2] = 1_000_000
        return tokens


@pytest.fixture(scope="module")
def model(model_path: Path) -> Iterator[LlamaModel]:
    loaded = LlamaModel(model_path, 0)
    loaded.vocabulary = OddVocabulary(loaded.vocabulary._handle)
    yield loaded
    loaded.close()


def opened(
    model: LlamaModel,
    *,
    parallel: int = 4,
    num_cells: int = 2048,
    num_real_cells: int | None = None,
) -> BatchingEngine:
    """Return an engine; with `num_real_cells` its scheduler is told of more than there are."""
    template = ChatTemplate(
        model.template,
        bos=model.vocabulary.bos,
        eos=model.vocabulary.eos,
        control_tokens=list(model.vocabulary.control),
        now=datetime(2026, 1, 1, tzinfo=UTC),
    )
    context = LlamaContext(
        model,
        num_cells=num_real_cells or num_cells,
        num_rows=parallel + 2,
        num_batch_tokens=512,
        num_threads=2,
    )
    return BatchingEngine(model, context, template, Limits(parallel, num_cells, 512, 2))


def answers(
    engine: BatchingEngine, prompts: list[str], max_tokens: int = 8
) -> dict[str, Completion]:
    for number, text in enumerate(prompts):
        sampling = Sampling(max_tokens=max_tokens)
        engine.submit(Request(f"{number}", (Message("user", text),), sampling, "L0"))
    done: dict[str, Completion] = {}
    while engine.is_busy:
        for completion in engine.step().completions:
            assert completion.id not in done
            done[completion.id] = completion
    return done


def failed(done: dict[str, Completion]) -> dict[str, str]:
    return {name: each.error for name, each in done.items() if each.error is not None}


def test_a_prompt_that_cannot_be_decoded_fails_alone_in_its_batch(model: LlamaModel) -> None:
    engine = opened(model)
    done = answers(engine, [*QUESTIONS[:2], BAD, *QUESTIONS[2:]])
    assert failed(done).keys() == {"2"}
    assert "llama_decode returned -1" in failed(done)["2"]
    assert "invalid token" in failed(done)["2"]
    assert "Tokyo" in done["0"].text
    assert all(done[name].text for name in ("0", "1", "3", "4"))


def test_one_request_at_a_time_goes_on_after_it_with_the_same_answers(model: LlamaModel) -> None:
    alone = answers(opened(model, parallel=1), QUESTIONS)
    done = answers(opened(model, parallel=1), [QUESTIONS[0], BAD, *QUESTIONS[1:]])
    assert failed(done).keys() == {"1"}
    assert [done[name].text for name in ("0", "2", "3", "4")] == [
        alone[name].text for name in ("0", "1", "2", "3")
    ]


def test_a_shared_prefix_that_cannot_be_decoded_fails_those_alone_that_have_it(
    model: LlamaModel,
) -> None:
    head = f"{BAD}, and then a long beginning that several prompts have in common. " * 5
    prompts = [f"{head} {number}" for number in range(3)] + QUESTIONS
    done = answers(opened(model), prompts)
    assert failed(done).keys() == {"0", "1", "2"}
    assert all(done[f"{number}"].text for number in range(3, 7))


def test_a_prompt_without_tokens_fails_alone(model: LlamaModel) -> None:
    done = answers(opened(model), [QUESTIONS[0], EMPTY])
    assert failed(done) == {"1": "this chat has no tokens in this model: nothing to answer"}
    assert done["0"].text


def test_a_cache_that_fills_up_fails_who_finds_no_room_and_answers_the_others(
    model: LlamaModel,
) -> None:
    engine = opened(model, parallel=4, num_cells=4096, num_real_cells=256)
    prompts = [f"Tell me a long story about number {number}." for number in range(6)]
    done = answers(engine, prompts, max_tokens=100)
    assert len(done) == 6
    assert 0 < len(failed(done)) < 6
    for reason in failed(done).values():
        assert "llama_decode returned 1: the KV cache is full; try a smaller --parallel" in reason
    assert all(each.num_new_tokens > 0 for name, each in done.items() if name not in failed(done))
    # and there is room again for what comes later
    assert not failed(answers(engine, QUESTIONS[:1]))


def test_an_engine_that_refuses_everything_ends_the_run(model: LlamaModel) -> None:
    engine = opened(model, parallel=3)
    with pytest.raises(EngineError, match=f"so did {MAX_REFUSED} requests before it"):
        answers(engine, [f"{BAD} {number}" for number in range(20)])
