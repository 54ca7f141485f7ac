"""The body of `sprout profile`."""

import sys
from collections import defaultdict
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from sprout import search
from sprout.batch.prompts import Prompt, read
from sprout.chat import Sampling
from sprout.cli import interrupt, wiring
from sprout.cli.measuring import bundled_prompts, measure_levels
from sprout.cli.output import Out
from sprout.cli.preference import known_preference
from sprout.cli.source import open_lines
from sprout.config.settings import Settings
from sprout.config.sources import Config, model_path
from sprout.costs import ALL_TASKS, Cost, Moments
from sprout.directives import BASELINE
from sprout.engine.open import open_engine
from sprout.errors import InputError
from sprout.files.writing import replace_file
from sprout.meter.estimate import EstimateMeter
from sprout.meter.sampler import Sampler
from sprout.metering import MeteredEngine
from sprout.profile import Effort, Measured, idle_power_w
from sprout.report.terminal_fit import fitted
from sprout.state.profiles import Profiles
from sprout.state.store import Store

HEADERS = (
    "level",
    "task",
    "requests",
    "energy J",
    "energy ± SE",
    "energy of L0",
    "busy s",
    "busy ± SE",
    "busy of L0",
    "prompt tokens",
    "new tokens",
)


@dataclass(frozen=True, slots=True)
class ProfileFlags:
    """The flags of a profile that are no settings."""

    source: str | None
    limit: int
    num_repeats: int
    idle_s: float
    proposal: Path | None


def profile(out: Out, flags: ProfileFlags, config: Config) -> dict[tuple[str, str], Cost]:
    """Measure every level, store and show it; return the costs of this profile."""
    settings = config.settings
    prompts = _prompts(out, flags, settings)
    for warning in wiring.warnings(config):
        out.warning(warning)
    with ExitStack() as stack:
        stop = stack.enter_context(interrupt.catching())
        store = stack.enter_context(Store.open(settings.state))
        power = wiring.open_power(config)
        known = wiring.know(store, config, power, None)
        options = wiring.engine_options(settings)
        engine = open_engine(model_path(settings), options, wiring.utc_now())
        stack.callback(engine.close)
        sampler = stack.enter_context(Sampler(power.meter))
        for note in power.notes:
            out.note(note)
        idle_w = None
        if flags.idle_s > 0 and power.meter.method == EstimateMeter.method:
            out.text("idle power is unknown: the estimate sees this process alone")
        elif flags.idle_s > 0:
            idle_w = idle_power_w(sampler, lambda: stop.sleep(flags.idle_s))
            if not stop.came():
                Profiles(store).set_idle(known.conditions, idle_w, flags.idle_s, wiring.utc_now())
        effort = Effort(num_repeats=flags.num_repeats, budget_s=None)
        metered = MeteredEngine(engine, sampler)
        measured = measure_levels(out, known, metered, prompts, effort, should_stop=stop.came)
    if stop.exit_code is not None:
        out.error(f"stopped after {len(measured)} answers, which are stored")
        out.finish(stop.exit_code, ("interrupted",))
    costs = _costs(measured)
    _show(out, known, idle_w, costs)
    return costs


def propose(
    out: Out, flags: ProfileFlags, config: Config, costs: dict[tuple[str, str], Cost]
) -> None:
    """Propose the directives that make this model write less."""
    settings, now = config.settings, wiring.utc_now()
    library = wiring.directive_set(settings.directives)
    tokens = {d.level: costs[d.level, ALL_TASKS] for d in library.directives}
    with Store.open(settings.state) as store:
        conditions = wiring.know(store, config, wiring.open_power(config), None).conditions
        preference = known_preference(store, library, conditions, now, settings)
    shares = None if preference.is_prior else preference.overall
    chosen = search.propose(library, tokens, shares)
    known_by = "tokens alone" if shares is None else f"tokens and preference ({preference.source})"
    text = search.to_toml(chosen, model_path(settings).stem, known_by)
    out.data["proposal_known_by"] = known_by
    out.data["proposal"] = [directive.level for directive in chosen]
    out.data["proposal_toml"] = text
    if len(chosen) == 1:
        out.text("no directive of the library makes this model write clearly less: keep L0 alone")
    if flags.proposal is None:
        if not out.is_json:  # the set itself, to be kept in a file: also when all else is quiet
            out.line(text)
        return
    replace_file(flags.proposal, text)
    out.text(f"wrote {flags.proposal}: use it with --directives {flags.proposal}")


