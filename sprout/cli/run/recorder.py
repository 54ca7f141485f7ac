"""Writes down what each turn of a run brought: output line first, then the store."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from sprout.batch import outfile
from sprout.batch.answers import Counting, Failed, Served, answer_line, error_line
from sprout.cli.output import Out
from sprout.cli.wiring import utc_now
from sprout.config.settings import Settings
from sprout.costs import ENOUGH_REQUESTS, Conditions
from sprout.directives import BASELINE, parted
from sprout.planning.plan import Plan
from sprout.report.foreign import showable
from sprout.report.summary import Tally
from sprout.report.units import counted
from sprout.run import Turn, samples
from sprout.state.completions import Completions
from sprout.state.plans import Plans
from sprout.state.profiles import Profiles
from sprout.state.reservoir import Reservoir
from sprout.state.runs import Runs
from sprout.state.store import Store

MAX_SHOWN_FAILURES = 20

METERED_EVERY_S = 60.0
"""A kill loses at most so much of what was metered while nothing else was to be stored."""


@dataclass(slots=True)
class Recorder:
    """Stores and writes turns.

    Args:
        reservoir: takes a sample of what is served, for evaluations.
        answers: the output file; None writes to standard output.
        errors_path: where failed lines go; None only says them.
        learns_as: the conditions to learn costs under; None learns nothing.
        saved_g: so far, against L0 as the plans have it; None while they know L0 of few requests.
    """

    out: Out
    store: Store
    settings: Settings
    run_id: str
    counting: Counting
    source: str
    reservoir: Reservoir
    answers: outfile.LineFile | None
    errors_path: Path | None
    learns_as: Conditions | None
    tally: Tally = field(default_factory=Tally)
    saved_g: float | None = None
    plan: Plan | None = None
    changed: set[str] = field(default_factory=set)
    errors: outfile.LineFile | None = None
    # since the last transaction: joules metered and idle, and when it was
    unstored_j: tuple[float, float] = (0.0, 0.0)
    stored_s: float = field(default_factory=time.perf_counter)

    def record(self, turn: Turn) -> None:
        """Write one turn down.

        The output line comes first: a kill between the two leaves a line whose row is rebuilt,
        never a row that claims an answer nobody has.
        """
        self.plan = turn.plan or self.plan
        now = utc_now()
        lines = [answer_line(row, self.run_id, self._model_name(row), now) for row in turn.served]
        if self.answers is not None:
            self.answers.append(lines)
        elif lines:
            self.out.json("\n".join(lines))
        metered_j, idle_j = self.unstored_j
        self.unstored_j = (metered_j + turn.metered_j, idle_j + turn.idle_j)
        # Most steps only add a token to every answer, or none while a pipe's writer thinks.
        if turn.plan or turn.admitted or turn.served or turn.failed or self._is_meter_due():
            self._store(turn)
        self._tell(turn.failed)
        for row in turn.served:
            self.tally.add(row)
            self._add_saving(row)
        self.tally.num_failed += len(turn.failed)
        self.tally.num_skipped += turn.num_skipped
        self.changed.update(turn.changed)

    def close(self) -> None:
        """Bring everything to the disk; a prompt that was answered anew keeps its last line."""
        if any(self.unstored_j):
            Runs(self.store).add_meter(self.run_id, *self.unstored_j)
        if self.errors is not None:
            self.errors.close()
        if self.answers is not None:
            self.answers.close()
            if self.changed and self.answers.path.is_file():
                self._drop_replaced(self.answers.path)

    def _add_saving(self, row: Served) -> None:
        """Add what one request saved: summed anew each turn, many tasks would take long.

        Only requests that a plan put below L0 count, and none while the plan knows L0 of little
        more than the packaged prompts: what others cost may be far from it.
        """
        admission = row.admission
        if self.plan is None or admission.plan_id is None or admission.level == BASELINE:
            return
        base = self.plan.levels_of(admission.prompt.task)[0]
        if base.num_requests >= ENOUGH_REQUESTS:
            self.saved_g = (self.saved_g or 0.0) + base.carbon_g - row.footprint.carbon_g

    def _drop_replaced(self, output: Path) -> None:
        num_replaced = outfile.keep_last_lines(output, self.changed)
        if num_replaced:
            answers = counted(num_replaced, "answer")
            self.out.warning(f"replaced {answers} in {output}: the prompts had changed since")

    def _model_name(self, served: Served) -> str:
        """Return the name of the model that answered."""
        variant, _ = parted(served.admission.level)
        path = self.settings.variants.get(variant)
        return self.counting.model_name if path is None else showable(path.stem)

    def _store(self, turn: Turn) -> None:
        now = utc_now()
        runs, completions = Runs(self.store), Completions(self.store, self.run_id)
        failed = [each for each in turn.failed if each.was_admitted]
        with self.store.write():
            if turn.plan is not None:
                Plans(self.store).add(turn.plan, self.run_id)
            if turn.admitted:
                completions.admit(turn.admitted, now)
            if turn.served:
                completions.complete(turn.served, now, self.counting)
                if self.settings.keep_text:
                    completions.keep_texts(turn.served, self.settings.keep_text_limit)
                    self.reservoir.offer(self.counting.conditions.model, turn.served, now)
                if self.learns_as is not None:
                    learned = samples(turn.served, self.settings.max_tokens)
                    Profiles(self.store).learn(self.learns_as, learned, now)
            completions.fail(failed, now)
            runs.add_rejected(self.run_id, len(turn.failed) - len(failed))
            runs.add_meter(self.run_id, *self.unstored_j)
        self.unstored_j = (0.0, 0.0)
        self.stored_s = time.perf_counter()

    def _is_meter_due(self) -> bool:
        is_late = time.perf_counter() - self.stored_s >= METERED_EVERY_S
        return is_late and any(self.unstored_j)

    def _tell(self, failures: Iterable[Failed]) -> None:
        for number, failure in enumerate(failures, start=self.tally.num_failed):
            if number < MAX_SHOWN_FAILURES:
                self.out.error(f"{self.source}:{failure.line_no}: {failure.reason}")
        lines = [error_line(failure, self.run_id) for failure in failures]
        if lines and self.errors_path is not None:
            if self.errors is None:
                self.errors = outfile.LineFile(self.errors_path, starts_empty=True)
            self.errors.append(lines)
