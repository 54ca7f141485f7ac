"""The body of `sprout evaluate`."""

import secrets
from collections.abc import Collection, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from sprout.batch.answers import Grid
from sprout.cli import interrupt, wiring
from sprout.cli.evaluate import drawing, judges, judging, verdicts
from sprout.cli.evaluate.judging import Session
from sprout.cli.evaluate.moment import judge_moment
from sprout.cli.locking import held
from sprout.cli.output import PARTIAL, Out
from sprout.cli.progress import progress
from sprout.config.settings import Settings
from sprout.config.sources import Config, model_path
from sprout.engine.open import open_engine
from sprout.errors import InputError
from sprout.evaluate import Answers, answer, compared_with, draw
from sprout.meter.sampler import Sampler
from sprout.metering import MeteredEngine
from sprout.quality.case import Answer, Case
from sprout.quality.judge import Card
from sprout.quality.wording import LETTERS
from sprout.state.evaluations import Evaluation, Evaluations
from sprout.state.profiles import Profiles
from sprout.state.reservoir import Reservoir
from sprout.state.store import Store
from sprout.state.verdicts import Verdicts, levels_key

MIN_LEVELS = 2


@dataclass(frozen=True, slots=True)
class Flags:
    """The flags of an evaluation that are no settings."""

    source: str | None
    num_prompts: int
    seed: int
    pairwise: bool
    retests: bool
    intensity: float | None
    waits_for_green: bool


def evaluate(out: Out, flags: Flags, config: Config) -> None:
    """Answer, judge, store and show."""
    settings = config.settings
    with ExitStack() as stack:
        stop = stack.enter_context(interrupt.catching())
        store = stack.enter_context(Store.open(settings.state))
        stack.enter_context(
            held(
                settings.state.parent / "locks" / "evaluate.lock",
                "another evaluation of this store is running: wait for it",
            )
        )
        power = wiring.open_power(config)
        known = wiring.know(store, config, power, flags.intensity)
        now, reason = wiring.utc_now(), "asked for"
        if flags.waits_for_green:
            moment = judge_moment(store, config, known.conditions.model, flags.intensity, now)
            reason = moment.reason
            out.data |= {"ran": moment.is_right, "reason": reason}
            out.text(f"{'evaluating' if moment.is_right else 'not now'}: {reason}")
            if not moment.is_right:
                return
        session = Session(
            out,
            known,
            judges.card_of(settings),
            stop,
            Grid.of(wiring.grid_reading(store, config, flags.intensity, now)),
            wiring.embodied_rate(settings, len(power.gpu_uuids)).g_per_s,
        )
        _check_levels(session)
        for warning in wiring.warnings(config):
            out.warning(warning)
        for note in (*power.notes, *_warnings(settings)):
            out.note(note)
        judging.refuse_untrusted(session, retests=flags.retests)
        cases = _begin(session, flags, reason, now)
        sampler = stack.enter_context(Sampler(power.meter))
        judging.test(session, sampler)
        answers = _answer(session, sampler)
        if not stop.came():
            judging.ask(session, cases, answers, sampler, seed=flags.seed, pairwise=flags.pairwise)
    _close(session, cases, config)


def _check_levels(session: Session) -> None:
    """Check that a judge can compare these levels.

    Raises:
        InputError: there is one, or more than it has labels for.
    """
    num = len(session.keys)
    if num < MIN_LEVELS:
        name = session.known.directives.name
        raise InputError(f"the directive set {name!r} has one level: nothing to compare")
    if session.card.must_earn_trust and num > len(LETTERS):
        raise InputError(
            f"{num} levels: a judge is shown at most {len(LETTERS)} answers at a time: name fewer "
            "variants, or a smaller directive set"
        )


def _warnings(settings: Settings) -> list[str]:
    """Return what weakens this judge's word."""
    if settings.judge == "local" and settings.judge_model is None:
        return ["the judge is the model that it judges: models prefer what they would have written"]
    return []


def _begin(session: Session, flags: Flags, reason: str, now: datetime) -> tuple[Case, ...]:
    """Draw the prompts and record the evaluation.

    The newest one is continued instead, if it is unfinished and drew no more than is asked for.
    """
    known, card = session.known, session.card
    settings, model = known.config.settings, known.conditions.model
    reservoir = Reservoir(known.store, settings.reservoir)
    look = partial(session.stop.end_if_came, session.out)
    pool = drawing.pool(flags.source, settings, known.directives, reservoir, look)
    for note in pool.notes:
        session.out.note(note)
    rulings = Verdicts(known.store)
    rulings.introduce(card)
    Profiles(known.store).name_directives(known.directives.directives)
    by_hash = {case.prompt_hash: case for case in pool.cases}
    rulings.relabel(by_hash.values())
    judged = rulings.judged(card.key, model, session.keys)
    settled = _settled(pool.cases, judged, card, keeps_text=settings.keep_text)
    table = Evaluations(known.store)
    past = table.unfinished(card.key, model, levels_key(session.keys), pool.source)
    names = () if past is None or len(past[1]) > flags.num_prompts else past[1]
    is_continued = bool(names) and all(name in by_hash for name in names)
    if past is not None and is_continued:
        session.evaluation_id = past[0]
        session.out.note(f"continuing {session.evaluation_id}")
        table.continue_at(session.evaluation_id, session.grid)
        drawn = tuple(by_hash[name] for name in names)
    else:
        drawn = draw(pool.cases, settled, flags.num_prompts, flags.seed)
        _start(session, drawn, pool.source, reason, now)
    session.to_answer = drawn
    if not settings.keep_text:  # without stored answers a verdict is all there is to know them by
        session.to_answer = tuple(case for case in drawn if case.prompt_hash not in settled)
    if not card.must_earn_trust:
        others = {name for name, _ in judged} - {case.prompt_hash for case in drawn}
        session.to_reread = tuple(by_hash[name] for name in by_hash if name in others)
    session.out.data |= {
        "ran": True,
        "reason": reason,
        "evaluation_id": session.evaluation_id,
        "source": pool.source,
        "is_continued": is_continued,
        "notes": list(pool.notes),
    }
    return drawn


