import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sprout.chat import Chat, Message
from sprout.engine.base import Chooser
from sprout.engine.open import EngineOptions, open_chooser
from sprout.errors import EngineError, InputError
from sprout.quality.judge import Question
from sprout.quality.local import LocalJudge, card

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Scripted:
    """Gives these scores, and remembers what it was asked."""

    def __init__(self, *scores: float) -> None:
        self.scores = scores
        self.chats: list[Chat] = []

    def option_logits(self, chat: Chat, options: Sequence[str]) -> tuple[float, ...]:
        self.chats.append(chat)
        assert options == ("A", "B", "C")
        return self.scores

    def close(self) -> None:
        """Hold nothing."""


class Cramped(Scripted):
    def option_logits(self, chat: Chat, options: Sequence[str]) -> tuple[float, ...]:
        raise InputError(f"a question of {len(chat)} message exceeds the context for {options}")


def judge(chooser: Chooser) -> LocalJudge:
    return LocalJudge(chooser, card("tiny", "0123"))


def test_the_likeliest_label_is_the_choice_and_the_numbers_are_kept() -> None:
    chooser = Scripted(-3.0, -0.25, -2.0)
    opinion = judge(chooser).ask(Question("P?", ("x", "y", "z")))
    assert (opinion.chosen, opinion.fault) == ((1,), None)
    assert json.loads(opinion.raw) == {"A": -3.0, "B": -0.25, "C": -2.0}
    ((message,),) = chooser.chats
    assert message.role == "user"
    assert "# Answer C\nz" in message.content


def test_a_question_without_room_is_a_fault_of_its_own() -> None:
    opinion = judge(Cramped()).ask(Question("P?", ("x", "y", "z")))
    assert (opinion.chosen, opinion.fault) == ((), "too_long")


def test_another_model_is_another_judge() -> None:
    assert card("tiny", "0123").key != card("tiny", "4567").key
    assert card("tiny", "0123").must_earn_trust


def options(ctx: int) -> EngineOptions:
    return EngineOptions(parallel=2, threads=2, ctx=ctx, gpu_layers=0, shares_prefixes=False)


@pytest.fixture(scope="module")
def chooser(model_path: Path) -> Iterator[Chooser]:
    opened = open_chooser(model_path, options(512), NOW)
    yield opened
    opened.close()


def ask(text: str) -> Chat:
    return (Message("user", text),)


@pytest.mark.model
def test_the_model_says_what_it_would_answer_next(chooser: Chooser) -> None:
    chat = ask("Reply with one letter. Which letter follows A in the alphabet?")
    scores = chooser.option_logits(chat, ("A", "B", "C", "D"))
    assert len(scores) == 4
    assert all(score < 0 for score in scores)
    # the same question gives the same numbers, whatever was asked in between
    chooser.option_logits(ask("Something else?"), ("A", "B"))
    assert chooser.option_logits(chat, ("A", "B", "C", "D")) == pytest.approx(scores, abs=1e-4)
    # the order of the options is only theirs
    assert chooser.option_logits(chat, ("D", "A")) == pytest.approx(
        (scores[3], scores[0]), abs=1e-4
    )


@pytest.mark.model
def test_a_context_too_short_for_three_answers_is_said(chooser: Chooser) -> None:
    answers = ("word " * 200, "word " * 150, "word " * 150)
    opinion = judge(chooser).ask(Question("P?", answers))
    assert opinion.fault == "too_long"
    assert "exceeds the context of 512 tokens" in opinion.raw
    # and the next question is answered all the same
    assert judge(chooser).ask(Question("P?", ("a", "b"))).fault is None


@pytest.mark.model
def test_an_option_of_several_tokens_is_refused(chooser: Chooser) -> None:
    with pytest.raises(EngineError, match="no token for the option"):
        chooser.option_logits(ask("Hello?"), ("A", "antidisestablishmentarianism"))


@pytest.mark.model
def test_a_judge_without_a_chat_template_is_named_and_refused(
    model_path: Path, tmp_path: Path
) -> None:
    data = model_path.read_bytes()
    name = b"tokenizer.chat_template"
    assert data.count(name) == 1
    bare = tmp_path / "bare.gguf"
    bare.write_bytes(data.replace(name, b"tokenizer.chat_notthere"))
    with pytest.raises(EngineError, match=r"the judge bare\.gguf: this GGUF has no chat template"):
        open_chooser(bare, options(512), NOW)
