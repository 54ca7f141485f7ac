"""The body of `sprout run`."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sprout.batch import outfile
from sprout.batch.answers import Counting
from sprout.batch.prompts import Prompt, Rejected
from sprout.carbon import EmbodiedRate
from sprout.cli import interrupt, wiring
from sprout.cli.host import Host
from sprout.cli.measuring import CALIBRATION, bundled_prompts, measure_levels
from sprout.cli.output import PARTIAL, Out
from sprout.cli.progress import progress
from sprout.cli.run.flags import RunFlags
from sprout.cli.run.memory import Memory, target_of
from sprout.cli.run.recorder import Recorder
from sprout.cli.run.remaining import Remaining
from sprout.cli.run.target import Target, check_places, locked, past_waits, restored
from sprout.cli.run.waiting import waits
from sprout.cli.run.waves import Waves
from sprout.cli.run.waves import serve as serve_waves
from sprout.cli.source import Lines, Rows, is_pipe, open_rows
from sprout.config.sources import Config, model_path
from sprout.grid import yearly
from sprout.metering import MeteredEngine
from sprout.planning.backlog import Deadlines
from sprout.planning.deferral import decide
from sprout.planning.planner import unmeasured
from sprout.planning.strict import check_strict
from sprout.planning.wave import WAITING, Waiting
from sprout.report import terminal
from sprout.report.foreign import showable
from sprout.report.summary import RunSummary, saved
from sprout.run import Job, Turn
from sprout.run import serve as serve_prompts
from sprout.state.profiles import Profiles
from sprout.state.reports import baselines
from sprout.state.reservoir import Reservoir
from sprout.state.runs import Run, Runs, Waits
from sprout.state.store import Store

POLL_S = 0.05  # how often a pipe is asked for its next line while nothing runs


@dataclass(frozen=True, slots=True)
class _Parts:
    """What the parts of a run share."""

    out: Out
    flags: RunFlags
    known: wiring.Known
    rate: EmbodiedRate
    host: Host
    recorder: Recorder
    memory: Memory
    waits: Waits | None
    stop: interrupt.Interrupt


def serve(out: Out, flags: RunFlags, config: Config) -> None:
    """Serve the batch."""
    settings = config.settings
    flags.check_consistent()
    check_places(flags, settings)
    for warning in wiring.warnings(config):
        out.warning(warning)
    with ExitStack() as stack:
        stop = stack.enter_context(interrupt.catching())
        store = stack.enter_context(Store.open(settings.state))
        stack.enter_context(locked(flags.file, settings.state.parent / "locks"))
        power = wiring.open_power(config)
        known = wiring.know(store, config, power, flags.intensity)
        # what is refused is refused here, before the model loads and OUT is touched
        snapshot = known.snapshot(wiring.utc_now())
        if flags.is_strict:
            check_strict(snapshot, known.directives)
        finish_by = flags.finish_by_moment(wiring.utc_now())
        rate = wiring.embodied_rate(settings, len(power.gpu_uuids))
        look = partial(stop.end_if_came, out)
        lines, prompts = stack.enter_context(_open_rows(flags, known, look))
        target = target_of(flags, known, wiring.utc_now())
        if target.is_resumed:
            if not target.is_adopted:
                target = restored(store, target)
            out.note(f"continuing {target.run_id}")
        engine_options = wiring.engine_options(settings, shares_prefixes=flags.shares_prefixes)
        host = stack.enter_context(closing(Host(config, engine_options, power.meter)))
        for note in power.notes:
            out.note(note)
        _calibrate(out, known, host.open(), stop)
        past = past_waits(store, target)
        waiting = waits(flags.source, finish_by, past, snapshot.grid.intensity.g_per_kwh)
        recorder = _recorder(out, flags, known, target, rate, waiting)
        # a run in waves reads its prompts again and again: what it decided is in the store
        memory = Memory(known, target, is_blank=not target.is_resumed and waiting is None)
        if memory.is_of_another_model:
            out.warning(f"{target.run_id} was begun with another model, whose answers stay")
        parts = _Parts(out, flags, known, rate, host, recorder, memory, waiting, stop)
        with closing(recorder):
            is_complete = _serve_all(parts, lines, prompts)
        if is_complete:
            Runs(store).finish(recorder.run_id, wiring.utc_now())
        _close(parts, _summary(parts, is_complete=is_complete))


def _serve_all(parts: _Parts, lines: Lines, prompts: Rows) -> bool:
    """Serve every line, now or in greener hours; return whether nothing is left."""
    if parts.waits is None:
        # behind a blank line of a pipe the writer may wait for its answers: they come first
        _serve_rows(parts, lines, (WAITING if row is None else row for row in prompts))
        return parts.stop.exit_code is None and lines.is_exhausted
    out, known, flags, recorder = parts.out, parts.known, parts.flags, parts.recorder
    options = wiring.plan_options(known.config.settings, parts.rate)
    began = Runs(known.store).started_at(recorder.run_id)
    waves = Waves(
        out=out,
        decide=lambda backlog, now: decide(
            known.snapshot(now), known.directives, options, backlog, now
        ),
        serve=lambda lines, rows: _serve_rows(parts, lines, rows),
        rest=parts.host.close,
        stop=parts.stop,
    )
    remaining = Remaining(
        out=out,
        path=Path(flags.source),
        output=flags.output,
        deadlines=Deadlines(began, parts.waits.finish_by),
        open_rows=lambda: _open_rows(flags, known),
        is_answered=parts.memory.is_answered,
        record=recorder.record,
        should_stop=parts.stop.came,
    )
    with closing(remaining):
        return serve_waves(remaining, waves)


def _serve_rows(parts: _Parts, lines: Lines, rows: Iterator[Prompt | Rejected | Waiting]) -> None:
    """Serve prompts as they come, until there are no more."""
    known, settings, memory = parts.known, parts.known.config.settings, parts.memory
    job = Job(
        directives=known.directives,
        engine=parts.host.open(),  # its books begin after the calibration
        energy_method=known.conditions.energy_method,
        pue=settings.pue,
        embodied_g_per_s=parts.rate.g_per_s,
        plan_at=memory.planning(
            wiring.plan_options(settings, parts.rate), is_strict=parts.flags.is_strict
        ),
        counts_of=memory.counts_of,
        recall=memory.checking() if is_pipe(parts.flags.source) else memory.recall,
        now=wiring.utc_now,
        has_line=lines.has_line,
        wait=lambda: time.sleep(POLL_S),
        should_stop=parts.stop.came,
    )
    _loop(parts.out, lines, serve_prompts(rows, job), parts.recorder)


def _open_rows(
    flags: RunFlags, known: wiring.Known, look: Callable[[], None] = lambda: None
) -> AbstractContextManager[tuple[Lines, Rows]]:
    levels = known.directives.levels
    return open_rows(flags.source, flags.limit, known.config.settings, levels, look)


def _loop(out: Out, lines: Lines, turns: Iterator[Turn], recorder: Recorder) -> None:
    tally, started_s = recorder.tally, time.perf_counter()
    num_before = tally.num_new_tokens  # by earlier waves, whose seconds are not counted here
    with progress(out, "serving", prints=recorder.answers is None) as bar:
        for turn in turns:
            if turn.plan is not None:
                for note in turn.plan.notes:
                    out.note(note)
            recorder.record(turn)
            rate = (tally.num_new_tokens - num_before) / (time.perf_counter() - started_s)
            words = terminal.progress_words(tally, recorder.saved_g, rate)
            bar.update(tally.num_lines, lines.num_expected, words)


def _close(parts: _Parts, summary: RunSummary) -> None:
    """Say what the run came to, and end with the exit code for it."""
    out, recorder, stop = parts.out, parts.recorder, parts.stop
    tally = recorder.tally
    out.data |= summary.data()
    out.summary(*terminal.run_summary(summary))
    if stop.exit_code is not None:
        advice = "the same command continues"
        if parts.flags.file is None:  # it would begin anew, and its shell empty the file behind >
            where = parts.flags.output or "standard output"
            advice = f"with a file as -o, in place of {where}, a run can be continued"
        elif parts.flags.overwrites:
            advice = "the same command without --overwrite continues"
        out.error(f"stopped after {tally.num_served} answers; {advice}")
        out.finish(stop.exit_code, ("interrupted",))
    if tally.num_failed:
        where = f"; see {recorder.errors_path}" if recorder.errors_path else ""
        message = f"{tally.num_failed} of {tally.num_lines} lines failed{where}"
        out.error(message)
        out.finish(PARTIAL, (message,))


def _summary(parts: _Parts, *, is_complete: bool) -> RunSummary:
    known, recorder, rate = parts.known, parts.recorder, parts.rate
    settings = known.config.settings
    of_l0 = baselines(known.store, known.conditions, recorder.run_id)
    return RunSummary(
        run_id=recorder.run_id,
        tally=recorder.tally,
        saved=saved(recorder.tally, recorder.counting, of_l0),
        plan=recorder.plan,
        energy_method=known.conditions.energy_method,
        is_energy_estimated=known.is_energy_estimated,
        embodied=rate,
        pue=settings.pue,
        is_complete=is_complete,
        began_g_per_kwh=parts.waits.began_g_per_kwh if parts.waits else None,
    )


def _calibrate(
    out: Out, known: wiring.Known, engine: MeteredEngine, stop: interrupt.Interrupt
) -> None:
    """Measure the levels when any of them was never measured here."""
    costs = Profiles(known.store).costs(known.conditions)
    if not unmeasured(costs, known.directives):
        return
    out.note("first run with this model, machine and settings: measuring what each level costs")
    prompts = bundled_prompts(known.config.settings)
    measure_levels(out, known, engine, prompts, CALIBRATION, should_stop=stop.came)


def _recorder(
    out: Out,
    flags: RunFlags,
    known: wiring.Known,
    target: Target,
    rate: EmbodiedRate,
    waits: Waits | None,
) -> Recorder:
    """Record the run and open its files."""
    settings = known.config.settings
    runs = Runs(known.store)
    if not target.is_resumed or target.is_adopted:
        runs.start(
            Run(
                id=target.run_id,
                started_at=wiring.utc_now(),
                input=showable(flags.source),  # a file name need not be text
                output=showable(str(target.output)) if target.output else None,
                model=known.conditions.model,
                machine=known.conditions.machine,
                zone=settings.zone or yearly.WORLD,
                energy_method=known.conditions.energy_method,
                pue=settings.pue,
                embodied_preset=rate.preset,
                embodied_g_per_s=rate.g_per_s,
                waits=waits,
            )
        )
    if target.is_adopted:
        target = restored(known.store, target)
    if flags.errors_path is not None:
        outfile.remove(flags.errors_path)  # it tells of this invocation alone
    name = showable(model_path(settings).stem)
    answers = None
    if target.output is not None:
        answers = outfile.LineFile(target.output, starts_empty=not target.is_resumed)
    return Recorder(
        out=out,
        store=known.store,
        settings=settings,
        run_id=target.run_id,
        counting=Counting(known.conditions, name, settings.pue, rate),
        source=flags.source,
        reservoir=Reservoir(known.store, settings.reservoir),
        answers=answers,
        errors_path=flags.errors_path,
        learns_as=known.conditions if flags.learns else None,
        changed=set(target.repeated),
    )
