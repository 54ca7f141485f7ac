"""What each level costs on this model and machine.

    idle ── warm-up ── p1·L0 p1·L1 p1·L2 │ p2·L1 p2·L2 p2·L0 │ ... │ filler ...
    watts   dropped    └─── group 1 ───┘   └─── group 2 ───┘         dropped

A group is one prompt at every level; the order of levels turns with each group, so drift hits all
alike. Requests go in at the parallelism of a run, and filler keeps the batch full until the last
measured request ends: alone in the batch, the longest answers would look dearer than they are.

Within a budget, groups that are not complete when it ends are dropped whole. These are the longest
answers, mostly at L0, so what is kept understates the savings, never the other way round; runs
learn the rest. At least MIN_GROUPS are always completed.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import cycle

from sprout import directives
from sprout.batch.prompts import Prompt
from sprout.costs import Sample
from sprout.directives import Directive, DirectiveSet
from sprout.engine.base import Request
from sprout.errors import EngineError, quoted
from sprout.metering import EnergySamples, Metered, MeteredEngine

MIN_GROUPS = 3
WARM_UP_TOKENS = 8


@dataclass(frozen=True, slots=True)
class Measured:
    """One finished request of the profile."""

    level: str
    sample: Sample


@dataclass(frozen=True, slots=True)
class Effort:
    """How long to measure.

    Args:
        num_repeats: how often each prompt is answered at each level.
        budget_s: seconds after which only MIN_GROUPS are waited for; None for no limit.
    """

    num_repeats: int
    budget_s: float | None


@dataclass(frozen=True, slots=True)
class _Task:
    group: int | None  # None: filler
    directive: Directive
    request: Request
    prompt: Prompt


def measure(
    prompts: Sequence[Prompt],
    levels: DirectiveSet,
    engine: MeteredEngine,
    effort: Effort,
    elapsed_s: Callable[[], float],
    should_stop: Callable[[], bool] = lambda: False,
) -> Iterator[tuple[Measured, ...]]:
    """Yield the requests of each group as it completes.

    Args:
        elapsed_s: seconds since the profile began.
        should_stop: asked after each engine step; groups that are not complete then are dropped.
    """
    if not _warm_up(prompts, levels, engine, should_stop):
        engine.abandon()
        return
    num_groups = len(prompts) * effort.num_repeats
    tasks = _tasks(prompts, levels, engine, num_groups)
    submitted: dict[str, _Task] = {}
    groups: dict[int, list[Measured]] = {}
    num_complete = 0
    while num_complete < num_groups:
        while engine.engine.num_wanted:
            task = next(tasks)
            submitted[task.request.id] = task
            engine.submit(task.request)
        engine.step()
        for metered in engine.settled():
            found = _measured(metered, submitted)
            if found is None:
                continue
            group, measured = found
            groups.setdefault(group, []).append(measured)
            if len(groups[group]) == len(levels.directives):
                num_complete += 1
                yield tuple(groups.pop(group))
        is_over = effort.budget_s is not None and elapsed_s() > effort.budget_s
        if should_stop() or (is_over and num_complete >= MIN_GROUPS):
            break
    engine.abandon()


def idle_power_w(samples: EnergySamples, wait: Callable[[], None]) -> float:
    """Return the power of the machine while nothing runs, in W, over the time that `wait` takes."""
    start_s, start_j = samples.read_now()
    wait()
    end_s, end_j = samples.read_now()
    return (end_j - start_j) / (end_s - start_s)


def _warm_up(
    prompts: Sequence[Prompt],
    levels: DirectiveSet,
    engine: MeteredEngine,
    should_stop: Callable[[], bool],
) -> bool:
    """Answer a few tokens at every level, so that memory and caches are as in a long run.

    Returns whether that came to its end.
    """
    for index, directive in enumerate(levels.directives):
        prompt = prompts[index % len(prompts)]
        request = _request(prompt, directive, engine, f"warm-up-{index}")
        short = replace(request.sampling, max_tokens=WARM_UP_TOKENS)
        engine.submit(replace(request, sampling=short))
    while engine.engine.is_busy and not should_stop():
        engine.step()
    if engine.engine.is_busy:
        return False
    engine.settle_all()
    return True


def _tasks(
    prompts: Sequence[Prompt], levels: DirectiveSet, engine: MeteredEngine, num_groups: int
) -> Iterator[_Task]:
    """Yield the groups, then filler for ever."""
    num_levels = len(levels.directives)
    for group, prompt in enumerate(cycle(prompts)):
        for position in range(num_levels):
            directive = levels.directives[(position + group) % num_levels]
            request = _request(prompt, directive, engine, f"{group}-{directive.level}")
            is_measured = group < num_groups
            yield _Task(group if is_measured else None, directive, request, prompt)


def _request(prompt: Prompt, directive: Directive, engine: MeteredEngine, name: str) -> Request:
    chat = directives.apply(directive, prompt.chat, engine.engine.traits)
    return Request(name, chat, directive.limit(prompt.sampling), directive.level)


def _measured(metered: Metered, submitted: dict[str, _Task]) -> tuple[int, Measured] | None:
    completion, charge = metered
    task = submitted.pop(completion.id)
    if charge is None:
        raise EngineError(
            f"prompt {quoted(task.prompt.id)} of the profile failed: {completion.error}"
        )
    if task.group is None:
        return None
    sample = Sample(
        directive_key=task.directive.key,
        task=task.prompt.task or "",
        energy_j=charge.energy_j,
        busy_s=charge.busy_s,
        num_prompt_tokens=completion.num_prompt_tokens,
        num_new_tokens=completion.num_new_tokens,
    )
    return task.group, Measured(task.directive.level, sample)
