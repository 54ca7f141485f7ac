"""`sprout profile`: measure what each level costs on this model and machine."""

from pathlib import Path
from typing import Annotated

import typer

from sprout.cli import options, output


def profile(
    source: Annotated[
        str | None,
        typer.Argument(metavar="FILE", help="Prompts to measure with [default: packaged ones]."),
    ] = None,
    repeats: Annotated[
        int, typer.Option(min=1, help="Times that each prompt is answered at each level.")
    ] = 3,
    limit: Annotated[
        int, typer.Option(min=1, metavar="N", help="Use only the first N prompts of FILE.")
    ] = 50,
    idle: Annotated[
        float,
        typer.Option(
            min=0, max=3600, metavar="SECONDS", help="Measure the idle machine's power so long."
        ),
    ] = 3.0,
    search: Annotated[
        bool,
        typer.Option("--search", help="Try a library of directives and placements instead."),
    ] = False,
    out_file: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            readable=False,
            metavar="FILE",
            help="With --search: write the set here.",
        ),
    ] = None,
    model: options.Model = None,
    variants: options.Variants = None,
    directives: options.Directives = None,
    max_tokens: options.MaxTokens = None,
    parallel: options.Parallel = None,
    threads: options.Threads = None,
    ctx: options.Ctx = None,
    gpu_layers: options.GpuLayers = None,
    state: options.State = None,
    config: options.ConfigFile = None,
    json: options.Json = False,
    quiet: Annotated[
        bool,
        typer.Option(
            "--quiet", "-q", help="Say nothing but errors; a set that --search prints stays."
        ),
    ] = False,
) -> None:
    """Measure energy, time and tokens of every level on this model and machine.

    Levels take turns, with as many requests at a time as in a run. What is measured is stored for
    `sprout run` and `sprout optimize`; runs keep it fresh.

    With --variant, or `variants` in sprout.toml, other files of the same model (its Q4_0 beside its
    Q8_0, say) are levels too: q4_0/L1 is L1 answered by q4_0. They must have the model's vocabulary
    and chat template. Until `sprout evaluate` has compared them with the same --variant, plans
    explore them and nothing more.

    With --search a library of wordings and placements is tried, and those that make this model
    write less are proposed as a directive set. Once a judge has compared them (`sprout evaluate
    --directives library`), only those are proposed that no other beats in both tokens and
    preference.

    Example: sprout profile --repeats 2
    """
    with output.command("profile", json=json, quiet=quiet, shows=False) as out:
        from sprout.cli import profiling
        from sprout.config.sources import load
        from sprout.errors import UsageError

        if out_file is not None and not search:
            raise UsageError("--output is for the set that --search proposes: add --search")
        if directives is not None and search:
            raise UsageError("--search tries the packaged library: leave --directives out")
        if variants is not None and search:
            raise UsageError("--search is for the model alone: leave --variant out")
        configured = load(
            {
                "model": model,
                "variants": () if search else variants,
                "directives": "library" if search else directives,
                "max_tokens": max_tokens,
                "parallel": parallel,
                "threads": threads,
                "ctx": ctx,
                "gpu_layers": gpu_layers,
                "state": state,
            },
            config,
        )
        flags = profiling.ProfileFlags(
            source=source, limit=limit, num_repeats=repeats, idle_s=idle, proposal=out_file
        )
        measured = profiling.profile(out, flags, configured)
        if search:
            profiling.propose(out, flags, configured, measured)
