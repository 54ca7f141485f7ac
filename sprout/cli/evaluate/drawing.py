"""Where the prompts of an evaluation come from: a file, what was served, or packaged ones."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from sprout.batch.prompts import Prompt, read
from sprout.chat import Sampling
from sprout.cli.source import open_prompts
from sprout.config.settings import Settings
from sprout.directives import DirectiveSet
from sprout.errors import InputError
from sprout.quality.case import Case, Origin, prompt_hash
from sprout.quality.classes import train
from sprout.quality.reference import matcher
from sprout.samples import lines
from sprout.state.reservoir import Reservoir


@dataclass(frozen=True, slots=True)
class Pool:
    """Prompts to draw from.

    Args:
        source: served | bundled | path of the file.
        notes: sentences for people: what was used instead of what, and what was left out.
    """

    source: str
    cases: tuple[Case, ...]
    notes: tuple[str, ...]


def pool(
    source: str | None,
    settings: Settings,
    directives: DirectiveSet,
    reservoir: Reservoir,
    look: Callable[[], None] = lambda: None,
) -> Pool:
    """Return the prompts that the judge can compare answers to, each with its class.

    Args:
        look: called now and then while a pipe's prompts are awaited; may raise.

    Raises:
        InputError: the file has none that it can.
    """
    sampled = [case for _, case in reservoir.cases()]
    if source is not None:
        cases, notes = _from_file(source, settings, directives, look)
        usable, left_out = _usable(cases, settings)
        if not usable:
            raise InputError(f"{source} has no prompt to judge: {'; '.join([*notes, *left_out])}")
        return Pool(source, _classified(usable, sampled), (*notes, *left_out))
    usable, left_out = _usable(sampled, settings)
    if usable:
        return Pool("served", _classified(usable, sampled), tuple(left_out))
    bundled = tuple(_bundled(settings))
    why = _why_bundled(settings, num_sampled=len(sampled))
    return Pool("bundled", bundled, (*left_out, f"{why}: judging {len(bundled)} packaged prompts"))


def _why_bundled(settings: Settings, *, num_sampled: int) -> str:
    if num_sampled:
        return (
            "no served prompt carries a `reference` to compare with (--judge local or endpoint "
            "needs none)"
        )
    if not settings.keep_text:
        return (
            "`keep_text` is off, so that no served prompts are kept, answers are made anew after a "
            "kill, and a judge's words cannot be read again"
        )
    return "`sprout run` has served nothing yet"


def _from_file(
    source: str, settings: Settings, directives: DirectiveSet, look: Callable[[], None]
) -> tuple[list[Case], list[str]]:
    with open_prompts(source, None, settings, directives.levels, look) as (_, rows):
        found = list(rows)
    prompts = [row for row in found if isinstance(row, Prompt)]
    bad = [row for row in found if not isinstance(row, Prompt)]
    notes = []
    if bad:
        first = f"line {bad[0].line_no}: {bad[0].reason}"
        notes.append(f"{len(bad)} lines of {source} cannot be served, left out: {first}")
    return [_case(prompt, "file") for prompt in prompts], notes


def _bundled(settings: Settings) -> Iterable[Case]:
    defaults = Sampling(max_tokens=settings.max_tokens, temperature=settings.temperature)
    rows = read(lines("evaluation"), defaults=defaults, levels=(), is_new_id=lambda _id: True)
    return (_case(row, "bundled") for row in rows if isinstance(row, Prompt))


def _case(prompt: Prompt, origin: Origin) -> Case:
    task = prompt.task or ""
    name = prompt_hash(prompt.chat, prompt.sampling)
    return Case(name, prompt.chat, prompt.sampling, task, task, prompt.reference, origin)


def _usable(cases: Sequence[Case], settings: Settings) -> tuple[list[Case], list[str]]:
    """Return the prompts that the judge can work with, and what is wrong with the others."""
    if settings.judge != "reference":
        return list(cases), []
    usable, num_missing, wrong = [], 0, []
    for case in cases:
        if case.reference is None:
            num_missing += 1
            continue
        try:
            matcher(case.reference)
        except InputError as error:
            wrong.append(str(error))
        else:
            usable.append(case)
    notes = [f"{num_missing} prompts have no `reference`: left out"] if num_missing else []
    if wrong:
        notes.append(f"{len(wrong)} prompts left out: {wrong[0]}")
    return usable, notes


def _classified(cases: Sequence[Case], sampled: Sequence[Case]) -> tuple[Case, ...]:
    """Return the prompts with a class each: their own task, or what their words say."""
    unknown = [case for case in cases if not case.given_task]
    if not unknown:
        return tuple(cases)
    labelled = sorted(case for case in {*_keyed(sampled), *_keyed(cases)} if case[1])
    classify = train([text for text, _ in labelled], [task for _, task in labelled])
    names = iter(classify([case.text for case in unknown]))
    return tuple(case if case.given_task else replace(case, task=next(names)) for case in cases)


def _keyed(cases: Iterable[Case]) -> Iterable[tuple[str, str]]:
    return ((case.text, case.given_task) for case in cases)
