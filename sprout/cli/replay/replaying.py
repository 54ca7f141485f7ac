"""The body of `sprout replay`."""

import csv
from dataclasses import dataclass
from pathlib import Path

from sprout.cli import interrupt
from sprout.cli.output import Out
from sprout.cli.replay import history
from sprout.config.sources import Config
from sprout.errors import DiskError, InputError, NoInputError, UsageError
from sprout.planning.outlook import Limits
from sprout.planning.policies import POLICIES
from sprout.replay.exact import replay_exactly
from sprout.replay.foresight import FORESIGHTS
from sprout.replay.replay import Replayed, needs, replay
from sprout.replay.stage import AUTHORS_FEBRUARY_HOUR, STATIC_HOURS, Options
from sprout.replay.traces import COLUMNS, read_world
from sprout.replay.world import World, only_levels
from sprout.report import replayed
from sprout.report.foreign import cell
from sprout.state.store import Store

STORE = "store"
ALL = "all"
DIRECT = "direct"
DEFAULT_POLICIES = (
    "base",
    "co2-opt",
    "sprout-sta",
    "sprout",
    "oracle",
    "class-robust",
    "class-fair",
)
INPUTS = ("sampled", "hourly")
QUALITIES = ("preference", "accuracy")
MIXES = ("hour", "past")


@dataclass(frozen=True, slots=True)
class ReplayFlags:
    """The flags of a replay that are no settings."""

    data: str
    regions: tuple[str, ...]
    policies: tuple[str, ...]
    start_hour: int | None
    num_hours: int | None
    num_seeds: int
    inputs: str
    floor: float | None
    num_judged: int
    mix: str
    knows_month: bool
    is_split: bool
    labels_right: float
    foresight: str
    quality: str
    factor: str | None
    levels: tuple[str, ...]
    csv: Path | None
    plot: Path | None

    @property
    def is_exact(self) -> bool:
        """Whether every hour's inputs are taken as recorded."""
        return self.inputs == "hourly"


def show(out: Out, flags: ReplayFlags, config: Config) -> None:
    """Replay and show."""
    _check(flags)
    world = _world(flags, config)
    regions = _regions(flags, world)
    names = _policies(out, flags, world)
    options = _options(flags, config, world, regions)
    for note in world.notes:
        out.text(note)
    if world.variants is not None and "model-opt" in names:
        out.note(world.variants.note)
    run = replay_exactly if flags.is_exact else replay
    found = []
    try:
        with interrupt.catching() as stop:
            for each in run(world, regions, names, options):
                found.append(each)
                out.note(replayed.progress_line(each))
                if stop.came():
                    break
    except ValueError as error:
        raise InputError(f"{flags.data}: {error}") from error
    rows = replayed.rows(found, world, options)
    out.data |= {
        "data": flags.data,
        "inputs": flags.inputs,
        "quality": world.quality,
        "seeds": 1 if flags.is_exact else options.num_seeds,
        "judged_per_assessment": options.num_judged,
        "tasks": list(world.tasks),
        "levels": list(world.levels),
        "rows": rows,
        "notes": list(world.notes),
    }
    out.table(replayed.table(found, world, options))
    if stop.exit_code is not None:
        num_all = len(regions) * len(names)
        out.error(f"stopped after {len(found)} of {num_all} policies in their regions")
        out.finish(stop.exit_code, ("interrupted",))
    if flags.csv is not None:
        _write_csv(flags.csv, rows)
    if flags.plot is not None:
        _draw(out, flags.plot, found, world)


def _check(flags: ReplayFlags) -> None:
    """Refuse what is not one of the choices."""
    choices = (
        ("inputs", flags.inputs, INPUTS),
        ("quality", flags.quality, QUALITIES),
        ("factor", flags.factor or DIRECT, tuple(COLUMNS)),
        ("foresight", flags.foresight, tuple(FORESIGHTS)),
        ("mix", flags.mix, MIXES),
    )
    for name, value, known in choices:
        if value not in known:
            raise UsageError(f"--{name} {value!r}: choose one of {', '.join(known)}")
    if flags.data == STORE and flags.quality != QUALITIES[0]:
        raise UsageError(
            f"--data {STORE}: no --quality, a store keeps which answers were preferred, "
            "not which were correct"
        )
    if flags.is_exact and (flags.is_split or flags.quality != QUALITIES[0]):
        raise UsageError("--inputs hourly replays what was recorded: no --split, no --quality")


