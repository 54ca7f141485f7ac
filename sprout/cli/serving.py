"""The body of `sprout run`."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from sprout import outfile
from sprout.answers import Counting
from sprout.carbon import EmbodiedRate
from sprout.cli import batch, interrupt, wiring
from sprout.cli.measuring import CALIBRATION, bundled_prompts, measure_levels
from sprout.cli.output import PARTIAL, Out
from sprout.cli.progress import progress
from sprout.cli.recorder import Recorder
from sprout.cli.source import Lines, open_prompts
from sprout.config import Config, Settings, model_path
from sprout.costs import ALL_TASKS, Cost
from sprout.engine.base import Engine
from sprout.engine.open import open_engine
from sprout.grid import yearly
from sprout.meter.sampler import Sampler
from sprout.metering import MeteredEngine
from sprout.plan import check_strict, unmeasured
from sprout.report import terminal
from sprout.report.summary import RunSummary, saving
from sprout.run import Job, Turn
from sprout.run import serve as serve_prompts
from sprout.state.profiles import Profiles
from sprout.state.runs import Run, Runs
from sprout.state.store import Store

POLL_S = 0.05  # how often a pipe is asked for its next line while nothing runs


@dataclass(frozen=True, slots=True)
class RunFlags:
    """The flags of a run that are no settings."""

    source: str
    output: Path | None
    errors: Path | None
    limit: int | None
    intensity: float | None
    overwrites: bool
    retries_errors: bool
    learns: bool
    shares_prefixes: bool
    is_strict: bool

    @property
    def errors_path(self) -> Path | None:
        """Where failed lines go; None: they are only said."""
        return self.errors or (outfile.errors_path(self.output) if self.output else None)


def serve(out: Out, flags: RunFlags, config: Config) -> None:
    """Serve the batch."""
    settings = config.settings
    _check_places(flags, settings)
    with ExitStack() as stack:
        stop = stack.enter_context(interrupt.catching())
        store = stack.enter_context(Store.open(settings.state))
        stack.enter_context(batch.locked(flags.output, settings.state.parent / "locks"))
        power = wiring.open_power(config)
        known = wiring.know(store, config, power, flags.intensity)
        # what is refused is refused here, before the model loads and OUT is touched
        snapshot = known.snapshot(wiring.utc_now())
        if flags.is_strict:
            check_strict(snapshot, known.directives)
        rate = wiring.embodied_rate(settings, len(power.gpu_uuids))
        lines, prompts = stack.enter_context(
            open_prompts(flags.source, flags.limit, settings, known.directives)
        )
        target = _target(out, store, flags)
        engine, sampler = _engine(stack, config, flags, power)
        for note in power.notes:
            out.note(note)
        _calibrate(out, known, MeteredEngine(engine, sampler), stop)
        plan_at = batch.plan_of(known, target, wiring.plan_options(settings, rate))
        job = Job(
            directives=known.directives,
            engine=MeteredEngine(engine, sampler),  # its books begin after the calibration
            energy_method=power.meter.method,
            pue=settings.pue,
            embodied_g_per_s=rate.g_per_s,
            plan_at=plan_at,
            counts_of=batch.counts_of(store, target),
            recall=batch.memory_of(store, target, known.directives),
            now=wiring.utc_now,
            has_line=lines.has_line,
            wait=lambda: time.sleep(POLL_S),
            should_stop=stop.came,
        )
        recorder = _recorder(out, flags, known, target, rate)
        with closing(recorder):
            _loop(out, lines, serve_prompts(prompts, job), recorder)
        is_complete = stop.exit_code is None and lines.is_exhausted
        if is_complete:
            Runs(store).finish(recorder.run_id, wiring.utc_now())
        summary = _summary(known, recorder, rate, is_complete=is_complete)
        _close(out, recorder, summary, stop)


def _loop(out: Out, lines: Lines, turns: Iterator[Turn], recorder: Recorder) -> None:
    started_s = time.perf_counter()
    with progress(out, "serving", prints=recorder.answers is None) as bar:
        for turn in turns:
            if turn.plan is not None:
                for note in turn.plan.notes:
                    out.note(note)
            recorder.record(turn)
            elapsed_s = time.perf_counter() - started_s
            words = terminal.progress_words(recorder.tally, recorder.saved_g, elapsed_s)
            bar.update(recorder.tally.num_lines, lines.num_expected, words)


def _close(out: Out, recorder: Recorder, summary: RunSummary, stop: interrupt.Interrupt) -> None:
    """Say what the run came to, and end with the exit code for it."""
    tally = recorder.tally
    out.data |= summary.data()
    out.summary(*terminal.run_summary(summary))
    if stop.exit_code is not None:
        out.error(f"stopped after {tally.num_served} answers; the same command continues")
        out.finish(stop.exit_code, ("interrupted",))
    if tally.num_failed:
        where = f"; see {recorder.errors_path}" if recorder.errors_path else ""
        message = f"{tally.num_failed} of {tally.num_lines} lines failed{where}"
        out.error(message)
        out.finish(PARTIAL, (message,))


def _summary(
    known: wiring.Known, recorder: Recorder, rate: EmbodiedRate, *, is_complete: bool
) -> RunSummary:
    settings = known.config.settings
    base_key = known.directives.directives[0].key
    base = Profiles(known.store).costs(known.conditions).get((base_key, ALL_TASKS), Cost())
    return RunSummary(
        run_id=recorder.run_id,
        tally=recorder.tally,
        saving=saving(recorder.tally, base, settings.pue, rate.g_per_s),
        plan=recorder.plan,
        energy_method=known.conditions.energy_method,
        is_energy_estimated=known.is_energy_estimated,
        embodied=rate,
        pue=settings.pue,
        is_complete=is_complete,
    )


def _check_places(flags: RunFlags, settings: Settings) -> None:
    """Refuse to write where nothing can be written, or over a file that is read."""
    written = [path for path in (flags.output, flags.errors_path) if path is not None]
    read_files = [model_path(settings), settings.state]
    if flags.source != "-":
        read_files.append(Path(flags.source))
    batch.check_places(written, read_files)
    if flags.errors_path is not None and not flags.overwrites:
        outfile.check_errors_file(flags.errors_path)


def _target(out: Out, store: Store, flags: RunFlags) -> batch.Target:
    target = batch.choose_target(
        store,
        flags.output,
        wiring.utc_now(),
        overwrite=flags.overwrites,
        retries_errors=flags.retries_errors,
    )
    if target.is_resumed:
        out.note(f"continuing {target.run_id}")
    return target


def _engine(
    stack: ExitStack, config: Config, flags: RunFlags, power: wiring.Power
) -> tuple[Engine, Sampler]:
    options = wiring.engine_options(config.settings, shares_prefixes=flags.shares_prefixes)
    engine = open_engine(model_path(config.settings), options, wiring.utc_now())
    stack.callback(engine.close)
    sampler = stack.enter_context(Sampler(power.meter))
    return engine, sampler


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
    out: Out, flags: RunFlags, known: wiring.Known, target: batch.Target, rate: EmbodiedRate
) -> Recorder:
    """Record the run and open its files."""
    settings = known.config.settings
    runs = Runs(known.store)
    if not target.is_resumed:
        runs.start(
            Run(
                id=target.run_id,
                started_at=wiring.utc_now(),
                input=flags.source,
                output=str(target.output) if target.output else None,
                model=known.conditions.model,
                machine=known.conditions.machine,
                zone=settings.zone or yearly.WORLD,
                energy_method=known.conditions.energy_method,
                pue=settings.pue,
                embodied_preset=rate.preset,
                embodied_g_per_s=rate.g_per_s,
            )
        )
    if flags.errors_path is not None:
        outfile.remove(flags.errors_path)  # it tells of this invocation alone
    answers = None
    if target.output is not None:
        answers = outfile.LineFile(target.output, starts_empty=not target.is_resumed)
    return Recorder(
        out=out,
        store=known.store,
        settings=settings,
        run_id=target.run_id,
        counting=Counting(known.conditions, model_path(settings).stem, settings.pue, rate),
        source=flags.source,
        answers=answers,
        errors_path=flags.errors_path,
        learns_as=known.conditions if flags.learns else None,
        changed=set(target.repeated),
    )
