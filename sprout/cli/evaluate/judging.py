"""Asks the judge of an evaluation, storing and charging every verdict as it comes."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from sprout.batch.answers import Grid
from sprout.carbon import footprint
from sprout.cli import interrupt, wiring
from sprout.cli.evaluate import judges
from sprout.cli.output import Out
from sprout.cli.progress import progress
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
    num_unanswered: int = 0
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


def ask(
    session: Session,
    cases: tuple[Case, ...],
    answers: Answers,
    sampler: Sampler,
    *,
    seed: int,
    pairwise: bool,
) -> None:
    """Test the judge when it was never tested, and let it judge; store each verdict at once."""
    known, table = session.known, Verdicts(session.known.store)
    with suppress(StoppedError), judges.opened(known.config, session.sleep) as by:
        asking = Asking(
            by,
            lambda prompt_hash, ballot: table.recall(by.card.key, prompt_hash, ballot),
            wiring.utc_now,
            seed,
            pairwise,
        )
        if by.card.must_earn_trust and table.trust(by.card.key) is None:
            _test(session, asking, sampler)
        if session.stop.came():
            return
        # the drawn ones first; answers that are not stored are not made for the others
        rows = judge((*cases, *session.to_reread), known.directives, answers, asking)
        with progress(session.out, "judging") as bar:
            judged: set[str] = set()
            for row in _metered(session, rows, sampler, is_local=by.card.kind == "local"):
                _store(session, row, model=known.conditions.model)
                judged.add(row.ruling.prompt_hash)
                num = len(cases) + len(session.to_reread)
                bar.update(len(judged), num, f"{session.num_new} verdicts")
                if session.stop.came():
                    break


def _test(session: Session, asking: Asking, sampler: Sampler) -> None:
    """Let a judge earn its trust on the control pairs."""
    table, pairs, by = Verdicts(session.known.store), judges.controls(), asking.by
    session.out.note(f"testing {by.card.name} on {len(pairs)} control pairs")
    rulings: list[Ruling] = []
    rows = control(pairs, asking)
    with progress(session.out, "testing the judge") as bar:
        for row in _metered(session, rows, sampler, is_local=by.card.kind == "local"):
            _store(session, row, model="")
            rulings.append(row.ruling)
            bar.update(len(rulings), 2 * len(pairs), "")
            if session.stop.came():
                return
    if not any(ruling.fault == "too_long" for ruling in rulings):
        table.set_trust(by.card.key, trust_of(rulings), wiring.utc_now())


def _metered(
    session: Session, rows: Iterator[Judged], sampler: Sampler, *, is_local: bool
) -> Iterator[Judged]:
    """Pass verdicts on, charging what a local judge used for each; an endpoint's use is its own."""
    started_s, start_j = sampler.read_now()
    for row in rows:
        if is_local and row.is_new:
            now_s, now_j = sampler.read_now()
            session.charge(now_j - start_j, now_s - started_s)
        sampler.drain()
        yield row
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
