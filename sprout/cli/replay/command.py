"""`sprout replay`: what schemes would have saved over recorded traces."""

from pathlib import Path
from typing import Annotated

import typer

from sprout.cli import options, output


def replay(
    data: Annotated[
        str,
        typer.Option(metavar="DIR", help="Folder of recorded hours, or `store`: this store's own."),
    ],
    region: Annotated[
        list[str] | None,
        typer.Option("--region", "-r", help="Region; again for more [default: all]."),
    ] = None,
    start_hour: Annotated[
        int | None,
        typer.Option(
            min=0, metavar="H", help="First hour of the record [default: 800; of a store: 0]."
        ),
    ] = None,
    hours: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="How many hours [default: 720, or what is left]."),
    ] = None,
    policy: Annotated[
        list[str] | None,
        typer.Option(
            "--policy", "-p", help="Policy; again for more; `all`: every one that the data allow."
        ),
    ] = None,
    seeds: Annotated[
        int, typer.Option(min=1, metavar="K", help="Independent draws of what is judged.")
    ] = 3,
    inputs: Annotated[
        str, typer.Option(help="sampled: verdicts drawn from the pool; hourly: as recorded.")
    ] = "sampled",
    tolerance: options.Tolerance = None,
    floor: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="The same floor in every hour, of L0's preference."),
    ] = None,
    class_floor: options.ClassFloor = None,
    confidence: options.Confidence = None,
    judged: Annotated[
        int,
        typer.Option(min=1, max=1_000_000_000, metavar="N", help="Prompts judged per assessment."),
    ] = 1000,
    trailing: Annotated[
        bool,
        typer.Option(
            "--trailing", help="Judge when the grid is greener than so far, not than all month."
        ),
    ] = False,
    split: Annotated[
        bool,
        typer.Option("--split", help="Estimate on one half of the prompts, evaluate on the other."),
    ] = False,
    labels_right: Annotated[
        float,
        typer.Option(min=0, max=1, help="Share of prompts whose task a classifier tells right."),
    ] = 1.0,
    foresight: Annotated[
        str,
        typer.Option(
            help="What horizon policies believe: truth, forecast (Sprout's own), yesterday "
            "(again), unchanged."
        ),
    ] = "truth",
    mix: Annotated[
        str,
        typer.Option(
            help="Task mix that policies are told: hour (its own), past (of the hours before, as "
            "a run is)."
        ),
    ] = "hour",
    quality: Annotated[
        str, typer.Option(help="preference, or accuracy: correct answers instead of verdicts.")
    ] = "preference",
    factor: Annotated[
        str | None,
        typer.Option(
            help="Emission factors: direct or lifecycle [default: direct, or as a store served]."
        ),
    ] = None,
    levels: Annotated[
        str | None, typer.Option(metavar="L0,L2", help="Use these levels only; L0 first.")
    ] = None,
    csv: Annotated[
        Path | None, typer.Option(readable=False, metavar="FILE", help="Write the rows here.")
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            readable=False, metavar="FOLDER", help="Draw two pictures there (pip install .[plot])."
        ),
    ] = None,
    state: options.State = None,
    config: options.ConfigFile = None,
    json: options.Json = False,
    quiet: options.QuietResults = False,
) -> None:
    """Replay recorded hours under any policy, and show what each saves and what it costs.

    Every policy goes through the code that plans `sprout run`. Shows carbon saved against all-L0,
    preference against L0's, how often the floor was missed by a point, and the task that lost most.
    The folder's format, the policies and the paper's tables: sprout-replay(7). With `store` the
    hours are those that this store has served.

    Example: sprout replay --data store
    """
    with output.command("replay", json=json, quiet=quiet) as out:
        from sprout.cli.replay import replaying
        from sprout.config.sources import load

        configured = load(
            {
                "state": state,
                "tolerance": tolerance,
                "class_floor": class_floor,
                "confidence": confidence,
            },
            config,
        )
        flags = replaying.ReplayFlags(
            data=data,
            regions=tuple(dict.fromkeys(region or ())),
            policies=tuple(policy or ()),
            start_hour=start_hour,
            num_hours=hours,
            num_seeds=seeds,
            inputs=inputs,
            floor=floor,
            num_judged=judged,
            mix=mix,
            knows_month=not trailing,
            is_split=split,
            labels_right=labels_right,
            foresight=foresight,
            quality=quality,
            factor=factor,
            levels=tuple(dict.fromkeys(levels.split(","))) if levels else (),
            csv=csv,
            plot=plot,
        )
        replaying.show(out, flags, configured)
