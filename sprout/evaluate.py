"""Evaluating: sampled prompts answered at every level, and judged.

    cases ── draw ──> answer at every level (stored answers first) ──> ballots ──> judge ──> Judged

Generators of frozen records, which the caller stores before it asks for the next: what is answered
or judged is never asked for again. A judge says nothing twice: `recall` is asked first. A reference
is compared again all the same: that costs nothing, and the reference may have been corrected.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from sprout import directives
from sprout.chat import Sampling
from sprout.directives import DirectiveSet
from sprout.engine.base import Request
from sprout.metering import Metered, MeteredEngine
from sprout.quality.case import Answer, Case
from sprout.quality.comparison import Ballot, best_ballot, pair_ballots
from sprout.quality.judge import Card, Judge, Opinion, Question
from sprout.quality.ruling import Ruling
from sprout.quality.trust import Trust, assess

GOOD, BAD = "good", "bad"

Answers = Mapping[tuple[str, str], Answer]
"""Answers by (prompt hash, directive key)."""

Recall = Callable[[str, Ballot], Opinion | None]
"""Returns what the judge said of (prompt hash, ballot) before; None when it was not asked."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What one engine step brought.

    Args:
        failures: (prompt hash, level, why) of requests that failed alone.
        metered_j: what the counters saw since the last record.
        busy_s: engine time of the answers.
    """

    answers: tuple[Answer, ...]
    failures: tuple[tuple[str, str, str], ...]
    metered_j: float
    busy_s: float


@dataclass(frozen=True, slots=True)
class Judged:
    """One ballot with its verdict.

    Args:
        opinion: None when there was nothing to choose: all answers are the same text.
        is_new: whether the judge says now what was not known before.
    """

    ruling: Ruling
    ballot: Ballot
    opinion: Opinion | None
    is_new: bool


@dataclass(frozen=True, slots=True)
class Control:
    """A prompt with two answers, of which everybody knows the better one.

    Args:
        kind: right (against wrong) | complete (against truncated) | topic (on against off).
    """

    id: str
    kind: str
    prompt: str
    good: str
    bad: str


@dataclass(frozen=True, slots=True)
class Asking:
    """Whom to ask, and how.

    Args:
        seed: of the order in which answers are shown.
        pairwise: compare each level with L0 as well; a reference needs no second reading.
    """

    by: Judge
    recall: Recall
    now: Callable[[], datetime]
    seed: int = 0
    pairwise: bool = True


def draw(cases: Iterable[Case], judged: Collection[str], count: int, seed: int) -> tuple[Case, ...]:
    """Return a seeded sample: in turns of every class, prompts that were not judged yet first."""
    rng = np.random.default_rng(seed)
    classes: dict[str, list[Case]] = {}
    for case in {case.prompt_hash: case for case in cases}.values():
        classes.setdefault(case.task, []).append(case)
    queues = []
    for name in sorted(classes):
        members = classes[name]
        shuffled = [members[i] for i in rng.permutation(len(members)).tolist()]
        queues.append(sorted(shuffled, key=lambda case: case.prompt_hash in judged))
    turns = [
        queue[i]
        for i in range(max(map(len, queues), default=0))
        for queue in queues
        if i < len(queue)
    ]
    # classes in turns, but nothing that was judged before what was not
    return tuple(sorted(turns, key=lambda case: case.prompt_hash in judged)[:count])


def answer(
    cases: Sequence[Case],
    levels: DirectiveSet,
    engine: MeteredEngine,
    known: Answers,
    should_stop: Callable[[], bool],
) -> Iterator[Answered]:
    """Yield the answers that are missing, as the engine finishes them."""
    waiting = _requests(cases, levels, engine, known)
    names = {directive.key: directive.level for directive in levels.directives}
    is_read = False
    while not should_stop():
        while not is_read and engine.engine.num_wanted:
            request = next(waiting, None)
            is_read = request is None
            if request is not None:
                engine.submit(request)
        if not engine.engine.is_busy:
            break
        engine.step()
        yield _answered(engine.settled(), names, engine)
    if engine.engine.is_busy:
        engine.abandon()
    yield _answered(engine.settle_all(), names, engine)


def judge(
    cases: Iterable[Case], levels: DirectiveSet, answers: Answers, asking: Asking
) -> Iterator[Judged]:
    """Yield the verdict on each ballot of each prompt that was answered at every level."""
    keys = [directive.key for directive in levels.directives]
    asks_pairs = asking.pairwise and asking.by.card.must_earn_trust
    for case in cases:
        found = {key: answers.get((case.prompt_hash, key)) for key in keys}
        texts = {key: each.text for key, each in found.items() if each is not None}
        if len(texts) < len(keys):
            continue
        ballots = [best_ballot(texts, case.prompt_hash, asking.seed)]
        if asks_pairs:
            for key in keys[1:]:
                ballots += pair_ballots(texts, keys[0], key)
        for ballot in ballots:
            yield _judged(case, ballot, asking)


def control(controls: Iterable[Control], asking: Asking) -> Iterator[Judged]:
    """Yield the verdicts on control pairs, each in both orders."""
    for each in controls:
        case = Case(f"control-{each.id}", (), _NO_SAMPLING, each.kind, each.kind, None, "bundled")
        for shown in ((each.good, each.bad), (each.bad, each.good)):
            names = ((GOOD,), (BAD,)) if shown[0] == each.good else ((BAD,), (GOOD,))
            ballot = Ballot("control", names, shown)
            yield _judged(case, ballot, asking, prompt=each.prompt)


def trust_of(rulings: Iterable[Ruling]) -> Trust:
    """Return how far the verdicts on control pairs are to be trusted."""
    pairs: dict[str, dict[int, bool | None]] = {}
    for ruling in rulings:
        place = ruling.slot_of(GOOD)
        chosen = ruling.chosen[0] == place if len(ruling.chosen) == 1 else None
        pairs.setdefault(ruling.prompt_hash, {})[place or 0] = chosen
    return assess((pair.get(0), pair.get(1)) for pair in pairs.values())


def compared_with(card: Card, case: Case) -> str | None:
    """Return the hash of what a judge compares answers with; None when it reads no reference."""
    return None if card.must_earn_trust else case.reference_hash


_NO_SAMPLING = Sampling(max_tokens=1)


def _requests(
    cases: Sequence[Case], levels: DirectiveSet, engine: MeteredEngine, known: Answers
) -> Iterator[Request]:
    for case in cases:
        for directive in levels.directives:
            if (case.prompt_hash, directive.key) in known:
                continue
            chat = directives.apply(directive, case.chat, engine.engine.traits)
            name = f"{case.prompt_hash}/{directive.key}"
            yield Request(name, chat, directive.limit(case.sampling), directive.level)


def _answered(done: Sequence[Metered], names: Mapping[str, str], engine: MeteredEngine) -> Answered:
    answers, failures, busy_s = [], [], 0.0
    for completion, charge in done:
        prompt_hash, _, key = completion.id.partition("/")
        if charge is None:
            failures.append((prompt_hash, names[key], completion.error or "no answer"))
            continue
        answers.append(Answer(prompt_hash, key, completion.text, completion.num_new_tokens))
        busy_s += charge.busy_s
    metered_j, _ = engine.metered_j()
    return Answered(tuple(answers), tuple(failures), metered_j, busy_s)


def _judged(case: Case, ballot: Ballot, asking: Asking, prompt: str | None = None) -> Judged:
    by = asking.by
    opinion, is_new = None, False
    if ballot.needs_judge or not by.card.must_earn_trust:
        opinion = known = asking.recall(case.prompt_hash, ballot)
        if opinion is None or not by.card.must_earn_trust:
            text = case.text if prompt is None else prompt
            opinion = by.ask(Question(text, ballot.answers, case.reference))
            is_new = known is None or known.chosen != opinion.chosen
    ruling = Ruling(
        judge_key=by.card.key,
        prompt_hash=case.prompt_hash,
        task=case.task,
        given_task=case.given_task,
        origin=case.origin,
        reading=ballot.reading,
        levels=ballot.levels,
        lengths=tuple(len(text) for text in ballot.answers),
        chosen=(0,) if opinion is None else opinion.chosen,
        fault=None if opinion is None else opinion.fault,
        judged_at=asking.now(),
        reference_hash=compared_with(by.card, case),
    )
    return Judged(ruling, ballot, opinion, is_new)
