"""An engine that replays answers of an earlier run: the whole pipeline, without the model.

A recording is an output file of `sprout run`. A request gets an answer that was given at its level,
chosen by its id, with that answer's token counts; time and energy are those of the replay itself.
"""

import hashlib
import time
from collections import deque
from pathlib import Path
from typing import Any

from sprout.accounting import Step
from sprout.batch.answers import parse_line
from sprout.directives import TemplateTraits
from sprout.engine.base import Completion, FinishReason, Request, StepResult
from sprout.errors import InputError, NoInputError, PermissionDeniedError


class RecordedEngine:
    """Answers `parallel` requests in each step.

    Raises:
        NoInputError: there is no such file.
        InputError: it holds no output lines.
    """

    def __init__(self, path: Path, parallel: int) -> None:
        self._answers = _read(path)
        self._parallel = parallel
        self._waiting: deque[Request] = deque()

    @property
    def traits(self) -> TemplateTraits:
        """A system role, and no default system prompt."""
        return TemplateTraits(default_system=None, has_system_role=True)

    @property
    def num_wanted(self) -> int:
        """Requests that fit into the next step."""
        return max(0, self._parallel - len(self._waiting))

    @property
    def is_busy(self) -> bool:
        """Whether any request waits."""
        return bool(self._waiting)

    def submit(self, request: Request) -> None:
        """Queue a request."""
        self._waiting.append(request)

    def step(self) -> StepResult:
        """Answer the next requests."""
        start_s = time.perf_counter()
        batch = [self._waiting.popleft() for _ in range(min(self._parallel, len(self._waiting)))]
        completions = tuple(self._answer(request, start_s) for request in batch)
        shares = tuple((c.id, float(c.num_prompt_tokens + c.num_new_tokens)) for c in completions)
        return StepResult(Step(start_s, time.perf_counter(), shares), completions)

    def abandon(self) -> None:
        """Forget what waits."""
        self._waiting.clear()

    def close(self) -> None:
        """Hold nothing."""

    def _answer(self, request: Request, start_s: float) -> Completion:
        answers = self._answers.get(request.level) or next(iter(self._answers.values()))
        place = int.from_bytes(hashlib.sha256(request.id.encode()).digest()[:4], "big")
        text, finish_reason, num_prompt_tokens, num_new_tokens = answers[place % len(answers)]
        return Completion(
            request.id,
            text,
            finish_reason,
            num_prompt_tokens,
            num_new_tokens,
            start_s,
            time.perf_counter(),
        )


_Answer = tuple[str, FinishReason, int, int]


def is_recording(path: Path) -> bool:
    """Return whether a model path names a recording."""
    return path.suffix == ".jsonl"


def fingerprint(path: Path) -> str:
    """Return 16 hex digits that identify a recording."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    except PermissionError as error:
        raise PermissionDeniedError(f"the recording {path} may not be read") from error
    except OSError as error:
        raise NoInputError(f"no recording at {path}: {error.strerror}") from error


def _read(path: Path) -> dict[str, list[_Answer]]:
    answers: dict[str, list[_Answer]] = {}
    try:
        with path.open("rb") as file:
            for line in filter(None, map(parse_line, file)):
                answers.setdefault(line["sprout"]["level"], []).append(_answer(line))
    except PermissionError as error:
        raise PermissionDeniedError(f"the recording {path} may not be read") from error
    except OSError as error:
        raise NoInputError(f"no recording at {path}: {error.strerror}") from error
    except (KeyError, IndexError, TypeError) as error:
        raise InputError(f"{path} holds a line that `sprout run` did not write") from error
    if not answers:
        raise InputError(f"{path} holds no output lines of `sprout run` to replay")
    return answers


def _answer(line: dict[str, Any]) -> _Answer:
    body = line["response"]["body"]
    choice, usage = body["choices"][0], body["usage"]
    text = choice["message"]["content"]
    return text, choice["finish_reason"], usage["prompt_tokens"], usage["completion_tokens"]