def _prompts(out: Out, flags: ProfileFlags, settings: Settings) -> list[Prompt]:
    if flags.source is None:
        return bundled_prompts(settings)
    defaults = Sampling(max_tokens=settings.max_tokens, temperature=settings.temperature)
    with open_lines(flags.source, None) as lines:
        # a pinned level is no reason to leave a prompt out: every level is measured with it
        levels = wiring.level_names(settings)
        rows = read(lines, defaults=defaults, levels=levels, is_new_id=lambda _id: True)
        taken = list(islice(rows, min(flags.limit, sys.maxsize)))
    prompts = [row for row in taken if isinstance(row, Prompt)]
    if len(prompts) < len(taken):
        out.note(f"{len(taken) - len(prompts)} lines of {flags.source} cannot be served: left out")
    if not prompts:
        raise InputError(f"{flags.source} holds no valid prompt: `sprout run --check` says why")
    return prompts


def _costs(measured: list[Measured]) -> dict[tuple[str, str], Cost]:
    """Return the costs by (level, task) and of all tasks, from these requests alone."""
    costs: defaultdict[tuple[str, str], Cost] = defaultdict(Cost)
    for row in measured:
        for task in dict.fromkeys((row.sample.task, ALL_TASKS)):
            costs[row.level, task] = costs[row.level, task].add(row.sample)
    return dict(costs)


def _show(
    out: Out, known: wiring.Known, idle_w: float | None, costs: dict[tuple[str, str], Cost]
) -> None:
    method = known.conditions.energy_method
    out.data |= {
        "model": known.conditions.model,
        "machine": known.conditions.machine,
        "parallel": known.conditions.parallel,
        "max_tokens": known.conditions.max_tokens,
        "energy_method": method,
        "is_energy_estimated": known.is_energy_estimated,
        "idle_w": idle_w,
    }
    rows, data = [], []
    tasks = sorted({task for _, task in costs})
    for level in known.directives.levels:
        for task in (task for task in tasks if (level, task) in costs):
            cost, base = costs[level, task], costs[BASELINE, task]
            rows.append(_row(level, task, cost, base))
            data.append(_row_data(level, task, cost, base))
    out.data["levels"] = data
    marked = f"{method}, estimated" if known.is_energy_estimated else method
    out.table(fitted(HEADERS, rows, f"cost of a request ({marked})"))
    if idle_w is not None:
        out.text(f"idle {idle_w:.3g} W ({marked})")


def _row(level: str, task: str, cost: Cost, base: Cost) -> tuple[str, ...]:
    return (
        level,
        "all" if task == ALL_TASKS else task or "none",
        str(cost.num_requests),
        f"{cost.energy_j.mean:.3g}",
        _spread(cost.standard_error(cost.energy_j)),
        _percent(_ratio(cost.energy_j, base.energy_j)),
        f"{cost.busy_s.mean:.3g}",
        _spread(cost.standard_error(cost.busy_s)),
        _percent(_ratio(cost.busy_s, base.busy_s)),
        f"{cost.prompt_tokens.mean:.0f}",
        f"{cost.new_tokens.mean:.0f}",
    )


def _row_data(level: str, task: str, cost: Cost, base: Cost) -> dict[str, object]:
    return {
        "level": level,
        "task": None if task == ALL_TASKS else task,
        "num_requests": cost.num_requests,
        "energy_j": cost.energy_j.mean,
        "energy_se_j": cost.standard_error(cost.energy_j),
        "busy_s": cost.busy_s.mean,
        "busy_se_s": cost.standard_error(cost.busy_s),
        "energy_of_base": _ratio(cost.energy_j, base.energy_j),
        "busy_of_base": _ratio(cost.busy_s, base.busy_s),
        "prompt_tokens": cost.prompt_tokens.mean,
        "new_tokens": cost.new_tokens.mean,
        "new_tokens_se": cost.standard_error(cost.new_tokens),
    }


def _ratio(moments: Moments, base: Moments) -> float | None:
    """Return a mean as a part of L0's; None where L0 used nothing that could be measured."""
    return moments.mean / base.mean if base.mean > 0 else None


def _percent(ratio: float | None) -> str:
    return "unknown" if ratio is None else f"{100 * ratio:.0f} %"


def _spread(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.2g}"