def _start(
    session: Session, drawn: tuple[Case, ...], source: str, reason: str, now: datetime
) -> None:
    """Record a new evaluation of these prompts."""
    conditions = session.known.conditions
    session.evaluation_id = f"eval-{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
    Evaluations(session.known.store).start(
        Evaluation(
            id=session.evaluation_id,
            judge_key=session.card.key,
            model=conditions.model,
            levels_key=levels_key(session.keys),
            source=source,
            reason=reason,
            drawn=tuple(case.prompt_hash for case in drawn),
            started_at=now,
            machine=conditions.machine,
            energy_method=conditions.energy_method,
            grid=session.grid,
        )
    )


def _settled(
    cases: Iterable[Case],
    judged: Collection[tuple[str, str | None]],
    card: Card,
    *,
    keeps_text: bool,
) -> set[str]:
    """Return the prompts whose verdict stands without new answers.

    Stored answers are compared again, whatever the reference has become. Without them a verdict
    stands only where it was given by the reference that the prompt has now.
    """
    if keeps_text:
        return {name for name, _ in judged}
    return {c.prompt_hash for c in cases if (c.prompt_hash, compared_with(card, c)) in judged}


def _answer(session: Session, sampler: Sampler) -> Answers:
    """Return every answer, stored ones first; what is made now is stored as it comes."""
    known, settings = session.known, session.known.config.settings
    model = known.conditions.model
    reservoir = Reservoir(known.store, settings.reservoir)
    wanted = session.to_answer
    answers = reservoir.answers(model, session.keys)
    num_reused = sum((c.prompt_hash, key) in answers for c in wanted for key in session.keys)
    num_missing = len(wanted) * len(session.keys) - num_reused
    session.out.data |= {"num_reused_answers": num_reused}
    if not num_missing or session.stop.came():
        return answers
    engine = open_engine(model_path(settings), wiring.engine_options(settings), wiring.utc_now())
    num_done, unstored_j = 0, 0.0
    try:
        rows = answer(
            wanted,
            known.directives,
            MeteredEngine(engine, sampler),
            answers,
            session.stop.came,
        )
        with progress(session.out, "answering") as bar:
            for row in rows:
                unstored_j += row.metered_j
                if row.answers or row.failures:  # most steps only add a token to every answer
                    with known.store.write():
                        if settings.keep_text:
                            reservoir.keep_answers(model, row.answers, wiring.utc_now())
                        session.charge(unstored_j, row.busy_s)
                    unstored_j = 0.0
                answers |= _by_key(row.answers)
                for prompt_hash, level, why in row.failures:
                    session.failures[prompt_hash] = (level, why)
                    session.out.note(f"no answer at {level}: {why}")
                num_done += len(row.answers) + len(row.failures)
                bar.update(num_done, num_missing, f"{num_reused} answers reused")
    finally:
        session.charge(unstored_j, 0.0)
        engine.close()
    return answers


def _by_key(answers: tuple[Answer, ...]) -> dict[tuple[str, str], Answer]:
    return {(each.prompt_hash, each.directive_key): each for each in answers}


def _close(session: Session, cases: tuple[Case, ...], config: Config) -> None:
    """Say what the evaluation came to, and end with the exit code for it."""
    out, stop = session.out, session.stop
    settings = config.settings
    with Store.open(settings.state) as store:
        if stop.exit_code is None:
            Evaluations(store).finish(session.evaluation_id, wiring.utc_now())
        out.data |= {
            "num_prompts": len(cases),
            "num_unanswered": len(session.failures),
            "num_too_long": session.num_too_long,
            "num_asked": session.num_new,
        }
        verdicts.report(out, store, session.known, session.card, session.evaluation_id)
    if stop.exit_code is not None:
        out.error(f"stopped after {session.num_new} verdicts; the same command continues")
        out.finish(stop.exit_code, ("interrupted",))
    left_out = []
    if session.failures:
        level, why = next(iter(session.failures.values()))
        num = len(session.failures)
        left_out.append(f"{num} prompts got no answer at every level, as at {level}: {why}")
    if session.num_too_long:
        left_out.append(f"{judging.too_long(session)}, or lower --max-tokens")
    for message in left_out:
        out.error(message)
    if left_out:
        out.finish(PARTIAL, tuple(left_out))
