"""The body of `sprout status`."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sprout.cli import wiring
from sprout.cli.grid.asking import series, target_of
from sprout.cli.grid.backtesting import backtest_data, backtest_words
from sprout.cli.grid.outlook import outlook
from sprout.cli.output import Out
from sprout.clock import to_text
from sprout.config.sources import Config
from sprout.grid.open import about
from sprout.report import terminal
from sprout.report.units import counted
from sprout.state.grid_log import GridLog
from sprout.state.intensities import Intensities
from sprout.state.plans import Plans
from sprout.state.profiles import Profiles
from sprout.state.runs import Runs
from sprout.state.store import Store


def show(out: Out, config: Config) -> None:
    """Show grid, profiles, the latest plan and runs; then the settings, which are many."""
    with Store.open(config.settings.state) as store:
        _show_grid(out, config, store)
        _show_profiles(out, store)
        _show_runs(out, store)
    _show_settings(out, config)


def _show_settings(out: Out, config: Config) -> None:
    values = asdict(config.settings)
    out.data["config_file"] = str(config.file)
    out.data["settings"] = {
        name: {"value": _json(value), "source": config.sources[name]}
        for name, value in values.items()
    }
    rows = [(name, _plain(value), config.sources[name]) for name, value in values.items()]
    missing = "" if config.file.exists() else ": not there, `sprout init` writes one"
    out.text(f"settings ({config.file}{missing})")
    out.table(terminal.words_table(rows, ("setting", "value", "from")))  # paths stay whole


def _show_grid(out: Out, config: Config, store: Store) -> None:
    # what is known, without asking anybody
    grid = outlook(store, config, None, wiring.utc_now(), fetches=False).reading
    stored, provider = Intensities(store).zones(), _provider(config, store)
    wanted = series(config.settings)
    tested = None if wanted is None else GridLog(store).backtest(wanted)
    out.data["grid"] = {
        "zone": grid.intensity.zone,
        "intensity_g_per_kwh": grid.intensity.g_per_kwh,
        "mark": grid.mark,
        "source": grid.intensity.source,
        "range_low_g_per_kwh": grid.range.low_g_per_kwh,
        "range_high_g_per_kwh": grid.range.high_g_per_kwh,
        "range_source": grid.range.source,
        "stored": [asdict(row) for row in stored],
        "provider": provider,
        "backtest": None if tested is None else backtest_data(tested),
        "notes": list(grid.notes),
    }
    out.text(
        f"grid  {grid.intensity.g_per_kwh:.0f} g/kWh in {grid.intensity.zone} ({grid.mark}); "
        f"range {grid.range.low_g_per_kwh:.0f}-{grid.range.high_g_per_kwh:.0f} "
        f"({grid.range.source})"
    )
    if provider is not None:
        out.text(_provider_line(provider))
    if tested is not None:
        out.text(f"forecast  {backtest_words(backtest_data(tested))}")
    for row in stored:
        kind = "" if row.kind == "average" else f"{row.kind} "
        out.text(
            f"stored  {row.zone} {kind}{row.factor_type}: {row.num_rows} rows, "
            f"{row.first[:16]} to {row.last[:16]}"
        )


def _provider(config: Config, store: Store) -> dict[str, Any] | None:
    """Return the provider that is set, how its newest fetch went, and which keys there are."""
    settings = config.settings
    if settings.provider is None:
        return None
    keys = {
        name: config.keys.found[name].source if name in config.keys.found else None
        for name in about(settings.provider).key_names
    }
    told: dict[str, Any] = {"name": settings.provider, "keys_from": keys}
    if settings.zone is not None:
        state = GridLog(store).state(target_of(settings).asked)
        told |= {
            "fetched_at": None if state.fetched_at is None else to_text(state.fetched_at),
            "error": state.error,
        }
    return told


def _provider_line(told: Mapping[str, Any]) -> str:
    missing = [name for name, source in told["keys_from"].items() if source is None]
    keys = f"; missing {', '.join(missing)}" if missing else ""
    error = f"; last error: {told['error']}" if told.get("error") else ""
    return (
        f"provider  {told['name']}, last fetched {told.get('fetched_at') or 'never'}{keys}{error}"
    )


def _show_profiles(out: Out, store: Store) -> None:
    known = Profiles(store).known_conditions()
    out.data["profiles"] = [
        asdict(conditions) | {"num_requests": count, "updated_at": updated}
        for conditions, count, updated in known
    ]
    if not known:
        out.text("profiles  none yet: `sprout profile`, or the first run, measures")
    for conditions, count, updated in known:
        out.text(
            f"profile  model {conditions.model}, parallel {conditions.parallel}, max_tokens "
            f"{conditions.max_tokens}, {conditions.energy_method}: {count} requests, last "
            f"{updated[:16]} ({conditions.machine})"
        )


def _show_runs(out: Out, store: Store) -> None:
    plan, latest = Plans(store).latest(), Runs(store).newest(5)
    out.data["plan"] = terminal.plan_data(plan) if plan else None
    out.data["runs"] = latest
    if plan is not None:
        mix = ", ".join(f"{level.level} {100 * level.share:.0f} %" for level in plan.levels)
        out.text(f"latest plan  {plan.id}: {mix}; preference from {plan.preference_source}")
    for run in latest:
        state = "finished" if run["finished_at"] else "unfinished"
        rejected = (
            f", {counted(run['num_rejected'], 'line')} rejected" if run["num_rejected"] else ""
        )
        out.text(
            f"run  {run['run_id']} {state}: {run['num_answered']} answered, "
            f"{run['num_failed']} failed{rejected}; {run['input']} -> "
            f"{run['output'] or 'standard output'}"
        )


def _plain(value: object) -> str:
    found = _json(value)
    if isinstance(found, dict):
        found = ", ".join(f"{name}={each}" for name, each in found.items())
    if isinstance(found, bool):
        return str(found).lower()  # as sprout.toml writes it
    return "not set" if found in (None, [], "") else str(found)


def _json(value: object) -> object:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, dict):
        return {name: _json(each) for name, each in value.items()}
    return list(value) if isinstance(value, tuple) else value
