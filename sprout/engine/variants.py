"""Several variants of one model as one engine: each request is answered by its level's variant.

    submit ──> what waits for each variant ──> the variant's own batch      a step runs one of them

A step of a batch that is half empty takes nearly as long as one of a full batch. So a variant whose
batch is not full waits while another's is, whichever of its requests have begun, and so many are
asked for that one batch can always be filled; full ones take turns. Nothing has to be drained for
that: every variant keeps the cache of its own requests. One that has a request of PATIENCE_S takes
turns too, full or not: its carbon is counted at the intensity that was known when it came.

Weights are loaded when the first request of a variant has its turn. That time is nobody's.
"""

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from sprout.directives import TemplateTraits, parted
from sprout.engine.base import Engine, Request, StepResult

MODEL = ""
"""The variant that is the model itself, as `sprout.directives.parted` has it."""

PATIENCE_S = 300.0


@dataclass(slots=True)
class _Lane:
    """One variant: its engine, and the requests that it has not finished.

    Args:
        engine: None until it is loaded.
        waiting: requests that were not given to the engine yet.
        unfinished: ids of all its requests with the time of their coming, the oldest first.
        turn: number of its latest step; 0 for none.
    """

    open: Callable[[], Engine]
    engine: Engine | None = None
    waiting: deque[Request] = field(default_factory=deque)
    unfinished: dict[str, float] = field(default_factory=dict)
    turn: int = 0

    def feed(self, engine: Engine) -> None:
        while self.waiting and engine.num_wanted:
            engine.submit(self.waiting.popleft())


class VariantEngine:
    """Answers requests with the model and its variants, a batch of one of them in each step.

    Args:
        model: answers the levels that name no variant.
        variants: opens each of the others, by name.
        parallel: requests in a full batch.
        patience_s: how long a request may wait for its variant's batch to be full.
    """

    def __init__(
        self,
        model: Engine,
        variants: Mapping[str, Callable[[], Engine]],
        parallel: int,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._model = model
        self._parallel = parallel
        self._patience_s = patience_s
        self._lanes = {MODEL: _Lane(lambda: model, model)}
        self._lanes |= {name: _Lane(opener) for name, opener in variants.items()}
        self._num_steps = 0
        self._busy_until_s: float | None = None

    @property
    def traits(self) -> TemplateTraits:
        """What the chat template of all of them does with system prompts."""
        return self._model.traits

    @property
    def num_wanted(self) -> int:
        """Requests to queue now, so that at least one batch is full with as many behind it."""
        num_unfinished = sum(len(lane.unfinished) for lane in self._lanes.values())
        return max(0, 2 * self._parallel * len(self._lanes) - num_unfinished)

    @property
    def is_busy(self) -> bool:
        """Whether any submitted request is unfinished."""
        return any(lane.unfinished for lane in self._lanes.values())

    def submit(self, request: Request) -> None:
        """Queue a request for the variant of its level."""
        variant, directive = parted(request.level)
        lane = self._lanes[variant]
        lane.unfinished[request.id] = time.perf_counter()
        lane.waiting.append(replace(request, level=directive))

    def step(self) -> StepResult:
        """Advance every running request of one variant by one batch."""
        lane = self._next_lane()
        if lane.engine is None:
            lane.engine = lane.open()
            self._busy_until_s = time.perf_counter()
        lane.feed(lane.engine)
        self._num_steps += 1
        lane.turn = self._num_steps
        result = lane.engine.step()
        for completion in result.completions:
            del lane.unfinished[completion.id]
        if result.step is None:
            if not self.is_busy:
                self._busy_until_s = None  # the last requests failed at once: a pause begins
            return result
        # What lies between two steps belongs to the one that it leads to; an engine by itself does
        # not know of the steps of others in between.
        start_s = result.step.start_s if self._busy_until_s is None else self._busy_until_s
        self._busy_until_s = result.step.end_s if self.is_busy else None
        return StepResult(replace(result.step, start_s=start_s), result.completions)

    def abandon(self) -> None:
        """Forget every request that is not finished."""
        for lane in self._lanes.values():
            lane.waiting.clear()
            lane.unfinished.clear()
            if lane.engine is not None:
                lane.engine.abandon()
        self._busy_until_s = None

    def close(self) -> None:
        """Free the model and every variant that was loaded."""
        for lane in self._lanes.values():
            if lane.engine is not None:
                lane.engine.close()

    def _next_lane(self) -> _Lane:
        """Return the one whose turn was longest ago of those that are full, or else the fullest."""
        longest_ago_s = time.perf_counter() - self._patience_s

        def urgency(lane: _Lane) -> tuple[int, int]:
            oldest_s = next(iter(lane.unfinished.values()), None)
            is_overdue = oldest_s is not None and oldest_s <= longest_ago_s
            num = self._parallel if is_overdue else min(len(lane.unfinished), self._parallel)
            return num, -lane.turn

        return max(self._lanes.values(), key=urgency)
