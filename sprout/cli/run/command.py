"""`sprout run`: serve a batch of prompts."""

from typing import Annotated

import typer

from sprout.cli import options, output


def run(
    source: Annotated[
        str, typer.Argument(metavar="FILE", help="Prompts, one JSON object a line; - for stdin.")
    ],
    out_file: Annotated[
        str | None,
        typer.Option("--output", "-o", metavar="OUT", help="Append answers here; resumable."),
    ] = None,
    errors: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Failed lines [default: OUT.errors.jsonl]."),
    ] = None,
    model: options.Model = None,
    variants: options.Variants = None,
    directives: options.Directives = None,
    max_tokens: options.MaxTokens = None,
    temperature: Annotated[float | None, typer.Option(help="0: greedy [default: 0].")] = None,
    zone: options.Zone = None,
    intensity: options.Intensity = None,
    finish_by: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Wait for green hours, but be done by then: 07:00, 8h, or an ISO time.",
        ),
    ] = None,
    tolerance: options.Tolerance = None,
    policy: options.Policy = None,
    class_floor: options.ClassFloor = None,
    confidence: options.Confidence = None,
    explore: Annotated[
        float | None,
        typer.Option(help="Share of prompts that keeps every level measured [default: 0.02]."),
    ] = None,
    pue: options.Pue = None,
    embodied: options.Embodied = None,
    parallel: options.Parallel = None,
    threads: options.Threads = None,
    ctx: options.Ctx = None,
    gpu_layers: options.GpuLayers = None,
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Serve only the first N lines.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Only validate the lines; needs no model.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Plan and estimate; serve nothing.")
    ] = False,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace OUT, whoever wrote it."),
    ] = False,
    retry_errors: Annotated[
        bool, typer.Option("--retry-errors", help="Continue a finished OUT where lines failed.")
    ] = False,
    adopt: Annotated[
        bool,
        typer.Option("--adopt", help="Continue OUT, which a run of a lost store wrote."),
    ] = False,
    learn: Annotated[
        bool, typer.Option("--learn/--no-learn", help="Learn costs from this run.")
    ] = True,
    share_prefixes: Annotated[
        bool,
        typer.Option("--share-prefixes/--no-share-prefixes", help="Decode common prefixes once."),
    ] = True,
    strict: options.Strict = False,
    state: options.State = None,
    config: options.ConfigFile = None,
    json: options.Json = False,
    quiet: Annotated[
        bool,
        typer.Option(
            "--quiet", "-q", help="Say nothing but errors; answers, --check and --dry-run stay."
        ),
    ] = False,
    verbose: options.Verbose = False,
) -> None:
    """Serve a batch of prompts, each at the directive level that the plan gives it.

    A directive ("Answer briefly.") makes an answer shorter. L0 is the bare prompt, L1, L2, ... add
    one. The plan says what share of the prompts each level gets: see sprout-levels(7).

    Input lines are OpenAI Batch requests, {"messages": [...]} or {"prompt": "..."} objects. Output
    lines are in OpenAI Batch form with a `sprout` object that says what the answer cost: see
    sprout-prompts(5).

    Killed at any moment, the same command with -o continues where it stopped. Prompts that are
    answered are left out; one that changed since is answered again, and its answer replaced. A FILE
    that would replace most answers is refused as another batch.

    With --finish-by, or a `deadline` on a line, prompts wait for the greenest hours of the
    forecast that leave enough time; the process sleeps, with the model unloaded. --dry-run shows
    which hours.

    Example: sprout run prompts.jsonl -o answers.jsonl --zone DE
    """
    with output.command(
        "run", json=json, quiet=quiet, verbose=verbose, shows=check or dry_run
    ) as out:
        from sprout.cli.run import rehearsing, serving
        from sprout.cli.run.flags import RunFlags, place_of
        from sprout.config.sources import load

        configured = load(
            {
                "model": model,
                "variants": variants,
                "directives": directives,
                "max_tokens": max_tokens,
                "temperature": temperature,
                "zone": zone,
                "tolerance": tolerance,
                "policy": policy,
                "class_floor": class_floor,
                "confidence": confidence,
                "explore": explore,
                "pue": pue,
                "embodied": embodied,
                "parallel": parallel,
                "threads": threads,
                "ctx": ctx,
                "gpu_layers": gpu_layers,
                "state": state,
            },
            config,
        )
        flags = RunFlags(
            source=source,
            output=place_of(out_file),
            errors=place_of("/dev/stdout" if errors == "-" else errors),
            limit=limit,
            intensity=intensity,
            finish_by=finish_by,
            overwrites=overwrite,
            retries_errors=retry_errors,
            adopts=adopt,
            learns=learn,
            shares_prefixes=share_prefixes,
            is_strict=strict,
        )
        if check:
            rehearsing.check(out, flags, configured.settings)
        elif dry_run:
            rehearsing.dry_run(out, flags, configured)
        else:
            serving.serve(out, flags, configured)
