"""The bodies of `sprout run --check` and `--dry-run`: validate, or estimate; serve nothing."""

from dataclasses import asdict

from sprout.batch.answers import Failed, failed_line
from sprout.batch.prompts import Prompt
from sprout.cli import wiring
from sprout.cli.output import PARTIAL, Out
from sprout.cli.run.flags import RunFlags
from sprout.cli.run.recorder import MAX_SHOWN_FAILURES
from sprout.cli.source import open_prompts
from sprout.config.settings import Settings
from sprout.config.sources import Config
from sprout.planning.backlog import Deadlines, Group
from sprout.planning.deferral import decide
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
    with Store.open(settings.state) as store:
        power = wiring.open_power(config)
        known = wiring.know(store, config, power, flags.intensity)
        snapshot = known.snapshot(wiring.utc_now())
        if flags.is_strict:
            check_strict(snapshot, known.directives)
        missing = unmeasured(snapshot.costs, known.directives)
        now = wiring.utc_now()
        moment, _ = flags.finish_by_moment(now) or (None, False)
        deadlines = Deadlines(now, moment)
        backlog: dict[Group, int] = {}
        num_bad = 0
        levels = known.directives.levels
        with open_prompts(flags.source, flags.limit, settings, levels) as (_, prompts):
            for row in prompts:
                if isinstance(row, Prompt):
                    group = deadlines.group_of(row)
                    backlog[group] = backlog.get(group, 0) + 1
                else:
                    num_bad += 1
        num_good = sum(backlog.values())
    out.text(f"{flags.source}: {num_good} prompts to serve, {num_bad} invalid lines")
    out.data |= {"num_valid": num_good, "num_invalid": num_bad, "estimate": None}
    if missing:
        out.text(
            f"no estimate: {', '.join(missing)} never measured with this model, machine and "
            "settings; `sprout profile` measures, and so does the first run"
        )
        return
    rate = wiring.embodied_rate(settings, len(power.gpu_uuids))
    options = wiring.plan_options(settings, rate)
    plan = make(snapshot, known.directives, options, now)
    _show_waiting(out, decide(snapshot, known.directives, options, backlog, now))
    out.data["estimate"] = terminal.estimate_data(plan, num_good)
    for line in terminal.estimate_lines(plan, num_good):
        out.text(line)


def _show_waiting(out: Out, wave: Wave) -> None:
    """Say when prompts with a deadline would be served, by the forecast of now."""
    if wave.reason is not None:
        out.text(f"not waiting for greener hours: {wave.reason}")
    used = [slot for slot in wave.slots if slot.num_prompts >= MIN_SHOWN]
    out.data["slots"] = [asdict(slot) for slot in used]
    for slot in used:
        out.text(
            f"{slot.start.astimezone():%a %H:%M} to {slot.end.astimezone():%H:%M}  "
            f"{slot.num_prompts:.0f} prompts at {slot.g_per_kwh:.0f} g/kWh ({slot.mark})"
        )
