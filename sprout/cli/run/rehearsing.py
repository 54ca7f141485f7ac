"""The bodies of `sprout run --check` and `--dry-run`: validate, or estimate; serve nothing."""

import sys
from dataclasses import asdict

from sprout.batch import outfile
from sprout.batch.answers import Failed, failed_line
from sprout.batch.prompts import Prompt, Rejected
from sprout.cli import wiring
from sprout.cli.output import PARTIAL, Out
from sprout.cli.run.flags import RunFlags
from sprout.cli.run.memory import Memory, target_of
from sprout.cli.run.recorder import MAX_SHOWN_FAILURES
from sprout.cli.run.target import Target, check_places, past_waits
from sprout.cli.run.waiting import waits
from sprout.cli.source import open_prompts
from sprout.clock import to_text
from sprout.config.settings import Settings
from sprout.config.sources import Config
from sprout.planning.backlog import Deadlines, Group
from sprout.planning.deferral import decide
from sprout.planning.estimate import estimate
from sprout.planning.planner import make, unmeasured
from sprout.planning.strict import check_strict
from sprout.planning.wave import Wave
from sprout.report import terminal
from sprout.state.store import Store

MIN_SHOWN = 0.5  # of a prompt, in a slot


def check(out: Out, flags: RunFlags, settings: Settings) -> None:
    """Validate every line, naming each bad one."""
    levels = wiring.level_names(settings)
    num_good = num_bad = 0
    shown: list[Failed] = []
    with open_prompts(flags.source, flags.limit, settings, levels) as (_, prompts):
        for row in prompts:
            if isinstance(row, Prompt):
                num_good += 1
                continue
            num_bad += 1
            if num_bad <= MAX_SHOWN_FAILURES:
                out.error(f"{flags.source}:{row.line_no}: {row.reason}")
                shown.append(failed_line(row))
    out.data |= {
        "num_valid": num_good,
        "num_invalid": num_bad,
        "first_invalid": [asdict(failed) for failed in shown],
    }
    out.text(f"{flags.source}: {num_good} valid, {num_bad} invalid")
    if num_bad:
        out.finish(PARTIAL, (f"{num_bad} invalid lines",))


def dry_run(out: Out, flags: RunFlags, config: Config) -> None:
    """Say what serving would cost, from what is known; serve nothing."""
    settings = config.settings
    flags.check_consistent()
    check_places(flags, settings)
    with Store.open(settings.state) as store:
        power = wiring.open_power(config)
        known = wiring.know(store, config, power, flags.intensity)
        now = wiring.utc_now()
        snapshot = known.snapshot(now)
        if flags.is_strict:
            check_strict(snapshot, known.directives)
        finish_by = flags.finish_by_moment(now)
        target = target_of(flags, known, now)
        past = past_waits(store, target)
        waiting = waits(flags.source, finish_by, past, snapshot.grid.intensity.g_per_kwh)
        deadlines = Deadlines(now, waiting.finish_by if waiting else None)
        backlog, num_skipped, num_bad = _count(flags, known, target, deadlines)
    num_left = sum(backlog.values())
    skipped = f", {num_skipped} answered before" if num_skipped else ""
    out.text(f"{flags.source}: {num_left} prompts to serve{skipped}, {num_bad} invalid lines")
    out.data |= {
        "num_valid": num_left + num_skipped,
        "num_skipped": num_skipped,
        "num_invalid": num_bad,
        "estimate": None,
    }
    if missing := unmeasured(snapshot.costs, known.directives):
        out.text(
            f"no estimate: {', '.join(missing)} never measured with this model, machine and "
            "settings; `sprout profile` measures, and so does the first run"
        )
        return
    rate = wiring.embodied_rate(settings, len(power.gpu_uuids))
    options = wiring.plan_options(settings, rate)
    plan = make(snapshot, known.directives, options, now)
    _show_waiting(out, decide(snapshot, known.directives, options, backlog, now))
    expected = estimate(plan, backlog)
    out.data["estimate"] = terminal.estimate_data(plan, expected)
    for line in terminal.estimate_lines(plan, expected):
        out.text(line)


def _count(
    flags: RunFlags, known: wiring.Known, target: Target, deadlines: Deadlines
) -> tuple[dict[Group, int], int, int]:
    """Return the prompts that are left to serve, and how many are answered, or invalid."""
    memory = Memory(known, target, is_blank=not target.is_resumed)
    # the store will know these answers once they are adopted
    adopted = target.output if target.is_adopted else None
    answered = outfile.first_answers(adopted, sys.maxsize) if adopted else {}
    backlog: dict[Group, int] = {}
    num_skipped = num_bad = 0
    settings, levels = known.config.settings, known.directives.levels
    with open_prompts(flags.source, flags.limit, settings, levels) as (_, prompts):
        for row in prompts:
            if isinstance(row, Rejected):
                num_bad += 1
            elif memory.is_answered(row) or answered.get(row.id) == row.content_hash:
                num_skipped += 1
            else:
                group = deadlines.group_of(row)
                backlog[group] = backlog.get(group, 0) + 1
    return backlog, num_skipped, num_bad


def _show_waiting(out: Out, wave: Wave) -> None:
    """Say when prompts with a deadline would be served, by the forecast of now."""
    if wave.reason is not None:
        out.text(f"not waiting for greener hours: {wave.reason}")
    used = [slot for slot in wave.slots if slot.num_prompts >= MIN_SHOWN]
    out.data["slots"] = [
        asdict(slot) | {"start": to_text(slot.start), "end": to_text(slot.end)} for slot in used
    ]
    for slot in used:
        out.text(
            f"{slot.start.astimezone():%a %H:%M} to {slot.end.astimezone():%H:%M}  "
            f"{slot.num_prompts:.0f} prompts at {slot.g_per_kwh:.0f} g/kWh ({slot.mark})"
        )
