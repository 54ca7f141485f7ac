"""Asks the judge of an evaluation, storing and charging every verdict as it comes."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial

from sprout.batch.answers import Grid
from sprout.carbon import footprint
from sprout.cli import interrupt, wiring
from sprout.cli.evaluate import judges
from sprout.cli.evaluate.verdicts import trust_line
from sprout.cli.output import Out
from sprout.cli.progress import progress
from sprout.errors import NotReadyError
from sprout.evaluate import Answers, Asking, Judged, control, judge, trust_of
from sprout.meter.sampler import Sampler
from sprout.quality.case import Case
from sprout.quality.judge import Card
from sprout.quality.ruling import Ruling
from sprout.state.evaluations import Evaluations
from sprout.state.verdicts import Verdicts, levels_key


class StoppedError(Exception):
    """A signal asked to stop while a question waited to be asked again."""


@dataclass(slots=True)
class Session:
    """One evaluation under way: what it needs, and what it came to so far.

    Args:
        to_answer: drawn prompts whose answers the judge is to be shown.
        to_reread: prompts that were judged before, whose reference may have been corrected.
        failures: (level, why) of each prompt that was not answered at it, by hash.
    """

    out: Out
    known: wiring.Known
    card: Card
    stop: interrupt.Interrupt
    grid: Grid
    embodied_g_per_s: float
    evaluation_id: str = ""
    to_answer: tuple[Case, ...] = ()
    to_reread: tuple[Case, ...] = ()
    failures: dict[str, tuple[str, str]] = field(default_factory=dict)
    num_too_long: int = 0
    num_new: int = 0

    @property
    def keys(self) -> list[str]:
        """The directive keys, L0 first."""
        return [directive.key for directive in self.known.directives.directives]

    def sleep(self, duration_s: float) -> None:
        """Sleep so long.

        Raises:
            StoppedError: a signal asked to stop meanwhile.
        """
        self.stop.sleep(duration_s)
        if self.stop.came():
            raise StoppedError

    def charge(self, metered_j: float, busy_s: float) -> None:
        """Add what was just used to the evaluation's cost."""
        if metered_j or busy_s:
            carbon = footprint(
                metered_j,
                busy_s,
                self.grid.g_per_kwh,
                self.known.config.settings.pue,
                self.embodied_g_per_s,
            )
            table = Evaluations(self.known.store)
            table.add_cost(self.evaluation_id, metered_j, busy_s, carbon)


def refuse_untrusted(session: Session, *, retests: bool = False) -> None:
    """Ask nothing of a judge that failed its test, and make no answers for it.

    Args:
        retests: set what it said aside instead, so that it is tested again.

    Raises:
        NotReadyError: this judge failed.
    """
    table = Verdicts(session.known.store)
    judge = table.judge(session.card.key)
    if judge is None or judge.trust is None or judge.is_trusted:
        return
    if retests:
        table.set_aside(judge.key)
        return
    again = ", or pass --retest once its server is mended" if judge.kind == "endpoint" else ""
    raise NotReadyError(f"{trust_line(judge, judge.name)}. Name another judge{again}")


def test(session: Session, sampler: Sampler) -> None:
    """Let a judge that may err and was never tested earn its trust on the control pairs.

    Raises:
        NotReadyError: it does not, or has no room for them.
    """
    card, table = session.card, Verdicts(session.known.store)
    known = table.judge(card.key)
    is_tested = not card.must_earn_trust or (known is not None and known.trust is not None)
    if is_tested or session.stop.came():
        return
    pairs = judges.controls()
    session.out.note(f"testing {card.name} on {len(pairs)} control pairs")
    rulings: list[Ruling] = []
    with _opened(session) as asking, progress(session.out, "testing the judge") as bar:
        for row in _heard(session, control(pairs, asking), sampler, model=""):
            rulings.append(row.ruling)
            bar.update(len(rulings), 2 * len(pairs), "")
    if session.stop.came():
        return
    if session.num_too_long:
        raise NotReadyError(f"{card.name} cannot be tested: {too_long(session)}")
    table.set_trust(card.key, trust_of(rulings), wiring.utc_now())
    refuse_untrusted(session)


def ask(
    session: Session,
    cases: tuple[Case, ...],
    answers: Answers,
    sampler: Sampler,
    *,
    seed: int,
    pairwise: bool,
) -> None:
    """Let the judge judge, storing each verdict at once."""
    with (
        _opened(session, seed=seed, pairwise=pairwise) as asking,
        progress(session.out, "judging") as bar,
    ):
        # the drawn ones first; answers that are not stored are not made for the others
        wanted, judged = (*cases, *session.to_reread), set[str]()
        rows = judge(wanted, session.known.directives, answers, asking)
        for row in _heard(session, rows, sampler, model=session.known.conditions.model):
            judged.add(row.ruling.prompt_hash)
            bar.update(len(judged), len(wanted), f"{session.num_new} verdicts")


def too_long(session: Session) -> str:
    """Return what to do about questions that had no room."""
    where = "raise it on its server" if session.card.kind == "endpoint" else "raise --ctx"
    return f"{session.num_too_long} questions do not fit into the judge's context: {where}"


@contextmanager
def _opened(session: Session, *, seed: int = 0, pairwise: bool = True) -> Iterator[Asking]:
    """Open the judge; a signal that comes while it is awaited ends the block."""
    recall = partial(Verdicts(session.known.store).recall, session.card.key)
    with suppress(StoppedError), judges.opened(session.known.config, session.sleep) as by:
        yield Asking(by, recall, wiring.utc_now, seed, pairwise)


def _heard(
    session: Session, rows: Iterator[Judged], sampler: Sampler, *, model: str
) -> Iterator[Judged]:
    """Pass verdicts on, each stored, until a signal comes.

    What a local judge used is charged for each; an endpoint's use is its own.
    """
    started_s, start_j = sampler.read_now()
    for row in rows:
        if session.card.kind == "local" and row.is_new:
            now_s, now_j = sampler.read_now()
            session.charge(now_j - start_j, now_s - started_s)
        sampler.drain()
        _store(session, row, model=model)
        yield row
        if session.stop.came():
            return
        started_s, start_j = sampler.read_now()


def _store(session: Session, row: Judged, *, model: str) -> None:
    """Store a verdict; a question that had no room is asked again when there is more."""
    session.num_new += row.is_new
    if row.ruling.fault == "too_long":
        session.num_too_long += 1
        return
    Verdicts(session.known.store).add(
        row.ruling,
        row.ballot,
        row.opinion,
        model=model,
        compared=levels_key(session.keys),
        evaluation_id=session.evaluation_id,
        keeps_text=session.known.config.settings.keep_text,
    )
