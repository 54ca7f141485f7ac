"""The engine in one sentence: schedule, decode, sample, collect the finished."""

import hashlib
import time
from collections.abc import Iterator
from collections.abc import Sequence as Items
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sprout.accounting import Step
from sprout.chat import Chat
from sprout.directives import TemplateTraits
from sprout.engine.answer import Answer
from sprout.engine.base import Completion, FinishReason, Request, StepResult
from sprout.engine.llamacpp.context import DecodeError, LlamaContext, NotANumberError
from sprout.engine.llamacpp.model import LlamaModel
from sprout.engine.llamacpp.sampler import Sampler, open_sampler
from sprout.engine.scheduler import Batch, Chunk, Limits, Scheduler
from sprout.engine.sequence import Prefix, Sequence
from sprout.engine.template import ChatTemplate
from sprout.errors import EngineError, InputError

MAX_REFUSED = 8
"""More rows than this refused with none decoded in between: the engine is broken, not they."""


@dataclass(slots=True)
class _Live:
    """What the engine keeps beside a sequence while it is answered."""

    answer: Answer
    sampler: Sampler
    started_s: float | None = None


class BatchingEngine:
    """Answers many requests at a time on one llama.cpp context."""

    def __init__(
        self, model: LlamaModel, context: LlamaContext, template: ChatTemplate, limits: Limits
    ) -> None:
        self._model = model
        self._context = context
        self._template = template
        self._traits = template.traits()
        self._scheduler = Scheduler(limits)
        self._longest = min(limits.num_cells, model.num_trained_context)
        self._live: dict[Sequence, _Live] = {}
        self._failed: list[Completion] = []
        self._num_refused = 0  # rows in a row
        self._busy_until_s: float | None = None

    @property
    def traits(self) -> TemplateTraits:
        """What the model's chat template does with system prompts."""
        return self._traits

    @property
    def num_wanted(self) -> int:
        """Requests to queue now, so that prefixes are seen and no row stays empty."""
        limits = self._scheduler.limits
        # those that failed at once count until a step has told them, or who submits never ends
        num_untold = len(self._scheduler.waiting) + len(self._failed)
        return max(0, 2 * limits.num_sequences - num_untold)

    @property
    def is_busy(self) -> bool:
        """Whether any submitted request is unfinished."""
        return bool(self._live or self._failed)

    def submit(self, request: Request) -> None:
        """Tokenise and queue a request; one that cannot run fails alone in the next step."""
        try:
            tokens = self._model.vocabulary.tokenize(self._template.fragments(request.chat))
        except InputError as error:
            self._fail(request, 0, str(error))
            return
        if not len(tokens):
            self._fail(request, 0, "this chat has no tokens in this model: nothing to answer")
            return
        sequence = Sequence(request.id, tokens, request.sampling.max_tokens)
        if sequence.num_reserved > self._longest:
            trained = self._longest == self._model.num_trained_context
            self._fail(
                request,
                len(tokens),
                f"prompt of {len(tokens)} tokens + max_tokens {sequence.max_new_tokens} exceeds "
                f"the context of {self._longest} tokens: shorten it, or "
                f"{'use a model that was trained on more' if trained else 'raise --ctx'}",
            )
            return
        sampling = request.sampling
        self._live[sequence] = _Live(Answer(sampling.stop), open_sampler(sampling, _seed(request)))
        self._scheduler.submit(sequence)

    def step(self) -> StepResult:
        """Advance every running request by one batch."""
        # Without a pause the step begins where the last one ended, so that the bookkeeping in
        # between is charged to the requests that were running.
        start_s = time.perf_counter() if self._busy_until_s is None else self._busy_until_s
        failed, self._failed = self._failed, []
        batch = self._scheduler.schedule()
        if not batch.chunks:
            return StepResult(None, tuple(failed))
        for sequence in self._scheduler.running:
            live = self._live[sequence]
            live.started_s = start_s if live.started_s is None else live.started_s
        shares = tuple(_shares(batch))
        finished = self._decode(batch)
        end_s = time.perf_counter()
        completions = [self._complete(sequence, reason, end_s) for sequence, reason in finished]
        self._busy_until_s = end_s if self._scheduler.running else None
        return StepResult(Step(start_s, end_s, shares), (*failed, *completions))

    def option_logits(self, chat: Chat, options: Items[str]) -> tuple[float, ...]:
        """Return how likely the model is to answer with each option, as a log-probability.

        Args:
            chat: nothing else may be running.
            options: texts of one token, such as "A"; a leading space makes no difference.

        Raises:
            InputError: the chat does not fit into the context.
            EngineError: an option is more than one token.
        """
        tokens = self._model.vocabulary.tokenize(self._template.fragments(chat))
        if len(tokens) >= self._longest:
            raise InputError(
                f"a question of {len(tokens)} tokens exceeds the context of {self._longest} tokens"
            )
        ids = [self._model.vocabulary.single_tokens(option) for option in options]
        if not all(ids):
            missing = options[ids.index(())]
            raise EngineError(f"this model has no token for the option {missing!r}")
        logits = self._next_logits(Sequence("question", tokens, 1))
        total = np.logaddexp.reduce(logits)
        return tuple(float(np.logaddexp.reduce(logits[list(each)]) - total) for each in ids)

    def abandon(self) -> None:
        """Forget every request that is not finished."""
        for sequence in list(self._scheduler.running):
            self._scheduler.finish(sequence)
        self._scheduler.waiting.clear()
        for live in self._live.values():
            live.sampler.close()
        self._live.clear()
        self._failed.clear()
        self._busy_until_s = None

    def close(self) -> None:
        """Free the context and the model."""
        self.abandon()
        self._context.close()
        self._model.close()

    def _next_logits(self, sequence: Sequence) -> npt.NDArray[np.float64]:
        """Run one prompt and return the logits behind its last token."""
        self._scheduler.submit(sequence)
        while sequence.num_cached < len(sequence.tokens):
            batch = self._scheduler.schedule()
            self._context.decode(batch)
            for chunk in batch.chunks:
                self._scheduler.advance(chunk)
        logits = self._context.logits(sequence).astype(np.float64)
        self._scheduler.finish(sequence)
        if not np.isfinite(logits.max()):
            raise NotANumberError
        return logits

    def _decode(self, batch: Batch) -> list[tuple[Sequence, FinishReason]]:
        """Run a batch and return who finished, and why.

        A batch that llama.cpp refuses is run again row by row, so that only the rows it refuses
        alone are given up, and the others go on.

        Raises:
            EngineError: so many rows were refused one after the other that it is not theirs.
        """
        try:
            self._context.decode(batch)
        except DecodeError as error:
            if len(batch.chunks) == 1:
                self._give_up(batch.chunks[0], f"llama.cpp refuses this request alone: {error}")
                return []
        else:
            return self._advance(batch)
        for chunk in batch.chunks:
            self._context.forget(chunk.row, chunk.first_position)
        finished: list[tuple[Sequence, FinishReason]] = []
        for chunk in batch.chunks:
            finished += self._decode(Batch((), (), (chunk,)))
        return finished

    def _give_up(self, chunk: Chunk, reason: str) -> None:
        """Fail the request of a row that is refused, or decode a shared prefix in no row."""
        self._num_refused += 1
        if self._num_refused > MAX_REFUSED:
            raise EngineError(f"{reason}; so did {MAX_REFUSED} requests before it")
        self._context.forget(chunk.row)  # its cells may be what the others lack
        if isinstance(chunk.row, Prefix):
            self._scheduler.give_up(chunk.row)
            return
        sequence = chunk.row
        live = self._live.pop(sequence)
        live.sampler.close()
        self._scheduler.finish(sequence)
        now_s = time.perf_counter()
        started_s = now_s if live.started_s is None else live.started_s
        num_tokens = len(sequence.tokens)
        self._failed.append(
            Completion(sequence.id, "", None, num_tokens, 0, started_s, now_s, reason)
        )

    def _advance(self, batch: Batch) -> list[tuple[Sequence, FinishReason]]:
        """Count what is cached now, sample the next tokens and return who finished, and why."""
        finished: list[tuple[Sequence, FinishReason]] = []
        for chunk in batch.chunks:
            self._scheduler.advance(chunk)
            if isinstance(chunk.row, Sequence) and chunk.wants_logits:
                try:
                    reason = self._append_token(chunk.row)
                except NotANumberError as error:
                    self._give_up(chunk, str(error))
                    continue
                self._num_refused = 0
                if reason is not None:
                    finished.append((chunk.row, reason))
        return finished

    def _append_token(self, sequence: Sequence) -> FinishReason | None:
        live = self._live[sequence]
        token = self._context.sample(sequence, live.sampler)
        if self._model.vocabulary.ends_generation(token):
            return "stop"
        sequence.new_tokens.append(token)
        if live.answer.append(self._model.vocabulary.piece(token)):
            return "stop"
        return "length" if len(sequence.new_tokens) == sequence.max_new_tokens else None

    def _complete(self, sequence: Sequence, reason: FinishReason, end_s: float) -> Completion:
        live = self._live.pop(sequence)
        live.sampler.close()
        self._scheduler.finish(sequence)
        started_s = end_s if live.started_s is None else live.started_s
        return Completion(
            sequence.id,
            live.answer.text,
            reason,
            len(sequence.tokens),
            len(sequence.new_tokens),
            started_s,
            end_s,
        )

    def _fail(self, request: Request, num_tokens: int, reason: str) -> None:
        now_s = time.perf_counter()
        self._failed.append(Completion(request.id, "", None, num_tokens, 0, now_s, now_s, reason))


def _shares(batch: Batch) -> Iterator[tuple[str, float]]:
    """Yield each request's tokens in this batch; a prefix's go to those who waited for it."""
    for chunk in batch.chunks:
        if isinstance(chunk.row, Prefix):
            each = len(chunk.tokens) / len(chunk.row.waiting)
            yield from ((request_id, each) for request_id in chunk.row.waiting)
        else:
            yield chunk.row.id, float(len(chunk.tokens))


def _seed(request: Request) -> int:
    if request.sampling.seed is not None:
        return request.sampling.seed
    return int.from_bytes(hashlib.sha256(request.id.encode()).digest()[:4], "big")
