"""What a run decided about its prompts before, and whether these are still the same prompts."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path

from sprout.batch import outfile
from sprout.batch.prompts import Prompt, Rejected
from sprout.cli.run.flags import RunFlags
from sprout.cli.run.target import Target, choose_target
from sprout.cli.source import is_pipe, open_prompts
from sprout.cli.wiring import Known
from sprout.errors import OutputExistsError
from sprout.planning.plan import Plan, PlanOptions
from sprout.planning.planner import make
from sprout.planning.strict import check_strict
from sprout.run import Remembered
from sprout.state.completions import Completions
from sprout.state.plans import Plans
from sprout.state.runs import Runs

NUM_COMPARED = 10_000
"""Answers that are looked at to tell whether prompts are of another batch: a second's reading."""

NUM_READ = 100_000
"""Prompts that are read for it at most."""


@dataclass(slots=True)
class Likeness:
    """How many prompts of answered ids ask what they asked before."""

    num_same: int = 0
    num_changed: int = 0

    @property
    def is_of_another_batch(self) -> bool:
        """Whether more answers would be replaced than are kept.

        Ids are line numbers where none are given, so every other batch has the same ones.
        """
        return self.num_changed > self.num_same


def another_batch(output: Path | None) -> OutputExistsError:
    """Return the error for prompts that would replace most of the answers that there are."""
    return OutputExistsError(
        f"{output or 'standard output'} holds answers of another batch: most of these prompts have "
        "other contents or options than the answered ones of the same ids (a line without an `id` "
        "goes by its number): name another -o file, or --overwrite"
    )


def target_of(flags: RunFlags, known: Known, now: datetime) -> Target:
    """Return the run to start or to continue with these prompts; nothing is changed yet.

    Raises:
        OutputExistsError: its file is finished, somebody else's, or of another batch.
        PermissionDeniedError: what is to be written may not be.
    """
    target = choose_target(known.store, flags, now)
    if target.is_resumed and target.output is not None and not is_pipe(flags.source):
        settings, levels = known.config.settings, known.directives.levels
        with open_prompts(flags.source, flags.limit, settings, levels) as (_, prompts):
            _check_same_batch(target.output, prompts)
    return target


def _check_same_batch(output: Path, prompts: Iterable[Prompt | Rejected]) -> None:
    """Refuse prompts that would replace most of the answers that there are, as another batch's do.

    The first answers are looked at, and prompts until most of these are accounted for.
    """
    answered = outfile.first_answers(output, NUM_COMPARED)
    found = Likeness()
    for row in islice(prompts, NUM_READ):
        if isinstance(row, Rejected) or row.id not in answered:
            continue
        if answered[row.id] == row.content_hash:
            found.num_same += 1
        else:
            found.num_changed += 1
        if 2 * max(found.num_same, found.num_changed) > len(answered):
            break
    if found.is_of_another_batch:
        raise another_batch(output)


class Memory:
    """What a run decided before: in an earlier process, or in an earlier wave of this one.

    Args:
        target: the run.
        is_blank: whether it decided nothing yet, and will read each prompt once.
    """

    def __init__(self, known: Known, target: Target, *, is_blank: bool) -> None:
        self._known = known
        self._run_id = target.run_id
        self._output = target.output
        self._completions = Completions(known.store, target.run_id)
        self._plans = Plans(known.store)
        self._is_blank = is_blank
        self._levels = set(known.directives.levels)
        begun_with = None if is_blank else Runs(known.store).model(target.run_id)
        self.is_of_another_model = begun_with not in {None, known.conditions.model}

    def recall(self, prompt: Prompt) -> Remembered | None:
        """Return what was decided about a prompt; None for a new one."""
        past = None if self._is_blank else self._completions.recall(prompt.id)
        if past is None:
            return None
        is_same = past.content_hash == prompt.content_hash
        return Remembered(
            is_answered=past.is_answered and is_same,
            is_changed=past.is_answered and not is_same,
            level=past.level if is_same and past.level in self._levels else None,
            plan_id=past.plan_id,
        )

    def is_answered(self, prompt: Prompt) -> bool:
        """Return whether a prompt has its answer."""
        past = self.recall(prompt)
        return past is not None and past.is_answered

    def checking(self) -> Callable[[Prompt], Remembered | None]:
        """Return a `recall` for prompts that cannot be read ahead: it refuses another batch's.

        It raises an OutputExistsError once more answers would be replaced than are kept.
        """
        found = Likeness()

        def checked(prompt: Prompt) -> Remembered | None:
            past = self.recall(prompt)
            if past is not None:
                found.num_same += past.is_answered
                found.num_changed += past.is_changed
            if found.is_of_another_batch:
                raise another_batch(self._output)
            return past

        return checked

    def planning(self, options: PlanOptions, *, is_strict: bool) -> Callable[[datetime], Plan]:
        """Return what gives the plan for a moment: the run's own while it holds, or a new one.

        A strict run ends, to be continued later, when its next plan would rest on a stand-in.

        A kept plan keeps its quotas, so an interrupted run assigns the levels that an uninterrupted
        one would have. It holds no longer when the user decides otherwise than it was made by, and
        never for a model that the run was not begun with.
        """
        directives = self._known.directives
        keys = tuple(directive.key for directive in directives.directives)

        def plan_at(now: datetime) -> Plan:
            snapshot = self._known.snapshot(now)
            if is_strict:
                check_strict(snapshot, directives)
            keeps = not (self._is_blank or self.is_of_another_model)
            kept = self._plans.latest(self._run_id) if keeps else None
            if (
                kept is not None
                and kept.made_at <= now < kept.valid_until
                and kept.g_per_kwh == snapshot.grid.intensity.g_per_kwh
                and tuple(level.directive_key for level in kept.levels) == keys
                and kept.options == options
            ):
                return kept
            return make(snapshot, directives, options, now)

        return plan_at

    def counts_of(self, plan: Plan, task: str) -> tuple[int, ...]:
        """Return how often each level of a plan was given out for a task before."""
        if self._is_blank:
            return tuple(0 for _ in plan.levels)
        found = self._completions.level_counts(plan.id)
        return tuple(found.get((task, level.level), 0) for level in plan.levels)