def _world(flags: ReplayFlags, config: Config) -> World:
    if flags.data == STORE:
        with Store.open(config.settings.state) as store:
            world = history.read_world(store, config.settings, flags.factor)
    else:
        factor = flags.factor or DIRECT
        world = read_world(Path(flags.data), quality=flags.quality, factor=factor)
    if not flags.levels:
        return world
    unknown = [level for level in flags.levels if level not in world.levels]
    if unknown or flags.levels[0] != world.levels[0]:
        raise UsageError(
            f"--levels {','.join(flags.levels)}: begin with {world.levels[0]} and choose among "
            f"{', '.join(world.levels)}"
        )
    return only_levels(world, flags.levels)


def _regions(flags: ReplayFlags, world: World) -> tuple[str, ...]:
    known = tuple(world.intensity_g_per_kwh)
    unknown = [region for region in flags.regions if region not in known]
    if unknown:
        raise UsageError(
            f"no region {', '.join(unknown)} in {flags.data}: it has {', '.join(known)}"
        )
    return flags.regions or known


def _policies(out: Out, flags: ReplayFlags, world: World) -> tuple[str, ...]:
    """Return the policies to replay; what was not asked for by name is left out where it must."""
    if flags.is_exact and world.hourly is None:
        raise NoInputError(f"{flags.data}: no hourly_inputs.csv, which --inputs hourly replays")
    unknown = [name for name in flags.policies if name not in POLICIES and name != ALL]
    if unknown:
        raise UsageError(f"no policy {', '.join(unknown)}: choose among {', '.join(POLICIES)}, all")
    wanted = tuple(POLICIES) if ALL in flags.policies else flags.policies or DEFAULT_POLICIES
    lacking = {name: needs(world, name, is_exact=flags.is_exact) for name in wanted}
    if flags.policies and ALL not in flags.policies:
        for name, lack in lacking.items():
            if lack is not None:
                raise InputError(f"{name} needs {lack}, which {flags.data} does not have")
    for name, lack in lacking.items():
        if lack is not None:
            out.note(f"{name} is left out: it needs {lack}")
    return tuple(dict.fromkeys(name for name in wanted if lacking[name] is None))


def _options(flags: ReplayFlags, config: Config, world: World, regions: tuple[str, ...]) -> Options:
    settings = config.settings
    shortest = min(len(world.intensity_g_per_kwh[region]) for region in regions)
    paper_end = AUTHORS_FEBRUARY_HOUR + STATIC_HOURS
    start = flags.start_hour
    if start is None:
        is_the_papers = shortest >= paper_end and not world.is_parallel
        start = AUTHORS_FEBRUARY_HOUR if is_the_papers else 0
    return Options(
        start_hour=start,
        num_hours=flags.num_hours or max(1, min(STATIC_HOURS, shortest - start)),
        num_seeds=flags.num_seeds,
        limits=Limits(settings.tolerance, settings.class_floor, settings.confidence),
        floor=flags.floor,
        num_judged=flags.num_judged,
        is_split=flags.is_split,
        labels_right=flags.labels_right,
        foresight=flags.foresight,
        knows_mix=flags.mix == MIXES[0],
        knows_month=flags.knows_month,
    )


def _write_csv(path: Path, rows: list[dict[str, object]]) -> None:
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(
                {name: cell(v) if isinstance(v, str) else v for name, v in row.items()}
                for row in rows
            )
    except OSError as error:
        raise DiskError(f"{path} cannot be written: {error.strerror}") from error


def _draw(out: Out, folder: Path, found: list[Replayed], world: World) -> None:
    try:
        from sprout.report import pictures
    except ImportError as error:
        raise UsageError(
            "--plot needs matplotlib: pip install matplotlib, or install sprout-llm[plot]"
        ) from error
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path in pictures.draw(found, world, folder):
            out.text(f"picture  {path}")
    except OSError as error:
        raise DiskError(f"{folder} cannot be written: {error.strerror}") from error
