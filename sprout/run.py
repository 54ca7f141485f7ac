"""Serving a batch: prompts in, answers with their carbon out.

    prompt -> level by quota -> directive applied -> engine -> Step, Completion
           -> ledger (joules, busy seconds) -> footprint -> Served

A generator of turns: what one engine step admitted, finished and refused. The caller stores a turn
before it asks for the next one, so a level is recorded before the first token of its answer is
decoded. When the plan's window ends the next plan is asked for; running requests keep their level.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from sprout import directives
from sprout.accounting import Charge
from sprout.batch.answers import REQUEST_FAILED, Admission, Failed, Grid, Served, failed_line
from sprout.batch.prompts import Prompt, Rejected
from sprout.carbon import footprint
from sprout.costs import Sample
from sprout.directives import Directive, DirectiveSet
from sprout.engine.base import Completion, Request
from sprout.metering import Metered, MeteredEngine
from sprout.planning.plan import Plan
from sprout.planning.wave import Waiting
from sprout.selector import Quota

_LINES_PER_TURN = 1000  # a long stretch of answered or broken lines still shows progress, and stops


@dataclass(frozen=True, slots=True)
class Remembered:
    """What an earlier part of this run decided about a prompt.

    Args:
        is_answered: whether it is in the output file with the same content.
        is_changed: whether it is there, but with other content.
        level, plan_id: what it was admitted with; no level where that is gone or the content new.
    """

    is_answered: bool
    is_changed: bool
    level: str | None
    plan_id: str | None


@dataclass(frozen=True, slots=True)
class Job:
    """All that serving needs beside the prompts.

    Args:
        plan_at: the plan for a moment; asked again when its window has ended.
        counts_of: how often each level of a plan was given, by task, before this process.
        recall: what an earlier part of this run decided; None for a new prompt.
        has_line: whether the next prompt can be read without waiting for who writes it.
        wait: sleeps a little; called when there is nothing to decode and nothing to read.
        should_stop: whether to stop now, leaving the rest for the next time.
    """

    directives: DirectiveSet
    engine: MeteredEngine
    energy_method: str
    pue: float
    embodied_g_per_s: float
    plan_at: Callable[[datetime], Plan]
    counts_of: Callable[[Plan, str], tuple[int, ...]]
    recall: Callable[[Prompt], Remembered | None]
    now: Callable[[], datetime]
    has_line: Callable[[], bool]
    wait: Callable[[], None]
    should_stop: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Turn:
    """What happened up to one engine step.

    Args:
        plan: the plan that was made for it; None while the old one holds.
        changed: ids whose prompt changed since they were answered; they are answered again.
        num_skipped: prompts that were answered before.
        metered_j, idle_j: what the counters saw since the last turn, and how much of it fell in
            time without any running request.
    """

    plan: Plan | None
    admitted: tuple[Admission, ...]
    served: tuple[Served, ...]
    failed: tuple[Failed, ...]
    changed: tuple[str, ...]
    num_skipped: int
    metered_j: float
    idle_j: float


def serve(prompts: Iterator[Prompt | Rejected | Waiting], job: Job) -> Iterator[Turn]:
    """Answer prompts, yielding a turn before each engine step and a last one at the end."""
    return _Serving(prompts, job).turns()


@dataclass(slots=True)
class _Serving:
    prompts: Iterator[Prompt | Rejected | Waiting]
    job: Job
    plan: Plan | None = None
    quotas: dict[str, Quota] = field(default_factory=dict)
    running: dict[str, tuple[Admission, Grid]] = field(default_factory=dict)
    is_read: bool = False
    # of the turn being collected
    new_plan: Plan | None = None
    admitted: list[Admission] = field(default_factory=list)
    served: list[Served] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    num_skipped: int = 0

    def turns(self) -> Iterator[Turn]:
        engine = self.job.engine
        while not self.job.should_stop():
            self._admit()
            self._finish(engine.settled())
            yield self._turn()
            if engine.engine.is_busy:
                engine.step()
            elif self.is_read:
                break
            elif not self.job.has_line():
                self.job.wait()
        self._finish(engine.settle_all())
        yield self._turn()

    def _admit(self) -> None:
        """Queue prompts until the engine has enough, each with its level."""
        for _ in range(_LINES_PER_TURN):
            if self.is_read or not self.job.engine.engine.num_wanted or not self.job.has_line():
                return
            line = next(self.prompts, None)
            if line is None:
                self.is_read = True
            elif isinstance(line, Rejected):
                self.failed.append(failed_line(line))
            elif isinstance(line, Prompt):
                self._admit_prompt(line)

    def _admit_prompt(self, prompt: Prompt) -> None:
        past = self.job.recall(prompt)
        if past is not None and past.is_answered:
            self.num_skipped += 1
            return
        if past is not None and past.is_changed:
            self.changed.append(prompt.id)
        plan = self._current_plan()
        admission = self._assign(prompt, plan, past)
        directive = self._directive(admission.level)
        chat = directives.apply(directive, prompt.chat, self.job.engine.engine.traits)
        sampling = directive.limit(prompt.sampling)
        self.running[prompt.id] = (admission, Grid.of(plan.grid))
        self.admitted.append(admission)
        self.job.engine.submit(Request(prompt.id, chat, sampling, admission.level))

    def _assign(self, prompt: Prompt, plan: Plan, past: Remembered | None) -> Admission:
        if past is not None and past.level is not None:
            level, plan_id = past.level, past.plan_id
        elif prompt.directive is not None:
            level, plan_id = prompt.directive, None
        else:
            level, plan_id = self._next_level(prompt.task or "", plan), plan.id
        return Admission(prompt, level, self._directive(level).key, plan_id)

    def _next_level(self, task: str, plan: Plan) -> str:
        quota = self.quotas.get(task)
        if quota is None:
            quota = self.quotas[task] = Quota(
                plan.shares_of(task or None), self.job.counts_of(plan, task)
            )
        return plan.levels[quota.next()].level

    def _current_plan(self) -> Plan:
        now = self.job.now()
        # before it was made: the clock was set back
        if self.plan is None or not self.plan.made_at <= now < self.plan.valid_until:
            self.plan = self.new_plan = self.job.plan_at(now)
            self.quotas.clear()
        return self.plan

    def _directive(self, level: str) -> Directive:
        return next(d for d in self.job.directives.directives if d.level == level)

    def _finish(self, done: list[Metered]) -> None:
        for completion, charge in done:
            admission, grid = self.running.pop(completion.id)
            if charge is None:
                self.failed.append(_failure(admission.prompt, completion))
            else:
                self.served.append(self._price(admission, grid, completion, charge))

    def _price(
        self, admission: Admission, grid: Grid, completion: Completion, charge: Charge
    ) -> Served:
        job = self.job
        return Served(
            admission=admission,
            completion=completion,
            energy_j=charge.energy_j,
            energy_method=job.energy_method,
            busy_s=charge.busy_s,
            footprint=footprint(
                charge.energy_j, charge.busy_s, grid.g_per_kwh, job.pue, job.embodied_g_per_s
            ),
            grid=grid,
        )

    def _turn(self) -> Turn:
        turn = Turn(
            self.new_plan,
            tuple(self.admitted),
            tuple(self.served),
            tuple(self.failed),
            tuple(self.changed),
            self.num_skipped,
            *self.job.engine.metered_j(),
        )
        self.new_plan, self.num_skipped = None, 0
        for collected in (self.admitted, self.served, self.failed, self.changed):
            collected.clear()
        return turn


def samples(served: Iterable[Served], max_tokens: int) -> list[Sample]:
    """Return what can be learned of the levels: requests under the profile's own limit.

    Lines that pin their directive are left out: somebody chose them, so they are no fair sample.
    """
    return [
        Sample(
            directive_key=row.admission.directive_key,
            task=row.admission.prompt.task or "",
            energy_j=row.energy_j,
            busy_s=row.busy_s,
            num_prompt_tokens=row.completion.num_prompt_tokens,
            num_new_tokens=row.completion.num_new_tokens,
        )
        for row in served
        if row.admission.plan_id is not None
        and row.admission.prompt.sampling.max_tokens == max_tokens
    ]


def _failure(prompt: Prompt, completion: Completion) -> Failed:
    return Failed(prompt.id, prompt.line_no, REQUEST_FAILED, completion.error or "no answer")
